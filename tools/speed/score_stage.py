"""Duration of the score stage, compared with the bare forward passes of the same network over the same frames.

    python -m tools.speed.score_stage --model FILE.onnx --model-card FILE.toml --data DIR --id-data DIR [--limit 20]

The forward passes and the score stage of the four logit methods are timed alternately, several times, so that a change
of the machine's speed affects both. Prints the ratio, computed pair by pair, then the duration of each stage and each
method. All code is compiled and all files are cached.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from oodbench.contracts import Needs
from oodbench.planning.plan import Plan, make_plan
from oodbench.planning.request import Request
from oodbench.progress import Silent
from oodbench.registry import Registry
from oodbench.runs.load import load
from oodbench.stages.calibrate import calibrate
from oodbench.stages.evaluate import evaluate, write_results
from oodbench.stages.fit import fit
from oodbench.stages.score import score
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.local import LocalStore

LOGIT_METHODS = ("msp", "max-logit", "entropy", "energy")
PAIRS = 3


def time_call(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def plan_run(arguments: argparse.Namespace, **options: object) -> Plan:
    request = Request(
        models=(arguments.model,),
        model_cards=(arguments.model_card,) if arguments.model_card else (),
        benchmarks=(arguments.benchmark,),
        data=(arguments.data,),
        id_data=(arguments.id_data,),
        limit=arguments.limit,
        **options,
    )
    return make_plan(request, Registry(), Silent())


def time_forward_passes(plan: Plan) -> float:
    """Return the duration of the bare passes; images are read and prepared outside the measurement."""
    ((_, network),) = plan.networks.items()
    total = 0.0
    for record in plan.record.benchmarks[0].frames:
        batch = [network.prepare(plan.frames[record.digest].read_image())]
        total += time_call(lambda batch=batch: network.forward(batch, Needs(class_maps=True)))  # type: ignore[misc]
    return total


def time_score_stage(plan: Plan) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return time_call(lambda: score(plan, RunArtifacts(LocalStore(Path(folder))), Silent()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--model-card")
    parser.add_argument("--data", required=True)
    parser.add_argument("--id-data", required=True)
    parser.add_argument("--benchmark", default="road-anomaly")
    parser.add_argument("--limit", type=int, default=20)
    arguments = parser.parse_args()

    plans = {mode: plan_run(arguments, methods=LOGIT_METHODS, upsample=mode) for mode in ("score", "logits")}
    frames = len(plans["score"].record.benchmarks[0].frames)
    print(f"{frames} frames of {arguments.benchmark}; {', '.join(LOGIT_METHODS)} together; {PAIRS} pairs")
    for plan in plans.values():
        time_score_stage(plan)  # warm
    for mode, plan in plans.items():
        pairs = [(time_forward_passes(plan), time_score_stage(plan)) for _ in range(PAIRS)]
        ratios = [stage / bare for bare, stage in pairs]
        bare, stage = (1e3 * statistics.median(column) / frames for column in zip(*pairs, strict=True))
        print(
            f"--upsample {mode:<6}  bare forward {bare:6.1f} ms per frame, score stage {stage:6.1f} ms per frame, "
            f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )

    print("\nall methods, one stage at a time")
    plan = plan_run(arguments, upsample="logits")
    with tempfile.TemporaryDirectory() as folder:
        artifacts, silent = RunArtifacts(LocalStore(Path(folder))), Silent()
        artifacts.write_plan(plan.record)
        spent = time_call(lambda: fit(plan, artifacts, silent))
        print(f"fit        {spent:6.1f} s, {len(plan.record.fit.frames)} frames")  # type: ignore[union-attr]
        print(f"calibrate  {time_call(lambda: calibrate(plan, artifacts, silent)):6.1f} s")
        print(f"score      {time_call(lambda: score(plan, artifacts, silent)):6.1f} s")
        start = time.perf_counter()
        results = evaluate(plan.record, plan.frames, artifacts, silent, plan.record.protocols)
        print(f"evaluate   {time.perf_counter() - start:6.1f} s")
        write_results(plan.record, results, artifacts)
        run = load(Path(folder))
        print(f"heatmaps   {time_call(lambda: run.report('heatmaps')):6.1f} s")
        for result in run.results:
            print(f"  {result.label:<14} {result.cost.score_ms:8.1f} ms per frame in addition to the shared passes")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
