"""From a network's output to score maps at the labels' resolution."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from oodbench.contracts import GridMethod, Method, PixelMethod, Scoring
from oodbench.errors import OodbenchError, ScoreError
from oodbench.numerics import iter_row_bands, resize_labels, resize_score
from oodbench.types import ClassMap, Frame, ScoreMap, SegmenterOutput, Size
from oodbench.user_code import explain_missing_modules


@dataclass
class ScoredFrame:
    """One frame's results.

    Attributes:
        scores: scorer -> score map at the label's resolution.
        prediction: predicted classes at the label's resolution, None where the network has no class maps.
    """

    scores: dict[str, ScoreMap] = field(default_factory=dict)
    prediction: ClassMap | None = None


@dataclass
class ScoringCost:
    """Seconds spent: in the pass over the logits that pixel methods share, and in each scorer's own part."""

    summary: float = 0.0
    scorers: dict[str, float] = field(default_factory=dict)

    def add(self, key: str, seconds: float) -> None:
        self.scorers[key] = self.scorers.get(key, 0.0) + seconds


def score_output(
    output: SegmenterOutput, sizes: Sequence[Size], methods: Mapping[str, Method], scoring: Scoring
) -> tuple[list[ScoredFrame], ScoringCost]:
    """Score a batch.

    Args:
        output: of N frames.
        sizes: of their labels.
        methods: scorer -> method, ready to score.
        scoring: where pixel methods are computed, and how maps come to the labels' resolution.

    Returns:
        N scored frames, and what it cost.

    Raises:
        ScoreError: a map is not float32, not of the expected shape, or not finite.
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
    """One score map a frame: on the network's grid; of windows, their scores' average, on the pixels of the image."""
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
        place = (slice(window.top, window.top + window.height), slice(window.left, window.left + window.width))
        rows, columns = count[place].shape
        for whole, score in zip(total, scores, strict=True):
            whole[place] += resize_score(score, (window.height, window.width), scoring.resize)[:rows, :columns]
        count[place] += 1
    return [whole / count for whole in total]


@contextmanager
def _attribute_errors_to(method: Method) -> Iterator[None]:
    """Turns an exception inside a method into an error that names the method and its line."""
    try:
        with explain_missing_modules():
            yield
    except OodbenchError:
        raise
    except Exception as error:
        file = inspect.getfile(type(method))
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f"{file}:{lines[-1].lineno}" if lines else file
        raise ScoreError(
            f"{method.card.name} failed at {where}: {type(error).__name__}: {error}",
            "A score function takes and returns torch tensors (docs/plugins.md).",
        ) from error


@contextmanager
def add_error_context(network: str, frames: Sequence[Frame]) -> Iterator[None]:
    """Adds the network and the frames to an error about scores."""
    try:
        yield
    except ScoreError as error:
        names = ", ".join(str(frame.image_file or frame.id) for frame in frames)
        raise ScoreError(f"{error.problem} ({network} on {names})", error.remedy) from None


def _score_pixels(
    output: SegmenterOutput,
    index: int,
    size: Size,
    methods: Mapping[str, PixelMethod],
    scoring: Scoring,
    frame: ScoredFrame,
    cost: ScoringCost,
) -> None:
    """All pixel methods of one frame, and its predicted classes, in one pass over its bands."""
    if output.class_maps is None:
        return
    maps = output.class_maps.values[index]  # [C, h, w]
    at: Size = size if scoring.upsample == "logits" else (maps.shape[-2], maps.shape[-1])
    prediction = np.empty(at, np.uint8)
    scores = {key: np.empty(at, np.float32) for key in methods}
    for band in iter_row_bands(maps, at, resize=scoring.resize, kind=output.class_maps.kind):
        start = time.perf_counter()
        rows = slice(band.start, band.stop)
        prediction[rows] = band.summary.prediction.cpu().numpy()
        cost.summary += time.perf_counter() - start
        for key, method in methods.items():
            start = time.perf_counter()
            with _attribute_errors_to(method):
                part = method.pixel_score(band).cpu().numpy()
            scores[key][rows] = _validate_map(part, (band.stop - band.start, at[1]), method)
            cost.add(key, time.perf_counter() - start)
    for key, method in methods.items():
        start = time.perf_counter()
        with _attribute_errors_to(method):
            score = method.postprocess(scores[key], prediction)
        frame.scores[key] = resize_score(_validate_map(score, at, method), size, scoring.resize)
        cost.add(key, time.perf_counter() - start)
    frame.prediction = resize_labels(prediction, size, scoring.resize)


def _validate_map(score: ScoreMap, shape: tuple[int, ...], method: Method) -> ScoreMap:
    name = method.card.name
    if score.shape != shape or score.dtype != np.float32:
        raise ScoreError(f"{name}: gave a map {score.dtype} {score.shape}; expected float32 {shape}")
    if not np.isfinite(score).all():
        broken = int(np.count_nonzero(~np.isfinite(score)))
        raise ScoreError(
            f"{name}: {broken} of {score.size} scores are NaN or infinite",
            "Check the preprocessing in the model card and the network's weights; in a method of your own, the "
            "logarithm or the division that can't bear zero.",
        )
    return score
