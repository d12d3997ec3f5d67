"""Class maps of mask classifiers (Mask2Former, MaskFormer), whose queries have a class and a mask each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

SUMS = "unnormalised class scores: the sum over queries of class posterior times mask"
"""Description of the class maps of a mask classifier."""


def compute_class_maps(class_logits: Tensor, mask_logits: Tensor) -> Tensor:
    """Return unnormalised class scores: the sum over queries of class posterior times mask probability.

    Args:
        class_logits: Class logits [N, Q, C + 1] of Q queries; the last class is no-object.
        mask_logits: Mask logits [N, Q, h, w].

    Returns:
        Unnormalised class scores [N, C, h, w].
    """
    return torch.einsum("nqc,nqhw->nchw", class_logits.softmax(dim=-1)[..., :-1], mask_logits.sigmoid())
