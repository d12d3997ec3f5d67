"""Rehearsal of a container's command without Apptainer: no network, an ordinary user, only /output is writable.

The files that the definition copies are in a separate root folder, together with the system's libraries and this
Python. All of them are mounted read-only in namespaces of the process.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")


def can_rehearse() -> bool:
    """Return whether this machine supports the namespaces."""
    return shutil.which("unshare") is not None and subprocess.run([*_unshare(), "true"], check=False).returncode == 0


def _unshare() -> list[str]:
    return ["unshare", "--mount", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


def rehearse(container: Path, images: Path, output: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """Run the command of `container/submission.def`; `root` is an empty folder."""
    text = (container / "submission.def").read_text()
    (command,) = re.findall(r"%runscript\n    exec (.*)\n", text)
    (inside,) = re.findall(r"%files\n    \. (.*)\n", text)
    (section,) = re.findall(r"%environment\n((?:    .*\n)+)", text)
    variables = re.findall(r"export (\w+=.*)", section)
    binds = {"/input": images, "/output": output, inside: container}
    binds |= {str(path): path for path in (Path(sys.base_prefix), Path(sys.prefix), Path("/dev"), Path("/proc"))}
    lines = ["set -e", f"mount -t tmpfs -o mode=755 none {shlex.quote(str(root))}", f"cd {shlex.quote(str(root))}"]
    for name in _SYSTEM:
        if Path(name).is_symlink():
            lines.append(f"ln -s {os.readlink(name)} .{name}")
        elif Path(name).is_dir():
            binds[name] = Path(name)
    for place, source in binds.items():
        lines.append(f"mkdir -p .{shlex.quote(place)}; mount --rbind {shlex.quote(str(source))} .{shlex.quote(place)}")
    fixed = [place for place in binds if place not in ("/output", "/dev", "/proc")]
    lines += [f"mount -o remount,ro,bind .{shlex.quote(place)}" for place in fixed]
    lines.append(f"mount -o remount,ro {shlex.quote(str(root))}")
    # Only root can change to another user. Without root, the process already runs as an ordinary user.
    ordinary = "setpriv --reuid=65534 --regid=65534 --clear-groups" if os.geteuid() == 0 else ""
    path = f"PATH={sys.prefix}/bin:/usr/bin:/bin"
    lines.append(f"exec chroot . {ordinary} env -i {path} {shlex.join(variables)} {command}")
    output.chmod(0o777)
    return subprocess.run([*_unshare(), "sh", "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
