"""What every adapter of torch modules shares: batches, windows, class order, single precision, and selection."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from oodbench.contracts import LinearClassifier, Needs, Segmenter
from oodbench.errors import ModelError
from oodbench.segmenters.torch_modules.batching_check import check_image, stack_images
from oodbench.segmenters.torch_modules.linear_layer import read_linear
from oodbench.segmenters.torch_modules.windows import Box, Windowing, average_on_grid, average_on_pixels
from oodbench.types import ClassMaps, MaskOutput, RGBImage, SegmenterOutput, Size, Window, Windows

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ModuleOutput:
    """The output of a module for N images, with its own order of classes, on its own grids.

    Attributes:
        class_maps: float [N, C, h, w], or None if it has none.
        features: float [N, D, h, w] by role.
        extras: float [N, ?, h, w] by name.
        masks: The queries of a mask classifier.
    """

    class_maps: Tensor | None
    features: Mapping[str, Tensor] = field(default_factory=dict)
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    masks: MaskOutput | None = None


class TorchBase(Segmenter):
    """A segmenter that runs a torch module.

    A subclass writes `_prepare` and `_read`; one whose network pads images or normalises them on the device writes
    `_load_batch`, one with a linear last layer `_classifier_layer`.
    """

    _order: tuple[int, ...] | None = None
    """For each class of the class set, the module's channel; None: the order is the same."""
    _windows: Windowing | None = None
    """None: images go through whole."""
    _align_corners: bool = False
    """How the class maps of windows are resized to the windows' pixels."""

    @abstractmethod
    def _prepare(self, image: RGBImage) -> NDArray[Any]:
        """Return the array of one checked image that `_load_batch` takes a stack of."""

    @abstractmethod
    def _read(self, images: Tensor, needs: Needs) -> ModuleOutput:
        """Run the module on images [N, 3, h, w]; the output may have more than `needs` names."""

    def _load_batch(self, images: NDArray[Any]) -> tuple[Tensor, Size]:
        """Return the module's input [N, 3, H, W], and the size of the images in it, which it may pad to the right."""
        batch = torch.from_numpy(images).to(self.device)
        return batch, (batch.shape[-2], batch.shape[-1])

    def _classifier_layer(self) -> nn.Module | None:
        """Return the layer that computes the class maps from the features `penultimate`, if there is one."""
        return None

    def prepare(self, image: RGBImage) -> NDArray[Any]:
        """Return the network's input for one image uint8 [H, W, 3], red first.

        Raises:
            ModelError: The image has another shape or dtype; nothing is converted.
        """
        check_image(image, self.name)
        return self._prepare(image)

    @torch.inference_mode()
    def forward(self, batch: Sequence[NDArray[Any]], needs: Needs) -> SegmenterOutput:
        """Run the module on N prepared images of one size.

        Raises:
            ModelError: The images have several sizes, or the output does not fit the class set.
        """
        images, size = self._load_batch(stack_images(batch, self.name))
        padded: Size = (images.shape[-2], images.shape[-1])
        boxes = self._windows.boxes(padded) if self._windows else [Box(0, 0, *padded)]
        outputs = [(box, self._read_window(images, box, needs)) for box in boxes]
        if len(outputs) == 1 and size == padded:
            return outputs[0][1]
        return self._merge(outputs, size)

    def classifier(self) -> LinearClassifier | None:
        """Return the last layer in the order of the class set, if it is linear in each pixel's features."""
        layer = self._classifier_layer()
        return None if layer is None else read_linear(layer, self._order)

    def _read_window(self, images: Tensor, box: Box, needs: Needs) -> SegmenterOutput:
        """Return what `needs` names of the module's output for a part of the images, in single precision."""
        part = images[..., box.top : box.top + box.height, box.left : box.left + box.width]
        read = self._read(part, needs)
        class_maps, masks = read.class_maps, read.masks
        if class_maps is not None:
            self._check_classes(class_maps.shape[1], len(self.classes), "class maps")
        if masks is not None:
            expected = len(self.classes) + 1
            self._check_classes(masks.class_logits.shape[2], expected, "class logits per query (one is no-object)")
        kind = self.capabilities.class_maps or "logits"
        maps = None if class_maps is None else ClassMaps(class_maps, kind)
        wanted = SegmenterOutput(maps, read.features, read.extras, masks=masks).select(needs)
        return SegmenterOutput(
            wanted.class_maps and ClassMaps(self._reorder(wanted.class_maps.values, 1).float(), kind),
            {role: values.float() for role, values in wanted.features.items()},
            {name: values.float() for name, values in wanted.extras.items()},
            masks=wanted.masks and self._finish_masks(wanted.masks),
        )

    def _finish_masks(self, masks: MaskOutput) -> MaskOutput:
        queries = None if masks.queries is None else masks.queries.float()
        return MaskOutput(self._reorder(masks.class_logits, 2).float(), masks.mask_logits.float(), queries)

    def _reorder(self, values: Tensor, axis: int) -> Tensor:
        """Return the values in the order of the class set; what comes after the classes stays last."""
        if self._order is None:
            return values
        order = [*self._order, *range(len(self._order), values.shape[axis])]
        return values[:, order] if axis == 1 else values[:, :, order]

    def _check_classes(self, count: int, expected: int, what: str) -> None:
        if count != expected:
            raise ModelError(
                f"{self.name}: the network gives {count} {what}; expected {expected} for the {len(self.classes)} "
                f"classes of {self.classes.name}",
                "Name the class set that the network was trained on, or give the network that belongs to it.",
            )

    def _merge(self, outputs: Sequence[tuple[Box, SegmenterOutput]], size: Size) -> SegmenterOutput:
        """Return one output of several windows, or of one view of padded images without the padding."""
        several = len(outputs) > 1
        maps = [(box, output.class_maps) for box, output in outputs if output.class_maps is not None]
        class_maps = None
        if maps:
            values = [(box, part.values) for box, part in maps]
            average = average_on_pixels(values, size, self._align_corners) if several else average_on_grid(values, size)
            class_maps = ClassMaps(average, maps[0][1].kind)
        first = outputs[0][1]
        features = {
            role: average_on_grid([(box, output.features[role]) for box, output in outputs], size)
            for role in first.features
        }
        extras = {
            name: average_on_grid([(box, output.extras[name]) for box, output in outputs], size)
            for name in first.extras
        }
        if not several:
            box, masks = outputs[0][0], first.masks
            masks = masks and replace(masks, mask_logits=average_on_grid([(box, masks.mask_logits)], size))
            return SegmenterOutput(class_maps, features, extras, masks=masks)
        # Queries of different windows don't correspond: each window keeps its own, and the whole has none.
        parts = tuple(Window(*box, replace(output, class_maps=None)) for box, output in outputs)
        return SegmenterOutput(class_maps, features, extras, Windows(size, parts))
