"""Base class of segmenters that run torch modules: batches, windows, class order, precision and selection."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.contracts import LinearClassifier, Needs, Segmenter
from oodbench.errors import ModelError
from oodbench.segmenters.torch_modules.batching_check import check_image, stack_images
from oodbench.segmenters.torch_modules.linear_layer import read_linear
from oodbench.segmenters.torch_modules.padding import pad_images
from oodbench.segmenters.torch_modules.windows import Box, Windowing, average_on_grid, average_on_pixels
from oodbench.types import ClassMaps, MaskOutput, RGBImage, SegmenterOutput, Size, Window, Windows

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ModuleOutput:
    """The output of a module for N images, in the module's class order and resolution.

    Attributes:
        class_maps: Class maps, float [N, C, h, w]; None: the module has no class maps.
        features: Features, float [N, D, h, w], by role.
        extras: Further outputs, float [N, ?, h, w], by name.
        masks: The queries of a mask classifier; None: the module is not a mask classifier.
    """

    class_maps: Tensor | None
    features: Mapping[str, Tensor] = field(default_factory=dict)
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    masks: MaskOutput | None = None


class TorchBase(Segmenter):
    """A segmenter that runs a torch module.

    A subclass implements `_prepare` and `_read`. It overrides `_load_batch` if the network pads images or normalises
    them on the device, and `_classifier_layer` if its last layer is linear.
    """

    _order: tuple[int, ...] | None = None
    """The module's channel for each class of the class set; None: the order is the same."""
    _multiple_of: int = 1
    """Number of which both sides of the module's input are a multiple."""
    _windows: Windowing | None = None
    """Sliding windows; None: the module processes the whole image at once."""
    _align_corners: bool = False
    """Whether the class maps of windows are resized to the windows' pixels with aligned corners."""

    @abstractmethod
    def _prepare(self, image: RGBImage) -> NDArray[Any]:
        """Return the array for one valid image; `_load_batch` receives a stack of these arrays."""

    @abstractmethod
    def _read(self, images: Tensor, needs: Needs) -> ModuleOutput:
        """Run the module on images [N, 3, h, w]. The output may contain more than `needs` asks for."""

    def _load_batch(self, images: NDArray[Any]) -> tuple[Tensor, Size]:
        """Return the module's input [N, 3, H, W], and the size of the images without their padding."""
        padded = pad_images(images, self._multiple_of)
        return torch.from_numpy(padded).to(self.device), (images.shape[-2], images.shape[-1])

    def _classifier_layer(self) -> nn.Module | None:
        """Return the layer that computes the class maps from the features `penultimate`, if there is one."""
        return None

    @override
    def prepare(self, image: RGBImage) -> NDArray[Any]:
        """Return the network's input for one image.

        Args:
            image: The image, uint8 [H, W, 3], red first.

        Raises:
            ModelError: The image has another shape or dtype. It is not converted.
        """
        check_image(image, self.name)
        return self._prepare(image)

    @torch.inference_mode()
    @override
    def forward(self, batch: Sequence[NDArray[Any]], needs: Needs) -> SegmenterOutput:
        """Run the module on a batch.

        Args:
            batch: N prepared images of one size.
            needs: The outputs to return.

        Raises:
            ModelError: The images have several sizes, or the output does not fit the class set.
        """
        images, size = self._load_batch(stack_images(batch, self.name))
        padded: Size = (images.shape[-2], images.shape[-1])
        boxes = self._windows.boxes(padded) if self._windows else [Box(0, 0, *padded)]
        if len(boxes) > 1:
            return self._merge_windows(images, boxes, size, needs)
        output = self._read_window(images, boxes[0], needs)
        return output if size == padded else _crop(output, boxes[0], size)

    @override
    def classifier(self) -> LinearClassifier | None:
        """Return the last layer in the order of the class set, or None if it is not linear in each pixel's features."""
        layer = self._classifier_layer()
        return None if layer is None else read_linear(layer, self._order)

    def _read_window(self, images: Tensor, box: Box, needs: Needs) -> SegmenterOutput:
        """Return the outputs that `needs` asks for, in single precision, for one window of the images."""
        window = images[..., box.top : box.top + box.height, box.left : box.left + box.width]
        output = self._read(window, needs)
        class_maps, masks = output.class_maps, output.masks
        if class_maps is not None:
            self._check_classes(class_maps.shape[1], len(self.classes), "class maps")
        if masks is not None:
            expected = len(self.classes) + 1
            self._check_classes(masks.class_logits.shape[2], expected, "class logits per query (one is no-object)")
        kind = self.capabilities.class_maps or "logits"
        maps = None if class_maps is None else ClassMaps(class_maps, kind)
        selected = SegmenterOutput(maps, output.features, output.extras, masks=masks).select(needs)
        return SegmenterOutput(
            selected.class_maps and ClassMaps(self._reorder(selected.class_maps.values, 1).float(), kind),
            {role: values.float() for role, values in selected.features.items()},
            {name: values.float() for name, values in selected.extras.items()},
            masks=selected.masks and self._finish_masks(selected.masks),
        )

    def _finish_masks(self, masks: MaskOutput) -> MaskOutput:
        queries = None if masks.queries is None else masks.queries.float()
        return MaskOutput(self._reorder(masks.class_logits, 2).float(), masks.mask_logits.float(), queries)

    def _reorder(self, values: Tensor, axis: int) -> Tensor:
        """Return the values in the order of the class set. Values after the classes, such as no-object, stay last."""
        if self._order is None:
            return values
        order = [*self._order, *range(len(self._order), values.shape[axis])]
        return values[:, order] if axis == 1 else values[:, :, order]

    def _check_classes(self, count: int, expected: int, what: str) -> None:
        if count != expected:
            raise ModelError(
                f"{self.name}: the network outputs {count} {what}; expected {expected} for the {len(self.classes)} "
                f"classes of {self.classes.name}",
                "Name the class set that the network was trained on, or give a network with these classes.",
            )

    def _merge_windows(self, images: Tensor, boxes: Sequence[Box], size: Size, needs: Needs) -> SegmenterOutput:
        """Run the module on each window and merge the outputs.

        Class maps are added to their sum window by window, so their memory does not grow with the number of windows.
        """
        parts: list[tuple[Box, SegmenterOutput]] = []

        def read() -> Iterator[tuple[Box, ClassMaps]]:
            for box in boxes:
                output = self._read_window(images, box, needs)
                parts.append((box, replace(output, class_maps=None)))
                if output.class_maps is not None:
                    yield box, output.class_maps

        maps = read()
        class_maps = None
        if (start := next(maps, None)) is not None:
            values = ((box, part.values) for box, part in chain([start], maps))
            class_maps = ClassMaps(average_on_pixels(values, size, self._align_corners), start[1].kind)
        first = parts[0][1]
        features = {
            role: average_on_grid([(box, output.features[role]) for box, output in parts], size)
            for role in first.features
        }
        extras = {
            name: average_on_grid([(box, output.extras[name]) for box, output in parts], size) for name in first.extras
        }
        # Queries of different windows don't correspond, so they are kept per window and not merged.
        windows = Windows(size, tuple(Window(*box, output) for box, output in parts))
        return SegmenterOutput(class_maps, features, extras, windows)


def _crop(output: SegmenterOutput, box: Box, size: Size) -> SegmenterOutput:
    """Remove the padding from the output for whole images."""

    def crop(maps: Tensor) -> Tensor:
        return average_on_grid([(box, maps)], size)

    maps, masks = output.class_maps, output.masks
    return SegmenterOutput(
        maps and ClassMaps(crop(maps.values), maps.kind),
        {role: crop(values) for role, values in output.features.items()},
        {name: crop(values) for name, values in output.extras.items()},
        masks=masks and replace(masks, mask_logits=crop(masks.mask_logits)),
    )
