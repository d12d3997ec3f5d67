"""Removal of unrequested outputs of a network, and outputs that a network does not have."""

from __future__ import annotations

import doctest
import itertools

import torch

import oodbench.numerics.masks
from oodbench.contracts import Capabilities, Needs, Parameters, Scoring
from oodbench.numerics import mask_bands, resize_rows
from oodbench.stages.apply_methods import score_output
from oodbench.testing.fake_network import PATCH, SIZE, fake_network, scores, stack_outputs
from oodbench.types import ClassMaps, MaskOutput, SegmenterOutput, Window, Windows
from tests.helpers.mask_method import Unclaimed


def names(output: SegmenterOutput) -> set[str]:
    found = {"maps"} if output.class_maps is not None else set()
    return found | set(output.features) | set(output.extras) | ({"masks"} if output.masks is not None else set())


def test_unrequested_outputs_are_removed_also_in_windows() -> None:
    part, _ = fake_network(0, roles=("a", "b"), extras=("x", "y"), masks=True)
    whole = SegmenterOutput(
        part.class_maps, part.features, part.extras, Windows(SIZE, (Window(0, 0, *SIZE, part),) * 2), part.masks
    )
    for maps, logits, masks in itertools.product([False, True], repeat=3):
        for features, extras in ((), ()), (("b",), ()), (("a", "b"), ("y",)):
            selected = whole.select(Needs(maps, logits, features, extras, masks=masks))
            expected = {*features, *extras, *(["maps"] if maps or logits else []), *(["masks"] if masks else [])}
            assert names(selected) == expected
            assert selected.windows is not None
            assert [names(window.output) for window in selected.windows.parts] == [expected] * 2
            assert [window[:4] for window in map(_place, selected.windows.parts)] == [(0, 0, *SIZE)] * 2


def _place(window: Window) -> tuple[int, int, int, int]:
    return window.top, window.left, window.height, window.width


def test_needs_of_several_methods_ask_for_masks_if_one_does() -> None:
    assert Needs.union([Needs(logits=True), Needs(masks=True)]).masks
    assert not Needs.union([Needs(logits=True), Needs(features=("a",))]).masks
    reason = Capabilities("sums", ("pixel-decoder",)).lacks(Needs(masks=True))
    assert reason == "it reads the masks of a mask classifier, and this network provides none"
    assert Capabilities("sums", masks=True).lacks(Needs(masks=True)) is None


def test_bands_of_masks_equal_the_whole_map_bit_for_bit() -> None:
    masks = torch.randn(5, 13, 22, generator=torch.Generator().manual_seed(0))
    for size in ((40, 71), (13, 22), (7, 9)):
        for resize in ("bilinear", "bilinear-aligned"):
            whole = resize_rows(masks, size, 0, size[0], resize)  # type: ignore[arg-type]  # one of two
            for rows in (1, 6, 128):
                bands = list(mask_bands(masks, size, rows, resize))  # type: ignore[arg-type]
                assert [band.start for band in bands] == list(range(0, size[0], rows))
                assert torch.equal(torch.cat([band.mask_logits for band in bands], dim=1), whole)
    plain = torch.nn.functional.interpolate(masks[None], (40, 71), mode="bilinear")[0]
    assert torch.allclose(
        torch.cat([band.mask_logits for band in mask_bands(masks, (40, 71))], dim=1), plain, atol=1e-5
    )


def test_the_docstring_example_runs() -> None:
    result = doctest.testmod(oodbench.numerics.masks)
    assert (result.attempted, result.failed) == (3, 0)


def test_a_method_on_masks_is_scored_in_batches() -> None:
    method = Unclaimed(Parameters())
    outputs = [fake_network(seed, planted=True, masks=True)[0].select(method.needs()) for seed in (1, 2)]
    together = scores(method, stack_outputs(*outputs))
    assert together.shape == (2, *SIZE)
    rows, columns = (slice(2 * part.start + 2, 2 * part.stop - 2) for part in PATCH)
    assert together[0, rows, columns].min() > together[0, -8:, -8:].max()


def test_each_window_has_separate_masks() -> None:
    def window(left: int, logit: float) -> Window:
        masks = MaskOutput(torch.zeros(1, 1, 20), torch.full((1, 1, 1, 2), logit))
        return Window(0, left, 2, 4, SegmenterOutput(None, masks=masks))

    average = SegmenterOutput(None, windows=Windows((2, 6), (window(0, 0.0), window(2, 100.0))))
    ((frame,), _) = score_output(average, [(2, 6)], {"it": Unclaimed(Parameters())}, Scoring())
    assert frame.scores["it"].tolist() == [[-0.5, -0.5, -0.75, -0.75, -1, -1]] * 2


def test_an_output_of_only_class_maps_is_unchanged() -> None:
    maps = ClassMaps(torch.ones(1, 2, 3, 3), "sums")
    assert SegmenterOutput(maps).select(Needs(logits=True)).class_maps is maps
