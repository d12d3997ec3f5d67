"""A head of the registry in the place of a decoder's classifier, by a few lines in anybody's config of MMSegmentation.

    custom_imports = dict(imports=["oodbench.segmenters.mmsegmentation.decoders"])
    custom_hooks = [dict(type="OodbenchHeadHook")]
    model = dict(decode_head=dict(type="OodbenchHead", decoder="SegformerHead", head=dict(name="gmmseg")))

The decoder keeps its own arguments, its layers and its dropout; what it has no use for any more, its last convolution
and its loss, is not there. Auxiliary heads stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from oodbench.errors import UsageError
from oodbench.registry import Registry
from oodbench.segmenters.mmsegmentation.custom_head import HeadedDecoder
from oodbench.segmenters.mmsegmentation.hook import HeadHook
from oodbench.segmenters.mmsegmentation.shims import import_mmseg

import_mmseg("a head on a decoder of MMSegmentation")

from mmseg.models.decode_heads.decode_head import BaseDecodeHead  # noqa: E402  # after the shims
from mmseg.registry import HOOKS, MODELS  # noqa: E402


def decoder_with_head(
    decoder: str, head: Mapping[str, Any], plugins: Sequence[str] = (), **arguments: Any
) -> nn.Module:
    """A decoder of MMSegmentation that ends in a head of ours.

    Args:
        decoder: its type: FCNHead, DepthwiseSeparableASPPHead, OCRHead, UPerHead, SegformerHead, or any other that
            ends in `cls_seg`.
        head: `name`, and `parameters`.
        plugins: files with heads of the user's own.
        arguments: the decoder's own.

    Raises:
        UsageError: it doesn't fit together; nothing that the config says is passed over.
    """
    there = MODELS.get(decoder)
    own = ("cls_seg", "loss_by_feat", "_stack_batch_gt")
    if (
        there is None
        or not issubclass(there, BaseDecodeHead)
        or any(getattr(there, name) is not getattr(BaseDecodeHead, name) for name in own)
    ):
        raise UsageError(
            f"decoder='{decoder}': not a decoder of MMSegmentation that classifies each pixel by itself",
            "FCNHead, DepthwiseSeparableASPPHead, OCRHead, UPerHead and SegformerHead are.",
        )
    made = Registry([Path(file) for file in plugins]).head(head["name"], head.get("parameters", {}))
    module: nn.Module = _with_head(there)(head=made, **arguments)
    return module


@cache
def _with_head(decoder: type) -> type:
    return type(f"{decoder.__name__}WithHead", (HeadedDecoder, decoder), {})


MODELS.register_module(name="OodbenchHead", module=decoder_with_head)
HOOKS.register_module(name="OodbenchHeadHook", module=HeadHook)
