"""Mask2Former with a head of ours over its query embeddings: our construction.

Neither GMMSeg's supplement nor its released code says how a mixture stands on Mask2Former (Cheng, Misra, Schwing,
Kirillov, Girdhar, "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022). The supplement used
Mask2Former's own code; this stands on its port in mmdet and MMSegmentation. Here

- the head takes the place of the class layer after the last decoder layer; the layers before it keep their linear one,
  as auxiliary heads do elsewhere;
- class logits of a query are the head's class maps and, for no object, a learned constant above what the queries' class
  maps sum to on average (log-sum-exp): densities move by tens of nats while variances shrink, which a constant by
  itself can't follow;
- the classification loss is Mask2Former's own, over classes and no object. Of the head's losses it takes the place of
  `loss_segmentation`; the others are over the queries that the Hungarian assignment matched, and only these enter the
  memory;
- the semantic map is as always: the sum over queries of class posterior times sigmoid of the mask;
- a pixel's class-conditional log-density is the largest, over queries, of the query's log-density plus the log-sigmoid
  of its mask there, so that minus its maximum over the classes is the anomaly score.

    model = dict(decode_head=dict(type="OodbenchMask2Former", head=dict(name="gmmseg")))

with the custom_imports of this file and the custom_hooks of oodbench.segmenters.mmsegmentation.decoders. To train in
half precision, with or without a head of ours, `mmdet.OodbenchMaskCost` takes the place of `mmdet.CrossEntropyLossCost`
in the assigner; our recipes say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

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
    """Of the queries' densities the pixels'.

    Args:
        query: float32 [N, C, Q], log-density of each query's embedding under each class, or each component.
        masks: float32 [N, Q, h, w], mask logits.

    Returns:
        float32 [N, C, h, w].
    """
    inside = functional.logsigmoid(masks)
    # A class at a time: all at once would be classes x queries x pixels.
    return torch.stack([(density[:, :, None, None] + inside).amax(dim=1) for density in query.unbind(dim=1)], dim=1)


AT_PIXELS = {"class_log_density": pixel_log_density, "component_log_density": pixel_log_density}
"""What a head gives beside class maps of each query -> how pixels come by it, from the queries' and the mask logits."""


class _ClassLayer(nn.Linear):
    """Keeps the query embeddings [N, Q, D] that it saw last, which are those after the last decoder layer."""

    seen: Tensor | None = None

    def forward(self, embeddings: Tensor) -> Tensor:
        """[N, Q, C + 1]."""
        self.seen = embeddings
        return super().forward(embeddings)


class HeadedMask2Former(ModuleWithHead, Mask2FormerHead):
    """Mask2Former's head with one of ours in it.

    Args:
        head: `name`, and `parameters`.
        plugins: files with heads of the user's own.
        arguments: Mask2FormerHead's own.
    """

    # Mask2FormerHead's.
    num_classes: int
    cls_embed: Any

    level: Tensor  # the mean log-sum-exp of the queries' class maps, over about the last hundred passes
    passes: Tensor

    def __init__(self, *, head: Mapping[str, Any], plugins: Sequence[str] = (), **arguments: Any) -> None:
        super().__init__(**arguments)
        made = Registry([Path(file) for file in plugins]).head(head["name"], head.get("parameters", {}))
        channels: int = self.cls_embed.in_features
        self.cls_embed = _ClassLayer(channels, self.num_classes + 1)
        self.no_object = nn.Parameter(torch.zeros(()))
        self.register_buffer("level", torch.zeros(()))
        self.register_buffer("passes", torch.zeros(()))
        self.bear(made, channels, self.num_classes)
        self._output: HeadOutput | None = None
        self._matched: Tensor | None = None

    def forward(self, x: Sequence[Tensor], batch_data_samples: Any) -> tuple[list[Tensor], list[Tensor]]:
        """Class logits [N, Q, C + 1] and mask logits [N, Q, h, w] after each decoder layer."""
        logits, masks = super().forward(x, batch_data_samples)
        embeddings, self.cls_embed.seen = self.cls_embed.seen, None
        # The head takes maps: a query is a pixel of a column.
        output: HeadOutput = self.head(embeddings.transpose(1, 2)[..., None])  # [N, D, Q, 1]
        self._output = output if self.training else None
        classes = output.class_maps[..., 0].transpose(1, 2)  # [N, Q, C]
        if self.training:
            self._follow(classes.detach().logsumexp(dim=2))
        no_object = self.level + self.no_object
        logits[-1] = torch.cat([classes, no_object.expand(*classes.shape[:2], 1)], dim=2)
        return logits, masks

    def _follow(self, sums: Tensor) -> None:
        """Bring the level toward that of these queries [N, Q], of all ranks."""
        total, count = distributed.all_reduce_sum(torch.stack([sums.sum(), sums.new_tensor(sums.numel())]))
        self.passes += 1
        self.level += (total / count - self.level) / self.passes.clamp(max=100)

    def get_targets(self, *arguments: Any, **named: Any) -> Any:
        """As there; what the last layer's queries were matched with is kept."""
        targets = super().get_targets(*arguments, **named)
        self._matched = torch.stack(targets[0])  # [N, Q]; the layers come one after the other
        return targets

    def loss(self, x: Sequence[Tensor], batch_data_samples: Any, train_cfg: Any) -> dict[str, Tensor]:
        """Mask2Former's losses, and the head's on the queries that were matched."""
        losses: dict[str, Tensor] = super().loss(x, batch_data_samples, train_cfg)
        assert self._output is not None, "the loss is of a pass in training mode"
        assert self._matched is not None, "targets were found for it"
        labels = self._matched.masked_fill(self._matched == self.num_classes, VOID)[..., None]  # [N, Q, 1]
        mine = self.losses_of_the_head(self._output, labels)
        self._output = self._matched = None
        return losses | {name: loss for name, loss in mine.items() if name != "loss_segmentation"}


class SinglePrecisionMaskCost(CrossEntropyLossCost):
    """What matching a query to a mask costs, in single precision under autocast too.

    It sums cross-entropies over thousands of points before it divides by their number, which is past the largest number
    of half precision once a mask is sure of itself; nothing can be matched by infinite costs, and training breaks off
    (github.com/open-mmlab/mmdetection/issues/10909).
    """

    def _binary_cross_entropy(self, cls_pred: Tensor, gt_labels: Tensor) -> Tensor:
        with torch.autocast(cls_pred.device.type, enabled=False):
            cost: Tensor = super()._binary_cross_entropy(cls_pred, gt_labels)
        return cost


MODELS.register_module(name="OodbenchMask2Former", module=HeadedMask2Former)
TASK_UTILS.register_module(name="OodbenchMaskCost", module=SinglePrecisionMaskCost)
