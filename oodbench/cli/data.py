"""`oodbench data`: which data sets there are, where they come from, whether a copy is in order, how one is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oodbench.cli.blend import blend
from oodbench.cli.console import make_progress
from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.options import DataPlugins
from oodbench.contracts import BenchmarkCard, DatasetCard, Roots
from oodbench.errors import DataError, DataNotFoundError, UnknownNameError, UsageError
from oodbench.registry import Registry

if TYPE_CHECKING:
    from oodbench.data.verification import Finding
    from oodbench.types import FrameSet

data = typer.Typer(no_args_is_help=True, help="List, find, check, build and fetch data sets.")


@data.command("list", short_help="What there is.")
def list_sets(plugin: DataPlugins = None) -> None:
    """List benchmarks and datasets: frames, licence; variants under the benchmark whose frames they read."""
    cards = _cards(Registry(tuple(plugin or ())))
    variants: dict[str, list[str]] = {}
    for name, card in cards.items():
        if isinstance(card, BenchmarkCard) and card.variant_of:
            variants.setdefault(card.variant_of, []).append(name)
    width = 2 + max(map(len, cards))
    for name, card in cards.items():
        if not (isinstance(card, BenchmarkCard) and card.variant_of):
            _print_lines(name, cards, variants, width, "")


def _print_lines(
    name: str, cards: Mapping[str, BenchmarkCard | DatasetCard], variants: Mapping[str, list[str]], width: int, sp: str
) -> None:
    card = cards[name]
    print(f"{sp + name:<{width}}  {_frames(card):<34}  {card.licence}")
    for variant in variants.get(name, ()):
        _print_lines(variant, cards, variants, width, sp + "  ")


def _frames(card: BenchmarkCard | DatasetCard) -> str:
    if isinstance(card, DatasetCard):
        return ", ".join(f"{split} {count or 'any'}" for split, count in card.splits.items())
    return f"{card.frames or 'some'} frames{', labels secret' if card.hidden else ''}"


def _cards(registry: Registry) -> dict[str, BenchmarkCard | DatasetCard]:
    """name -> card, benchmarks before datasets."""
    kinds = ("benchmarks", "datasets")
    return {name: registry.load(kind, name).card for kind in kinds for name in registry.names(kind)}


def _known(registry: Registry, name: str) -> str:
    """The kind of the data set of that name."""
    known = {name: kind for kind in ("datasets", "benchmarks") for name in registry.names(kind)}
    if name not in known:
        raise UnknownNameError("data set", name, known, "oodbench data list")
    return known[name]


@data.command(short_help="Addresses, licence, layout.")
def where(
    name: Annotated[str, typer.Argument(help="A benchmark or a dataset.")],
    plugin: DataPlugins = None,
) -> None:
    """Say where a data set comes from, under which licence, and what lies where once it is unpacked."""
    registry = Registry(tuple(plugin or ()))
    card = registry.load(_known(registry, name), name).card
    facts: dict[str, Any] = {
        "title": card.title,
        "paper": card.paper,
        "page": card.url,
        "licence": card.licence,
        "frames": _frames(card),
    }
    facts |= {f"file {archive.name}": str(archive) for archive in card.archives}
    facts |= {f"layout {layout}": looks for layout, looks in card.layouts.items()}
    width = max(map(len, facts))
    for key, value in facts.items():
        print(f"{key:<{width}}  {value}")
    print(f"\n{card.obtain}")


@data.command(short_help="Is a copy in order?")
def verify(
    name: Annotated[
        list[str] | None, typer.Argument(help="Benchmarks and datasets. All that are found by default.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="A folder with data sets, as for 'run'. Repeatable.", metavar="DIR|NAME=DIR"),
    ] = None,
    id_data: Annotated[
        list[str] | None,
        typer.Option(help="A folder with in-distribution frames, as for 'run'.", metavar="DIR|NAME=DIR"),
    ] = None,
    plugin: DataPlugins = None,
) -> None:
    """Check counts, pairs, sizes, label values and checksums; a line for each thing that is off, and what to do.

    Exit codes: 0 nothing is off, 2 something is.
    """
    from oodbench.data.verification import make_findings, verify_archives, verify_frames
    from oodbench.planning.request import data_roots
    from oodbench.planning.resolve import validate_named_roots

    registry = Registry(tuple(plugin or ()))
    benchmarks, datasets = data_roots(data or [], id_data or [])
    validate_named_roots(benchmarks, datasets, registry)
    roots = {"benchmarks": benchmarks, "datasets": datasets}
    if not any(part.anywhere or part.named for part in roots.values()):
        raise UsageError("no folder with data sets was given", "Give --data DIR, or set OODBENCH_DATA.")
    off = looked = 0
    for wanted in dict.fromkeys(name or _usual(registry)):
        kind = _known(registry, wanted)
        card = registry.load(kind, wanted).card
        place = roots[kind]
        findings = list(verify_archives(card.archives, place.of(wanted)))
        parts: list[str] = []
        try:
            for split, found in _opened(registry, kind, wanted, place):
                parts.append(f"{split} {len(found.frames)} of {found.expected} frames, {found.layout} layout".strip())
                findings += verify_frames(found, card.obtain)
        except DataNotFoundError as error:
            if not (name or findings or wanted in place.named):
                continue
            findings += make_findings(error)
        except DataError as error:
            findings += make_findings(error)
        looked, off = looked + 1, off + len(findings)
        _say(wanted, parts, findings)
    if not looked:
        where = ", ".join(str(root) for root in dict.fromkeys([*benchmarks.anywhere, *datasets.anywhere]))
        raise DataNotFoundError(
            f"no data set was found in {where}", "'oodbench data where NAME' says what it looks like."
        )
    if off:
        raise typer.Exit(ExitCode.MISTAKE)


def _usual(registry: Registry) -> list[str]:
    """What lies on disk; variants read the same files as the benchmark whose variants they are."""
    return [
        name
        for name, card in _cards(registry).items()
        if not (card.dataset or card.variant_of if isinstance(card, BenchmarkCard) else card.synthetic)
    ]


def _opened(registry: Registry, kind: str, name: str, roots: Roots) -> Iterator[tuple[str, FrameSet]]:
    if kind == "datasets":
        yield from registry.dataset(name).open(roots).items()
    else:
        yield "", registry.benchmark(name).open(roots)


def _say(name: str, parts: list[str], findings: list[Finding]) -> None:
    count = len(findings)
    verdict = "nothing is off" if not count else "1 thing is off" if count == 1 else f"{count} things are off"
    print("; ".join([f"{name}: {', '.join(parts)}" if parts else name, verdict]))
    for finding in findings:
        # A name on disk need not be text that can be printed.
        print(f"  {finding}".encode(errors="backslashreplace").decode())


@data.command("build-fishyscapes-static", short_help="From Cityscapes and the overlays.")
def build_fishyscapes_static(
    overlays: Annotated[Path, typer.Option(help="fs_val_v<n>.zip, or its content.", metavar="FILE|DIR")],
    cityscapes: Annotated[Path, typer.Option(help="The folder of Cityscapes, with leftImg8bit/val.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="Where to write the images and labels.", metavar="DIR")],
    version: Annotated[
        str | None, typer.Option(help="v1, v2 or v3, where the archive's checksum can't tell.", metavar="V")
    ] = None,
) -> None:
    """Build Fishyscapes Static's validation images, pixel for pixel, and note beside them which version they are."""
    from oodbench.data.overlays import read_overlays, write_frames

    found = read_overlays(overlays, version)
    count = write_frames(found, cityscapes, out)
    by = "by its checksum" if found.version_source == "checksum" else "by your word"
    print(f"{out}: {count} frames of Fishyscapes Static {found.version} ({by})")
    print(f"use it:  oodbench run --benchmark fishyscapes-static-{found.version} --data {out}")


data.command("blend", short_help="Anomalies into frames of your own.")(blend)


@data.command(short_help="Download what may be downloaded.")
def fetch(
    name: Annotated[str, typer.Argument(help="A benchmark or a dataset.")],
    out: Annotated[Path, typer.Option(help="Where to put its archives.", metavar="DIR")],
    plugin: DataPlugins = None,
) -> None:
    """Download a data set's archives, where address and licence allow it, and check them; unpacking is yours.

    An interrupted download goes on where it stopped.
    """
    from oodbench.data.fetch import fetch_archive

    registry = Registry(tuple(plugin or ()))
    card = registry.load(_known(registry, name), name).card
    archives = [archive for archive in card.archives if archive.fetchable]
    if not archives:
        raise UsageError(f"{name}: nothing of it may be fetched without its authors' page", card.obtain)
    progress = make_progress()
    progress.say(f"licence: {card.licence}")
    for archive in archives:
        print(fetch_archive(archive, out, card.obtain, progress.track))
