"""The head of GMMSeg.

    x = L2norm(LayerNorm(ReLU(BN(W f))))           W: 1x1 convolution to D dimensions
    s_c = max_m or log mean exp_m  log N(x; mu_cm, diag v_cm)
    class maps = s, or LayerNorm over the C classes of s (learned gain and bias)

    loss = cross entropy(class maps) + weight * cross entropy over all C * M components' log-densities,
           the target being the component of the true class to which a balanced assignment gives the pixel

Liang, Wang, Miao, Yang, "GMMSeg: Gaussian Mixture based Generative Semantic Segmentation Models", NeurIPS 2022. Means
and variances are updated by EM only (oodbench.mixture.online). The gradient flows through the densities into the
features, and so into the whole network. Two presets cover the cases where the released code and the paper differ
(oodbench.mixture.presets).

Two things differ from the released code. The 1x1 convolution is always present, regardless of the number of channels.
Batch statistics are computed per process, unless the training replaces BatchNorm2d by SyncBatchNorm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional
from typing_extensions import override

from oodbench.contracts import Head, HeadCard, HeadOutput, Parameters, TrainingHead
from oodbench.mixture import PRESETS, OnlineMixture, OnlineOptions
from oodbench.numerics import gather_labelled_pixels
from oodbench.types import VOID

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"heads": {"gmmseg": ("GMMSegHead", "a Gaussian mixture per class, updated by EM, trained with the network")}}

CLASS_LOG_DENSITY = "class_log_density"
"""Name of the extra output s, [N, C, h, w]."""

COMPONENT_LOG_DENSITY = "component_log_density"
"""Name of the extra output with the components' log-densities, [N, C * M, h, w]: M components of class 0, M of class 1,
and so on.
"""


class GMMSegHead(Head):
    """The head plugin, which builds GMMSeg's module."""

    class Params(Parameters):
        """Parameters of GMMSeg's head."""

        preset: Literal["authors", "paper"] = Field(
            "authors", description="arithmetic of the authors' code or of the paper (oodbench.mixture.presets)"
        )
        components: int = Field(5, ge=1, description="Gaussians per class")
        dimensions: int = Field(64, ge=1, description="dimension D of the features under the mixture")
        component_loss: float = Field(0.01, ge=0, description="weight of the loss over components")
        memory: int | None = Field(
            None, ge=1, description="points kept per component (paper: per class); None: from the preset"
        )
        mean_momentum: float | None = Field(
            None, ge=0, le=1, description="momentum of the means; None: from the preset"
        )
        void_counts: bool | None = Field(
            None, description="void pixels count in the mean of the segmentation loss; None: from the preset"
        )
        correct_only: bool | None = Field(
            None, description="only correctly classified pixels enter the memory; None: from the preset"
        )
        frozen: bool = Field(False, description="keep the initial mixture: no EM")
        half_memory: bool = Field(False, description="keep the memory in half precision")

    card = HeadCard(
        name="gmmseg",
        title="GMMSeg",
        paper="Liang, Wang, Miao, Yang: GMMSeg: Gaussian Mixture based Generative Semantic Segmentation Models. "
        "NeurIPS 2022",
        url="https://arxiv.org/abs/2210.02025",
    )
    params: Params

    @override
    def build(self, channels: int, classes: int) -> nn.Module:
        given = self.params.model_dump(include={"memory", "mean_momentum", "void_counts", "correct_only"})
        options = replace(PRESETS[self.params.preset], **{name: v for name, v in given.items() if v is not None})
        return GMMSegModule(channels, classes, self.params, options)

    @override
    def extras(self) -> tuple[str, ...]:
        return (CLASS_LOG_DENSITY, COMPONENT_LOG_DENSITY)

    @override
    def training_only(self) -> tuple[str, ...]:
        return ("mixture.memory.", "mixture.occupancy", "mixture.steps", "mixture.estimations")


class GMMSegModule(nn.Module, TrainingHead):
    """The module of the head, for training and inference."""

    def __init__(self, channels: int, classes: int, params: GMMSegHead.Params, options: OnlineOptions) -> None:
        super().__init__()
        self.params, self.options = params, options
        self.projection = nn.Sequential(
            nn.Conv2d(channels, params.dimensions, 1, bias=False), nn.BatchNorm2d(params.dimensions), nn.ReLU()
        )
        self.feature_norm = nn.LayerNorm(params.dimensions)
        self.score_norm = nn.LayerNorm(classes) if options.normalised_scores else nn.Identity()
        self.mixture = OnlineMixture(classes, params.components, params.dimensions, options, half=params.half_memory)

    @override
    def forward(self, features: Tensor) -> HeadOutput:
        return self.densities(self.projection(features))

    def densities(self, features: Tensor) -> HeadOutput:
        """Compute the head's output from the projected features [N, D, h, w], in float32 even under autocast."""
        count, _, height, width = features.shape
        with torch.autocast(features.device.type, enabled=False):
            x = self.feature_norm(features.float().permute(0, 2, 3, 1))  # [N, h, w, D]
            x = functional.normalize(x, dim=-1).flatten(0, 2)  # [n, D]
            components = self.mixture.log_density(x)  # [n, C, M]
            scores = self.mixture.class_score(components)  # [n, C]
            normalised = self.score_norm(scores)

        def maps(values: Tensor) -> Tensor:
            return values.view(count, height, width, -1).permute(0, 3, 1, 2)

        extras = {CLASS_LOG_DENSITY: maps(scores), COMPONENT_LOG_DENSITY: maps(components)}
        return HeadOutput(maps(normalised), maps(x), extras)

    @override
    def loss(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        logits, target = gather_labelled_pixels(output.class_maps, labels)
        losses = functional.cross_entropy(logits, target, reduction="sum")
        pixels = labels.numel() if self.options.void_counts else max(len(target), 1)
        small = self._small(output, labels)
        known = (small != VOID).nonzero()[:, 0]
        label, components = small[known], self._components(output)[known]  # [n], [n, C, M]
        self._shares = self.mixture.assign(components.detach(), label)  # [n, M]
        class_components = components[torch.arange(len(label), device=label.device), label]  # [n, M]
        normaliser = components.flatten(1).logsumexp(dim=1, keepdim=True)  # [n, 1]
        component_loss = (self._shares * (normaliser - class_components)).sum() / max(len(label), 1)
        return {"loss_segmentation": losses / pixels, "loss_components": self.params.component_loss * component_loss}

    @torch.no_grad()
    @override
    def after_step(self, output: HeadOutput, labels: Tensor) -> None:
        if self.params.frozen:
            return
        small = self._small(output, labels)
        known = (small != VOID).nonzero()[:, 0]
        points = output.features.permute(0, 2, 3, 1).flatten(0, 2)[known]
        right = output.class_maps.argmax(dim=1).flatten()[known] == small[known]
        self.mixture.step(points, small[known], self._shares, right)

    @override
    def facts(self) -> Mapping[str, float]:
        return self.mixture.facts()

    def _components(self, output: HeadOutput) -> Tensor:
        """Return the components' log-densities, [n, C, M]."""
        flat = output.extras[COMPONENT_LOG_DENSITY].permute(0, 2, 3, 1).flatten(0, 2)
        return flat.view(len(flat), -1, self.params.components)

    @staticmethod
    def _small(output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the labels at the resolution of the features, int64 [n]."""
        size = output.features.shape[-2:]
        small = functional.interpolate(labels[:, None].float(), size=size, mode="nearest")
        return small.long().flatten()
