"""Arithmetic of the released head per step: its inputs and outputs on random data (tests/golden/gmm_head)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from oodbench.methods.gmmseg.head import GMMSegHead, GMMSegModule
from oodbench.mixture import AUTHORS

GOLDEN = Path(__file__).parents[2] / "golden"
ARRAYS = np.load(GOLDEN / "gmm_head.npz")
FACTS = json.loads((GOLDEN / "gmm_head.json").read_text())
RUNS = {"official_gamma": (0.999, 0.0), "fast_gamma": (0.8, 0.3)}
CLASSES, COMPONENTS, DIMENSIONS = 4, 3, 16


def tensor(name: str) -> torch.Tensor:
    return torch.from_numpy(ARRAYS[name])


def read_expected(run: str, name: str, step: int) -> np.ndarray:
    """Return the expected arrays of a run. Arrays that are equal in all runs are stored only with the first run."""
    key = f"{run}_{name}_step{step}"
    return ARRAYS[key] if key in ARRAYS.files else ARRAYS[f"official_gamma_{name}_step{step}"]


def make_module(run: str, half: bool) -> GMMSegModule:
    """Create the head in the state before the first step."""
    mean, spread = RUNS[run]
    options = replace(AUTHORS, memory=64, mean_momentum=mean, spread_momentum=spread)
    params = GMMSegHead.Params(components=COMPONENTS, dimensions=DIMENSIONS, half_memory=half)
    head = GMMSegModule(DIMENSIONS, CLASSES, params, options)
    state = {
        "feature_norm.weight": tensor("feat_norm_weight"),
        "feature_norm.bias": tensor("feat_norm_bias"),
        "score_norm.weight": tensor("mask_norm_weight"),
        "score_norm.bias": tensor("mask_norm_bias"),
        "mixture.mean": tensor("means_before"),
        "mixture.deviation": tensor("std_before"),
    }
    head.load_state_dict(state, strict=False)
    head.mixture.memory.fill(tensor("queue_before").transpose(1, 2))
    head.mixture.memory.pointer.copy_(tensor("queue_ptr_before"))
    return head.train()


def assert_close(actual: torch.Tensor | float, wanted: np.ndarray | float, share: float) -> None:
    """Assert that two arrays differ by at most `share` of the magnitude of the expected array."""
    actual = np.asarray(actual.detach() if isinstance(actual, torch.Tensor) else actual, np.float64)
    assert np.abs(actual - wanted).max() <= share * np.abs(wanted).max()


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(("half", "share"), [(False, 1e-5), (True, 5e-4)])
def test_two_steps_equal_the_released_arithmetic(run: str, half: bool, share: float) -> None:
    head = make_module(run, half)
    memory = head.mixture.memory
    for step in (1, 2):
        facts = FACTS["runs"][run][f"step{step}"]
        features = tensor(f"feature_step{step}").clone().requires_grad_()
        labels = tensor(f"label_step{step}")[:, 0]
        before = memory.points.clone()
        output = head.densities(features)
        x = output.features.permute(0, 2, 3, 1).flatten(0, 2)
        small = head._small(output, labels)
        known = small != 255
        components = head.mixture.log_density(x)
        assert_close(x, read_expected(run, "x", step), 1e-5)
        assert_close(head.mixture.mean, read_expected(run, "means_used", step), share)
        assert_close(components.flatten(1), read_expected(run, "logprob", step), share)
        assert_close(
            output.extras["class_log_density"].permute(0, 2, 3, 1).reshape(600, CLASSES),
            read_expected(run, "logprob", step).reshape(600, CLASSES, COMPONENTS).max(axis=2),
            share,
        )
        assert_close(
            output.class_maps.permute(0, 2, 3, 1).reshape(600, CLASSES), read_expected(run, "class_scores", step), share
        )

        losses = head.loss(output, labels)
        assert_close(losses["loss_segmentation"], facts["loss_ce"], share)
        assert_close(losses["loss_components"], facts["loss_contrast_weighted"], share)
        target = torch.full_like(small, 255)
        target[known] = small[known] * COMPONENTS + head._shares.argmax(dim=1)
        assert np.array_equal(target, read_expected(run, "contrast_target", step))
        head.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        if run == "official_gamma" and not half:
            assert features.grad is not None
            assert_close(features.grad, read_expected(run, "grad_feature", step), 1e-4)
            assert_close(head.feature_norm.weight.grad, read_expected(run, "grad_feat_norm_weight", step), 1e-4)  # type: ignore[arg-type]
            assert_close(head.score_norm.bias.grad, read_expected(run, "grad_mask_norm_bias", step), 1e-4)  # type: ignore[arg-type]

        head.after_step(output, labels)
        assert np.array_equal(memory.pointer, read_expected(run, "queue_ptr_after", step))
        if run == "official_gamma":
            source = read_expected(run, "queue_slot_source", step)
            written = source >= 0
            assert np.array_equal((memory.points != before).any(dim=2), written)
            stored = memory.points.float().numpy()
            assert_close(torch.from_numpy(stored[written]), x.detach().numpy()[source[written]], share)
            assert_close(torch.from_numpy(stored), read_expected(run, "queue_after", step).transpose(0, 2, 1), share)
        assert_close(head.mixture.mean, read_expected(run, "means_after", step), share)
        assert_close(head.mixture.deviation, read_expected(run, "std_after", step), share)
    assert int(head.mixture.estimations) == 1


def test_means_and_variances_get_no_gradient() -> None:
    head = make_module("official_gamma", half=False)
    names = {name for name, _ in head.named_parameters()}
    assert not any(name.startswith("mixture") for name in names)
    assert not head.mixture.mean.requires_grad
