"""Fits of methods with and without states that can be merged, in several passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from typing_extensions import override

import oodbench
from oodbench.contracts import Fit, GridMethod, MergeableFit, Method, MethodCard, Needs, Parameters
from oodbench.progress import Silent
from oodbench.stages.fit import fit_methods
from oodbench.testing.fake_network import learn, learn_distributed
from oodbench.types import ClassSet, SegmenterOutput, SemanticLabels


class Spread(MergeableFit[torch.Tensor], GridMethod):
    """A method that computes the mean feature in a first pass, and the mean distance from it in a second one."""

    card = MethodCard("spread", "Spread", "none", "")

    @override
    def needs(self) -> Needs:
        return Needs(features=("penultimate",), fit=True)

    @override
    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        self._mean: torch.Tensor | None = None
        self._states: list[torch.Tensor] = []

    @override
    def frame_states(
        self, output: SegmenterOutput, labels: Sequence[SemanticLabels], frames: Sequence[str]
    ) -> Sequence[torch.Tensor]:
        features = output.features["penultimate"].double()
        if self._mean is None:
            return [part.mean(dim=(1, 2)) for part in features]
        return [(part - self._mean[:, None, None]).norm(dim=0).mean()[None] for part in features]

    @override
    def merge(self, state: torch.Tensor) -> None:
        self._states.append(state)

    @override
    def end_pass(self) -> bool:
        total = torch.zeros_like(self._states[0])
        for state in self._states:
            total += state
        average, self._states = total / len(self._states), []
        if self._mean is None:
            self._mean = average
            return True
        self._distance = average
        return False

    @override
    def fitted(self) -> Fit:
        assert self._mean is not None
        return Fit({"mean": self._mean, "distance": self._distance}, {})

    @override
    def grid_score(self, output: SegmenterOutput) -> torch.Tensor:
        return output.features["penultimate"].square().sum(dim=1).sqrt()


@pytest.mark.parametrize(("sizes", "order"), [((1, 1, 1), (2, 1, 0)), ((1, 2), (1, 0)), ((3,), (0,))])
def test_a_distributed_fit_in_two_passes_equals_the_fit_in_one_process(
    sizes: tuple[int, ...], order: tuple[int, ...]
) -> None:
    def create() -> Spread:
        return Spread(Parameters())

    expected, found = learn(create()), learn_distributed(create, order, sizes)
    for name, values in expected.tensors.items():
        assert torch.equal(found.tensors[name], values)


class Updated(GridMethod):
    """A third-party method that only has `update`."""

    card = MethodCard("updated", "Updated", "none", "")

    @override
    def needs(self) -> Needs:
        return Needs(features=("penultimate",), fit=True)

    @override
    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        self._sizes: list[int] = []

    @override
    def update(self, output: SegmenterOutput, labels: Sequence[SemanticLabels]) -> None:
        self._sizes.append(len(labels))

    @override
    def fitted(self) -> Fit:
        return Fit({}, {"sizes": self._sizes})

    @override
    def grid_score(self, output: SegmenterOutput) -> torch.Tensor:
        return output.features["penultimate"].square().sum(dim=1).sqrt()


def test_methods_with_and_without_states_are_fitted_together() -> None:
    segmenter = oodbench.load_segmenter("streets-softmax")
    frames = list(oodbench.load_dataset("streets-train"))[:3]

    def fit(*methods: Method, batch_size: int) -> dict[str, Fit]:
        named = {method.card.name: method for method in methods}
        return dict(fit_methods(segmenter, named, frames, Silent(), batch_size=batch_size))

    knn = oodbench.create_method("knn", bank_size=50)
    together = fit(knn, Spread(Parameters()), Updated(Parameters()), batch_size=2)
    assert together["updated"].facts["sizes"] == [2, 1]
    alone = fit(oodbench.create_method("knn", bank_size=50), batch_size=2)["knn"].tensors["bank"]
    assert torch.equal(together["knn"].tensors["bank"], alone)
    assert np.isfinite(together["spread"].tensors["distance"].numpy()).all()
