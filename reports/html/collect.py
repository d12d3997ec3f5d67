"""Everything that the page's scripts know of a benchmark, as it is embedded."""

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
    """Of one benchmark. `keep` takes a frame's pictures, and returns the frame's number on the page."""
    numbers: list[int] = []
    methods = collect_scorers(run, benchmark)
    found = measure_frames(run, benchmark, methods, lambda pictures: numbers.append(keep(pictures)))
    return {
        "name": benchmark,
        "frames": [frame | {"number": number} for frame, number in zip(found.frames, numbers, strict=True)],
        "methods": [method.record() for method in methods],
        "source": next((method.source for method in methods if method.source), ""),
        "counts": encode_integers(found.counts, np.uint32),
        "stored": found.stored.astype(int).tolist(),
        "overlaps": encode_integers(found.overlaps, np.uint32),
        "worst": [
            {
                "objects": cut_thumbnails(run, benchmark, method, objects),
                "alarms": cut_thumbnails(run, benchmark, method, alarms),
            }
            for method, objects, alarms in zip(methods, found.objects, found.alarms, strict=True)
        ],
        "smallest": SMALLEST,
    }


def encode_colour_scale() -> str:
    """The colour scale of all figures, as 256 x 3 bytes: perceptually uniform, and read alike by colour-blind eyes."""
    from matplotlib import colormaps

    scale = colormaps[COLOURS](np.arange(256), bytes=True)[:, :3]
    return encode_integers(scale, np.uint8)
