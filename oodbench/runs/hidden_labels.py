"""Notes about benchmarks with hidden labels, which are scored but not evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oodbench.contracts import ResultsFile
from oodbench.planning.records import FrameSetRecord, PlanRecord
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import PLAN, score_key


def describe_hidden_labels(plan: PlanRecord, content: ResultsFile, artifacts: RunArtifacts) -> list[str]:
    """Return how many frames were scored, why they have no results, where their maps are, and what to do next.

    Args:
        plan: The plan of a run that was evaluated.
        content: Its result.json.
        artifacts: What the run has stored.

    Returns:
        One line per fact; none if all benchmarks have results.
    """
    explained = {result.benchmark for results in content.results.values() for result in results}
    explained |= {failure.benchmark for failure in content.failed}
    parts = [part for part in plan.benchmarks if part.name not in explained]
    if not parts:
        return []
    lines = [
        f"{part.name}: {len(part.frames)} frames were scored; it has no public labels, and so no results."
        for part in parts
    ]
    wanted = sum(len(part.frames) for part in parts) * len(plan.scorers)
    stored = _count_stored_maps(plan, parts, artifacts)
    if stored < wanted:
        lines.append(f"{stored} of {wanted} score maps are stored: run again with --keep-scores all to have each.")
    if stored:
        frame = parts[0].frames[0]
        lines.append(f"Stored score maps, one .npy per frame; {artifacts.store.name(PLAN)} has the id of each key:")
        for scorer in plan.scorers:
            folder = Path(artifacts.store.name(score_key(scorer.key, frame.key))).parent
            lines.append(f"  {scorer.label} on {scorer.network}: {folder}")
        names = ", ".join(f"oodbench info benchmark {part.name}" for part in parts)
        lines.append(f"To have them measured, submit them where the labels are kept: {names}")
    return lines


def _count_stored_maps(plan: PlanRecord, parts: Sequence[FrameSetRecord], artifacts: RunArtifacts) -> int:
    return sum(
        artifacts.store.has(score_key(scorer.key, frame.key))
        for scorer in plan.scorers
        for part in parts
        for frame in part.frames
    )
