"""What there is to say of benchmarks whose labels are not public: they are scored and have no rows."""

from __future__ import annotations

from collections.abc import Sequence

from oodbench.contracts import Result
from oodbench.planning.records import FrameSetRecord, PlanRecord
from oodbench.storage.local import LocalStore


def describe_hidden_labels(record: PlanRecord, rows: Sequence[Result], store: LocalStore) -> list[str]:
    """How many frames were scored, why they have no rows, where their maps lie, what to do next; a line each.

    Args:
        record: the plan of a run that was evaluated.
        rows: its rows.
        store: where its maps are.
    """
    evaluated = {row.benchmark for row in rows}
    parts = [part for part in record.benchmarks if part.name not in evaluated]
    if not parts:
        return []
    lines = [
        f"{part.name}: {len(part.frames)} frames were scored; it has no public labels, and so no rows."
        for part in parts
    ]
    wanted = sum(len(part.frames) for part in parts) * len(record.scorers)
    stored = _count_stored_maps(record, parts, store)
    if stored < wanted:
        lines.append(f"{stored} of {wanted} score maps are stored: run again with --keep-scores all to have each.")
    if stored:
        lines.append(f"Stored score maps, a .npy a frame; {store.folder / 'plan.json'} has the id of each key:")
        lines += [f"  {s.label} on {s.network}: {store.folder / 'scores' / s.key}" for s in record.scorers]
        names = ", ".join(f"oodbench info benchmark {part.name}" for part in parts)
        lines.append(f"To have them measured, hand them in where the labels are kept: {names}")
    return lines


def _count_stored_maps(record: PlanRecord, parts: Sequence[FrameSetRecord], store: LocalStore) -> int:
    return sum(
        store.map_path("scores", scorer.key, frame.key).is_file()
        for scorer in record.scorers
        for part in parts
        for frame in part.frames
    )
