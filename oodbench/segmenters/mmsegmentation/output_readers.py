"""Readers of the outputs of MMSegmentation's decode heads: class maps, and the features they are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from typing_extensions import override

from oodbench.contracts import Head, HeadOutput, Needs
from oodbench.errors import ModelError
from oodbench.segmenters.mask_classification import SUMS, compute_class_maps
from oodbench.segmenters.softmax_head import SoftmaxModule
from oodbench.segmenters.torch_modules.activation_hook import capture_activations
from oodbench.segmenters.torch_modules.base import ModuleOutput
from oodbench.types import MapKind, MaskOutput

if TYPE_CHECKING:
    from torch import Tensor, nn


class Reader:
    """Base class of the readers of a network of MMSegmentation, one per kind of decode head.

    Attributes:
        kind: Kind of the class maps.
        role: Role of the features that the class maps are computed from; empty if they can't be captured.
        extras: Names of the further outputs.
        training_only: Prefixes of the names in the state dict that may be missing from a checkpoint.
        maps: Description of the class maps.
    """

    kind: MapKind = "logits"
    role: str = "penultimate"
    extras: tuple[str, ...] = ()
    training_only: tuple[str, ...] = ()
    maps: str = "logits"

    def __init__(self, network: Any) -> None:
        self._network = network
        heads = network.decode_head
        # A cascade (OCRNet) refines step by step; the last step classifies.
        self._heads: list[Any] = list(heads) if isinstance(heads, torch.nn.ModuleList) else [heads]
        made_by = getattr(self.head, "made_by", None)
        if isinstance(made_by, Head):
            names = {module: name for name, module in network.named_modules()}
            self.training_only = tuple(f"{names[self.head.head]}.{prefix}" for prefix in made_by.training_only())

    @property
    def head(self) -> Any:
        """The decode head that computes the class maps."""
        return self._heads[-1]

    def read(self, images: Tensor, needs: Needs | None = None) -> ModuleOutput:
        """Run the network on prepared images.

        Args:
            images: Prepared images, float32 [N, 3, h, w].
            needs: The extras and masks to return; None: all.

        Returns:
            All class maps and features, and the extras and masks that `needs` asks for.
        """
        pyramid = self._network.extract_feat(images)
        extras, masks = (self.extras, True) if needs is None else (needs.extras, needs.masks)
        output = self._decode(pyramid, images, extras, masks)
        # Some backbones have outputs that are not feature maps; these are ignored.
        stages = [stage for stage in pyramid if isinstance(stage, torch.Tensor) and stage.ndim == 4]
        features = {f"stages[{index}]": stage for index, stage in enumerate(stages)}
        return replace(output, features={**output.features, **features})

    def classifier_layer(self) -> nn.Module | None:
        """Return the layer that computes the class maps from the features `penultimate`, if there is one."""
        return None

    def _decode(self, pyramid: Sequence[Tensor], images: Tensor, extras: Sequence[str], masks: bool) -> ModuleOutput:
        raise NotImplementedError

    def _forward(self, pyramid: Sequence[Tensor]) -> Any:
        """Run the decode head, or the steps of a cascade, and return the class maps of the last."""
        maps = self._heads[0](pyramid)
        for head in self._heads[1:]:
            maps = head(pyramid, maps)
        return maps


class MapsReader(Reader):
    """Reader of heads that don't classify with `conv_seg`, such as Segmenter's. Their class maps are logits."""

    role = ""

    @override
    def _decode(self, pyramid: Sequence[Tensor], images: Tensor, extras: Sequence[str], masks: bool) -> ModuleOutput:
        return ModuleOutput(self._check_maps(self._forward(pyramid)))

    def _check_maps(self, maps: Any) -> Tensor:
        """Return the class maps, and raise if they are not a tensor [N, C, h, w]."""
        if not isinstance(maps, torch.Tensor) or maps.ndim != 4:
            raise ModelError(
                f"the decode head {type(self.head).__name__} has no class maps; expected a tensor [N, C, h, w]",
                "Use a network of MMSegmentation that docs/reference/models.md lists as supported.",
            )
        return maps


class PixelReader(MapsReader):
    """Reader of heads that classify each pixel's features with `conv_seg`."""

    role = "penultimate"

    @override
    def _decode(self, pyramid: Sequence[Tensor], images: Tensor, extras: Sequence[str], masks: bool) -> ModuleOutput:
        with capture_activations(self.head.conv_seg) as passes:
            maps = self._forward(pyramid)
        features, classified = passes[-1] if passes else (None, None)
        if isinstance(maps, (list, tuple)) and maps and maps[0] is classified:
            maps = maps[0]  # the other maps are for losses
        maps = self._check_maps(maps)
        # Some heads have the layer but don't use it, or process its output further.
        if maps is not classified:
            self.role = ""
        return ModuleOutput(maps, {self.role: features} if self.role and features is not None else {})

    @override
    def classifier_layer(self) -> nn.Module | None:
        layer: nn.Module = self.head.conv_seg
        return layer if self.role else None


class RegistryHeadReader(Reader):
    """Reader of decode heads that end in a head of the registry (GMMSeg and others): `head`, which `made_by` built."""

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        made_by: Head = self.head.made_by
        self.extras = made_by.extras()
        self.maps = f"logits of the head '{made_by.card.name}'"

    @override
    def _decode(self, pyramid: Sequence[Tensor], images: Tensor, extras: Sequence[str], masks: bool) -> ModuleOutput:
        with capture_activations(self.head.head) as passes:
            self._forward(pyramid)
        output: HeadOutput = passes[-1][1]
        named = {name: output.extras[name] for name in extras}
        return ModuleOutput(output.class_maps, {self.role: output.features}, named)

    @override
    def classifier_layer(self) -> nn.Module | None:
        module = self.head.head
        return module.classifier if isinstance(module, SoftmaxModule) else None


class MaskReader(Reader):
    """Reader of Mask2Former and MaskFormer, whose queries have a class and a mask each."""

    kind = "sums"
    role = "pixel-decoder"
    maps = SUMS

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        made_by = getattr(self.head, "made_by", None)
        if isinstance(made_by, Head):
            from oodbench.segmenters.mmsegmentation.mask2former import AT_PIXELS

            self.extras = tuple(name for name in made_by.extras() if name in AT_PIXELS)

    @override
    def _decode(self, pyramid: Sequence[Tensor], images: Tensor, extras: Sequence[str], masks: bool) -> ModuleOutput:
        from mmseg.structures import SegDataSample

        size = tuple(images.shape[-2:])
        metainfo = {"img_shape": size, "pad_shape": size, "batch_input_shape": size, "ori_shape": size}
        samples = [SegDataSample(metainfo=dict(metainfo)) for _ in images]
        with ExitStack() as stack:
            pixels = stack.enter_context(capture_activations(self.head.pixel_decoder))
            # `head` is a head of the registry on the queries; `cls_embed` classifies them after each decoder layer.
            queries = stack.enter_context(capture_activations(self.head.head)) if extras else []
            classified = stack.enter_context(capture_activations(self.head.cls_embed)) if masks else []
            class_logits, mask_logits = self.head(pyramid, samples)
        return ModuleOutput(
            compute_class_maps(class_logits[-1], mask_logits[-1]),
            {self.role: pixels[-1][1][0]},
            self._at_pixels(queries[-1][1], mask_logits[-1], extras) if extras else {},
            MaskOutput(class_logits[-1], mask_logits[-1], _select_last_layer(classified[-1][0])) if masks else None,
        )

    @staticmethod
    def _at_pixels(queries: HeadOutput, masks: Tensor, extras: Sequence[str]) -> dict[str, Tensor]:
        from oodbench.segmenters.mmsegmentation.mask2former import AT_PIXELS

        # The head processes the queries as a map with one column.
        return {name: AT_PIXELS[name](queries.extras[name][..., 0], masks) for name in extras}


def _select_last_layer(queries: Tensor) -> Tensor:
    """Return the queries [N, Q, D] after the last decoder layer. MaskFormer classifies those of all layers at once."""
    return queries if queries.ndim == 3 else queries[-1]


def make_reader(network: Any, config: Path) -> Reader:
    """Return the reader for a network.

    Args:
        network: The network that was built.
        config: The config, for the error.

    Raises:
        ModelError: The network is not a segmentor with a backbone and decode heads.
    """
    from mmseg.models.segmentors import EncoderDecoder

    if not isinstance(network, EncoderDecoder):
        raise ModelError(
            f"{config}: {type(network).__name__} is not supported; expected an EncoderDecoder or a "
            "CascadeEncoderDecoder",
            "Use a network of MMSegmentation that docs/reference/models.md lists as supported.",
        )
    heads = network.decode_head
    head = heads[-1] if isinstance(heads, torch.nn.ModuleList) else heads
    if isinstance(getattr(head, "made_by", None), Head) and hasattr(head, "cls_seg"):
        return RegistryHeadReader(network)
    if hasattr(head, "cls_embed") and hasattr(head, "pixel_decoder"):
        return MaskReader(network)
    return PixelReader(network) if hasattr(head, "conv_seg") else MapsReader(network)
