"""Decoders of MMSegmentation whose classifier is replaced by a head of the registry.

A config of MMSegmentation needs these lines:

    custom_imports = dict(imports=["oodbench.segmenters.mmsegmentation.decoders"])
    custom_hooks = [dict(type="OodbenchHeadHook")]
    model = dict(decode_head=dict(type="OodbenchHead", decoder="SegformerHead", head=dict(name="gmmseg")))

The decoder keeps its arguments, layers and dropout. Its last convolution and its loss, which are not used, are removed.
Auxiliary heads don't change.
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
    """Build a decoder of MMSegmentation that ends in a head of the registry.

    Args:
        decoder: Type of the decoder: FCNHead, DepthwiseSeparableASPPHead, OCRHead, UPerHead, SegformerHead, or another
            decoder that ends in `cls_seg`.
        head: The head: its `name` and `parameters`.
        plugins: Python files with the user's own heads.
        arguments: The arguments of the decoder.

    Raises:
        UsageError: The decoder can't have a head of the registry, or the head would ignore an option of the decoder.
    """
    decoder_class = MODELS.get(decoder)
    inherited = ("cls_seg", "loss_by_feat", "_stack_batch_gt")
    if (
        decoder_class is None
        or not issubclass(decoder_class, BaseDecodeHead)
        or any(getattr(decoder_class, name) is not getattr(BaseDecodeHead, name) for name in inherited)
    ):
        raise UsageError(
            f"decoder='{decoder}': not a decoder of MMSegmentation that classifies each pixel independently",
            "Use FCNHead, DepthwiseSeparableASPPHead, OCRHead, UPerHead or SegformerHead.",
        )
    registry_head = Registry([Path(file) for file in plugins]).head(head["name"], head.get("parameters", {}))
    module: nn.Module = _make_class(decoder_class)(head=registry_head, **arguments)
    return module


@cache
def _make_class(decoder: type) -> type:
    return type(f"{decoder.__name__}WithHead", (HeadedDecoder, decoder), {})


MODELS.register_module(name="OodbenchHead", module=decoder_with_head)
HOOKS.register_module(name="OodbenchHeadHook", module=HeadHook)
