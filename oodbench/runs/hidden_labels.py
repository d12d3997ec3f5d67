"""Notes about benchmarks with hidden labels, which are scored but not evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oodbench.contracts import ResultsFile
from oodbench.planning.records import FrameSetRecord, PlanRecord
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import PLAN, score_key


def describe_hidden_labels(plan: PlanRecord, content: ResultsFile, artifacts: RunArtifacts) -> list[str]:
    """Describe the benchmarks without results: number of scored frames, reason, folders of the maps, next steps.

    Args:
        plan: The plan of an evaluated run.
        content: The content of the run's result.json.
        artifacts: The artifacts of the run.

    Returns:
        One line per fact; none if all benchmarks have results.
    """
    explained = {result.benchmark for results in content.results.values() for result in results}
    explained |= {failure.benchmark for failure in content.failed}
    parts = [part for part in plan.benchmarks if part.name not in explained]
    if not parts:
        return []
    lines = [
        f"{part.name}: {len(part.frames)} frames were {_verb(part, plan)}. Its labels are not public, so there are no "
        "results."
        for part in parts
    ]
    wanted = sum(len(part.frames) for part in parts) * len(plan.scorers)
    stored = _count_stored_maps(plan, parts, artifacts)
    if stored < wanted:
        lines.append(f"{stored} of {wanted} score maps are stored. To store all, run again with --keep-scores all.")
    if stored:
        frame = parts[0].frames[0]
        lines.append(
            f"Stored score maps, one .npy per frame; {artifacts.store.name(PLAN)} maps each file name to a frame id:"
        )
        for scorer in plan.scorers:
            folder = Path(artifacts.store.name(score_key(scorer.key, frame.key))).parent
            lines.append(f"  {scorer.label} on {scorer.network}: {folder}")
        names = ", ".join(f"oodbench info benchmark {part.name}" for part in parts)
        lines.append(f"To get results, submit the maps to the benchmark's leaderboard: {names}")
    return lines


def _verb(part: FrameSetRecord, plan: PlanRecord) -> str:
    return "scored" if part.kept_frames(plan.keep_scores) else "not scored, because no score maps are kept"


def _count_stored_maps(plan: PlanRecord, parts: Sequence[FrameSetRecord], artifacts: RunArtifacts) -> int:
    return sum(
        artifacts.store.has(score_key(scorer.key, frame.key))
        for scorer in plan.scorers
        for part in parts
        for frame in part.frames
    )
