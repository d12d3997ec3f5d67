"""kNN: distance of a pixel's embedding to the nearest in-distribution embeddings.

    s(x) = 1/k * sum of the distances from f(x) to its k nearest neighbours in a bank of in-distribution features

This is the embedding-density baseline of the Fishyscapes benchmark (Blum, Sarlin, Nieto, Siegwart, Cadena, "The
Fishyscapes Benchmark", IJCV 2021). Its code is not public. The defaults, one neighbour under the cosine distance, are
those of later code by the same author (hermannsblum/scim). The bank is sampled from the fit frames, with the same
number of pixels per class. Not reproduced: the approximate index of that code. The search here is exact
(oodbench.numerics.neighbours), and several times as fast as a flat index of faiss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from typing_extensions import override

from oodbench.contracts import Fit, GridMethod, MergeableFit, MethodCard, Needs, Parameters
from oodbench.errors import DataError
from oodbench.numerics import ClassReservoir, NeighbourIndex
from oodbench.types import ClassSet, SegmenterOutput, SemanticLabels

if TYPE_CHECKING:
    from torch import Tensor

# The smallest norm by which an embedding is divided.
_SMALLEST_NORM = 1e-12

PLUGINS = {"methods": {"knn": ("KNN", "distance to the k nearest in-distribution embeddings")}}


def knn_distance(queries: Tensor, bank: NeighbourIndex, k: int, metric: Literal["euclidean", "cosine"]) -> Tensor:
    """Compute the mean distance from each query to its k nearest neighbours in the bank.

    Args:
        queries: float32 [D, N], embeddings to score, one per column.
        bank: Index of B >= k in-distribution embeddings; for the cosine distance, of unit vectors.
        k: Number of neighbours.
        metric: `euclidean`, or `cosine` for 1 - cos.

    Returns:
        float32 [N], higher = more anomalous.
    """
    if metric == "cosine":
        queries = normalise(queries)
    squared = torch.from_numpy(bank.squared_distances(queries.numpy(), k))  # [k, N]
    # For unit vectors, |a - b|^2 = 2 (1 - cos).
    return (squared / 2 if metric == "cosine" else squared.sqrt()).mean(dim=0)


def normalise(embeddings: Tensor) -> Tensor:
    """Divide each column of float32 [D, N] by its norm; a column of zeros stays zero."""
    return embeddings / embeddings.square().sum(dim=0).sqrt().clamp_min(_SMALLEST_NORM)


class KNN(MergeableFit[ClassReservoir], GridMethod):
    """Distance to the nearest embeddings. The fitted state is the bank."""

    class Params(Parameters):
        """Parameters of kNN."""

        k: int = Field(1, ge=1, description="number of neighbours; their distances are averaged")
        metric: Literal["euclidean", "cosine"] = Field("cosine", description="cosine (1 - cos) or euclidean")
        bank_size: int = Field(2_000, ge=1, description="embeddings in the bank, over all classes")
        features: str = Field("penultimate", description="role of the features")

    card = MethodCard(
        name="knn",
        title="kNN",
        paper="Blum, Sarlin, Nieto, Siegwart, Cadena: The Fishyscapes Benchmark (embedding density). IJCV 2021",
        url="https://arxiv.org/abs/1904.03215",
        version=2,
        published="Fishyscapes; Jung et al., ICCV 2021, table 2",
        basic=True,
        standard=True,
    )
    params: Params

    @override
    def needs(self) -> Needs:
        return Needs(features=(self.params.features,), fit=True)

    @override
    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        self._classes = classes
        # If classes are missing, the others fill the bank; therefore each may take the full size.
        self._reservoir = ClassReservoir(len(classes), self.params.bank_size, seed)

    @override
    def frame_states(
        self, output: SegmenterOutput, labels: Sequence[SemanticLabels], frames: Sequence[str]
    ) -> Sequence[ClassReservoir]:
        parts = zip(output.features[self.params.features], labels, frames, strict=True)
        return [self._reservoir.of_frame(features, label, frame) for features, label, frame in parts]

    @override
    def merge(self, state: ClassReservoir) -> None:
        self._reservoir.merge(state)

    @override
    def fitted(self) -> Fit:
        samples = [self._reservoir.pixels(index) for index in range(len(self._classes))]
        present = [sample for sample in samples if sample is not None]
        sizes = _split_evenly([len(sample) for sample in present], self.params.bank_size)
        if sum(sizes) < self.params.k:
            raise DataError(
                f"knn: the fit frames have {sum(sizes)} labelled pixels; expected at least k = {self.params.k}",
                "Check that the in-distribution labels are not all void.",
            )
        bank = torch.cat([sample[:size] for sample, size in zip(present, sizes, strict=True)])
        absent = [name for name, sample in zip(self._classes.names, samples, strict=True) if sample is None]
        return Fit({"bank": bank}, {"bank_size": len(bank), "absent_classes": absent})

    @override
    def load(self, fit: Fit) -> None:
        bank = fit.tensors["bank"].T  # [D, B]
        self._bank = NeighbourIndex((normalise(bank) if self.params.metric == "cosine" else bank).T.numpy())

    @override
    def grid_score(self, output: SegmenterOutput) -> Tensor:
        features = output.features[self.params.features].cpu()  # [N, D, h, w]
        params, (height, width) = self.params, features.shape[-2:]
        scores = [knn_distance(frame, self._bank, params.k, params.metric) for frame in features.flatten(2)]
        return torch.stack(scores).view(-1, height, width)


def _split_evenly(available: Sequence[int], total: int) -> list[int]:
    """Choose a number from each, as equal as possible, such that the sum is `total` or all that is available."""
    shares = [0] * len(available)
    left = min(total, sum(available))
    order = sorted(range(len(available)), key=lambda index: available[index])
    for position, index in enumerate(order):
        shares[index] = min(available[index], left // (len(order) - position))
        left -= shares[index]
    return shares
