"""Resizing compared with torch and OpenCV, the shared pass with double precision, bands with the whole map."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from oodbench.numerics import (
    Band,
    ClassMoments,
    ClassReservoir,
    iter_row_bands,
    resize_labels,
    resize_rows,
    resize_score,
    summarise,
)
from oodbench.numerics.summary import _summarise_probabilities, _summarise_torch
from oodbench.types import CITYSCAPES_19, VOID, MapKind, Resize, SemanticLabels

SIZES = [(48, 96), (37, 61), (16, 32), (11, 90)]


def logits(scale: float = 5.0, size: tuple[int, int] = (16, 32)) -> torch.Tensor:
    return scale * torch.randn(19, *size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", SIZES)
def test_resize_equals_torch_and_opencv(size: tuple[int, int]) -> None:
    maps = logits()
    ours = resize_rows(maps, size, 0, size[0])
    theirs = torch.nn.functional.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]
    assert torch.allclose(ours, theirs, atol=1e-4)
    opencv = cv2.resize(maps[0].numpy(), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    assert np.allclose(ours[0].numpy(), opencv, atol=1e-4)
    assert np.array_equal(resize_score(maps[0].numpy(), size), opencv)


@pytest.mark.parametrize("size", [*SIZES, (1, 1), (1, 40)])
def test_aligned_resize_equals_torch(size: tuple[int, int]) -> None:
    maps = logits()
    exact = torch.nn.functional.interpolate(maps[None].double(), size, mode="bilinear", align_corners=True)[0]
    ours = resize_rows(maps, size, 0, size[0], "bilinear-aligned")
    assert torch.allclose(ours.double(), exact, atol=1e-5)
    assert np.array_equal(resize_score(maps[0].numpy(), size, "bilinear-aligned"), ours[0].numpy())
    assert torch.allclose(summarise(maps, size, resize="bilinear-aligned").best.double(), exact.amax(dim=0), atol=1e-5)


@pytest.mark.parametrize("kind", ["logits", "sums"])
@pytest.mark.parametrize("resize", ["bilinear", "bilinear-aligned"])
@pytest.mark.parametrize("size", SIZES)
def test_bands_equal_the_whole_map_bit_for_bit(size: tuple[int, int], resize: Resize, kind: MapKind) -> None:
    maps = logits() if kind == "logits" else logits().sigmoid()
    whole = Band(maps, size, 0, size[0], resize, kind)
    for rows in (1, 7, 128):
        bands = list(iter_row_bands(maps, size, rows, resize, kind))
        assert torch.equal(torch.cat([band.logits for band in bands], dim=1), whole.logits)
        for name in ("best", "others", "shortfall", "prediction"):
            parts = torch.cat([getattr(band.summary, name) for band in bands])
            assert torch.equal(parts, getattr(whole.summary, name)), name


@pytest.mark.parametrize("kind", ["posteriors", "sums"])
@pytest.mark.parametrize("size", [None, (40, 70)])
def test_maps_of_other_kinds_are_resized_without_conversion(kind: MapKind, size: tuple[int, int] | None) -> None:
    maps = logits().softmax(dim=0) * (1 if kind == "posteriors" else 0.3)
    to = size or (16, 32)
    exact = resize_rows(maps, to, 0, to[0])
    expected = _summarise_torch(exact.double().log())
    assert torch.equal(Band(maps, to, 0, to[0], kind=kind).logits, exact.log())
    for found in (summarise(maps, size, kind=kind), _summarise_probabilities(exact)):
        assert torch.allclose(found.best.double(), expected.best, atol=1e-6)
        assert torch.allclose(found.others.double(), expected.others, rtol=2e-6)
        assert torch.allclose(found.shortfall.double(), expected.shortfall, rtol=2e-5, atol=1e-6)
        assert torch.equal(found.prediction, expected.prediction)


def test_a_small_map_keeps_its_precision_next_to_a_large_one() -> None:
    # The last column is so close to the right edge that its weight rounds to 1.
    maps = torch.full((2, 1, 96), 1.0)
    maps[:, :, -1] = torch.tensor([[1e-9], [3e-9]])
    expected = Band(maps, (1, 1280), 0, 1, "bilinear-aligned", "sums").logits[:, 0, -1].double()
    summary = summarise(maps, (1, 1280), resize="bilinear-aligned", kind="sums")
    assert summary.best[0, -1].item() == pytest.approx(expected.max().item(), rel=1e-6)
    assert summary.others[0, -1].item() == pytest.approx((expected[0] - expected[1]).exp().item(), rel=1e-5)


def test_zero_maps_give_equal_posteriors() -> None:
    maps = torch.zeros(19, 1, 1)
    for summary in (summarise(maps, kind="sums"), _summarise_probabilities(maps)):
        assert summary.others.item() == pytest.approx(18)
        assert summary.best.isfinite().item()


def test_classes_with_zero_posterior_have_no_weight() -> None:
    maps = torch.tensor([0.0, 0.75, 0.25, torch.nan]).view(4, 1, 1)
    for summary in (summarise(maps[:3], kind="posteriors"), _summarise_probabilities(maps[:3])):
        assert summary.others.item() == pytest.approx(1 / 3)
        assert summary.shortfall.item() == pytest.approx(np.log(3) / 3)
        assert summary.prediction.item() == 1
    assert Band(maps[:3], (1, 1), 0, 1, kind="posteriors").logits.isfinite().all()
    for summary in (summarise(maps, kind="sums"), _summarise_probabilities(maps)):
        assert summary.best.isnan().item()


@pytest.mark.parametrize("scale", [0.1, 5.0, 40.0])
@pytest.mark.parametrize("size", [None, (40, 70)])
def test_summary_equals_double_precision(scale: float, size: tuple[int, int] | None) -> None:
    maps = logits(scale)
    exact = resize_rows(maps, size or (16, 32), 0, (size or (16, 32))[0]).double()
    weight = (exact - exact.amax(dim=0)).exp()
    others = weight.sum(dim=0) - 1
    shortfall = ((exact.amax(dim=0) - exact) * weight).sum(dim=0)
    # Interpolated float32 logits of magnitude L have an error of about 1e-7 L, which exp turns into a relative error.
    rtol = max(2e-5, 3e-6 * scale)
    for found in (summarise(maps, size), _summarise_torch(exact.float())):
        assert torch.allclose(found.best.double(), exact.amax(dim=0), atol=1e-6 * scale)
        # The exact difference of two sums cancels if `others` is tiny, so there is an absolute term.
        assert torch.allclose(found.others.double(), others, rtol=rtol, atol=1e-12)
        # If two logits almost tie, their small difference contains the rounding error of the logits.
        assert torch.allclose(found.shortfall.double(), shortfall, rtol=rtol, atol=1e-6 * scale)
        assert torch.equal(found.prediction.long(), exact.argmax(dim=0))


def test_summary_keeps_precision_for_confident_pixels() -> None:
    maps = torch.zeros(19, 1, 2)
    maps[0] = torch.tensor([[30.0, 40.0]])
    summary = summarise(maps)
    assert torch.allclose(summary.others.double(), 18 * torch.tensor([[-30.0, -40.0]]).double().exp(), rtol=1e-5)


def test_summary_propagates_nan_and_accepts_minus_infinity() -> None:
    maps = torch.zeros(3, 1, 2)
    maps[1, 0, 0] = torch.nan
    maps[2, 0, 1] = -torch.inf
    for summary in (summarise(maps), _summarise_torch(maps)):
        assert torch.isnan(summary.best[0, 0])
        assert summary.others[0, 1] == pytest.approx(1.0)
        assert summary.shortfall[0, 1] == pytest.approx(0.0, abs=1e-30)


def test_equal_logits_give_equal_posteriors() -> None:
    summary = summarise(torch.zeros(19, 1, 1))
    assert summary.others.item() == pytest.approx(18)
    assert summary.prediction.item() == 0


def test_labels_use_the_pixel_at_the_centre() -> None:
    labels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert resize_labels(labels, (2, 2)).tolist() == [[18, 22], [50, 54]]
    assert resize_labels(labels, (16, 16))[::2, ::2].tolist() == labels.tolist()


def test_aligned_labels_keep_the_corner_pixels() -> None:
    labels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert resize_labels(labels, (2, 2), "bilinear-aligned").tolist() == [[0, 7], [56, 63]]
    assert resize_labels(labels, (15, 15), "bilinear-aligned")[::2, ::2].tolist() == labels.tolist()


def test_moments_equal_those_of_all_values_precisely() -> None:
    rng = np.random.default_rng(0)
    parts = [(1e6 + rng.normal(size=(9, 40)).astype(np.float32), rng.integers(0, 3, (9, 40))) for _ in range(5)]
    moments = ClassMoments(5)
    assert moments.pooled() == (0, 0)
    for values, classes in parts:
        moments.merge(moments.of_frame(values, classes.astype(np.uint8)))
    everything = np.stack([values for values, _ in parts]).astype(np.float64)
    index = np.stack([classes for _, classes in parts])
    for number in range(3):
        own = everything[index == number]
        assert moments.count[number] == own.size
        assert moments.mean[number] == pytest.approx(own.mean(), rel=1e-14)
        assert moments.variance[number] == pytest.approx(own.var(), rel=1e-9)
    assert moments.pooled() == pytest.approx((everything.mean(), everything.var()), rel=1e-9)
    assert moments.variance[4] == moments.mean[4] == moments.count[4] == 0


def frame(seed: int) -> tuple[torch.Tensor, SemanticLabels]:
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, VOID], (32, 32), p=[0.9, 0.05, 0.05]).astype(np.uint8)
    features = np.where(labels == VOID, 99, labels).astype(np.float32)
    return torch.from_numpy(np.stack([features, rng.random((32, 32), np.float32)])), SemanticLabels(
        labels, CITYSCAPES_19
    )


def test_reservoir_is_class_balanced_and_bounded() -> None:
    reservoir = ClassReservoir(19, 100, seed=0)
    for seed in range(5):
        reservoir.merge(reservoir.of_frame(*frame(seed), str(seed)))
    for index in (0, 1):
        pixels = reservoir.pixels(index)
        assert pixels is not None
        assert pixels.shape == (100, 2)
        assert (pixels[:, 0] == index).all()
    assert reservoir.pixels(2) is None
    assert reservoir.pixel_counts[0] > 4000


def test_reservoir_samples_uniformly() -> None:
    kept = []
    for seed in range(40):
        reservoir = ClassReservoir(19, 50, seed=seed)
        for order in range(4):
            maps = torch.full((1, 10, 10), float(order))
            labels = SemanticLabels(np.zeros((10, 10), np.uint8), CITYSCAPES_19)
            reservoir.merge(reservoir.of_frame(maps, labels, str(order)))
        pixels = reservoir.pixels(0)
        assert pixels is not None
        kept.append(np.bincount(pixels[:, 0].long().numpy(), minlength=4))
    # 2000 samples from four frames: 500 per frame, with a standard deviation of about 18.
    assert np.abs(np.sum(kept, axis=0) - 500).max() < 90


def test_reservoir_does_not_depend_on_the_division_of_the_frames() -> None:
    parts = [(*frame(seed), f"frame-{seed}") for seed in range(6)]

    def merge(order: list[list[int]]) -> ClassReservoir:
        whole = ClassReservoir(19, 100, seed=4)
        for group in order:
            part = ClassReservoir(19, 100, seed=4)
            for index in group:
                part.merge(whole.of_frame(*parts[index]))
            whole.merge(part)
        return whole

    expected = merge([[0, 1, 2, 3, 4, 5]])
    for order in ([[0], [1], [2], [3], [4], [5]], [[4, 5], [0, 3], [2, 1]], [[5, 4, 3, 2, 1, 0]]):
        found = merge(order)
        assert (found.pixel_counts == expected.pixel_counts).all()
        for index in range(19):
            first, second = found.pixels(index), expected.pixels(index)
            assert (first is None and second is None) or torch.equal(first, second)  # type: ignore[arg-type]


def test_reservoir_depends_on_the_seed_and_the_frame() -> None:
    maps, labels = (
        torch.arange(10_000.0).view(1, 100, 100),
        SemanticLabels(np.zeros((100, 100), np.uint8), CITYSCAPES_19),
    )

    def sample(seed: int, name: str) -> set[float]:
        pixels = ClassReservoir(19, 100, seed).of_frame(maps, labels, name).pixels(0)
        assert pixels is not None
        return set(pixels[:, 0].tolist())

    assert sample(0, "a") == sample(0, "a")
    for other in (sample(1, "a"), sample(0, "b"), sample(0, "\udcff"), sample(10, "a")):
        assert len(other & sample(0, "a")) < 10  # expected: one
