"""Mask2Former: its own training, and training with a mixture over its queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oodbench.segmenters.mmsegmentation.mask2former import HeadedMask2Former, pixel_log_density
from oodbench.segmenters.mmsegmentation.output_readers import make_reader
from tests.helpers.architectures import CLASSES, batch, build, config

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:mmseg.*"),
    pytest.mark.filterwarnings("ignore:torch.meshgrid"),  # mmdet uses the deprecated name
]
QUERIES = 30


def network(head: dict[str, Any] | None) -> Any:
    """Build a small variant of Mask2Former with Swin."""
    torch.manual_seed(0)
    return build(config("mask2former", head))


def test_training_of_mask2former_reduces_the_loss() -> None:
    plain = network(None)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=3e-4)
    images, samples = batch()
    totals = []
    for _ in range(3):
        total, _ = plain.parse_losses(plain.loss(images, samples))
        optimizer.zero_grad()
        total.backward()
        assert [name for name, value in plain.named_parameters() if value.requires_grad and value.grad is None] == []
        optimizer.step()
        totals.append(total.item())
    assert np.isfinite(totals).all()
    assert totals[-1] < totals[0]


@pytest.fixture(scope="module", params=["authors", "paper"])
def stepped(request: pytest.FixtureRequest) -> tuple[Any, dict[str, torch.Tensor]]:
    parameters = {"preset": request.param, "components": 2, "memory": 40, "mean_momentum": 0.5, "correct_only": False}
    made = network({"name": "gmmseg", "parameters": parameters})
    losses = made.loss(*batch())
    made.parse_losses(losses)[0].backward()
    return made, losses


def test_losses_are_finite_and_all_parameters_have_gradients(stepped: tuple[Any, dict[str, torch.Tensor]]) -> None:
    made, losses = stepped
    of_a_layer = {"loss_cls", "loss_mask", "loss_dice"}
    expected = of_a_layer | {f"d{layer}.{name}" for layer in range(2) for name in of_a_layer} | {"loss_components"}
    assert set(losses) == {f"decode.{name}" for name in expected}
    assert all(value.isfinite() for value in losses.values())
    gradients = {name: value.grad for name, value in made.named_parameters() if value.requires_grad}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    assert not any("mixture" in name for name in gradients)
    for name in ("decode_head.head.projection.0.weight", "decode_head.no_object", "decode_head.query_feat.weight"):
        gradient = gradients[name]
        assert gradient is not None
        assert float(gradient.abs().max()) > 0, name


def test_only_matched_queries_enter_the_memory(stepped: tuple[Any, dict[str, torch.Tensor]]) -> None:
    made, _ = stepped
    decoder = made.decode_head
    _, labels = decoder._batch
    _, samples = batch()
    expected = [sorted(set(sample.gt_sem_seg.data.unique().tolist()) - {255}) for sample in samples]
    assert [sorted(set(row.flatten().tolist()) - {255}) for row in labels] == expected, "a query a class in the image"
    assert int((labels != 255).sum()) == sum(map(len, expected))
    before = decoder.head.mixture.mean.clone()
    decoder.after_step()
    memory = decoder.head.mixture.memory
    assert int(memory.pointer.sum()) == sum(map(len, expected))
    assert not torch.equal(before, decoder.head.mixture.mean)


def test_the_logits_of_the_last_layer_are_those_of_the_head(stepped: tuple[Any, dict[str, torch.Tensor]]) -> None:
    made, _ = stepped
    made.eval()
    images, samples = batch()
    seen: list[Any] = []
    handle = made.decode_head.head.register_forward_hook(lambda module, given, output: seen.append(output))
    with torch.no_grad():
        logits, masks = made.decode_head(made.extract_feat(images), samples)
        whole = made(images, mode="predict")
    handle.remove()
    assert isinstance(made.decode_head, HeadedMask2Former)
    assert logits[-1].shape == (2, QUERIES, CLASSES + 1)
    assert torch.equal(logits[-1][..., :-1], seen[0].class_maps[..., 0].transpose(1, 2))
    level = made.decode_head.level
    assert (logits[-1][..., -1] == level + made.decode_head.no_object).all()
    assert logits[0].shape == logits[-1].shape
    assert whole[0].seg_logits.data.shape == (CLASSES, 64, 64)
    posterior = logits[-1].softmax(dim=-1)[..., :-1]
    large = torch.nn.functional.interpolate(masks[-1], size=(64, 64), mode="bilinear")
    expected = torch.einsum("nqc,nqhw->nchw", posterior, large.sigmoid())
    assert torch.allclose(torch.stack([sample.seg_logits.data for sample in whole]), expected, atol=1e-5)


def test_a_run_scores_the_densities_of_pixels(stepped: tuple[Any, dict[str, torch.Tensor]]) -> None:
    made, _ = stepped
    made.eval()
    images, samples = batch()
    reader = make_reader(made, Path("config.py"))
    assert reader.extras == ("class_log_density", "component_log_density")
    with torch.no_grad():
        maps = reader.read(images)
        seen: list[Any] = []
        handle = made.decode_head.head.register_forward_hook(lambda module, given, output: seen.append(output))
        logits, masks = made.decode_head(made.extract_feat(images), samples)
        handle.remove()
    queries = seen[0].extras["class_log_density"][..., 0]
    assert torch.equal(maps.extras["class_log_density"], pixel_log_density(queries, masks[-1]))
    assert maps.extras["class_log_density"].shape == maps.class_maps.shape
    components = seen[0].extras["component_log_density"][..., 0]
    assert torch.equal(maps.extras["component_log_density"], pixel_log_density(components, masks[-1]))
    posterior = logits[-1].softmax(dim=-1)[..., :-1]
    assert maps.class_maps.allclose(torch.einsum("nqc,nqhw->nchw", posterior, masks[-1].sigmoid()), atol=1e-6)


def test_the_no_object_logit_starts_at_the_level_of_the_classes(stepped: tuple[Any, dict[str, torch.Tensor]]) -> None:
    made, _ = stepped
    decoder, passes, level = made.decode_head, float(made.decode_head.passes), float(made.decode_head.level)
    decoder._update_level(torch.full((2, QUERIES), level + 8 * (passes + 1)))
    assert float(decoder.level) == pytest.approx(level + 8, abs=1e-4)
    decoder.passes.fill_(5000)
    decoder._update_level(torch.full((2, QUERIES), level + 108))
    assert float(decoder.level) == pytest.approx(level + 9, abs=1e-4)


def test_the_density_of_a_pixel_is_that_of_its_best_query() -> None:
    generator = torch.Generator().manual_seed(1)
    query, masks = torch.randn(1, 3, 4, generator=generator), torch.randn(1, 4, 2, 2, generator=generator)
    found = pixel_log_density(query, masks)
    for c, row, column in np.ndindex(3, 2, 2):
        each = [query[0, c, q] - torch.log1p(torch.exp(-masks[0, q, row, column])) for q in range(4)]
        assert found[0, c, row, column] == pytest.approx(float(max(each)), abs=1e-6)


@pytest.mark.parametrize(("cost", "finite"), [("CrossEntropyLossCost", False), ("OodbenchMaskCost", True)])
def test_confident_masks_can_be_matched_in_half_precision(cost: str, finite: bool) -> None:
    from mmdet.registry import TASK_UTILS
    from mmengine.structures import InstanceData

    # Two queries predict nothing at 12 544 points, the number in Mask2Former. Each of two masks has half of the points.
    masks = torch.zeros(2, 12544)
    masks[0, ::2] = masks[1, 1::2] = 1
    said = TASK_UTILS.build({"type": f"mmdet.{cost}", "use_sigmoid": True, "weight": 5.0})
    predicted = InstanceData(masks=torch.full((2, 12544), -20.0).half())
    with torch.autocast("cpu", dtype=torch.float16):
        found = said(predicted, InstanceData(masks=masks))
    assert bool(found.isfinite().all()) == finite
    if finite:
        assert torch.allclose(found, torch.full((2, 2), 50.0))


def test_a_step_under_autocast_is_finite() -> None:
    made = network({"name": "gmmseg", "parameters": {"components": 2, "memory": 40, "mean_momentum": 0.5}})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = made.loss(*batch())
    # The losses over masks are those of mmdet.
    assert {losses[f"decode.loss_{name}"].dtype for name in ("cls", "components")} == {torch.float32}
    made.parse_losses(losses)[0].backward()
    decoder = made.decode_head
    assert decoder.head.projection[0].weight.grad.isfinite().all()
    decoder.after_step()
    assert decoder.head.mixture.mean.isfinite().all()
