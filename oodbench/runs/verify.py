"""Whether a run is what it says: digests of weights, frames, scores and rows, and the metrics computed once more."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from oodbench.contracts import Result
from oodbench.errors import DataError, DataNotFoundError, NotStoredError, OodbenchError
from oodbench.metrics import PROTOCOLS
from oodbench.planning.frame_index import index_frames
from oodbench.planning.records import FrameSetRecord, ScorerRecord, SegmenterRecord
from oodbench.planning.resolve import ModelSource
from oodbench.progress import Progress, Silent
from oodbench.runs.run import Run, load
from oodbench.stages.evaluate import measure
from oodbench.storage.keys import RESULTS_FILE, score_key
from oodbench.storage.scored_benchmark import ScoredBenchmark
from oodbench.types import Frame

# Of a metric. Sums may come in another order on another machine, nothing else.
_SAME = 1e-12

UNRECORDED = "the rest"
"""Stands for what no digest is recorded of, which no run can have checked."""

_UNRECORDED_TEXT = (
    "fits, calibrations, predicted classes, intervals, breakdowns, costs: no digests of them are recorded"
)


@dataclass(frozen=True)
class VerificationCheck:
    """One thing that was looked at: it is right, wrong, or could not be checked, and why.

    Attributes:
        verdict: which of these.
        what: what it is.
        said: what was found.
    """

    verdict: Literal["right", "wrong", "not checked"]
    what: str
    said: str

    def __str__(self) -> str:
        return f"{self.verdict:<11}  {self.what}: {self.said}"


def verify(run: Run | str | Path, progress: Progress | None = None) -> list[VerificationCheck]:
    """`oodbench verify` from Python: everything that can be checked of a run, and what can't.

    Args:
        run: a run, or its folder. Nothing is written.
        progress: where news go; nowhere by default.

    Raises:
        RunFolderError: there is no run in the folder.
    """
    view = Run(run.store) if isinstance(run, Run) else load(run)  # as it is stored now
    return list(_Verification(view, progress or Silent()).findings())


class _Verification:
    def __init__(self, run: Run, progress: Progress) -> None:
        self._run, self._record, self._progress = run, run.record, progress
        self._frames: dict[str, Mapping[str, Frame]] = {}  # benchmark -> digest -> frame, of those that are right

    @property
    def _is_external(self) -> bool:
        """Whether the scores are external, so that there is no network."""
        return any(scorer.given for scorer in self._record.scorers)

    def findings(self) -> Iterator[VerificationCheck]:
        for network in self._record.networks if not self._is_external else ():
            yield self._network(network)
        for part in self._record.benchmarks:
            yield self._set(part, self._benchmark)
        for part in filter(None, (self._record.fit, self._record.calibrate)):
            yield self._set(part, self._dataset)
        yield from self._methods()
        rows, finding = self._rows()
        yield finding
        for part in self._record.benchmarks:
            for scorer in self._record.scorers:
                mine = [
                    row for row in rows if (row.benchmark, row.network, row.label) == _result_identity(part, scorer)
                ]
                yield from self._scores(part, scorer, mine)
        yield VerificationCheck("not checked", UNRECORDED, _UNRECORDED_TEXT)

    def _network(self, network: SegmenterRecord) -> VerificationCheck:
        what = f"network {network.name}"
        try:
            named = ModelSource(network.source, network.card, network.checkpoint)
            found = named.open(self._run.registry, "cpu").digest
        except OodbenchError as error:
            return VerificationCheck("not checked", what, f"it can't be opened: {error.problem}")
        return _compare_digests(what, "weights, card and code", found, network.digest)

    def _methods(self) -> Iterator[VerificationCheck]:
        """Check the code of each method that is a plugin, as it was when the scores were made."""
        recorded = {scorer.label: scorer for scorer in self._record.scorers if scorer.source_digest}
        for label, scorer in recorded.items():
            what = f"code of {label}"
            try:
                found = self._run.registry.source_digest("methods", scorer.method)
            except OodbenchError as error:
                yield VerificationCheck("not checked", what, error.problem)
                continue
            yield _compare_digests(
                what, "the plugin and its local modules", found or "none", scorer.source_digest or ""
            )

    def _set(self, part: FrameSetRecord, find: Any) -> VerificationCheck:
        what = f"frames of {part.name} {part.split}".strip()
        if part.folder is not None and not part.folder.exists():
            return VerificationCheck("not checked", what, f"{part.folder} is not there")
        try:
            there: Mapping[str, Frame] = find(part)
        except DataNotFoundError as error:
            return VerificationCheck("not checked", what, error.problem)
        except OodbenchError as error:
            return VerificationCheck("wrong", what, error.problem)
        absent = [frame.id for frame in part.frames if frame.id not in there]
        if absent:
            return VerificationCheck(
                "wrong", what, f"{len(absent)} of {len(part.frames)} are gone; the first is {absent[0]}"
            )
        frames = [there[frame.id] for frame in part.frames]
        try:
            found = index_frames(frames, part.name, self._progress, cached=False)
        except DataError as error:
            return VerificationCheck("wrong", what, error.problem)
        others = [now.id for now, then in zip(found, part.frames, strict=True) if now != then]
        if others:
            said = (
                f"{len(others)} of {len(found)} differ from the run, in image, labels or the plugin's code; "
                f"the first is {others[0]}"
            )
            return VerificationCheck("wrong", what, said)
        self._frames[part.name] = {now.digest: frame for now, frame in zip(found, frames, strict=True)}
        return VerificationCheck("right", what, f"{len(found)} images and labels, {part.digest[:12]}")

    def _benchmark(self, part: FrameSetRecord) -> Mapping[str, Frame]:
        found = self._run.registry.benchmark(part.name).open(self._record.data.roots())
        return {frame.id: frame for frame in found.frames}

    def _dataset(self, part: FrameSetRecord) -> Mapping[str, Frame]:
        splits = self._run.registry.dataset(part.name).open(self._record.id_data.roots())
        name = part.split.split(" (")[0]  # of a split that was cut in two, both parts
        return {frame.id: frame for frame in splits[name].frames} if name in splits else {}

    def _rows(self) -> tuple[list[Result], VerificationCheck]:
        """The results in result.json, and whether they are this plan's and those that are stored for themselves."""
        try:
            rows = [result for results in self._run.content.results.values() for result in results]
        except (OodbenchError, ValueError) as error:
            there = self._run.store.has(RESULTS_FILE)
            return [], VerificationCheck("wrong" if there else "not checked", "results", str(error).partition("\n")[0])
        data = {part.name: part.digest for part in self._record.benchmarks}
        networks = {network.name: network.digest for network in self._record.networks}
        for row in rows:
            about = f"{row.label} on {row.network}, {row.benchmark}"
            known = (networks.get(row.network), data.get(row.benchmark))
            if (row.digests.get("network"), row.digests.get("data")) != known:
                return rows, VerificationCheck("wrong", "results", f"{about}: its digests are not those of plan.json")
            if self._run.stored_row(row) != row:
                return rows, VerificationCheck(
                    "wrong", "results", f"{about}: result.json and the file in results/ differ"
                )
        return rows, VerificationCheck(
            "right", "results", f"{len(rows)} in result.json and in results/, of this plan's digests"
        )

    def _scores(self, part: FrameSetRecord, scorer: ScorerRecord, rows: list[Result]) -> Iterator[VerificationCheck]:
        what = f"{scorer.label} on {scorer.network}, {part.name}"
        try:
            digest = self._maps(part, scorer)
        except NotStoredError:
            yield VerificationCheck("not checked", f"scores of {what}", "not all of them are stored (--keep-scores)")
            for row in rows:
                yield VerificationCheck("not checked", f"metrics of {what}, {row.protocol.name}", "without the scores")
            return
        except OodbenchError as error:
            yield VerificationCheck("wrong", f"scores of {what}", error.problem)
            return
        if not rows:
            said = f"{len(part.frames)} maps, whole and finite; without a result no digest of them is recorded"
            yield VerificationCheck("not checked", f"scores of {what}", said)
        for row in rows[:1]:
            yield _compare_digests(f"scores of {what}", f"{len(part.frames)} maps", digest, row.digests["scores"])
        for row in rows:
            yield self._metrics(part, scorer, row, f"metrics of {what}, {row.protocol.name}")

    def _maps(self, part: FrameSetRecord, scorer: ScorerRecord) -> str:
        content = hashlib.sha256()
        for frame in part.frames:
            key = score_key(scorer.key, frame.key)
            score = self._run.artifacts.map(key)
            if score.shape != (frame.height, frame.width) or not np.isfinite(score).all():
                raise DataError(
                    f"{self._run.store.name(key)}: {score.shape}; expected {(frame.height, frame.width)}, all finite"
                )
            content.update(score.tobytes())
        return content.hexdigest()

    def _metrics(self, part: FrameSetRecord, scorer: ScorerRecord, row: Result, what: str) -> VerificationCheck:
        if PROTOCOLS.get(row.protocol.name) != row.protocol:
            return VerificationCheck("not checked", what, "the protocol is another one in this version of oodbench")
        frames = self._frames.get(part.name)
        if frames is None:
            return VerificationCheck("not checked", what, "without the labels")
        scored = ScoredBenchmark(self._record, scorer, part, frames, self._run.artifacts)
        measurement = measure(scored, row.protocol)
        metrics, components = measurement.metrics, measurement.components
        for metric, value in row.metrics.items():
            now = metrics.values.get(metric, math.nan)
            if not (math.isnan(now) if value is None else math.isclose(now, value, rel_tol=0, abs_tol=_SAME)):
                return VerificationCheck(
                    "wrong", what, f"{metric} is {now!r} as computed now; the result says {value!r}"
                )
        if {**metrics.counts, "expected_frames": part.expected} != row.counts or components != row.components:
            return VerificationCheck("wrong", what, "the counts behind them are others as computed now")
        return VerificationCheck("right", what, f"{', '.join(row.metrics)} computed once more from the stored scores")


def _result_identity(part: FrameSetRecord, scorer: ScorerRecord) -> tuple[str, str, str]:
    return part.name, scorer.network, scorer.label


def _compare_digests(what: str, which: str, found: str, recorded: str) -> VerificationCheck:
    if found != recorded:
        return VerificationCheck(
            "wrong", what, f"{which} have the digest {found[:12]}; the run was made with {recorded[:12]}"
        )
    return VerificationCheck("right", what, f"{which}, {found[:12]}")
