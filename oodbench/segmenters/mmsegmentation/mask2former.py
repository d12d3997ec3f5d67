"""Mask2Former with a head of the registry on its query embeddings. The combination was designed for oodbench.

Neither GMMSeg's supplement nor its released code describes how to use a mixture with Mask2Former (Cheng, Misra,
Schwing, Kirillov, Girdhar, "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022). The
supplement used the original code of Mask2Former. This file uses its port in mmdet and MMSegmentation:

- The head replaces the class layer after the last decoder layer. The earlier decoder layers keep their linear class
  layer, like auxiliary heads.
- The class logits of a query are the head's class maps and a logit for no-object. The logit for no-object is the
  running mean of the log-sum-exp of the queries' class maps plus a learned constant. The running mean is necessary
  because densities change by tens of nats while variances shrink, which a learned constant can't follow.
- The classification loss is that of Mask2Former, over classes and no-object. It replaces `loss_segmentation` of the
  head. The other losses of the head use only the queries that the Hungarian assignment matched, and only these queries
  are added to the memory.
- The class maps do not change: the sum over queries of class posterior times sigmoid of the mask.
- A pixel's class-conditional log-density is the maximum over queries of the query's log-density plus the log-sigmoid of
  its mask at the pixel. The anomaly score is minus the maximum of this log-density over the classes.

A config needs this line, the custom_imports of this file, and the custom_hooks of
oodbench.segmenters.mmsegmentation.decoders:

    model = dict(decode_head=dict(type="OodbenchMask2Former", head=dict(name="gmmseg")))

For training in half precision, with or without a head of oodbench, replace `mmdet.CrossEntropyLossCost` in the assigner
by `mmdet.OodbenchMaskCost`, as the recipes of oodbench do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from oodbench.contracts import HeadOutput
from oodbench.mixture import distributed
from oodbench.registry import Registry
from oodbench.segmenters.mmsegmentation.custom_head import ModuleWithHead
from oodbench.segmenters.mmsegmentation.shims import import_mmseg
from oodbench.types import VOID

if TYPE_CHECKING:
    from torch import Tensor

import_mmseg("Mask2Former", detection=True)

from mmdet.models.task_modules.assigners import CrossEntropyLossCost  # noqa: E402  # after the shims
from mmdet.registry import TASK_UTILS  # noqa: E402
from mmseg.models.decode_heads.mask2former_head import Mask2FormerHead  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402

import oodbench.segmenters.mmsegmentation.decoders  # noqa: E402, F401  # registers the hook


def pixel_log_density(query: Tensor, masks: Tensor) -> Tensor:
    """Convert per-query log-densities to per-pixel log-densities.

    Args:
        query: Log-density of each query's embedding under each class or component, float32 [N, C, Q].
        masks: Mask logits, float32 [N, Q, h, w].

    Returns:
        Log-density of each pixel under each class or component, float32 [N, C, h, w].
    """
    inside = functional.logsigmoid(masks)
    # One class at a time, because all at once would need memory for classes x queries x pixels.
    return torch.stack([(density[:, :, None, None] + inside).amax(dim=1) for density in query.unbind(dim=1)], dim=1)


AT_PIXELS = {"class_log_density": pixel_log_density, "component_log_density": pixel_log_density}
"""Maps each extra output of a head per query to the function that converts it to pixels, given the mask logits."""


class _ClassLayer(nn.Linear):
    """A class layer that keeps its last input: the query embeddings [N, Q, D] after the last decoder layer."""

    last_input: Tensor | None = None

    @override
    def forward(self, embeddings: Tensor) -> Tensor:
        """Return class logits [N, Q, C + 1] of query embeddings [N, Q, D]."""
        self.last_input = embeddings
        return super().forward(embeddings)


class HeadedMask2Former(ModuleWithHead, Mask2FormerHead):
    """The decode head of Mask2Former with a head of the registry.

    Args:
        head: The head: its `name` and `parameters`.
        plugins: Python files with the user's own heads.
        arguments: The arguments of Mask2FormerHead.
    """

    # Attributes of Mask2FormerHead.
    num_classes: int
    cls_embed: Any

    level: Tensor  # running mean of the log-sum-exp of the queries' class maps, over about the last 100 passes
    passes: Tensor

    def __init__(self, *, head: Mapping[str, Any], plugins: Sequence[str] = (), **arguments: Any) -> None:
        super().__init__(**arguments)
        registry_head = Registry([Path(file) for file in plugins]).head(head["name"], head.get("parameters", {}))
        channels: int = self.cls_embed.in_features
        self.cls_embed = _ClassLayer(channels, self.num_classes + 1)
        self.no_object = nn.Parameter(torch.zeros(()))
        self.register_buffer("level", torch.zeros(()))
        self.register_buffer("passes", torch.zeros(()))
        self.build_head(registry_head, channels, self.num_classes)
        self._output: HeadOutput | None = None
        self._matched: Tensor | None = None

    @override
    def forward(self, x: Sequence[Tensor], batch_data_samples: Any) -> tuple[list[Tensor], list[Tensor]]:
        """Return class logits [N, Q, C + 1] and mask logits [N, Q, h, w] after each decoder layer."""
        logits, masks = super().forward(x, batch_data_samples)
        embeddings, self.cls_embed.last_input = self.cls_embed.last_input, None
        # The head expects maps, so the queries are passed as a map with one column.
        output: HeadOutput = self.head(embeddings.transpose(1, 2)[..., None])  # [N, D, Q, 1]
        self._output = output if self.training else None
        classes = output.class_maps[..., 0].transpose(1, 2)  # [N, Q, C]
        if self.training:
            self._update_level(classes.detach().logsumexp(dim=2))
        no_object = self.level + self.no_object
        logits[-1] = torch.cat([classes, no_object.expand(*classes.shape[:2], 1)], dim=2)
        return logits, masks

    def _update_level(self, log_sums: Tensor) -> None:
        """Update the running mean with the log-sum-exp [N, Q] of the queries of all ranks."""
        total, count = distributed.all_reduce_sum(torch.stack([log_sums.sum(), log_sums.new_tensor(log_sums.numel())]))
        self.passes += 1
        self.level += (total / count - self.level) / self.passes.clamp(max=100)

    def get_targets(self, *arguments: Any, **named: Any) -> Any:
        """Return the targets of Mask2FormerHead, and keep the classes matched with the last layer's queries."""
        targets = super().get_targets(*arguments, **named)
        self._matched = torch.stack(targets[0])  # [N, Q]; called once per layer, so the last layer's targets remain
        return targets

    def loss(self, x: Sequence[Tensor], batch_data_samples: Any, train_cfg: Any) -> dict[str, Tensor]:
        """Compute the losses of Mask2Former, and those of the head on the matched queries."""
        losses: dict[str, Tensor] = super().loss(x, batch_data_samples, train_cfg)
        assert self._output is not None, "the loss follows a forward pass in training mode"
        assert self._matched is not None, "the loss of Mask2Former calls get_targets"
        labels = self._matched.masked_fill(self._matched == self.num_classes, VOID)[..., None]  # [N, Q, 1]
        head_losses = self.compute_head_losses(self._output, labels)
        self._output = self._matched = None
        return losses | {name: loss for name, loss in head_losses.items() if name != "loss_segmentation"}


class SinglePrecisionMaskCost(CrossEntropyLossCost):
    """The cost of matching a query to a mask, computed in single precision even under autocast.

    The cost sums cross-entropies over thousands of points before it divides by their number. For confident masks, the
    sum overflows in half precision. Infinite costs can't be matched, so training would stop
    (github.com/open-mmlab/mmdetection/issues/10909).
    """

    def _binary_cross_entropy(self, cls_pred: Tensor, gt_labels: Tensor) -> Tensor:
        with torch.autocast(cls_pred.device.type, enabled=False):
            cost: Tensor = super()._binary_cross_entropy(cls_pred, gt_labels)
        return cost


MODELS.register_module(name="OodbenchMask2Former", module=HeadedMask2Former)
TASK_UTILS.register_module(name="OodbenchMaskCost", module=SinglePrecisionMaskCost)
