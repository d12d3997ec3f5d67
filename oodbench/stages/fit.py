"""The second stage: methods that learn from labelled in-distribution frames learn, all in one pass."""

from __future__ import annotations

import time

from oodbench.contracts import Fit, Method
from oodbench.planning.plan import Plan, combine_needs
from oodbench.planning.records import FrameSetRecord
from oodbench.progress import Progress
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import fit_key


def fit(plan: Plan, artifacts: RunArtifacts, progress: Progress) -> None:
    """Fit what is not fitted yet, and make every method of the plan ready to score.

    One forward pass per batch serves all methods of a network.
    """
    if plan.record.fit is not None:
        _fit_missing(plan, plan.record.fit, artifacts, progress)
    for key, method in plan.scorers.items():
        fitted = artifacts.fit(fit_key(key))
        if fitted is not None:
            method.load(fitted)


def _fit_missing(plan: Plan, part: FrameSetRecord, artifacts: RunArtifacts, progress: Progress) -> None:
    record = plan.record
    frames = [plan.frames[frame.digest] for frame in part.frames]
    for name, network in plan.networks.items():
        todo = {
            scorer.key: plan.scorers[scorer.key]
            for scorer in record.scorers
            if scorer.network == name and scorer.fits and not artifacts.store.has(fit_key(scorer.key))
        }
        for method in todo.values():
            method.begin_fit(network.classes, record.seed)
        learning: dict[str, Method] = dict(todo)
        seconds = dict.fromkeys(todo, 0.0)
        while learning:
            needs = combine_needs(network, learning.values())
            title = f"fit {name}: {', '.join(method.card.name for method in learning.values())}"
            with progress.track(title, len(frames), "frames") as advance:
                batches = split_batches(len(frames), record.batch_size)
                for batch in forward_batches(network, frames, batches, needs, labelled=True):
                    for key, method in learning.items():
                        start = time.perf_counter()
                        method.update(batch.output, batch.labels)
                        seconds[key] += time.perf_counter() - start
                    advance(len(batch.positions))
            again: dict[str, Method] = {}
            with progress.track(f"learn {name}", len(learning), "methods") as advance:
                for key, method in learning.items():
                    start = time.perf_counter()
                    if method.end_pass():
                        again[key] = method
                    else:
                        learned = method.fitted()
                        seconds[key] += time.perf_counter() - start
                        artifacts.write_fit(
                            fit_key(key), Fit(learned.tensors, {**learned.facts, "seconds": seconds[key]})
                        )
                    advance(1)
            learning = again
