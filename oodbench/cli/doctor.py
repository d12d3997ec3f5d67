"""`oodbench doctor`: installed versions, devices, extras and data, with the problems of each."""

from __future__ import annotations

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
    """Show versions, devices, extras, and the benchmarks and datasets that are found, with their problems.

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

    benchmarks, datasets = (_drop_missing_roots(roots) for roots in data_roots(data or [], id_data or []))
    roots = [*benchmarks.anywhere, *(part for parts in benchmarks.named.values() for part in parts)]
    print(f"\ndata roots      {', '.join(map(str, roots)) or 'none: give --data DIR or set OODBENCH_DATA'}")
    registry = Registry(tuple(plugin or ()))
    wrong = False
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
                    problems = _find_problems(name, frames)
                    wrong = wrong or bool(problems)
                    print("".join(f"{'':<30} {problem}\n" for problem in problems), end="")
    for warning in registry.warnings:
        print(f"warning: {warning}")
    if wrong:
        raise typer.Exit(ExitCode.MISTAKE)


def _drop_missing_roots(roots: Roots) -> Roots:
    """Return the roots that exist and print those that don't.

    A missing folder would otherwise raise before the other folders are examined.
    """
    for root in (*roots.anywhere, *(part for parts in roots.named.values() for part in parts)):
        if not root.is_dir():
            print(f"{root}: WRONG: no such folder")
    named = {name: tuple(filter(Path.is_dir, parts)) for name, parts in roots.named.items()}
    return Roots(tuple(filter(Path.is_dir, roots.anywhere)), named)


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
