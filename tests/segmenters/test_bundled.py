"""The bundled models: digests, outputs, and the linear classifier of one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from oodbench.contracts import Needs
from oodbench.registry import Registry
from oodbench.segmenters.bundled import BUNDLED
from oodbench.testing import AdapterContract
from tests.helpers.files import photograph

DIGESTS = {
    "streets-gmmseg": "6b5ebf0306f72bc1963fd6cf8997ce24616973e224d2f091b0b52df1b006d86c",
    "streets-softmax": "893531ca1e82c51a181880f2251fbcf0a6cfe71b4baa5a97d34b2ab3293d7497",
}


class TestSoftmax(AdapterContract):
    name = "bundled"

    def make(self, folder: Path) -> str:
        return "streets-softmax"


class TestGMMSeg(AdapterContract):
    name = "bundled"

    def make(self, folder: Path) -> str:
        return "streets-gmmseg"


@pytest.mark.parametrize("name", BUNDLED)
def test_digests_are_those_in_stored_results(name: str) -> None:
    assert Registry().adapter(name).open(name, None, "cpu").digest == DIGESTS[name]


def test_the_linear_classifier_reproduces_the_class_maps() -> None:
    softmax, gmmseg = (
        Registry().adapter(name).open(name, None, "cpu") for name in ("streets-softmax", "streets-gmmseg")
    )
    layer = softmax.classifier()
    assert layer is not None
    output = softmax.forward([softmax.prepare(photograph(1))], Needs(logits=True, features=("penultimate",)))
    assert output.class_maps is not None
    made = torch.einsum("cd,ndhw->nchw", layer.weight, output.features["penultimate"]) + layer.bias[:, None, None]
    assert torch.allclose(made, output.class_maps.values, atol=1e-4)
    assert gmmseg.classifier() is None, "a density is not linear in the features"
