"""Windows of an image, and averages over them, without MMSegmentation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oodbench.contracts import GridMethod, MethodCard, Needs, Parameters, Scoring
from oodbench.segmenters.torch_modules.windows import Box, Windowing, average_on_grid, average_on_pixels
from oodbench.stages.apply_methods import score_output
from oodbench.types import SegmenterOutput, Window, Windows

sides = st.tuples(st.integers(1, 60), st.integers(1, 60))


@given(image=sides, size=sides, share=st.floats(0.1, 1))
def test_windows_cover_the_image_and_are_inside_it(image: tuple[int, int], size: tuple[int, int], share: float) -> None:
    stride = (max(1, int(size[0] * share)), max(1, int(size[1] * share)))
    count = np.zeros(image, int)
    for top, left, height, width in Windowing(size, stride).boxes(image):
        assert (height, width) == (min(size[0], image[0]), min(size[1], image[1]))
        assert top >= 0
        assert left >= 0
        assert top + height <= image[0]
        assert left + width <= image[1]
        count[top : top + height, left : left + width] += 1
    assert count.min() >= 1


def test_positions_of_windows_on_cityscapes() -> None:
    boxes = Windowing((1024, 1024), (768, 768)).boxes((1024, 2048))
    assert boxes == [(0, 0, 1024, 1024), (0, 768, 1024, 1024), (0, 1024, 1024, 1024)]
    boxes = Windowing((768, 768), (512, 512)).boxes((1025, 2049))
    assert [box[:2] for box in boxes] == [(t, left) for t in (0, 257) for left in (0, 512, 1024, 1281)]


def test_windows_on_a_common_grid_are_averaged_per_cell() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [(Box(0, left, 8, 16), torch.randn(2, 3, 2, 4, generator=generator)) for left in (0, 8, 12)]
    average = average_on_grid(parts, (8, 28))
    assert average.shape == (2, 3, 2, 7)
    first, second, third = (maps for _, maps in parts)
    expected = [
        first[..., 0], first[..., 1], (first[..., 2] + second[..., 0]) / 2,
        (first[..., 3] + second[..., 1] + third[..., 0]) / 3, (second[..., 2] + third[..., 1]) / 2,
        (second[..., 3] + third[..., 2]) / 2, third[..., 3],
    ]  # fmt: skip
    assert torch.allclose(average, torch.stack(expected, dim=-1))


@given(image=st.tuples(st.integers(24, 60), st.integers(24, 60)), size=st.integers(16, 24), stride=st.integers(3, 16))
def test_any_windows_reproduce_a_linear_map(image: tuple[int, int], size: int, stride: int) -> None:
    # Cells have four pixels, and windows may start inside a cell. The position of a cell is its centre.
    parts = []
    for box in Windowing((size, size), (stride, stride)).boxes(image):
        cells = (round(box.height / 4), round(box.width / 4))
        rows = box.top + (torch.arange(cells[0], dtype=torch.float32) + 0.5) * box.height / cells[0]
        columns = box.left + (torch.arange(cells[1], dtype=torch.float32) + 0.5) * box.width / cells[1]
        parts.append((box, torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]))
    average = average_on_grid(parts, image)
    rows = (torch.arange(average.shape[2]) + 0.5) * image[0] / average.shape[2]
    columns = (torch.arange(average.shape[3]) + 0.5) * image[1] / average.shape[3]
    wanted = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]
    # A cell at a window's border is up to half a cell outside the last centre and has the value of that centre.
    assert float((average - wanted).abs().max()) <= 0.5 * size / round(size / 4) + 1e-4


def test_pixels_are_averaged_as_sum_divided_by_count() -> None:
    parts = [(Box(0, 0, 2, 4), torch.full((1, 1, 1, 2), 1.0)), (Box(0, 2, 2, 4), torch.full((1, 1, 1, 2), 4.0))]
    average = average_on_pixels(parts, (2, 6), align_corners=False)
    assert average[0, 0].tolist() == [[1, 1, 2.5, 2.5, 4, 4]] * 2


def test_parts_outside_the_image_are_ignored() -> None:
    ramp = torch.arange(6.0).expand(1, 1, 4, 6)
    assert average_on_grid([(Box(0, 0, 16, 24), ramp)], (8, 16))[0, 0].tolist() == [[0, 1, 2, 3]] * 2
    assert average_on_pixels([(Box(0, 0, 4, 6), ramp)], (2, 4), False)[0, 0].tolist() == [[0, 1, 2, 3]] * 2


class Squared(GridMethod):
    """A non-linear score: the average of scores differs from the score of the average."""

    card = MethodCard("squared", "Squared", "", "")

    def needs(self) -> Needs:
        return Needs(features=("penultimate",))

    def grid_score(self, output: SegmenterOutput) -> torch.Tensor:
        return output.features["penultimate"][:, 0] ** 2


@pytest.mark.parametrize("size", [(2, 6), (4, 12)])
def test_scores_on_features_are_averaged_over_windows(size: tuple[int, int]) -> None:
    def window(left: int, value: float) -> Window:
        return Window(0, left, 2, 4, SegmenterOutput(None, {"penultimate": torch.full((1, 1, 1, 2), value)}))

    # The last two columns of the second window are padding.
    average = SegmenterOutput(None, {}, windows=Windows((2, 6), (window(0, 1.0), window(2, 3.0), window(4, 2.0))))
    ((frame,), _) = score_output(average, [size], {"squared": Squared(Parameters())}, Scoring())
    row = [1, 1, 5, 5, 6.5, 6.5]  # (1 + 9) / 2, and (9 + 4) / 2
    assert frame.scores["squared"].shape == size
    assert frame.scores["squared"].dtype == np.float32
    if size == (2, 6):
        assert frame.scores["squared"].tolist() == [row] * 2
    else:
        assert frame.scores["squared"][0, [0, -1]].tolist() == [1, 6.5]
