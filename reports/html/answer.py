"""The answer in words: which method leads on a benchmark, by how much, whether significantly, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oodbench.contracts import HIGHER_IS_BETTER, BreakdownThreshold, Result, RunView
from oodbench.reports.html.sections import Line, Part

_PERCENT = "\N{NO-BREAK SPACE}%"


@dataclass(frozen=True)
class Answer:
    """The head of a benchmark's section.

    Attributes:
        part: Results table.
        metric: Metric by which methods are ordered.
        lead: Sentence about the leading method.
        more: Further sentences.
        order: Lines from the best, each with whether it is statistically tied with the best.
    """

    part: Part
    metric: str
    lead: str
    more: tuple[str, ...]
    order: tuple[tuple[Line, bool], ...]


def summarise_table(run: RunView, part: Part) -> Answer:
    """Summarise a results table in words."""
    metric = part.columns[0]
    sign = -1 if HIGHER_IS_BETTER.get(metric, True) else 1
    defined = [line for line in part.lines if line.metrics[metric].value is not None]
    order = sorted(defined, key=lambda line: sign * (line.metrics[metric].value or 0))
    if (
        comparison := part.comparisons.get(metric)
    ) is not None:  # the p-values refer to its order, which sketches may reverse
        place = {(entry.network, entry.label): index for index, entry in enumerate(comparison.entries)}
        order.sort(key=lambda line: place.get((line.row.network, line.row.label), len(place)))
    if not order:
        return Answer(part, metric, f"{metric} is defined for none of the methods here.", (), ())
    apart = _find_distinguishable(part, metric)
    first = order[0]
    tied = [line for line in order if line is first or (line not in apart and comparison is not None)]
    tied += [line for line in order if line not in tied and line.metrics[metric].text == first.metrics[metric].text]
    return Answer(
        part,
        metric,
        _describe_leader(part, metric, order, tied),
        tuple(filter(None, [_describe_calibrated(run, part, first), _describe_frames(part)])),
        tuple((line, line in tied) for line in order),
    )


def _find_distinguishable(part: Part, metric: str) -> list[Line]:
    """Return the lines that are significantly worse than the best line of the comparison."""
    comparison = part.comparisons.get(metric)
    if comparison is None:
        return []
    named = {(line.row.network, line.row.label): line for line in part.lines}
    entries = [comparison.entries[j] for i, j in comparison.apart if i == 0]
    return [named[entry.network, entry.label] for entry in entries]


def _describe_leader(part: Part, metric: str, order: Sequence[Line], tied: Sequence[Line]) -> str:
    best, cell = part.name(order[0]), order[0].metrics[metric]
    reached = f"{cell.text}{_PERCENT}"
    if len(order) == 1:
        return f"{best} reaches {reached} {metric}."
    second = order[1]
    comparison = part.comparisons.get(metric)
    if comparison is None:
        return f"{best} has the best {metric}, {reached}; the significance is unknown here."
    units = f"{comparison.units} {comparison.unit}"
    others = [part.name(line) for line in tied if line is not order[0]]
    if others:
        whom = " and ".join(others) if len(others) < 3 else f"{len(others)} of the {len(order) - 1} others"
        return f"{best} has the best {metric}, {reached}, but on {units} it can't be distinguished from {whom}."
    entry = next(e for e in comparison.entries if (e.network, e.label) == (second.row.network, second.row.label))
    assert entry.difference is not None, "only the best one of a comparison has no difference to it"
    ahead = f"{100 * abs(entry.difference.value):.2f} points ahead of {part.name(second)}"
    chance = f"significant over {units} (p = {entry.corrected:.4f}, Holm)"
    return f"{best} leads with {reached} {metric}, {ahead}: {chance}."


def _describe_calibrated(run: RunView, part: Part, line: Line) -> str:
    """Describe false positives and recall at the threshold that was calibrated without anomalies."""
    breakdown = run.strata(line.row)
    thresholds: dict[str, BreakdownThreshold] = (
        {} if breakdown is None else {threshold.name: threshold for threshold in breakdown.thresholds}
    )
    at = thresholds.get("calibrated")
    if at is None or at.fpr is None or at.recall is None or at.expected is None:
        return ""
    return (
        f"At a threshold set without anomalies, for {100 * at.expected:g}{_PERCENT} false positives, "
        f"{part.name(line)} finds {100 * at.recall:.1f}{_PERCENT} of the anomalous pixels here, and calls "
        f"{100 * at.fpr:.1f}{_PERCENT} of the in-distribution ones anomalous."
    )


def _describe_frames(part: Part) -> str:
    row: Result = part.lines[0].row
    frames, expected = row.counts["frames"], row.counts.get("expected_frames", 0)
    return f"Only {frames} of the benchmark's {expected} frames were measured." if frames < expected else ""
