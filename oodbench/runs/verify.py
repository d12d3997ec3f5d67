"""Verification of a run: digests of weights, frames, scores and results, and the metrics computed again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from typing_extensions import override

from oodbench.contracts import Result
from oodbench.errors import (
    DataError,
    DataNotFoundError,
    NotStoredError,
    OodbenchError,
    UnknownNameError,
    UntrustedCodeError,
)
from oodbench.metrics import PROTOCOLS
from oodbench.planning.frame_index import index_frames
from oodbench.planning.live_objects import OBJECT
from oodbench.planning.records import FrameSetRecord, ScorerRecord, SegmenterRecord
from oodbench.progress import Progress, Silent
from oodbench.runs.load import load
from oodbench.runs.run import Run
from oodbench.stages.evaluate import measure
from oodbench.storage.keys import RESULTS_FILE, score_key
from oodbench.storage.scored_benchmark import ScoredBenchmark, digest_map, digest_maps
from oodbench.types import Frame

# Absolute tolerance for a recomputed metric. Only the order of floating-point sums can differ between machines.
_TOLERANCE = 1e-12

UNRECORDED = "the rest"
"""Name of the check for everything that has no recorded digest and can't be checked."""

_UNRECORDED_TEXT = (
    "fits, calibrations, predicted classes, intervals, breakdowns, costs: no digests of them are recorded"
)


@dataclass(frozen=True)
class VerificationCheck:
    """The outcome of one check of a run, as `verify` returns it.

    Attributes:
        verdict: `right`, `wrong`, or `not checked`.
        what: The subject of the check, such as a network or the score maps of a method.
        said: The finding; for `not checked`, the reason why the check was not possible.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> check = oodbench.verify(run)[0]
        >>> check.verdict, check.what
        ('right', 'network streets-softmax')
    """

    verdict: Literal["right", "wrong", "not checked"]
    what: str
    said: str

    @override
    def __str__(self) -> str:
        return f"{self.verdict:<11}  {self.what}: {self.said}"


def verify(run: Run | str | Path, progress: Progress | None = None) -> list[VerificationCheck]:
    """Verify a run as `oodbench verify` does: check that its files have not changed, and recompute its results.

    The SHA-256 digests (hashes) of the networks, frames, code and score maps are compared with those that the run
    recorded. The metrics are computed again from the stored score maps.

    Args:
        run: A run, or its folder. Nothing is written.
        progress: Callback for progress messages; None: silent.

    Returns:
        The outcomes of all checks, including the checks that were not possible.

    Raises:
        RunFolderError: The folder contains no run.

    Examples:
        >>> import oodbench
        >>> _ = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> sorted({check.verdict for check in oodbench.verify("run")})
        ['not checked', 'right']
    """
    # A new object reads the run as it is stored now.
    current = Run(run.store, access=run.access) if isinstance(run, Run) else load(run)
    return list(_Verification(current, progress or Silent()).checks())


class _Verification:
    def __init__(self, run: Run, progress: Progress) -> None:
        self._run, self._record, self._progress = run, run.record, progress
        self._frames: dict[str, Mapping[str, Frame]] = {}  # benchmark -> digest -> frame, of unchanged benchmarks

    @property
    def _is_external(self) -> bool:
        """Whether the scores are external, so that there is no network."""
        return any(scorer.given for scorer in self._record.scorers)

    def checks(self) -> Iterator[VerificationCheck]:
        for network in self._record.networks if not self._is_external else ():
            yield self._check_network(network)
        for part in self._record.benchmarks:
            yield self._check_frames(part, self._run.finder.benchmark)
        for part in filter(None, (self._record.fit, self._record.calibrate)):
            yield self._check_frames(part, self._run.finder.dataset)
        yield from self._check_methods()
        results, check = self._check_results()
        yield check
        for part in self._record.benchmarks:
            for scorer in self._record.scorers:
                identity = (part.name, scorer.network, scorer.label)
                scorer_results = [
                    result for result in results if (result.benchmark, result.network, result.label) == identity
                ]
                yield from self._check_scores(part, scorer, scorer_results)
        yield VerificationCheck("not checked", UNRECORDED, _UNRECORDED_TEXT)

    def _check_network(self, network: SegmenterRecord) -> VerificationCheck:
        what = f"network {network.name}"
        if network.source.endswith(OBJECT):
            return VerificationCheck("not checked", what, "it was passed as an object, which can't be opened again")
        try:
            digest = self._run.access.open_network(network, self._run.registry).digest
        except OodbenchError as error:
            return VerificationCheck("not checked", what, f"it can't be opened: {error.problem}")
        return _compare_digests(what, "weights, card and code", digest, network.digest)

    def _check_methods(self) -> Iterator[VerificationCheck]:
        """Check that the code of each plugin method is the code that computed the scores."""
        recorded = {scorer.label: scorer for scorer in self._record.scorers if scorer.source_digest}
        for label, scorer in recorded.items():
            what = f"code of {label}"
            if scorer.spec.endswith(OBJECT):
                yield VerificationCheck("not checked", what, "it was passed as an object")
                continue
            try:
                digest = self._run.registry.source_digest("methods", scorer.method)
            except OodbenchError as error:
                yield VerificationCheck("not checked", what, error.problem)
                continue
            yield _compare_digests(
                what, "the plugin and its local modules", digest or "none", scorer.source_digest or ""
            )

    def _check_frames(self, part: FrameSetRecord, open_set: Any) -> VerificationCheck:
        what = f"frames of {part.name} {part.split}".strip()
        try:
            by_id: Mapping[str, Frame] = open_set(part)
        except (DataNotFoundError, UnknownNameError, UntrustedCodeError) as error:
            return VerificationCheck("not checked", what, error.problem)
        except OodbenchError as error:
            return VerificationCheck("wrong", what, error.problem)
        missing = [frame.id for frame in part.frames if frame.id not in by_id]
        if missing:
            return VerificationCheck(
                "wrong", what, f"{len(missing)} of {len(part.frames)} are missing; the first is {missing[0]}"
            )
        frames = [by_id[frame.id] for frame in part.frames]
        try:
            records = index_frames(frames, part.name, self._progress, cached=False)
        except DataError as error:
            return VerificationCheck("wrong", what, error.problem)
        changed = [now.id for now, then in zip(records, part.frames, strict=True) if now != then]
        if changed:
            said = (
                f"{len(changed)} of {len(records)} differ from the run, in image, labels or the plugin's code; "
                f"the first is {changed[0]}"
            )
            return VerificationCheck("wrong", what, said)
        self._frames[part.name] = {record.digest: frame for record, frame in zip(records, frames, strict=True)}
        return VerificationCheck("right", what, f"{len(records)} images and labels, {part.digest[:12]}")

    def _check_results(self) -> tuple[list[Result], VerificationCheck]:
        """Return the results in result.json; check that they match the plan and the files in results/."""
        try:
            results = [result for part in self._run.content.results.values() for result in part]
        except (OodbenchError, ValueError) as error:
            verdict: Literal["wrong", "not checked"] = "wrong" if self._run.store.has(RESULTS_FILE) else "not checked"
            return [], VerificationCheck(verdict, "results", str(error).partition("\n")[0])
        data = {part.name: part.digest for part in self._record.benchmarks}
        networks = {network.name: network.digest for network in self._record.networks}
        for result in results:
            title = f"{result.label} on {result.network}, {result.benchmark}"
            planned = (networks.get(result.network), data.get(result.benchmark))
            if (result.digests.get("network"), result.digests.get("data")) != planned:
                said = f"{title}: its digests are not those of plan.json"
                return results, VerificationCheck("wrong", "results", said)
            if self._run.stored_row(result) != result:
                return results, VerificationCheck(
                    "wrong", "results", f"{title}: result.json and the file in results/ differ"
                )
        return results, VerificationCheck(
            "right", "results", f"{len(results)} in result.json and in results/, with the plan's digests"
        )

    def _check_scores(
        self, part: FrameSetRecord, scorer: ScorerRecord, results: list[Result]
    ) -> Iterator[VerificationCheck]:
        what = f"{scorer.label} on {scorer.network}, {part.name}"
        try:
            digest = self._digest_maps(part, scorer)
        except NotStoredError:
            yield VerificationCheck("not checked", f"scores of {what}", "not all of them are stored (--keep-scores)")
            for result in results:
                metrics = f"metrics of {what}, {result.protocol.name}"
                yield VerificationCheck("not checked", metrics, "the scores are not stored")
            return
        except OodbenchError as error:
            yield VerificationCheck("wrong", f"scores of {what}", error.problem)
            return
        if not results:
            said = f"{len(part.frames)} maps, intact and finite; without a result no digest of them is recorded"
            yield VerificationCheck("not checked", f"scores of {what}", said)
        for result in results[:1]:
            yield _compare_digests(f"scores of {what}", f"{len(part.frames)} maps", digest, result.digests["scores"])
        for result in results:
            yield self._check_metrics(part, scorer, result, f"metrics of {what}, {result.protocol.name}")

    def _digest_maps(self, part: FrameSetRecord, scorer: ScorerRecord) -> str:
        digests: list[str] = []
        for frame in part.frames:
            key = score_key(scorer.key, frame.key)
            score = self._run.artifacts.map(key)
            if score.shape != (frame.height, frame.width) or not np.isfinite(score).all():
                raise DataError(
                    f"{self._run.store.name(key)}: {score.shape}; expected {(frame.height, frame.width)}, all finite",
                    "Score the frame again.",
                )
            digests.append(digest_map(score))
        return digest_maps(digests)

    def _check_metrics(
        self, part: FrameSetRecord, scorer: ScorerRecord, result: Result, what: str
    ) -> VerificationCheck:
        if PROTOCOLS.get(result.protocol.name) != result.protocol:
            return VerificationCheck("not checked", what, "this version of oodbench defines the protocol differently")
        frames = self._frames.get(part.name)
        if frames is None:
            return VerificationCheck("not checked", what, "the labels are not available")
        scored = ScoredBenchmark(self._record, scorer, part, frames, self._run.artifacts)
        measurement = measure(scored, result.protocol)
        metrics, components = measurement.metrics, measurement.components
        for metric, value in result.metrics.items():
            now = metrics.values.get(metric, math.nan)
            if not (math.isnan(now) if value is None else math.isclose(now, value, rel_tol=0, abs_tol=_TOLERANCE)):
                return VerificationCheck("wrong", what, f"{metric} is {now!r} if recomputed; the result has {value!r}")
        if {**metrics.counts, "expected_frames": part.expected} != result.counts or components != result.components:
            return VerificationCheck("wrong", what, "the pixel counts differ if recomputed")
        return VerificationCheck("right", what, f"{', '.join(result.metrics)} recomputed from the stored scores")


def _compare_digests(what: str, contents: str, digest: str, recorded: str) -> VerificationCheck:
    if digest != recorded:
        return VerificationCheck(
            "wrong", what, f"{contents} have the digest {digest[:12]}; the run recorded {recorded[:12]}"
        )
    return VerificationCheck("right", what, f"{contents}, {digest[:12]}")
