"""`oodbench data`: the list of benchmarks and datasets, and commands to find, verify, build and fetch them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oodbench.cli.blend import blend
from oodbench.cli.console import make_progress
from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.options import CommandGroup, Data, IdData, Plugins
from oodbench.contracts import BenchmarkCard, DatasetCard, Roots
from oodbench.errors import DataError, DataNotFoundError, UnknownNameError, UsageError
from oodbench.registry import Registry
from oodbench.text import count_noun

if TYPE_CHECKING:
    from oodbench.data.verification import Finding
    from oodbench.types import FrameSet

data = CommandGroup(no_args_is_help=True, help="List, locate, verify, build and fetch benchmarks and datasets.")


@data.command("list", short_help="List benchmarks and datasets.")
def list_sets(plugin: Plugins = None) -> None:
    """List benchmarks and datasets with frame count and licence.

    A variant is listed under the benchmark whose frames it uses.
    """
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
    name: str,
    cards: Mapping[str, BenchmarkCard | DatasetCard],
    variants: Mapping[str, list[str]],
    width: int,
    indent: str,
) -> None:
    card = cards[name]
    print(f"{indent + name:<{width}}  {_count_frames(card):<34}  {card.licence}")
    for variant in variants.get(name, ()):
        _print_lines(variant, cards, variants, width, indent + "  ")


def _count_frames(card: BenchmarkCard | DatasetCard) -> str:
    if isinstance(card, DatasetCard):
        return ", ".join(f"{split} {count or 'any'}" for split, count in card.splits.items())
    return f"{card.frames or 'some'} frames{', labels hidden' if card.hidden else ''}"


def _cards(registry: Registry) -> dict[str, BenchmarkCard | DatasetCard]:
    """Return the card of each benchmark and dataset by name, benchmarks first."""
    kinds = ("benchmarks", "datasets")
    return {name: registry.load(kind, name).card for kind in kinds for name in registry.names(kind)}


def _find_kind(registry: Registry, name: str) -> str:
    """Return "benchmarks" or "datasets", the kind of the plugin of that name."""
    kinds = {name: kind for kind in ("datasets", "benchmarks") for name in registry.names(kind)}
    if name not in kinds:
        raise UnknownNameError("benchmark or dataset", name, kinds, "oodbench data list")
    return kinds[name]


@data.command(short_help="Show download addresses, licence and folder layout.")
def where(
    name: Annotated[str, typer.Argument(help="Name of a benchmark or dataset.", metavar="NAME")],
    plugin: Plugins = None,
) -> None:
    """Show where to get a benchmark or dataset, its licence, and its folder layout after unpacking."""
    registry = Registry(tuple(plugin or ()))
    card = registry.load(_find_kind(registry, name), name).card
    facts: dict[str, Any] = {
        "title": card.title,
        "paper": card.paper,
        "page": card.url if card.url_available else f"{card.url} (no longer available)",
        "licence": card.licence,
        "frames": _count_frames(card),
    }
    if not card.url:
        del facts["page"]
    facts |= {f"file {archive.name}": str(archive) for archive in card.archives}
    facts |= {f"layout {layout}": looks for layout, looks in card.layouts.items()}
    width = max(map(len, facts))
    for key, value in facts.items():
        print(f"{key:<{width}}  {value}")
    print(f"\n{card.obtain}")


@data.command(short_help="Check whether a copy is complete and valid.")
def verify(
    name: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of the benchmarks and datasets to check. By default all that are found.", metavar="NAME"
        ),
    ] = None,
    data: Data = None,
    id_data: IdData = None,
    plugin: Plugins = None,
) -> None:
    """Check copies of benchmarks and datasets: frame counts, labels, sizes, label values and checksums.

    Each problem is printed in one line, with its remedy. If copies of a benchmark are known, a note names the one that
    the frames equal.

    Exit codes: 0 no problems, 2 problems found.
    """
    from oodbench.data.verification import make_findings, verify_archives, verify_frames
    from oodbench.planning.request import data_roots
    from oodbench.planning.resolve import validate_named_roots

    registry = Registry(tuple(plugin or ()))
    benchmarks, datasets = data_roots(data or [], id_data or [])
    validate_named_roots(benchmarks, datasets, registry)
    roots = {"benchmarks": benchmarks, "datasets": datasets}
    if not any(part.anywhere or part.named for part in roots.values()):
        raise UsageError("no data folder was given", "Give --data DIR, or set OODBENCH_DATA.")
    problem_count = verified_count = 0
    for selected in dict.fromkeys(name or _list_names_on_disk(registry)):
        kind = _find_kind(registry, selected)
        card = registry.load(kind, selected).card
        folders = roots[kind]
        findings = list(verify_archives(card.archives, folders.of(selected)))
        splits: list[str] = []
        notes: list[str] = []
        try:
            for split, frames in _open_splits(registry, kind, selected, folders):
                text = f"{split} {len(frames.frames)} of {frames.expected} frames, {frames.layout} layout"
                splits.append(text.strip())
                findings += verify_frames(frames, card.obtain)
                notes += _compare_with_known_copies(selected, frames)
        except DataNotFoundError as error:
            if not (name or findings or selected in folders.named):
                continue
            findings += make_findings(error)
        except DataError as error:
            findings += make_findings(error)
        verified_count, problem_count = verified_count + 1, problem_count + len(findings)
        _print_findings(selected, splits, findings, notes)
    if not verified_count:
        searched = ", ".join(str(root) for root in dict.fromkeys([*benchmarks.anywhere, *datasets.anywhere]))
        raise DataNotFoundError(
            f"no benchmark and no dataset was found in {searched}",
            "See 'oodbench data where NAME' for the expected folder layout.",
        )
    if problem_count:
        raise typer.Exit(ExitCode.MISTAKE)


def _list_names_on_disk(registry: Registry) -> list[str]:
    """Return the names of benchmarks and datasets that have their own files.

    Synthetic ones have no files, and a variant uses the files of another benchmark.
    """
    return [
        name
        for name, card in _cards(registry).items()
        if not (card.dataset or card.variant_of if isinstance(card, BenchmarkCard) else card.synthetic)
    ]


def _open_splits(registry: Registry, kind: str, name: str, roots: Roots) -> Iterator[tuple[str, FrameSet]]:
    if kind == "datasets":
        yield from registry.dataset(name).open(roots).items()
    else:
        yield "", registry.benchmark(name).open(roots)


def _compare_with_known_copies(name: str, frames: FrameSet) -> Iterator[str]:
    """Yield a note about the known copy that the frames equal, if copies of the benchmark are known."""
    from oodbench.data.known_copies.table import describe_equality, list_known_copies
    from oodbench.planning.frame_index import index_frames
    from oodbench.progress import Silent

    copies = list_known_copies(name)
    if not copies:
        return
    try:
        records = index_frames(frames.frames, name, Silent(), cached=False)
    except DataError:  # a finding about a frame says why
        return
    yield describe_equality(copies, {record.id: record.digest for record in records})


def _print_findings(name: str, splits: list[str], findings: list[Finding], notes: list[str]) -> None:
    count = len(findings)
    verdict = "no problems" if not count else "1 problem" if count == 1 else f"{count} problems"
    print("; ".join([f"{name}: {', '.join(splits)}" if splits else name, verdict]))
    for line in [*map(str, findings), *(f"note: {note}." for note in notes)]:
        # A file name may contain bytes that can't be printed.
        print(f"  {line}".encode(errors="backslashreplace").decode())


@data.command("build-fishyscapes-static", short_help="Build the images from Cityscapes and the published overlays.")
def build_fishyscapes_static(
    overlays: Annotated[
        Path, typer.Option(help="Archive fs_val_v<n>.zip, or the folder with its contents.", metavar="FILE|DIR")
    ],
    cityscapes: Annotated[Path, typer.Option(help="Folder of Cityscapes, with leftImg8bit/val.", metavar="DIR")],
    out: Annotated[
        Path, typer.Option(help="Folder in which the images, the labels and their version are written.", metavar="DIR")
    ],
    version: Annotated[
        str | None,
        typer.Option(
            help="Version of the overlays: v1, v2 or v3. Needed only if the archive's checksum is unknown.",
            metavar="V",
        ),
    ] = None,
) -> None:
    """Build the validation images of Fishyscapes Static, with pixels identical to the originals."""
    from oodbench.data.overlays import read_overlays, write_frames

    archive = read_overlays(overlays, version)
    count = write_frames(archive, cityscapes, out)
    source = "identified by its checksum" if archive.version_source == "checksum" else "as given by --version"
    print(f"{out}: {count_noun(count, 'frame')} of Fishyscapes Static {archive.version} ({source})")
    print(f"use it:  oodbench run --benchmark fishyscapes-static-{archive.version} --data {out}")


data.command("blend", short_help="Blend anomalies into your own frames.")(blend)


@data.command(short_help="Download the archives of a benchmark or dataset.")
def fetch(
    name: Annotated[str, typer.Argument(help="Name of a benchmark or dataset.", metavar="NAME")],
    out: Annotated[Path, typer.Option(help="Folder in which the archives are stored.", metavar="DIR")],
    plugin: Plugins = None,
) -> None:
    """Download and verify the archives of a benchmark or dataset, if its licence allows the download.

    The archives are not unpacked. An interrupted download resumes where it stopped. If the server is busy or the
    connection breaks, the download is tried again a few times.
    """
    from oodbench.data.downloads.fetch import fetch_archive

    registry = Registry(tuple(plugin or ()))
    card = registry.load(_find_kind(registry, name), name).card
    archives = [archive for archive in card.archives if archive.fetchable]
    if (isinstance(card, DatasetCard) and card.synthetic) or (isinstance(card, BenchmarkCard) and card.dataset):
        raise UsageError(f"{name}: nothing to download; it is part of oodbench", "Use it without --data.")
    if not archives:
        withdrawn = card.archives and not any(archive.available for archive in card.archives)
        why = "because its authors no longer offer it" if withdrawn else "only from its authors' page"
        raise UsageError(f"{name}: can't be downloaded automatically, {why}", card.obtain)
    progress = make_progress()
    progress.say(f"licence: {card.licence}")
    for archive in archives:
        print(fetch_archive(archive, out, card.obtain, progress))
