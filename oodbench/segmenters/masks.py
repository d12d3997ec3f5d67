"""Mask classifiers (Mask2Former, MaskFormer): queries with a class and a mask each, and no logits a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def semantic_maps(class_logits: Tensor, mask_logits: Tensor) -> Tensor:
    """[N, C, h, w] from Q queries: class logits [N, Q, C + 1] (last: no-object) and mask logits [N, Q, h, w]."""
    maps = torch.einsum("nqc,nqhw->nchw", class_logits.softmax(dim=-1)[..., :-1], mask_logits.sigmoid())
    # A pixel that no query claims has a sum near zero: there all classes are as likely.
    maps = maps + torch.finfo(maps.dtype).tiny
    return maps / maps.sum(dim=1, keepdim=True)
