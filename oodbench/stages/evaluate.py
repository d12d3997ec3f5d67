"""The fifth stage: stored maps and labels become rows."""

from __future__ import annotations

import hashlib
import json
import math
import resource
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from oodbench.contracts import Expected, Result, Scoring
from oodbench.environment import describe_environment
from oodbench.errors import RunFolderError, ScoreError
from oodbench.files import digest_bytes
from oodbench.metrics import PROTOCOLS, Evaluation, PixelMetrics, make_evaluation
from oodbench.planning.records import Anomalous, FrameSetRecord, PlanRecord, ScorerRecord, SegmenterRecord
from oodbench.progress import Progress
from oodbench.stages.calibrate import calibration_key, quality_key, quality_warnings
from oodbench.stages.components import add_component_metrics
from oodbench.stages.gpu_counts import find_counter
from oodbench.stages.sketches import result_intervals, write_sketch_and_breakdown
from oodbench.storage.local import LocalStore
from oodbench.storage.maps import iter_scores
from oodbench.types import AnomalyLabels, Frame, ScoreMap

# One pixel in a hundred with one score is more than chance.
_MANY_TIES = 0.01

# Scores that are turned round find anomalies last. Real methods on hard sets come down to an AUROC of .4.
_INVERTED = 0.4


def result_key(record: PlanRecord, scorer: ScorerRecord, benchmark: FrameSetRecord) -> str:
    """Names a row's file: the digest of everything that it depends on."""
    network = _segmenter_record(record, scorer)
    parts = {
        "scorer": [scorer.key, scorer.label],
        "network": [network.name, network.expected_miou, network.expected_mean_confidence],
        "benchmark": [benchmark.name, benchmark.layout, benchmark.digest, benchmark.expected, benchmark.warnings],
        "calibrate": record.calibrate.digest if record.calibrate else None,
        "protocol": PROTOCOLS[record.protocol].identity(),
        "scoring": Scoring(**record.scoring).identity(),
        "seed": record.seed,
    }
    if PROTOCOLS[record.protocol].components and benchmark.components:
        parts["components"] = [benchmark.components.prediction, benchmark.components.object]
    return digest_bytes(json.dumps(parts, sort_keys=True).encode())[:20]


def _segmenter_record(record: PlanRecord, scorer: ScorerRecord) -> SegmenterRecord:
    return next(network for network in record.networks if network.name == scorer.network)


def evaluate(
    record: PlanRecord, frames: Mapping[str, Frame], store: LocalStore, progress: Progress, *, again: bool = False
) -> list[Result]:
    """One row for each scorer and benchmark, in the plan's order.

    Args:
        record: the plan.
        frames: digest of a frame -> frame, for its labels.
        store: where the maps are.
        progress: what to tell.
        again: compute rows that are stored already, too.

    Raises:
        RunFolderError: a map is not stored.
        ScoreError: a map holds NaN.
    """
    rows = []
    for benchmark in record.benchmarks:
        if any(frames[frame.digest].read_anomaly_labels is None for frame in benchmark.frames):
            progress.warn(f"{benchmark.name} has frames without labels: it was scored and is not evaluated")
            continue
        todo = [
            scorer for scorer in record.scorers if again or store.row(result_key(record, scorer, benchmark)) is None
        ]
        if todo:
            with progress.track(f"evaluate {benchmark.name}", len(todo), "methods") as advance:
                for scorer in todo:
                    fresh = _make_result(record, scorer, benchmark, frames, store)
                    store.write_json(
                        f"rows/{result_key(record, scorer, benchmark)}.json", fresh.model_dump(mode="json")
                    )
                    advance(1)
        rows += [row for scorer in record.scorers if (row := store.row(result_key(record, scorer, benchmark)))]
    return rows


def measure(
    record: PlanRecord, scorer: ScorerRecord, benchmark: FrameSetRecord, frames: Mapping[str, Frame], store: LocalStore
) -> tuple[Evaluation, PixelMetrics, dict[str, Any], str]:
    """What the stored maps of a row say: all frames taken in, the metrics, the components, the digest of the maps.

    Raises:
        NotStoredError: a map is not there.
        ScoreError: a map holds NaN.
    """
    protocol = PROTOCOLS[record.protocol]
    under = make_evaluation(protocol, find_counter(_segmenter_record(record, scorer).device))
    content = hashlib.sha256()
    for frame, score, labels in iter_scores(scorer, benchmark, frames, store):
        content.update(score.tobytes())
        try:
            under.update(score, labels)
        except ScoreError as error:
            path = store.map_path("scores", scorer.key, frame.key)
            raise ScoreError(
                f"{path} ({scorer.method} on {frame.id}): {error.problem}",
                "Remove the file and run the same command again.",
            ) from None
    metrics = under.metrics()
    components: dict[str, Any] = {}
    if protocol.components:
        metrics, components = _components(record, scorer, benchmark, frames, store, metrics)
    return under, metrics, components, content.hexdigest()


def _make_result(
    record: PlanRecord, scorer: ScorerRecord, benchmark: FrameSetRecord, frames: Mapping[str, Frame], store: LocalStore
) -> Result:
    under, metrics, components, content = measure(record, scorer, benchmark, frames, store)
    sketch = write_sketch_and_breakdown(
        result_key(record, scorer, benchmark), under, record, scorer, benchmark, frames, store
    )
    network = _segmenter_record(record, scorer)
    fit = store.fit(scorer.key) if scorer.fits else None
    fit_facts: dict[str, Any] = {}
    warnings = [*benchmark.warnings]
    if metrics.largest_tie > _MANY_TIES:
        share = f"{100 * metrics.largest_tie:.1f} % of the valid pixels of {benchmark.name} share one score"
        name = scorer.label if scorer.given else scorer.method
        warnings.append(f"{name}: {share}: it saturates, and AP depends on how ties are counted")
    if scorer.given is not None:
        warnings += [
            *scorer.given.notes,
            *_inversion_warnings(scorer.label, scorer.given.anomalous, metrics.values["AUROC"]),
        ]
    if fit is not None and record.fit is not None:
        fit_facts = {
            "dataset": record.fit.name,
            "split": record.fit.split,
            "frames": len(record.fit.frames),
        }
        fit_facts |= {name: fact for name, fact in fit.facts.items() if name != "seconds"}
        warnings += record.fit.warnings
        warnings += _fit_warnings(scorer.method, fit.facts)
    if record.calibrate is not None:
        quality = store.read_json(quality_key(network.digest, record.calibrate.digest))
        expected = Expected(network.expected_miou, network.expected_mean_confidence)
        warnings += quality_warnings(network.name, quality, expected) if quality else []
    return Result(
        method=scorer.method,
        params=scorer.params,
        label=scorer.label,
        network=scorer.network,
        benchmark=benchmark.name,
        layout=benchmark.layout,
        scoring=record.scoring,
        protocol=under.protocol.record(),
        metrics={name: None if math.isnan(value) else value for name, value in metrics.values.items()},
        undefined=dict(metrics.undefined),
        intervals=result_intervals(sketch, metrics, benchmark, record.seed),
        counts={**metrics.counts, "expected_frames": benchmark.expected},
        components=components,
        fit=fit_facts,
        cost={**_cost(store, network.digest[:12], scorer.key), "fit_s": fit.facts.get("seconds") if fit else None},
        environment=store.read_json(f"environments/{network.digest[:12]}.json") or describe_environment(network.device),
        seed=record.seed,
        digests={"network": network.digest, "data": benchmark.digest, "scores": content},
        warnings=warnings,
    )


def _components(
    record: PlanRecord,
    scorer: ScorerRecord,
    benchmark: FrameSetRecord,
    frames: Mapping[str, Frame],
    store: LocalStore,
    metrics: PixelMetrics,
) -> tuple[PixelMetrics, dict[str, Any]]:
    if benchmark.components is None:
        raise RunFolderError(
            f"{store.folder}: its plan.json does not say which components of {benchmark.name} are too small to count",
            "An earlier version of oodbench made it: run the same 'oodbench run' again, then evaluate.",
        )

    def read() -> Iterator[tuple[ScoreMap, AnomalyLabels]]:
        for _, score, labels in iter_scores(scorer, benchmark, frames, store):
            yield score, labels

    part = record.calibrate
    calibration = None if part is None else store.calibration(calibration_key(scorer.key, part))
    return add_component_metrics(metrics, read, PROTOCOLS[record.protocol], benchmark.components, calibration)


def _inversion_warnings(label: str, anomalous: Anomalous, auroc: float) -> list[str]:
    """What to say where the scores look as if the other ones were the anomalous ones."""
    if not auroc < _INVERTED:
        return []
    other = {"higher": "lower", "lower": "higher"}[anomalous]
    return [f"{label}: AUROC is {auroc:.2f} with {anomalous} scores as anomalous: should it be --anomalous {other}?"]


def _fit_warnings(method: str, facts: Mapping[str, Any]) -> list[str]:
    said = {"pooled_classes": "too few pixels, pooled statistics", "absent_classes": "no pixel in the fit frames"}
    return [f"{method}: {text}: {', '.join(facts[key])}" for key, text in said.items() if facts.get(key)]


def _cost(store: LocalStore, network: str, scorer: str) -> dict[str, float | None]:
    lines = [line for line in store.costs(network) if scorer in line["score"]]
    # ru_maxrss is in kilobytes on Linux and in bytes on macOS; the pipeline is run on Linux.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if not lines:
        return {"forward_ms": None, "summary_ms": None, "score_ms": None, "peak_memory_mb": peak}
    return {
        "forward_ms": float(np.median([line["forward"] for line in lines])),
        "summary_ms": float(np.median([line["summary"] for line in lines])),
        "score_ms": float(np.median([line["score"][scorer] for line in lines])),
        "peak_memory_mb": peak,
    }


def result(record: PlanRecord, rows: list[Result], store: LocalStore) -> dict[str, Any]:
    """The content of result.json, put together from the rows."""
    quality = {}
    if record.calibrate is not None:
        for network in record.networks:
            found = store.read_json(quality_key(network.digest, record.calibrate.digest))
            if found is not None:
                quality[network.name] = {**found, "dataset": record.calibrate.name, "split": record.calibrate.split}
    return {
        "schema_version": 1,
        "plan": record.digest,
        "rows": [row.model_dump(mode="json") for row in rows],
        "skipped": [pair.model_dump(mode="json") for pair in record.skipped],
        "quality": quality,
    }


def read_result(store: LocalStore) -> dict[str, Any]:
    """result.json.

    Raises:
        RunFolderError: there is none.
    """
    content = store.read_json("result.json")
    if not isinstance(content, dict):
        raise RunFolderError(
            f"{store.folder}: no result.json in this folder",
            "Expected the folder of a run that was evaluated; run the same 'oodbench run' again to go on with one.",
        )
    return content
