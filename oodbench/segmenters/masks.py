"""Mask classifiers (Mask2Former, MaskFormer): queries with a class and a mask each, and no logits a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

SUMS = "sums over queries of class posterior times mask"
"""What the class maps are, in words."""


def semantic_maps(class_logits: Tensor, mask_logits: Tensor) -> Tensor:
    """The classes' sums [N, C, h, w] over Q queries of class posterior times mask.

    Args:
        class_logits: [N, Q, C + 1]; the last is no-object.
        mask_logits: [N, Q, h, w].
    """
    return torch.einsum("nqc,nqhw->nchw", class_logits.softmax(dim=-1)[..., :-1], mask_logits.sigmoid())
