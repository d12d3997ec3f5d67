"""`oodbench doctor`: installed versions, devices, extras and data, with the problems of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.options import Data, IdData, Plugins
from oodbench.contracts import Roots
from oodbench.errors import DataError, DataNotFoundError
from oodbench.registry import Registry

if TYPE_CHECKING:
    from oodbench.types import FrameSet


def doctor(
    data: Data = None,
    id_data: IdData = None,
    plugin: Plugins = None,
) -> None:
    """Show versions, devices, extras (optional packages), benchmarks and datasets, with their problems.

    Exit codes: 0 no problems, 2 problems found.
    """
    import onnxruntime
    import torch

    from oodbench.environment import describe_environment
    from oodbench.planning.request import config_file, data_roots

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    for name, value in describe_environment(f"torch: CUDA {cuda}").items():
        print(f"{name:<15} {value}")
    print(f"{'onnxruntime on':<15} {', '.join(onnxruntime.get_available_providers())}")
    for extra, missing in _find_missing_packages().items():
        print(f"{'extra ' + extra:<15} {'installed' if not missing else 'missing ' + ', '.join(missing)}")
    print(f"{'config file':<15} {config_file()}{'' if config_file().is_file() else ' (none)'}")

    searched = data_roots(data or [], id_data or [])
    folder_problems = _find_folder_problems(searched)
    for problem in folder_problems:
        print(problem)
    benchmarks, datasets = map(_drop_missing_roots, searched)
    roots = _list_roots(benchmarks)
    print(f"\ndata roots      {', '.join(map(str, roots)) or 'none: give --data DIR or set OODBENCH_DATA'}")
    registry = Registry(tuple(plugin or ()))
    wrong = bool(folder_problems)
    # A variant uses the files of another benchmark.
    originals = [name for name in registry.names("benchmarks") if not registry.benchmark(name).card.variant_of]
    for kind, names in (("benchmark", originals), ("dataset", registry.names("datasets"))):
        for name in names:
            try:
                if kind == "benchmark":
                    splits = {"": registry.benchmark(name).open(benchmarks)}
                else:
                    splits = dict(registry.dataset(name).open(datasets))
            except DataNotFoundError:
                print(f"{name:<30} not found; 'oodbench info {kind} {name}' shows where to get it")
            except DataError as error:
                wrong = True
                print(f"{name:<30} WRONG: {error.problem}" + (f"\n{'':<30} {error.remedy}" if error.remedy else ""))
            else:
                for split, frames in splits.items():
                    count = f"{len(frames.frames)} of {frames.expected} frames"
                    source = f"{frames.layout} layout in {frames.folder}" if frames.folder else frames.layout
                    print(f"{f'{name} {split}':<30} {count}, {source}")
                    for line in _describe_other_files(frames):
                        print(f"{'':<30} {line}")
                    problems = _find_problems(name, frames)
                    wrong = wrong or bool(problems)
                    print("".join(f"{'':<30} {problem}\n" for problem in problems), end="")
    for warning in registry.warnings:
        print(f"warning: {warning}")
    if wrong:
        raise typer.Exit(ExitCode.MISTAKE)


def _drop_missing_roots(roots: Roots) -> Roots:
    """Return the roots that exist. A missing folder would raise before the other folders are examined."""
    named = {name: tuple(filter(os.path.isdir, parts)) for name, parts in roots.named.items()}
    return Roots(tuple(filter(os.path.isdir, roots.anywhere)), named)


def _list_roots(roots: Roots) -> list[Path]:
    return [*roots.anywhere, *(part for parts in roots.named.values() for part in parts)]


def _find_folder_problems(searched: Sequence[Roots]) -> list[str]:
    """Return one line per folder that is missing or can't be read."""
    from oodbench.data.folders import find_unreadable

    folders = dict.fromkeys(folder for roots in searched for folder in _list_roots(roots))
    missing = [folder for folder in folders if not os.path.isdir(folder)]
    unreadable = dict.fromkeys(find_unreadable([folder for folder in folders if folder not in missing]))
    return [
        *(f"{folder}: WRONG: no such folder, or no permission to read it" for folder in missing),
        *(f"{folder}: WRONG: this folder can't be read. Make it readable." for folder in unreadable),
    ]


def _describe_other_files(frames: FrameSet) -> list[str]:
    """Describe the files next to the images that are not images. Folders that also contain labels are left out."""
    from oodbench.data.pairing import describe_other_files

    labelled = {frame.label_file.parent for frame in frames.frames if frame.label_file}
    folders = dict.fromkeys(frame.image_file.parent for frame in frames.frames if frame.image_file)
    return [line for folder in folders if folder not in labelled and (line := describe_other_files(folder))]


def _find_problems(name: str, frames: FrameSet) -> list[str]:
    from oodbench.planning.frame_index import index_frames
    from oodbench.progress import Silent

    try:
        # One function renders all synthetic frames of a set, so one frame is enough to test it.
        index_frames(frames.frames if frames.folder else frames.frames[:1], name, Silent())
    except DataError as error:
        return [f"WRONG: {error.problem}", *([error.remedy] if error.remedy else [])]
    return []


def _find_missing_packages() -> dict[str, list[str]]:
    """Return the missing packages of each extra by the extra's name."""
    from packaging.requirements import Requirement

    from oodbench.environment import find_version

    try:
        extras = metadata("oodbench").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return {}
    required = [Requirement(line) for line in requires("oodbench") or []]
    return {
        extra: [
            package.name
            for package in required
            if package.marker and package.marker.evaluate({"extra": extra}) and not find_version(package.name)
        ]
        for extra in extras
    }
