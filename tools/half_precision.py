"""Effect of half precision on the metrics of a run.

    python -m tools.half_precision RUN

RUN is the folder of a run with all its score maps. The program writes them as SegmentMeIfYouCan's HDF5, evaluates them
again, and prints both values per result. For MSP there is an additional line for the posterior itself, for which lower
is more anomalous: close to 1, half precision has steps of 1/2048.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import oodbench
from oodbench.contracts import Result
from oodbench.data import write_hdf5
from oodbench.planning.records import Anomalous
from oodbench.runs.run import Run
from oodbench.workflows.evaluate_scores import evaluate_scores


def evaluate_in_half_precision(run: Run, result: Result, folder: Path, anomalous: Anomalous) -> Result:
    """Return the result of the same maps in half precision; if lower is anomalous, of one minus the maps."""
    maps = folder / "maps"
    for frame in run.frames(result.benchmark):
        score = run.score(result, frame)
        write_hdf5(maps / f"{frame}.hdf5", score if anomalous == "higher" else np.float32(1) - score)
    rerun = evaluate_scores(
        maps,
        result.benchmark,
        anomalous=anomalous,
        data=[*run.record.data.anywhere, *(f"{name}={path}" for name, (path, *_) in run.record.data.named.items())],
        frames=run.frames(result.benchmark),
        out=folder / "run",
        stop_after="evaluate",
    )
    return rerun.results[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = oodbench.load(parser.parse_args().run)
    print(
        f"{'benchmark':<18} {'network':<15} {'scores':<20} {'AP':>6} {'half':>6} {'FPR95':>6} {'half':>6} {'tied':>6}"
    )
    for result in run.results:
        for anomalous in ("higher", "lower") if result.method == "msp" else ("higher",):
            with tempfile.TemporaryDirectory() as folder:
                half = evaluate_in_half_precision(run, result, Path(folder), anomalous)
            pairs = [(100 * (part.metrics[name] or 0)) for name in ("AP", "FPR95") for part in (result, half)]
            ties = next((text.split(" %")[0].split()[-1] + " %" for text in half.warnings if "saturates" in text), "")
            label = result.label if anomalous == "higher" else "its posterior"
            numbers = " ".join(f"{value:6.2f}" for value in pairs)
            print(f"{result.benchmark:<18} {result.network:<15} {label:<20} {numbers} {ties:>6}")


if __name__ == "__main__":
    main()
