"""`oodbench doctor`: versions, devices, extras and data, and what is wrong with each."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.options import DataPlugins
from oodbench.contracts import Roots
from oodbench.errors import DataError, DataNotFoundError
from oodbench.registry import Registry


def doctor(
    data: Annotated[
        list[str] | None,
        typer.Option(help="A folder with benchmarks, as for 'run'. Repeatable.", metavar="DIR|NAME=DIR"),
    ] = None,
    id_data: Annotated[
        list[str] | None,
        typer.Option(help="A folder with in-distribution frames, as for 'run'.", metavar="DIR|NAME=DIR"),
    ] = None,
    plugin: DataPlugins = None,
) -> None:
    """Say what is installed, which data sets are found, and what is wrong with each."""
    import onnxruntime
    import torch

    from oodbench.environment import describe_environment
    from oodbench.planning.request import config_file, data_roots

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    for name, value in describe_environment(f"torch: CUDA {cuda}").items():
        print(f"{name:<15} {value}")
    print(f"{'onnxruntime on':<15} {', '.join(onnxruntime.get_available_providers())}")
    for extra, missing in _extras().items():
        print(f"{'extra ' + extra:<15} {'installed' if not missing else 'missing ' + ', '.join(missing)}")
    print(f"{'config file':<15} {config_file()}{'' if config_file().is_file() else ' (none)'}")

    benchmarks, datasets = (_present(roots) for roots in data_roots(data or [], id_data or []))
    roots = [*benchmarks.anywhere, *(part for parts in benchmarks.named.values() for part in parts)]
    print(f"\ndata roots      {', '.join(map(str, roots)) or 'none: give --data DIR or set OODBENCH_DATA'}")
    registry = Registry(tuple(plugin or ()))
    wrong = False
    # Variants read the same files.
    usual = [name for name in registry.names("benchmarks") if not registry.benchmark(name).card.variant_of]
    for kind, names in (("benchmark", usual), ("dataset", registry.names("datasets"))):
        for name in names:
            try:
                if kind == "benchmark":
                    found = {"": registry.benchmark(name).open(benchmarks)}
                else:
                    found = dict(registry.dataset(name).open(datasets))
            except DataNotFoundError:
                print(f"{name:<30} not found; 'oodbench info {kind} {name}' says where to get it")
            except DataError as error:
                wrong = True
                print(f"{name:<30} WRONG: {error.problem}" + (f"\n{'':<30} {error.remedy}" if error.remedy else ""))
            else:
                for split, part in found.items():
                    count = f"{len(part.frames)} of {part.expected} frames"
                    where = f"{part.layout} layout in {part.folder}" if part.folder else part.layout
                    print(f"{f'{name} {split}':<30} {count}, {where}")
                    problems = _problems(name, part)
                    wrong = wrong or bool(problems)
                    print("".join(f"{'':<30} {problem}\n" for problem in problems), end="")
    for warning in registry.warnings:
        print(f"warning: {warning}")
    if wrong:
        raise typer.Exit(ExitCode.MISTAKE)


def _present(roots: Roots) -> Roots:
    """The roots that exist; says which don't, so that one wrong folder hides nothing of the others."""
    for root in (*roots.anywhere, *(part for parts in roots.named.values() for part in parts)):
        if not root.is_dir():
            print(f"{root}: WRONG: no such folder")
    named = {name: tuple(filter(Path.is_dir, parts)) for name, parts in roots.named.items()}
    return Roots(tuple(filter(Path.is_dir, roots.anywhere)), named)


def _problems(name: str, part: object) -> list[str]:
    from oodbench.planning.frame_index import index_frames
    from oodbench.progress import Silent
    from oodbench.types import FrameSet

    assert isinstance(part, FrameSet)
    try:
        # Nothing can be wrong with one drawn frame and not with another.
        index_frames(part.frames if part.folder else part.frames[:1], name, Silent())
    except DataError as error:
        return [f"WRONG: {error.problem}", *([error.remedy] if error.remedy else [])]
    return []


def _extras() -> dict[str, list[str]]:
    """extra -> what of it is not installed."""
    from packaging.requirements import Requirement

    from oodbench.environment import find_version

    try:
        extras = metadata("oodbench").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return {}
    wanted = [Requirement(line) for line in requires("oodbench") or []]
    return {
        extra: [r.name for r in wanted if r.marker and r.marker.evaluate({"extra": extra}) and not find_version(r.name)]
        for extra in extras
    }
