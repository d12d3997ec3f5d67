"""The second stage: methods that learn from labelled in-distribution frames do so, side by side."""

from __future__ import annotations

import time

from oodbench.contracts import Fit, Method
from oodbench.planning.plan import Plan, combine_needs
from oodbench.planning.records import FrameSetRecord
from oodbench.progress import Progress
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.storage.local import LocalStore


def fit(plan: Plan, store: LocalStore, progress: Progress) -> None:
    """Fit what is not fitted yet, and make every method of the plan ready to score.

    One forward pass a batch serves all methods of a network.
    """
    if plan.record.fit is not None:
        _fit_missing(plan, plan.record.fit, store, progress)
    for key, method in plan.scorers.items():
        fitted = store.fit(key)
        if fitted is not None:
            method.load(fitted)


def _fit_missing(plan: Plan, part: FrameSetRecord, store: LocalStore, progress: Progress) -> None:
    record = plan.record
    frames = [plan.frames[frame.digest] for frame in part.frames]
    for name, network in plan.networks.items():
        todo = {
            scorer.key: plan.scorers[scorer.key]
            for scorer in record.scorers
            if scorer.network == name and scorer.fits and store.fit(scorer.key) is None
        }
        for method in todo.values():
            method.begin_fit(network.classes, record.seed)
        learning: dict[str, Method] = dict(todo)
        seconds = dict.fromkeys(todo, 0.0)
        while learning:
            needs = combine_needs(network, learning.values())
            title = f"fit {name}: {', '.join(method.card.name for method in learning.values())}"
            with progress.track(title, len(frames), "frames") as advance:
                pieces = split_batches(len(frames), record.batch_size)
                for batch in forward_batches(network, frames, pieces, needs, labelled=True):
                    for key, method in learning.items():
                        start = time.perf_counter()
                        method.update(batch.output, batch.labels)
                        seconds[key] += time.perf_counter() - start
                    advance(len(batch.positions))
            again = {}
            with progress.track(f"learn {name}", len(learning), "methods") as advance:
                for key, method in learning.items():
                    start = time.perf_counter()
                    if method.end_pass():
                        again[key] = method
                    else:
                        learned = method.fitted()
                        seconds[key] += time.perf_counter() - start
                        store.write_fit(key, Fit(learned.tensors, {**learned.facts, "seconds": seconds[key]}))
                    advance(1)
            learning = again
