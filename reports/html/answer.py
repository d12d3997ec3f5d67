"""The best method on a benchmark in words: by how much, and whether the difference is significant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oodbench.contracts import BreakdownThreshold, Result, RunView
from oodbench.reports.html.sections import Section, SectionLine

_PERCENT = "\N{NO-BREAK SPACE}%"


@dataclass(frozen=True)
class Answer:
    """The sentences and the ranking at the head of a benchmark.

    Attributes:
        section: The section of the page.
        metric: Name of the metric that orders the methods.
        lead: Which method leads, in one sentence.
        more: More sentences.
        order: The lines, best first, each with whether it is not significantly worse than the best.
    """

    section: Section
    metric: str
    lead: str
    more: tuple[str, ...]
    order: tuple[tuple[SectionLine, bool], ...]


def summarise_table(run: RunView, section: Section) -> Answer:
    """Return the answer of one section."""
    metric, column = next(iter(section.metrics.items()))
    sign = -column.spec.sign
    defined = [line for line in section.lines if line.metrics[metric].cell.value is not None]
    order = sorted(defined, key=lambda line: sign * (line.metrics[metric].cell.value or 0))
    if (comparison := section.comparisons.get(metric)) is not None:  # p is of its order, which sketches may turn round
        place = {(entry.network, entry.label): index for index, entry in enumerate(comparison.entries)}
        order.sort(key=lambda line: place.get((line.row.network, line.row.label), len(place)))
    if not order:
        return Answer(section, metric, f"{metric} is undefined for all methods.", (), ())
    apart = _find_distinguishable(section, metric)
    first = order[0]
    tied = [line for line in order if line is first or (line not in apart and comparison is not None)]
    tied += [line for line in order if line not in tied and _is_level(section, metric, first, line)]
    return Answer(
        section,
        metric,
        _describe_leader(section, metric, order, tied),
        tuple(filter(None, [_describe_calibrated(run, section, first), _describe_frames(section)])),
        tuple((line, line in tied) for line in order),
    )


def _is_level(section: Section, metric: str, first: SectionLine, other: SectionLine) -> bool:
    """Return whether the printed number of the other line is equal, or its bounds overlap."""
    (low, high), (least, most) = (line.metrics[metric].cell.printed_range for line in (first, other))
    return most >= low if section.metrics[metric].spec.higher_is_better else least <= high


def _find_distinguishable(section: Section, metric: str) -> list[SectionLine]:
    """Return the lines that are significantly worse than the best line of the comparison."""
    comparison = section.comparisons.get(metric)
    if comparison is None:
        return []
    named = {(line.row.network, line.row.label): line for line in section.lines}
    entries = [comparison.entries[j] for i, j in comparison.apart if i == 0]
    return [named[entry.network, entry.label] for entry in entries]


def _describe_leader(section: Section, metric: str, order: Sequence[SectionLine], tied: Sequence[SectionLine]) -> str:
    best, cell = section.name(order[0]), order[0].metrics[metric]
    reached = f"{cell.text}{_PERCENT}"
    if len(order) == 1:
        return f"{best} reaches {reached} {metric}."
    second = order[1]
    comparison = section.comparisons.get(metric)
    if comparison is None:
        known = second.row.brackets.keys() | order[0].row.brackets.keys()
        if metric in known and _is_level(section, metric, order[0], second):
            other = f"{section.name(second)}, {second.metrics[metric].text}{_PERCENT}"
            return f"{best}, {reached}, and {other}, are best in {metric}: their bounds overlap."
        return f"{best} has the best {metric}, {reached}. Its significance was not tested."
    units = f"{comparison.units} {comparison.unit}"
    others = [section.name(line) for line in tied if line is not order[0]]
    if others:
        whom = " and ".join(others) if len(others) < 3 else f"{len(others)} of the {len(order) - 1} others"
        return f"{best} has the best {metric}, {reached}. On {units}, it is not significantly better than {whom}."
    entry = next(e for e in comparison.entries if (e.network, e.label) == (second.row.network, second.row.label))
    assert entry.difference is not None, "only the best one of a comparison has no difference to it"
    ahead = f"{100 * abs(entry.difference.value):.2f} points better than {section.name(second)}"
    chance = f"significant over {units} (p = {entry.corrected:.4f}, Holm)"
    return f"{best} has the best {metric}, {reached}, {ahead}. The difference is {chance}."


def _describe_calibrated(run: RunView, section: Section, line: SectionLine) -> str:
    """Return what the line's calibrated threshold achieves on the benchmark; empty without one."""
    breakdown = run.breakdown(line.row)
    known: dict[str, BreakdownThreshold] = {} if breakdown is None else {at.name: at for at in breakdown.thresholds}
    at = known.get("calibrated")
    if at is None or at.fpr is None or at.recall is None or at.expected is None:
        return ""
    return (
        f"At the calibrated threshold, set for {100 * at.expected:g}{_PERCENT} false positives, {section.name(line)} "
        f"finds {100 * at.recall:.1f}{_PERCENT} of the anomalous pixels and calls {100 * at.fpr:.1f}{_PERCENT} of the "
        "in-distribution pixels anomalous."
    )


def _describe_frames(section: Section) -> str:
    row: Result = section.lines[0].row
    frames, expected = row.counts["frames"], row.counts.get("expected_frames", 0)
    return f"Only {frames} of the benchmark's {expected} frames were measured." if frames < expected else ""
