"""Duration of scoring and evaluation, compared with the bare forward passes of the same network over the same frames.

    python -m tools.speed.score_and_evaluate --model FILE.onnx --model-card FILE.toml --data DIR --id-data DIR
        [--before PYTHON] [--limit 20] [--pairs 7]

The four logit methods are scored and evaluated together, with all score maps stored and with none. Forward passes and
each of these are timed in turn, in pairs, so that a change of the machine's speed affects both. PYTHON is the
interpreter of an environment in which another version of oodbench is installed, which is timed in the same turns. All
code is compiled, all files are cached, and methods are calibrated before. What remains of a command that has nothing
to compute is subtracted: reading the plan's frames and opening the network.

Prints the median time per frame, with the processor time, and the median ratio to the forward passes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

LOGIT_METHODS = ["msp", "max-logit", "entropy", "energy"]


class Spent(NamedTuple):
    """Wall-clock and processor time in seconds."""

    wall: float
    cpu: float


class Worker:
    """A process of one version of oodbench, which times one step per request.

    Args:
        python: The interpreter of the version's environment.
        options: The run.
    """

    def __init__(self, python: str, options: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [python, __file__, "--serve", json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, step: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(step, file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def measure(self, step: str) -> Spent:
        return Spent(*self.ask(step))


def serve(options: dict[str, Any]) -> None:
    """Answer requests from standard input: `forward`, `all`, `none`, `idle` and `frames`."""
    import oodbench
    from oodbench.contracts import Needs

    benchmark, limit = options.pop("benchmark"), options["limit"]
    network = oodbench.load_segmenter(options["models"], card=options["model_cards"] or None)
    frames = oodbench.load_benchmark(benchmark, options["data"])[:limit]
    folder = Path(tempfile.mkdtemp())
    calibrated, work = folder / "calibrated", folder / "work"

    def run(out: Path, **more: Any) -> None:
        oodbench.run(benchmarks=benchmark, methods=LOGIT_METHODS, out=out, **options, **more)

    def forward() -> Spent:
        total = Spent(0.0, 0.0)
        for frame in frames:
            batch = [network.prepare(frame.read_image())]
            start = time.perf_counter(), time.process_time()
            network.forward(batch, Needs(class_maps=True))
            total = Spent(total.wall + time.perf_counter() - start[0], total.cpu + time.process_time() - start[1])
        return total

    def whole(**more: Any) -> Spent:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(calibrated, work)
        start = time.perf_counter(), time.process_time()
        run(work, **more)
        return Spent(time.perf_counter() - start[0], time.process_time() - start[1])

    run(calibrated, stop_after="calibrate")
    steps: dict[str, Callable[[], object]] = {
        "forward": forward,
        "all": lambda: whole(stop_after="evaluate", keep_scores="all"),
        "none": lambda: whole(stop_after="evaluate", keep_scores="none"),
        "idle": lambda: whole(stop_after="calibrate"),
        "frames": lambda: len(frames),
        "version": lambda: oodbench.__file__,
    }
    for line in sys.stdin:
        print(json.dumps(steps[line.strip()]()), flush=True)
    shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--model-card")
    parser.add_argument("--data", required=True)
    parser.add_argument("--id-data", required=True)
    parser.add_argument("--benchmark", default="road-anomaly")
    parser.add_argument("--before", metavar="PYTHON")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--upsample", default="logits")
    arguments = parser.parse_args()
    options = {
        "models": arguments.model,
        "model_cards": arguments.model_card or (),
        "data": arguments.data,
        "id_data": arguments.id_data,
        "benchmark": arguments.benchmark,
        "limit": arguments.limit,
        "upsample": arguments.upsample,
    }
    pythons = {"this version": sys.executable} | ({"before": arguments.before} if arguments.before else {})
    workers = {name: Worker(python, options) for name, python in pythons.items()}
    frames = workers["this version"].ask("frames")
    for name, worker in workers.items():
        print(f"{name}: {worker.ask('version')}")
        for step in ("forward", "all", "none"):
            worker.ask(step)  # warm
    idle = {name: worker.measure("idle") for name, worker in workers.items()}
    print(
        f"{frames} frames of {arguments.benchmark}, {', '.join(LOGIT_METHODS)}, --upsample {arguments.upsample}; ",
        end="",
    )
    print(f"{arguments.pairs} pairs; median per frame, ratio to the forward passes of the same turn")
    spent: dict[tuple[str, str], list[Spent]] = {}
    for turn in range(arguments.pairs):
        for step in ("forward", "all", "none") if turn % 2 else ("none", "all", "forward"):
            for name, worker in workers.items():
                taken = worker.measure(step)
                if step != "forward":
                    taken = Spent(taken.wall - idle[name].wall, taken.cpu - idle[name].cpu)
                spent.setdefault((name, step), []).append(taken)
    for (name, step), times in sorted(spent.items()):
        wall, cpu = (1e3 * statistics.median(column) / frames for column in zip(*times, strict=True))
        ratios = [taken.wall / bare.wall for taken, bare in zip(times, spent[name, "forward"], strict=True)]
        range_text = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{name:<13} {step:<8} {wall:7.1f} ms, {cpu:7.1f} ms of processor time, ratio {range_text}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.argv[1:2] == ["--serve"]:
        serve(json.loads(sys.argv[2]))
    else:
        main()
