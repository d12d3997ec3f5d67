"""The container of a submission to Fishyscapes: an Apptainer definition and all files that it copies.

The container runs without a network, as an ordinary user, on a file system that is read-only except for /output:

    apptainer run --nv --bind OUT:/output,IN:/input submission.sif
"""

from __future__ import annotations

import shlex
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path

from packaging.requirements import Requirement

from oodbench.contracts import Scoring, SubmissionScorer
from oodbench.errors import UsageError
from oodbench.files import cannot_write, write_atomically
from oodbench.text import find_control, shorten

INSIDE = "/opt/submission"
"""Folder of all files in the container."""
_FIT = "fit.safetensors"

_DEFINITION = """\
Bootstrap: docker
From: python:{python}-slim

# In this folder: apptainer build submission.sif submission.def

%files
    . {inside}

%post
    apt-get update
    apt-get install -y --no-install-recommends libgl1 libglib2.0-0
    rm -rf /var/lib/apt/lists/*
    python -m pip install --no-cache-dir -r {inside}/requirements.txt
    chmod -R a+rX {inside}

%environment
    export PYTHONPATH={inside}
    export PYTHONDONTWRITEBYTECODE=1

%runscript
    exec {command}
"""


def write_container(scored: SubmissionScorer, out: Path, target: str) -> str:
    """Write the folder to build the container from; return the command that the container runs.

    Args:
        scored: Method and network of the run.
        out: Folder to create.
        target: Format in which images are written.

    Raises:
        UsageError: The run's scores differ from those of `oodbench predict`, or one of its files is missing.
    """
    if scored.scoring != Scoring():
        raise UsageError(
            f"the run was scored with {scored.scoring.identity()}, and the container uses defaults",
            "Run again without --upsample and --resize.",
        )
    try:
        copy_package(out)
        options = ["--method", scored.spec, "--model", _copy_network(scored.source, out)]
        if scored.card:
            options += ["--model-card", _copy_file(scored.card, out)]
        if scored.fit:
            (out / _FIT).write_bytes(scored.fit)
            options += ["--fit", f"{INSIDE}/{_FIT}"]
        for plugin in scored.plugins:
            options += ["--plugin", _copy_file(plugin, out)]
    except OSError as error:
        raise cannot_write(out, error) from error
    words = ["python", "-m", "oodbench", "predict", "/input", "--format", target, *options, "--out", "/output"]
    if "\n" in (command := shlex.join(words)) or find_control(command):
        raise UsageError(f"{shorten(command)}: expected one line of printable text", "Rename the files, and run again.")
    text = _DEFINITION.format(
        python=f"{sys.version_info.major}.{sys.version_info.minor}", inside=INSIDE, command=command
    )
    write_atomically(out / "submission.def", lambda file: file.write(text.encode()))
    pinned = "".join(f"{line}\n" for line in _pin_requirements(Path(scored.source).is_dir()))
    write_atomically(out / "requirements.txt", lambda file: file.write(pinned.encode()))
    return command


def copy_package(out: Path) -> None:
    """Copy oodbench, with its plugin folders, into the folder `out`.

    In an editable install of a checkout without symbolic links, the plugin folders are outside the package. In their
    place the package has text files, or nothing.
    """
    ignore = shutil.ignore_patterns("__pycache__")
    package = shutil.copytree(str(files("oodbench")), out / "oodbench", ignore=ignore)
    for folder in ("methods", "benchmarks", "reports"):
        if not (package / folder).is_dir():
            (package / folder).unlink(missing_ok=True)
            shutil.copytree(str(files(f"oodbench.{folder}")), package / folder, ignore=ignore)


def _copy_network(source: str, out: Path) -> str:
    """Copy the network with its card and weights, the files next to it with its name; a bundled model is not copied."""
    path = Path(source)
    if path.is_dir():
        shutil.copytree(path, out / path.name)
        return f"{INSIDE}/{path.name}"
    if not path.is_absolute():
        return source
    if not path.is_file():
        raise UsageError(f"{path}: the network of the run is missing", "Restore the file.")
    for beside in sorted(path.parent.glob(f"{path.stem}.*")):
        _copy_file(beside, out)
    return f"{INSIDE}/{path.name}"


def _copy_file(path: Path, out: Path) -> str:
    if not path.is_file():
        raise UsageError(f"{path}: this file of the run is missing", "Restore it, or run again.")
    if not (out / path.name).exists():
        shutil.copy(path, out / path.name)
    return f"{INSIDE}/{path.name}"


def _pin_requirements(transformers: bool) -> list[str]:
    """Return the requirements pinned to the installed versions, without local version labels of specific builds."""
    extra = "transformers" if transformers else ""
    try:
        wanted = [Requirement(line) for line in requires("oodbench") or []]
        names = [each.name for each in wanted if not each.marker or each.marker.evaluate({"extra": extra})]
        return [f"{name}=={version(name).partition('+')[0]}" for name in names]
    except PackageNotFoundError as error:
        raise UsageError(
            f"{error} is not installed, so its version for the container is unknown", "Install the package with pip."
        ) from None
