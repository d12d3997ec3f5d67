"""Inputs and outputs of a network in an ONNX file: their types, layouts and fixed sizes, checked against its card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from oodbench.errors import ModelError
from oodbench.segmenters.model_card import ModelCard
from oodbench.types import ClassSet, Size

if TYPE_CHECKING:
    from torch import Tensor

_FLOATS: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}
_INPUT_TYPES = {**_FLOATS, "tensor(uint8)": np.uint8}
_OUTPUT_TYPES = (*_FLOATS, "tensor(bfloat16)")


class OnnxInterface:
    """The image input and the outputs of a network.

    Args:
        session: The network.
        path: The file of the network, for errors.
        card_path: The file of the model card, for errors.
        card: The model card.
        classes: The class set in the model card.

    Attributes:
        input: The name of the image input.
        least: Smallest size (height, width) of the network's input; (1, 1) if any size is accepted.

    Raises:
        ModelError: The network and the model card contradict each other, or the network has another type or shape of
            input or output than oodbench can use.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, path: Path, card_path: Path, card: ModelCard, classes: ClassSet
    ) -> None:
        self._path, self._card_path, self._card, self._classes = path, card_path, card, classes
        self._inputs: dict[str, Any] = {node.name: node for node in session.get_inputs()}
        self._outputs: dict[str, Any] = {node.name: node for node in session.get_outputs()}
        self._count = len(classes) + len(card.classes.ignore)
        self.input = self._find_input()
        node = self._inputs[self.input]
        self._type = self._find_type(node)
        self._input_is_nhwc = self._find_input_layout(node)
        self._batch = _fixed(node.shape[0]) if node.shape else None
        self.least = self._find_size(node)
        self._check_outputs()

    def split(self, images: Tensor) -> Iterator[NDArray[Any]]:
        """Return the arrays that the network accepts. A network with a fixed batch size gets several.

        Args:
            images: Prepared images, float32 [N, 3, h, w].

        Yields:
            Arrays of the input's type and layout. The last image is repeated to fill a fixed batch size.
        """
        values = images.numpy()
        if self._input_is_nhwc:
            values = values.transpose(0, 2, 3, 1)  # [N, h, w, 3]
        values = np.ascontiguousarray(values, self._type)
        size = self._batch or len(values)
        for start in range(0, len(values), size):
            part = values[start : start + size]
            filling = np.repeat(part[-1:], size - len(part), axis=0)
            yield np.concatenate([part, filling]) if len(filling) else part

    def join(self, name: str, parts: Sequence[Tensor], count: int) -> Tensor:
        """Return one output for all images.

        Args:
            name: The name of the output.
            parts: The output for each array that `split` returned.
            count: The number N of images.

        Returns:
            float32 [N, channels, h, w].

        Raises:
            ModelError: The output has another shape than declared.
        """
        values = (parts[0] if len(parts) == 1 else torch.cat(list(parts)))[:count]
        if values.ndim != 4 or len(values) != count:
            raise ModelError(
                f"{self._path}: the output '{name}' has the shape {list(values.shape)} for {count} images; expected "
                "[N, channels, h, w]",
                "Export the network with an output that has height and width, and with a batch size of 1.",
            )
        if self._is_nhwc(name, values.shape):
            values = values.permute(0, 3, 1, 2)
        if name == self._card.outputs.class_maps and values.shape[1] != self._count:
            raise self._wrong_classes(int(values.shape[1]))
        return values.float().contiguous()

    def suggest_remedy(self, images: NDArray[Any]) -> str:
        """Return what may help if the network fails on images.

        Args:
            images: An array that `split` returned.
        """
        settings, shape = self._card.input, self._inputs[self.input].shape
        remedies = ["Check the model card."]
        if settings.multiple_of == 1:
            remedies.append("If the sides must be multiples of a number, as in a U-Net, set input.multiple_of = 32.")
        if settings.size is None and self._card.windows is None:
            remedies.append("If the network accepts only one size, set input.size or [windows].")
        if settings.layout is None and 3 not in shape[1:]:
            remedies.append('If the channels are the last axis, set input.layout = "nhwc".')
        if len(images) > 1:
            remedies.append("If it accepts only one image, use a batch size of 1.")
        return " ".join(remedies)

    def _find_input(self) -> str:
        name, names = self._card.input.name, ", ".join(self._inputs)
        if name is None:
            if len(self._inputs) != 1:
                raise ModelError(
                    f"{self._card_path}: input.name is missing, and {self._path.name} has the inputs {names}",
                    "Set input.name to the image input.",
                )
            return next(iter(self._inputs))
        if name not in self._inputs:
            raise ModelError(
                f"{self._card_path}: input.name is '{name}', but {self._path.name} has the inputs {names}",
                "Set input.name to one of these inputs.",
            )
        return name

    def _find_type(self, node: Any) -> type[np.generic]:
        if node.type not in _INPUT_TYPES or len(node.shape) not in (0, 4):
            raise ModelError(
                f"{self._path}: the input '{node.name}' is {node.type} {node.shape}; expected float32, float16, "
                "float64 or uint8 [N, 3, h, w] or [N, h, w, 3]",
                "Export the network with images as its input.",
            )
        settings = self._card.input
        unchanged = settings.divide_by == 1 and not any(settings.mean) and all(value == 1 for value in settings.std)
        if node.type == "tensor(uint8)" and not unchanged:
            raise ModelError(
                f"{self._card_path}: [input] divides or normalises the pixels, but the input '{node.name}' of "
                f"{self._path.name} is uint8, pixel values 0..255",
                "Set input.divide_by = 1, and omit input.mean and input.std.",
            )
        return _INPUT_TYPES[node.type]

    def _find_input_layout(self, node: Any) -> bool:
        """Return whether the channels are the last axis of the input."""
        if not node.shape:
            return self._card.input.layout == "nhwc"
        first, last = (_fixed(node.shape[axis]) for axis in (1, 3))
        declared = self._card.input.layout
        is_nhwc = declared == "nhwc" if declared else last == 3 and first != 3
        channels, other = (last, first) if is_nhwc else (first, last)
        if channels not in (3, None) or (channels is None and other == 3):
            shown = f"input.layout is {declared}, but the" if declared else "the"
            raise ModelError(
                f"{self._card_path if declared else self._path}: {shown} input '{node.name}' of {self._path.name} is "
                f"{node.type} {node.shape}; expected 3 channels, as [N, 3, h, w] (nchw) or [N, h, w, 3] (nhwc)",
                "Set input.layout to the order of the input's axes, or export the network with RGB images as its "
                "input.",
            )
        return is_nhwc

    def _find_size(self, node: Any) -> Size:
        """Return the fixed sides of the input, or 1 for a side that is not fixed."""
        if not node.shape:
            return 1, 1
        settings, windows = self._card.input, self._card.windows
        axes = node.shape[1:3] if self._input_is_nhwc else node.shape[2:]
        given = settings.size if windows is None else windows.size
        field, multiple = ("input.size", settings.multiple_of) if windows is None else ("windows.size", 1)
        sides = [-(-side // multiple) * multiple for side in given] if given else [None, None]
        fixed = [_fixed(axis) for axis in axes]
        if any(axis is not None and axis != side for axis, side in zip(fixed, sides, strict=True)):
            accepted = [axis or "any" for axis in fixed]
            example = list(fixed) if all(fixed) else "[height, width] with this height or width"
            raise ModelError(
                f"{self._card_path}: {field} is {given or 'missing'}, but {self._path.name} accepts only {accepted}",
                f"Set {field} = {example}, or export the network with dynamic height and width. Images keep their "
                "resolution if [windows] has this size, too.",
            )
        return fixed[0] or 1, fixed[1] or 1

    def _check_outputs(self) -> None:
        outputs = self._card.outputs
        declared = {f"outputs.features.{role}": name for role, name in outputs.features.items()}
        if outputs.class_maps is not None:
            declared["outputs.class_maps"] = outputs.class_maps
        if not declared:
            raise ModelError(
                f"{self._card_path}: [outputs] names neither class maps nor features",
                "Set outputs.class_maps, outputs.features, or both.",
            )
        for field, name in declared.items():
            if name not in self._outputs:
                raise ModelError(
                    f"{self._card_path}: {field} is '{name}', but {self._path.name} has the outputs "
                    f"{', '.join(self._outputs)}",
                    f"Set {field} to one of these outputs.",
                )
            self._check_output(field, self._outputs[name])
        if outputs.class_maps is not None and (shape := self._outputs[outputs.class_maps].shape):
            count = _fixed(shape[3 if self._is_nhwc(outputs.class_maps, shape) else 1])
            if count not in (self._count, None):
                raise self._wrong_classes(count)

    def _check_output(self, field: str, node: Any) -> None:
        if node.type not in _OUTPUT_TYPES:
            raise ModelError(
                f"{self._card_path}: {field} is '{node.name}', which is {node.type}; expected float32, float16, "
                "bfloat16 or float64",
                "Integers and booleans are class indices (argmax), masks or quantised values. Export the network with "
                "the logits or the softmax as an output.",
            )
        if node.type == "tensor(bfloat16)" and not hasattr(onnxruntime.OrtValue, "__dlpack__"):
            raise ModelError(
                f"{self._path}: the output '{node.name}' is bfloat16, which this version of ONNX Runtime can't return",
                "Install a newer onnxruntime, or export the network with float32 outputs.",
            )
        if len(node.shape) not in (0, 4):  # the shape is empty if the file does not contain it
            raise ModelError(
                f"{self._card_path}: {field} is '{node.name}', of shape {node.shape}; expected [N, channels, h, w]",
                f"Set {field} to an output with height and width.",
            )

    def _is_nhwc(self, name: str, shape: Sequence[Any]) -> bool:
        """Return whether the channels are the last axis of an output with this shape.

        Class maps are recognised by their number. Features have the layout of the class maps in the file, or that of
        the input if the file does not state it.
        """
        if self._card.outputs.layout is not None:
            return self._card.outputs.layout == "nhwc"
        class_maps = self._card.outputs.class_maps
        stated = self._outputs[class_maps].shape if class_maps is not None else ()
        for candidate in (stated, shape if name == class_maps else ()):
            if candidate and self._count in (candidate[1], candidate[3]):
                return bool(candidate[1] != self._count)
        return self._input_is_nhwc

    def _wrong_classes(self, count: int | None) -> ModelError:
        listed = len(self._card.classes.ignore)
        ignored = f" and classes.ignore has {listed}" if listed else ""
        remedy = "Set classes.set to the class set that the network was trained on."
        if listed and count == len(self._classes):
            remedy = "Omit classes.ignore, which lists class maps that belong to no class: there are none."
        elif listed:
            remedy += " List in classes.ignore exactly the class maps that belong to no class."
        if count == 1:
            remedy = "One map often has class indices (argmax). Export the network with its logits or softmax instead."
        elif count is not None and count > self._count:
            example = list(range(len(self._classes), count))
            remedy += (
                " If some class maps belong to no class, such as void, list their indices, for example: "
                f"classes.ignore = {example if len(example) < 4 else '[...]'}."
            )
        others = [name for name in self._outputs if name != self._card.outputs.class_maps]
        if others and not (listed and count == len(self._classes)):
            remedy += (
                f" If '{self._card.outputs.class_maps}' has no class maps, set outputs.class_maps to another output: "
                f"{', '.join(others)}."
            )
        return ModelError(
            f"{self._card_path}: classes.set is {self._classes.name} with {len(self._classes)} classes{ignored}, but "
            f"{self._path.name} outputs {count} class maps",
            remedy,
        )


def _fixed(axis: object) -> int | None:
    """Return the length of an axis in the file; None if it is dynamic."""
    return axis if isinstance(axis, int) and axis > 0 else None
