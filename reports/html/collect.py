"""Collection of the data of a benchmark that the page embeds for its scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from oodbench.contracts import RunView
from oodbench.reports.html.pictures import encode_integers
from oodbench.reports.html.regions import SMALLEST
from oodbench.reports.html.scorers import collect_scorers
from oodbench.reports.html.thumbnails import cut_thumbnails
from oodbench.reports.html.worst_frames import measure_frames
from oodbench.visualization.colormap import COLOURS


def collect_benchmark(run: RunView, benchmark: str, keep: Callable[[dict[str, Any]], int]) -> dict[str, Any]:
    """Collect the data of one benchmark.

    Args:
        run: Run to report on.
        benchmark: Name of the benchmark.
        keep: Stores the pictures of a frame, and returns the number of the frame on the page.
    """
    numbers: list[int] = []
    methods = collect_scorers(run, benchmark)
    frames = measure_frames(run, benchmark, methods, lambda pictures: numbers.append(keep(pictures)))
    return {
        "name": benchmark,
        "frames": [frame | {"number": number} for frame, number in zip(frames.frames, numbers, strict=True)],
        "methods": [method.record() for method in methods],
        "source": next((method.source for method in methods if method.source), ""),
        "counts": encode_integers(frames.counts, np.uint32),
        "stored": frames.stored.astype(int).tolist(),
        "maps": frames.maps.astype(int).tolist(),
        "overlaps": encode_integers(frames.overlaps, np.uint32),
        "worst": [
            {
                "objects": cut_thumbnails(run, benchmark, method, objects),
                "alarms": cut_thumbnails(run, benchmark, method, alarms),
            }
            for method, objects, alarms in zip(methods, frames.objects, frames.alarms, strict=True)
        ],
        "smallest": SMALLEST,
    }


def encode_colour_scale() -> str:
    """Encode the colour scale of all figures as 256 x 3 bytes.

    It is perceptually uniform and safe for colour-blind readers.
    """
    from matplotlib import colormaps

    scale = colormaps[COLOURS](np.arange(256), bytes=True)[:, :3]
    return encode_integers(scale, np.uint8)
