"""Tables of docs/measurements/reduced-recipes.md: closed-set quality and anomaly metrics of the reduced recipes.

    for name in fcn fcn-gmmseg deeplabv3plus deeplabv3plus-gmmseg ...; do oodbench train streets-$name; done
    python -m tools.reduced_recipes runs [--frames N] [ARCHITECTURE]...

The folder `runs` contains both trainings of each architecture, as `oodbench train` writes them. `gmmseg` and
`gmmseg-norm` score the network with GMMSeg's head; the other methods score the network with the softmax head.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path

import oodbench
from oodbench.contracts import Result
from oodbench.runs.run import Run

ARCHITECTURES = ("fcn", "deeplabv3plus", "ocrnet", "upernet-swin", "segformer", "mask2former")
OURS, OTHERS = ("gmmseg", "gmmseg-norm"), ("msp", "entropy", "max-logit", "sml", "knn")
# Mask2Former has features in its pixel decoder only.
OF_MASK2FORMER = (*OURS, *OTHERS[:-1], "knn:features=pixel-decoder")
BENCHMARKS = ("streets-anomaly", "streets-obstacles", "streets-static")


def find_network(folder: Path, name: str) -> Path:
    """Return the network's file of `oodbench train streets-NAME`."""
    return folder / f"streets-{name}-0" / f"streets-{name}.py"


def format_quality_row(folder: Path, architecture: str) -> list[str]:
    """Return a Markdown row: mIoU of both networks, their ratio, steps, and minutes per training."""
    reached, steps, minutes = [], 0, []
    for network in (find_network(folder, architecture), find_network(folder, f"{architecture}-gmmseg")):
        reached.append(tomllib.loads(network.with_suffix(".toml").read_text())["expected"]["miou"])
        lines = [json.loads(line) for line in network.with_name("log.jsonl").read_text().splitlines()]
        steps = lines[-1]["iteration"]
        minutes.append(sum(20 * line["seconds_per_step"] for line in lines) / 60)
    plain, ours = reached
    return [
        f"`streets-{architecture}`",
        *(f"{100 * share:.1f}" for share in (plain, ours)),
        f"{100 * ours / plain:.0f}",
        str(steps),
        " / ".join(f"{value:.0f}" for value in minutes),
    ]


def format_value(result: Result, metric: str) -> str:
    """Format a value and its interval in percent."""
    value, bounds = result.metrics[metric], result.intervals.bounds.get(metric) if result.intervals else None
    if value is None:
        return "-"
    return f"{100 * value:.1f}" + (f" ({100 * bounds[0]:.1f} to {100 * bounds[1]:.1f})" if bounds else "")


def format_result_table(run: Run, softmax: str, gmmseg: str) -> list[str]:
    """Return a Markdown table of AP / FPR95 with intervals."""
    results = {(result.network, result.method, result.benchmark): result for result in run.results}
    lines = [f"| AP / FPR95 | {' | '.join(f'`{name}`' for name in BENCHMARKS)} |", "|---" * (len(BENCHMARKS) + 1) + "|"]
    for network, methods in ((gmmseg, OURS), (softmax, OTHERS)):
        for method in methods:
            of_method = [results.get((network, method, benchmark)) for benchmark in BENCHMARKS]
            cells = [
                "-" if result is None else f"{format_value(result, 'AP')} / {format_value(result, 'FPR95')}"
                for result in of_method
            ]
            lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("architectures", nargs="*", default=ARCHITECTURES)
    parser.add_argument("--frames", type=int, default=60, help="frames per benchmark")
    asked = parser.parse_args()
    print("| recipe | mIoU, softmax | mIoU, GMMSeg | ratio in % | steps | minutes |\n|---|---|---|---|---|---|")
    for name in asked.architectures:
        print(f"| {' | '.join(format_quality_row(asked.folder, name))} |", flush=True)
    for name in asked.architectures:
        plain, ours = find_network(asked.folder, name), find_network(asked.folder, f"{name}-gmmseg")
        run = oodbench.run(
            models=[str(plain), str(ours)],
            methods=OF_MASK2FORMER if name == "mask2former" else [*OURS, *OTHERS],
            benchmarks=BENCHMARKS,
            limit=asked.frames,
            keep_scores="none",
            out=asked.folder / f"reduced-{name}",
        )
        print(f"\n`streets-{name}`\n")
        print("\n".join(format_result_table(run, plain.stem, ours.stem)), flush=True)


if __name__ == "__main__":
    main()
