"""Check of the frames of a run: their content, and whether the plan lists those that the card and the limit select."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from oodbench.contracts import ComponentSizes
from oodbench.errors import DataError, DataNotFoundError, OodbenchError, PluginError
from oodbench.planning.frame_index import index_frames
from oodbench.planning.records import FrameSetRecord
from oodbench.planning.resolve import divide_splits, take_evenly, take_first
from oodbench.runs.verification.check import VerificationCheck, not_checked, right, wrong
from oodbench.runs.verification.subject import Subject
from oodbench.types import FrameSet


def check_benchmark(subject: Subject, part: FrameSetRecord) -> Iterator[VerificationCheck]:
    """Check the frames of a benchmark against its card and its folder."""
    what = f"frames of {part.name}"
    try:
        benchmark = subject.run.registry.benchmark(part.name)
    except OodbenchError as error:
        yield not_checked(what, error.problem)
        return
    card = benchmark.card
    if card.frames not in (0, part.expected):
        said = f"plan.json expects {part.expected} frames in a complete copy; the benchmark's card states {card.frames}"
        yield wrong(what, said)
        return
    limit, chosen = subject.record.limit, subject.record.chosen
    recorded = {frame.id for frame in part.frames}

    def select() -> tuple[FrameSet, FrameSet]:
        found = subject.run.finder.benchmark(part)
        if chosen:
            return found, replace(found, frames=tuple(frame for frame in found.frames if frame.id in recorded))
        return found, take_first(found, limit)

    selection = "its default" if limit is None else "all frames" if limit == "all" else f"the first {limit} frames"
    rule = "the frames were chosen by id" if chosen else f"the limit of the run is {selection}"
    yield _check(subject, part, select, card.title, card.components, rule)


def check_dataset(subject: Subject, part: FrameSetRecord, use: str) -> Iterator[VerificationCheck]:
    """Check the in-distribution frames that the run fitted or calibrated on."""
    what = f"frames of {part.name} {part.split}"
    try:
        dataset = subject.run.registry.dataset(part.name)
    except OodbenchError as error:
        yield not_checked(what, error.problem)
        return

    def select() -> tuple[FrameSet, FrameSet]:
        fit, calibrate = divide_splits(dataset.card, subject.run.finder.dataset(part))
        chosen = fit if use == "fit" else calibrate
        if chosen.split != part.split:
            problem = f"a run takes {part.name} {chosen.split} to {use}; plan.json has {part.split}"
            raise DataError(problem, "Restore plan.json, or make the run again.")
        return chosen.found, take_evenly(chosen.found, len(part.frames))

    rule = f"a run takes {len(part.frames)} evenly spaced frames"
    yield _check(subject, part, select, dataset.card.title, ComponentSizes(), rule)


def _check(
    subject: Subject,
    part: FrameSetRecord,
    select: Callable[[], tuple[FrameSet, FrameSet]],
    title: str,
    components: ComponentSizes,
    rule: str,
) -> VerificationCheck:
    """Check the frames of a part of the plan.

    Args:
        subject: The run.
        part: The part of the plan.
        select: Function that returns the frames on disk, and those of them that the run must have used.
        title: The title on the card.
        components: The minimum sizes of components on the card.
        rule: How a run selects frames, for messages.
    """
    what = f"frames of {part.name} {part.split}".strip()
    if len(part.frames) != part.expected and not part.warnings:
        return wrong(what, f"plan.json lists {len(part.frames)} of {part.expected} frames without a warning")
    try:
        found, chosen = select()
    except (DataNotFoundError, PluginError) as error:
        return not_checked(what, error.problem)
    except OodbenchError as error:
        is_there = part.folder is None or part.folder.exists()
        return wrong(what, error.problem) if is_there else not_checked(what, f"{part.folder} does not exist")
    by_id = {frame.id: frame for frame in found.frames}
    recorded, selected = [frame.id for frame in part.frames], [frame.id for frame in chosen.frames]
    missing = [frame_id for frame_id in recorded if frame_id not in by_id]
    if missing:
        return wrong(what, f"{len(missing)} of {len(recorded)} are missing; the first is {missing[0]}")
    if recorded != selected:
        first = next((frame_id for frame_id in selected if frame_id not in recorded), recorded[0])
        said = (
            f"plan.json lists {len(recorded)} of the {len(by_id)} frames that were found, and {rule}, which selects "
            f"{len(selected)}: {first} is left out or at another place"
        )
        return wrong(what, said)
    try:
        records = index_frames(chosen.frames, part.name, subject.progress, cached=False)
    except OodbenchError as error:
        return wrong(what, error.problem)
    changed = [now.id for now, then in zip(records, part.frames, strict=True) if now != then]
    if changed:
        said = (
            f"{len(changed)} of {len(records)} differ from the run, in image, labels or the plugin's code; "
            f"the first is {changed[0]}"
        )
        return wrong(what, said)
    expected = FrameSetRecord.of(part.name, title, part.split, found, records, components)
    for name in ("title", "expected", "warnings", "components"):
        stated, actual = getattr(part, name), getattr(expected, name)
        if stated != actual:
            return wrong(
                what, f"plan.json has {name} {stated!r}; the card and the frames that were found give {actual!r}"
            )
    subject.frames[part.name, part.split] = {
        record.digest: frame for record, frame in zip(records, chosen.frames, strict=True)
    }
    return right(what, "; ".join([f"{len(records)} images and labels, {part.digest[:12]}", *part.warnings]))
