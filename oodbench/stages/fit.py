"""Second stage of a run: fit methods on labelled in-distribution frames, all methods of a network in one pass."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from oodbench.contracts import Fit, MergeableFit, Method, Segmenter
from oodbench.out_of_memory import explain_out_of_memory
from oodbench.planning.plan import Plan, combine_needs
from oodbench.planning.records import FrameSetRecord
from oodbench.progress import Progress
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import fit_key
from oodbench.types import Frame, SegmenterOutput, SemanticLabels


def fit(plan: Plan, artifacts: RunArtifacts, progress: Progress) -> None:
    """Fit the methods without a stored fit, and load the fit of every method of the plan.

    One forward pass per batch serves all methods of a network.
    """
    if plan.record.fit is not None:
        _fit_missing(plan, plan.record.fit, artifacts, progress)
    for key, method in plan.scorers.items():
        stored_fit = artifacts.fit(fit_key(key))
        if stored_fit is not None:
            method.load(stored_fit)


def _fit_missing(plan: Plan, part: FrameSetRecord, artifacts: RunArtifacts, progress: Progress) -> None:
    record = plan.record
    frames = [plan.frames[frame.digest] for frame in part.frames]
    for name, network in plan.networks.items():
        todo = {
            scorer.key: plan.scorers[scorer.key]
            for scorer in record.scorers
            if scorer.network == name and scorer.fits and not artifacts.store.has(fit_key(scorer.key))
        }
        fits = fit_methods(network, todo, frames, progress, batch_size=record.batch_size, seed=record.seed)
        for key, method_fit in fits:
            artifacts.write_fit(fit_key(key), method_fit)


def update_fit(
    method: Method, output: SegmenterOutput, labels: Sequence[SemanticLabels], frames: Sequence[str]
) -> None:
    """Add a batch of labelled frames to the fit of a method.

    Args:
        method: A method between `begin_fit` and `end_pass`.
        output: The network's output for N frames, with the parts that the method needs.
        labels: The labels of the N frames.
        frames: The ids of the N frames.
    """
    if isinstance(method, MergeableFit):
        for state in method.frame_states(output, labels, frames):
            method.merge(state)
    else:
        method.update(output, labels)


def fit_methods(
    network: Segmenter,
    methods: Mapping[str, Method],
    frames: Sequence[Frame],
    progress: Progress,
    *,
    batch_size: int = 1,
    seed: int = 0,
) -> Iterator[tuple[str, Fit]]:
    """Fit methods on labelled frames, one forward pass per batch for all of them.

    Args:
        network: The network.
        methods: Maps a key to each method that is not fitted.
        frames: Frames with semantic labels.
        progress: Callback for progress messages.
        batch_size: Number of frames per forward pass.
        seed: Random seed.

    Yields:
        The key and the fit of each method, as soon as it needs no further pass.
    """
    for method in methods.values():
        method.begin_fit(network.classes, seed)
    unfinished = dict(methods)
    seconds = dict.fromkeys(methods, 0.0)
    batches = split_batches(len(frames), batch_size)
    while unfinished:
        needs = combine_needs(network, unfinished.values())
        title = f"fit {network.name}: {', '.join(method.card.name for method in unfinished.values())}"
        with progress.track(title, len(frames), "frames") as advance:
            for batch in forward_batches(network, frames, batches, needs, labelled=True):
                for key, method in unfinished.items():
                    start = time.perf_counter()
                    batch_frames = [frames[index] for index in batch.positions]
                    with explain_out_of_memory(network, batch_frames):
                        update_fit(method, batch.output, batch.labels, [frame.id for frame in batch_frames])
                    seconds[key] += time.perf_counter() - start
                advance(len(batch.positions))
        next_pass: dict[str, Method] = {}
        with progress.track(f"learn {network.name}", len(unfinished), "methods") as advance:
            for key, method in unfinished.items():
                start = time.perf_counter()
                if method.end_pass():
                    next_pass[key] = method
                else:
                    method_fit = method.fitted()
                    seconds[key] += time.perf_counter() - start
                    yield key, Fit(method_fit.tensors, {**method_fit.facts, "seconds": seconds[key]})
                advance(1)
        unfinished = next_pass
