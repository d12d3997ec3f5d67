"""Fifth stage of a run: compute results from the measurements of the frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oodbench.contracts import (
    Cost,
    Expected,
    FailedBenchmark,
    Protocol,
    Result,
    ResultsFile,
    warn_of_wide_brackets,
)
from oodbench.environment import describe_differences, describe_environment, peak_memory
from oodbench.errors import RunFolderError
from oodbench.metrics import PROTOCOLS, Sketch
from oodbench.planning.records import Anomalous, PlanRecord
from oodbench.progress import Progress
from oodbench.stages.evaluation.chunks import BucketedScores
from oodbench.stages.evaluation.earlier import EarlierResults
from oodbench.stages.evaluation.measurements import ExactScores
from oodbench.stages.evaluation.scores import MeasuredScores, ScoreEvaluation
from oodbench.stages.evaluation.sketches import result_intervals
from oodbench.stages.failures import Failures
from oodbench.stages.quality import quality_warnings
from oodbench.stopping import check_stop
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import cost_key, environment_key, fit_key, quality_key, result_key
from oodbench.storage.scored_benchmark import ScoredBenchmark, digest_maps
from oodbench.threads import open_pool
from oodbench.types import Frame

# A share of pixels with the same score above this causes a warning that the scores saturate.
_MANY_TIES = 0.01

# Number of scorers that are evaluated at the same time. The scores of each are in memory.
_AT_ONCE = 2

# An AUROC below this suggests scores with the wrong sign. Real methods on hard benchmarks reach at least about 0.4.
_INVERTED = 0.4


def evaluate(
    plan: PlanRecord,
    frames: Mapping[str, Frame],
    artifacts: RunArtifacts,
    progress: Progress,
    protocols: Mapping[str, Sequence[str]],
    *,
    again: bool = False,
    failures: Failures | None = None,
) -> dict[str, list[Result]]:
    """Compute one result per scorer, benchmark and protocol.

    Args:
        plan: The plan of the run.
        frames: Maps the digest of each frame to the frame, for its labels.
        artifacts: The artifacts of the run.
        progress: Callback for progress messages.
        protocols: Maps the name of each benchmark to the names of its protocols.
        again: Whether to recompute results that are already stored.
        failures: Collector for errors of single benchmarks; None: raise the first error.

    Returns:
        The results by name of protocol, in the plan's order.

    Raises:
        NotStoredError: The scores of a frame are not stored.
        RunFolderError: The scores are not those that an earlier result in result.json was computed from.
        ScoreError: A map contains NaN.
    """
    earlier = EarlierResults.read(plan, artifacts) if again else EarlierResults()
    failures = Failures(fail_fast=True) if failures is None else failures
    results: dict[str, list[Result]] = {name: [] for names in protocols.values() for name in names}
    for benchmark in plan.benchmarks:
        if benchmark.name in failures:
            continue
        if any(frames[frame.digest].read_anomaly_labels is None for frame in benchmark.frames):
            progress.warn(f"{benchmark.name} has frames without labels: it is scored but not evaluated")
            continue
        with failures.collect(benchmark.name, "evaluate"):
            names = protocols.get(benchmark.name, ())
            todo = []
            for scorer in plan.scorers:
                scored = ScoredBenchmark(plan, scorer, benchmark, frames, artifacts)
                missing = [
                    protocol
                    for protocol in map(PROTOCOLS.__getitem__, names)
                    if again or artifacts.result(scored.result_key(protocol)) is None
                ]
                if missing:
                    todo.append((scored, missing))
            if todo:
                title = f"evaluate {benchmark.name}"
                with progress.track(title, len(todo), "methods") as advance, open_pool(_AT_ONCE) as pool:
                    for task in [pool.submit(_evaluate_scorer, *scorer, earlier) for scorer in todo]:
                        task.result()
                        advance(1)
                        check_stop()
            for name in names:
                keys = [result_key(plan, scorer, benchmark, PROTOCOLS[name]) for scorer in plan.scorers]
                results[name] += [result for key in keys if (result := artifacts.result(key)) is not None]
    return results


def _check_same_scores(digest: str, earlier: Result | None, artifacts: RunArtifacts) -> None:
    """Raise if the stored scores are not those of the earlier result."""
    if earlier is not None and earlier.digests["scores"] != digest:
        raise RunFolderError(
            f"{artifacts.store.location}: the stored scores of {earlier.label} on {earlier.network}, "
            f"{earlier.benchmark} are not those that its results in result.json were computed from",
            "Restore the score maps. To accept the stored ones, remove result.json and run the same command again.",
        )


def load_scores(scored: ScoredBenchmark, protocols: Sequence[Protocol]) -> MeasuredScores:
    """Return the measured scores of a scorer on a benchmark.

    Args:
        scored: The scorer and the benchmark.
        protocols: The protocols under which the scores will be evaluated.

    Raises:
        NotStoredError: The scores of a frame are not stored.
        RunFolderError: A file is damaged.
    """
    bucketed = scored.plan.is_bucketed(scored.benchmark)
    return BucketedScores(scored) if bucketed else ExactScores(scored, protocols)


def _evaluate_scorer(scored: ScoredBenchmark, protocols: Sequence[Protocol], earlier: EarlierResults) -> None:
    """Evaluate a scorer under several protocols and store the results. The scores are read once."""
    scores = load_scores(scored, protocols)
    for protocol in protocols:
        result = _make_result(scored, protocol, scores, earlier)
        scored.artifacts.write_result(scored.result_key(protocol), result)


def rebuild_sketch(scored: ScoredBenchmark, protocol: Protocol) -> Sketch | None:
    """Rebuild and store the sketch and the breakdown of a result; return the sketch, or None if there is none."""
    evaluated = load_scores(scored, [protocol]).evaluate(protocol)
    _write_details(scored, protocol, evaluated)
    return evaluated.sketch


def _write_details(scored: ScoredBenchmark, protocol: Protocol, evaluated: ScoreEvaluation) -> None:
    result = scored.result_key(protocol)
    if evaluated.breakdown is not None:
        scored.artifacts.write_breakdown(result, evaluated.breakdown)
    if evaluated.sketch is not None:
        scored.artifacts.write_sketch(result, evaluated.sketch)


def _make_result(
    scored: ScoredBenchmark, protocol: Protocol, scores: MeasuredScores, earlier_results: EarlierResults
) -> Result:
    """Evaluate a scorer. Facts whose files are gone come from its earlier result."""
    plan, scorer, benchmark, artifacts = scored.plan, scored.scorer, scored.benchmark, scored.artifacts
    earlier = earlier_results.by_place.get((scorer.label, scorer.network, benchmark.name))
    scores_digest = digest_maps(scores.digests)
    _check_same_scores(scores_digest, earlier, artifacts)
    evaluated = scores.evaluate(protocol)
    _write_details(scored, protocol, evaluated)
    metrics = evaluated.metrics
    network = scored.network
    fit = artifacts.fit_facts(fit_key(scorer.key)) if scorer.fits else None
    if fit is None and earlier is not None and earlier.fit:
        fit = {**earlier.fit, "seconds": earlier.cost.fit_s}
    fit_facts: dict[str, Any] = {}
    warnings = [*benchmark.warnings]
    if metrics.largest_tie > _MANY_TIES:
        share = f"{100 * metrics.largest_tie:.1f} % of the valid pixels of {benchmark.name} share one score"
        name = scorer.label if scorer.given else scorer.method
        warnings.append(f"{name}: {share}: it saturates, and AP depends on how ties are counted")
    warnings += warn_of_wide_brackets(scorer.label, benchmark.name, evaluated.brackets)
    if scorer.given is not None:
        warnings += [*scorer.given.notes]
        warnings += _inversion_warnings(scorer.label, scorer.given.anomalous, metrics.values["AUROC"])
    if scorer.fits and fit is None:
        warnings.append(f"{scorer.method}: its fit is not stored, so warnings about the fit are missing here")
    if fit is not None and plan.fit is not None:
        fit_facts = {"dataset": plan.fit.name, "split": plan.fit.split, "frames": len(plan.fit.frames)}
        fit_facts |= {name: fact for name, fact in fit.items() if name != "seconds"}
        warnings += plan.fit.warnings
        warnings += _fit_warnings(scorer.method, fit)
    if plan.calibrate is not None:
        quality = artifacts.json(quality_key(network.digest, plan.calibrate))
        quality = quality or earlier_results.quality.get(network.name)
        expected = Expected(network.expected_miou, network.expected_mean_confidence)
        warnings += quality_warnings(network.name, quality, expected) if quality else []
    environment = artifacts.json(environment_key(network.digest))
    if environment is None:
        environment = earlier.environment if earlier is not None else describe_environment(network.device)
    warnings += describe_differences(environment)
    return Result(
        method=scorer.method,
        params=scorer.params,
        label=scorer.label,
        network=scorer.network,
        benchmark=benchmark.name,
        layout=benchmark.layout,
        scoring=plan.scoring,
        protocol=protocol,
        metrics={name: None if math.isnan(value) else value for name, value in metrics.values.items()},
        undefined=dict(metrics.undefined),
        intervals=result_intervals(evaluated.sketch, metrics, benchmark, plan.seed),
        counts={**metrics.counts, "expected_frames": benchmark.expected},
        components=dict(evaluated.components),
        brackets=dict(evaluated.brackets),
        fit=fit_facts,
        cost=_measure_cost(scored, fit, earlier),
        environment=environment,
        seed=plan.seed,
        digests={"network": network.digest, "data": benchmark.digest, "scores": scores_digest},
        warnings=warnings,
    )


def _inversion_warnings(label: str, anomalous: Anomalous, auroc: float) -> list[str]:
    """Return a warning if the sign of external scores seems to be wrong."""
    if not auroc < _INVERTED:
        return []
    other = {"higher": "lower", "lower": "higher"}[anomalous]
    return [f"{label}: AUROC is {auroc:.2f} with {anomalous} scores as anomalous: should it be --anomalous {other}?"]


def _fit_warnings(method: str, facts: Mapping[str, Any]) -> list[str]:
    texts = {"pooled_classes": "too few pixels, pooled statistics", "absent_classes": "no pixel in the fit frames"}
    return [f"{method}: {text}: {', '.join(facts[key])}" for key, text in texts.items() if facts.get(key)]


def _measure_cost(scored: ScoredBenchmark, fit: Mapping[str, Any] | None, earlier: Result | None) -> Cost:
    scorer = scored.scorer.key
    lines = [line for line in scored.artifacts.costs(cost_key(scored.network.digest)) if scorer in line["score"]]
    fit_seconds = fit.get("seconds") if fit else None
    if not lines and earlier is not None:
        return earlier.cost
    if not lines:
        return Cost(fit_s=fit_seconds, peak_memory_mb=_peak_memory())
    return Cost(
        forward_ms=float(np.median([line["forward"] for line in lines])),
        summary_ms=float(np.median([line["summary"] for line in lines])),
        score_ms=float(np.median([line["score"][scorer] for line in lines])),
        fit_s=fit_seconds,
        peak_memory_mb=_peak_memory(),
    )


def _peak_memory() -> float | None:
    """Return the peak memory of this process in MiB; None if it is unknown on this system."""
    memory = peak_memory()
    return None if memory is None else memory / 2**20


def write_results(
    plan: PlanRecord,
    results: Mapping[str, list[Result]],
    artifacts: RunArtifacts,
    failed: Sequence[FailedBenchmark] = (),
) -> ResultsFile:
    """Write result.json; keep the results of the same plan under other protocols.

    Args:
        plan: The plan of the run.
        results: The results by name of protocol.
        artifacts: The artifacts of the run.
        failed: Benchmarks that failed.

    Returns:
        The content of result.json.
    """
    earlier = EarlierResults.read(plan, artifacts)
    quality = {name: dict(measured) for name, measured in earlier.quality.items()}
    if plan.calibrate is not None:
        for network in plan.networks:
            measured = artifacts.json(quality_key(network.digest, plan.calibrate))
            if measured is not None:
                quality[network.name] = {**measured, "dataset": plan.calibrate.name, "split": plan.calibrate.split}
    content = ResultsFile(
        plan=plan.digest,
        results={**results, **{name: part for name, part in earlier.by_protocol.items() if name not in results}},
        failed=list(failed),
        skipped=[pair.model_dump(mode="json") for pair in plan.skipped],
        quality=quality,
    )
    artifacts.write_results_file(content)
    return content
