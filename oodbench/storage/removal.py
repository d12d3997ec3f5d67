"""Removal of what does not stay after evaluation."""

from __future__ import annotations

from oodbench.planning.records import PlanRecord
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Kind, bins_key, prediction_key, score_key


def remove_unwanted(record: PlanRecord, artifacts: RunArtifacts) -> None:
    """Remove the maps and measurements that do not stay after evaluation, also those of earlier commands.

    Args:
        record: The plan of the run, which states what stays.
        artifacts: The artifacts of the run.
    """
    if record.keep_scores != "measurements":
        scorers = {scorer.key for scorer in record.scorers}
        for key in [*artifacts.store.keys(Kind.MEASUREMENT), *artifacts.store.keys(Kind.CHUNK)]:
            if key.parts[0] in scorers:
                artifacts.store.delete(key)
        for scorer in record.scorers:
            for benchmark in record.benchmarks:
                artifacts.store.delete(bins_key(scorer.key, benchmark))
    if record.keep_scores == "all":
        return
    frames = {frame.key for part in record.benchmarks for frame in part.frames}
    kept = {part.frames[index].key for part in record.benchmarks for index in part.kept_frames(record.keep_scores)}
    for frame in frames - kept:
        for scorer in record.scorers:
            artifacts.store.delete(score_key(scorer.key, frame))
        for network in record.networks:
            artifacts.store.delete(prediction_key(network.digest, record.scoring, frame))
