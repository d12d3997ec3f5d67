"""The wheel holds what git has of the package, no more and no less."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINKS = ("methods", "benchmarks", "reports")


def test_the_wheel_holds_what_git_has(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    package = {path for path in listed if path.startswith("oodbench/") and path not in {f"oodbench/{x}" for x in LINKS}}
    linked = {f"oodbench/{path}" for path in listed if path.split("/")[0] in LINKS}
    copy = tmp_path / "source"
    for path in filter(None, listed):
        target = copy / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_symlink():
            target.symlink_to((ROOT / path).readlink())
        elif (ROOT / path).is_file():
            target.write_bytes((ROOT / path).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == package | linked
