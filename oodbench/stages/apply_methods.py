"""Conversion of a network's output to score maps at the labels' resolution."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from oodbench.contracts import GridMethod, Method, PixelMethod, Scoring, Segmenter
from oodbench.errors import OodbenchError, ScoreError
from oodbench.numerics import iter_row_bands, resize_labels, resize_score
from oodbench.out_of_memory import explain_out_of_memory
from oodbench.types import ClassMap, Frame, ScoreMap, SegmenterOutput, Size
from oodbench.user_code import explain_missing_modules


@dataclass
class ScoredFrame:
    """Score maps and predicted classes of one frame.

    Attributes:
        scores: Maps the key of each scorer to its score map, float32 [H, W], at the labels' resolution.
        prediction: Predicted classes, uint8 [H, W], at the labels' resolution; None if the network has no class maps.
    """

    scores: dict[str, ScoreMap] = field(default_factory=dict)
    prediction: ClassMap | None = None


@dataclass
class ScoringCost:
    """Time that scoring a batch took.

    Attributes:
        summary: Seconds in the pass over the class maps that all pixel methods share.
        scorers: Maps the key of each scorer to the seconds in its own code.
    """

    summary: float = 0.0
    scorers: dict[str, float] = field(default_factory=dict)

    def add(self, key: str, seconds: float) -> None:
        """Add seconds to the time of a scorer."""
        self.scorers[key] = self.scorers.get(key, 0.0) + seconds


def score_output(
    output: SegmenterOutput, sizes: Sequence[Size], methods: Mapping[str, Method], scoring: Scoring
) -> tuple[list[ScoredFrame], ScoringCost]:
    """Score a batch with all methods.

    Args:
        output: The network's output for N frames.
        sizes: Height and width of the labels of each frame.
        methods: Maps the key of each scorer to its method, ready to score.
        scoring: The scoring resolution, and the interpolation to the labels' resolution.

    Returns:
        N scored frames, and the time that each part took.

    Raises:
        ScoreError: A map is not float32, does not have the expected shape, or is not finite.
    """
    cost = ScoringCost()
    frames = [ScoredFrame() for _ in sizes]
    pixel_methods = {key: method for key, method in methods.items() if isinstance(method, PixelMethod)}
    for key, method in methods.items():
        if isinstance(method, GridMethod):
            start = time.perf_counter()
            for frame, size, score in zip(frames, sizes, _grid_scores(output, method, scoring), strict=True):
                frame.scores[key] = resize_score(score, size, scoring.resize)
            cost.add(key, time.perf_counter() - start)
    for index, (frame, size) in enumerate(zip(frames, sizes, strict=True)):
        _score_pixels(output, index, size, pixel_methods, scoring, frame, cost)
    return frames, cost


def _grid_scores(output: SegmenterOutput, method: GridMethod, scoring: Scoring) -> Sequence[ScoreMap]:
    """Return one score map per frame, on the network's grid.

    If the output consists of windows, the maps have the resolution of the image and overlapping scores are averaged.
    """
    if output.windows is None:
        with _attribute_errors_to(method):
            grid = method.grid_score(output).cpu().numpy()  # [N, h, w]
        return [_validate_map(score, score.shape, method) for score in grid]
    height, width = output.windows.size
    total: list[ScoreMap] = []
    count = np.zeros((height, width), np.float32)
    for window in output.windows.parts:
        scores = _grid_scores(window.output, method, scoring)
        total = total or [np.zeros((height, width), np.float32) for _ in scores]
        area = (slice(window.top, window.top + window.height), slice(window.left, window.left + window.width))
        rows, columns = count[area].shape
        for image_sum, score in zip(total, scores, strict=True):
            image_sum[area] += resize_score(score, (window.height, window.width), scoring.resize)[:rows, :columns]
        count[area] += 1
    return [image_sum / count for image_sum in total]


@contextmanager
def _attribute_errors_to(method: Method) -> Iterator[None]:
    """Convert an exception inside a method to a ScoreError with the method's name, file and line."""
    try:
        with explain_missing_modules():
            yield
    except OodbenchError:
        raise
    except Exception as error:
        file = _find_file(method)
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        location = f"{file}:{lines[-1].lineno}" if lines else file
        raise ScoreError(
            f"{method.card.name} failed at {location}: {type(error).__name__}: {error}",
            "Fix the method. A score function takes and returns torch tensors (docs/how-to/add-a-method.md).",
        ) from error


def _find_file(method: Method) -> str:
    """Return the file that defines a method. In another process than the user's, only its functions know the file."""
    assert isinstance(method, PixelMethod | GridMethod), "every method is one of them"
    score = method.pixel_score if isinstance(method, PixelMethod) else method.grid_score
    return inspect.getfile(inspect.unwrap(score))


@contextmanager
def add_error_context(network: Segmenter, frames: Sequence[Frame]) -> Iterator[None]:
    """Add the names of the network and the frames to a ScoreError, or to an error about too little memory."""
    try:
        with explain_out_of_memory(network, frames):
            yield
    except ScoreError as error:
        names = ", ".join(str(frame.image_file or frame.id) for frame in frames)
        raise ScoreError(f"{error.problem} ({network.name} on {names})", error.remedy) from None


def _score_pixels(
    output: SegmenterOutput,
    index: int,
    size: Size,
    methods: Mapping[str, PixelMethod],
    scoring: Scoring,
    frame: ScoredFrame,
    cost: ScoringCost,
) -> None:
    """Compute the scores of all pixel methods and the predicted classes of one frame, in one pass over its bands."""
    if output.class_maps is None:
        return
    maps = output.class_maps.values[index]  # [C, h, w]
    grid: Size = size if scoring.upsample == "logits" else (maps.shape[-2], maps.shape[-1])
    prediction = np.empty(grid, np.uint8)
    scores = {key: np.empty(grid, np.float32) for key in methods}
    for band in iter_row_bands(maps, grid, resize=scoring.resize, kind=output.class_maps.kind):
        start = time.perf_counter()
        rows = slice(band.start, band.stop)
        prediction[rows] = band.summary.prediction.cpu().numpy()
        cost.summary += time.perf_counter() - start
        for key, method in methods.items():
            start = time.perf_counter()
            with _attribute_errors_to(method):
                part = method.pixel_score(band).cpu().numpy()
            scores[key][rows] = _validate_map(part, (band.stop - band.start, grid[1]), method)
            cost.add(key, time.perf_counter() - start)
    for key, method in methods.items():
        start = time.perf_counter()
        with _attribute_errors_to(method):
            score = method.postprocess(scores[key], prediction)
        frame.scores[key] = resize_score(_validate_map(score, grid, method), size, scoring.resize)
        cost.add(key, time.perf_counter() - start)
    frame.prediction = resize_labels(prediction, size, scoring.resize)


def _validate_map(score: ScoreMap, shape: tuple[int, ...], method: Method) -> ScoreMap:
    name = method.card.name
    if score.shape != shape or score.dtype != np.float32:
        raise ScoreError(
            f"{name}: returned a map {score.dtype} {score.shape}; expected float32 {shape}",
            "Fix the method. Its score map must have the shape of the frame (docs/how-to/add-a-method.md).",
        )
    if not np.isfinite(score).all():
        invalid = int(np.count_nonzero(~np.isfinite(score)))
        raise ScoreError(
            f"{name}: {invalid} of {score.size} scores are NaN or infinite",
            "Check the preprocessing in the model card and the network's weights. In your own method, check for "
            "logarithms of zero and divisions by zero.",
        )
    return score
