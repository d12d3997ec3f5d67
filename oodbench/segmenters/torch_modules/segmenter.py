"""Segmenter for any torch module."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from typing_extensions import override

from oodbench.contracts import Capabilities, Expected, Needs
from oodbench.errors import ModelError, UnknownNameError
from oodbench.files import digest_bytes
from oodbench.segmenters.device import Device, choose_device
from oodbench.segmenters.model_card import Preprocessing, identify_settings
from oodbench.segmenters.torch_modules.activation_hook import copy_activations
from oodbench.segmenters.torch_modules.base import ModuleOutput, TorchBase
from oodbench.segmenters.torch_modules.class_map_check import find_kind_problem
from oodbench.segmenters.torch_modules.linear_layer import read_linear
from oodbench.segmenters.torch_modules.module_digest import identify_module
from oodbench.segmenters.torch_modules.module_output import OutputKey, find_class_maps, read_feature
from oodbench.segmenters.torch_modules.options import resolve_classes, resolve_input, resolve_windows
from oodbench.types import ClassSet, MapKind, RGBImage, SegmenterOutput, Size

if TYPE_CHECKING:
    from torch import Tensor

_INPUT_OF = "input of "


class TorchSegmenter(TorchBase):
    """Any `torch.nn.Module` as a segmenter: the network with its preprocessing, as `Scorer` and `run` use it.

    The module is moved to the device and set to evaluation mode. It is called with images float32 [N, 3, h, w] in
    inference mode. It returns class maps: one map per class, float [N, C, h, w].

    A run stores its results under a digest, a hash of the network, and uses them again for a network with the same
    digest. The digest is computed once, so do not change the weights afterwards. It covers the parameters and buffers,
    the plain attributes of all submodules, the arguments that affect the output, and the Python code of the module.
    If this code can't be read, as for a class that was defined in a notebook, the digest differs in every process.
    Then no other process uses the results again. Pass `version` to avoid this.

    Args:
        module: The network with its weights loaded.
        classes: The classes: the name of a class set, such as `cityscapes-19`; a `ClassSet`; or the names of the
            classes in the order of the module's channels. If these names are a known class set in another order, the
            class maps are reordered to match it.
        normalize: The preprocessing: `imagenet` (RGB, divided by 255, mean and std of ImageNet), `divide-255` (RGB in
            0..1), `none` (RGB in 0..255), or a `Preprocessing` with channel order, divisor, mean and std.
        name: The name in tables; None: the class name of the module.
        version: A string that replaces the code in the digest. Change it whenever the code changes. None: the code.
        size: The input size (height, width) to which images are resized (bilinear, without antialiasing, as OpenCV
            does). None: images keep their own size.
        output: The location of the class maps in the module's output: a key or attribute, an index, or a function that
            returns the tensor. None: the output is this tensor, or contains it as "out" or "logits".
        kind: The kind of the class maps: `logits`; `posteriors`; or `sums`, which are non-negative scores that become
            posteriors when divided by their sum over the classes, such as those of Mask2Former.
        features: Maps a role to a layer, so that methods can read the features of this layer. A role is a name that
            methods know: `penultimate` is the input of the last layer. A layer's name stands for its output, and
            `"input of NAME"` for its input. If `decoder.conv` is the last layer, pass
            `{"penultimate": "input of decoder.conv"}`. If a layer is called several times, the last call counts.
        classifier: The name of the last layer, if it is linear in each pixel's features: a 1x1 `Conv2d`, or a `Linear`.
            Methods can then read its weights, and its input as `penultimate`, unless `features` names another layer.
        class_order: The names of the classes in the order of the module's channels. Pass it only if
            `classes` is a class set (its name, or a `ClassSet`) and the module's channels are in another order: the
            class maps are then reordered. None: the orders are the same.
        windows: Size and stride of sliding windows, each (height, width) in pixels of the prepared image. Class maps
            are averaged where windows overlap. A method that reads features scores each window, and these scores are
            averaged. None: the module processes the whole image at once.
        device: `auto` (a GPU if there is one), `cpu` or `cuda`.
        trained_on: The name of the dataset on which the module was trained; empty: unknown.
        expected: The expected mIoU and mean confidence on labelled in-distribution frames, as fractions. A run warns if
            the measured values differ much, which reveals wrong preprocessing. Without values, this is not checked.

    Raises:
        ModelError: The classes, the size or the device is not valid, or the layer in `classifier` is not linear.
        UnknownNameError: There is no such class set, preprocessing or layer.

    Examples:
        >>> import numpy as np
        >>> from torch import nn
        >>> import oodbench
        >>> from oodbench.contracts import Needs
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 19, 1))
        >>> segmenter = oodbench.TorchSegmenter(net, classes="cityscapes-19", classifier="2", device="cpu")
        >>> image = np.zeros((4, 6, 3), np.uint8)
        >>> output = segmenter.forward([segmenter.prepare(image)], Needs(logits=True, features=("penultimate",)))
        >>> list(output.class_maps.values.shape), list(output.features["penultimate"].shape)
        ([1, 19, 4, 6], [1, 8, 4, 6])
        >>> list(segmenter.classifier().weight.shape)
        [19, 8]
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        classes: str | ClassSet | Sequence[str] = "cityscapes-19",
        normalize: str | Preprocessing = "imagenet",
        name: str | None = None,
        version: str | None = None,
        size: Size | None = None,
        output: OutputKey = None,
        kind: MapKind = "logits",
        features: Mapping[str, str] | None = None,
        classifier: str | None = None,
        class_order: Sequence[str] | None = None,
        windows: tuple[Size, Size] | None = None,
        device: Device = "auto",
        trained_on: str = "",
        expected: Expected = Expected(),  # noqa: B008  # frozen
    ) -> None:
        if not isinstance(module, nn.Module):
            raise ModelError(
                f"the network is a {type(module).__name__}; expected a torch.nn.Module", "Give the network itself."
            )
        self.name = name or type(module).__name__
        self.classes, self._order = resolve_classes(classes, class_order, self.name)
        self.expected, self.trained_on = expected, trained_on
        self.device = choose_device(device)
        self._input = resolve_input(normalize, size)
        self._multiple_of = self._input.multiple_of
        self._windows = resolve_windows(windows, self.name)
        self._output, self._kind, self._classifier = output, kind, classifier
        self._features = dict(features or {})
        if classifier is not None:
            self._features.setdefault("penultimate", f"{_INPUT_OF}{classifier}")
        self._module = module.eval().to(self.device)
        self._layers = dict(module.named_modules())
        for feature in self._features.values():
            self._find_feature(feature)
        self._check_classifier()
        self.capabilities = Capabilities(kind, tuple(self._features))
        self.digest = self._compute_digest(version)

    @override
    def describe(self) -> Mapping[str, Any]:
        linear = self.classifier()
        return {
            "name": self.name,
            "architecture": type(self._module).__name__,
            "digest": self.digest,
            "reusable": self.not_reusable_because or "yes",
            "device": self.device,
            "class maps": self._kind,
            "features": self._features or "none",
            "classifier": "none" if linear is None else f"linear, {linear.weight.shape[1]} -> {len(linear.weight)}",
            "inference": str(self._windows or "the whole image"),
            "preprocessing": self._input.model_dump(exclude={"name"}),
            "classes": f"{self.classes.name}: {', '.join(self.classes.names)}",
            "class order": "that of the class set" if self._order is None else "reordered to that of the class set",
            "trained on": self.trained_on or "unknown",
            "expected": {"miou": self.expected.miou, "mean_confidence": self.expected.mean_confidence},
        }

    @override
    def forward(self, batch: Sequence[NDArray[Any]], needs: Needs) -> SegmenterOutput:
        """Run the module on a batch of prepared images.

        Args:
            batch: N prepared images of one size, the outputs of `prepare`.
            needs: The outputs to return.

        Returns:
            The requested outputs: class maps float32 [N, C, h, w] in the order of the class set, and features by name.

        Raises:
            ModelError: The images have different sizes, or the module's output is not as declared. Examples are another
                number of classes, a layer that was not called, or values that are not of the declared kind.
        """
        output = super().forward(batch, needs)
        problem = find_kind_problem(output.class_maps) if output.class_maps is not None else ""
        if problem:
            raise ModelError(
                f"{self.name}: its class maps are declared as {self._kind}, but have {problem}",
                "Declare the kind of the class maps: logits, posteriors or sums.",
            )
        return output

    @override
    def _prepare(self, image: RGBImage) -> NDArray[np.float32]:
        return self._input.apply(image)

    @override
    def _read(self, images: Tensor, needs: Needs) -> ModuleOutput:
        with ExitStack() as stack:
            calls = {}
            for role in needs.features:
                layer, takes_input = self._find_feature(self._features[role])
                calls[role] = stack.enter_context(copy_activations(layer, takes_input))
            returned = self._run(images)
        features = {}
        for role, copies in calls.items():
            layer, _ = self._find_feature(self._features[role])
            where = f"{self.name}: features '{role}', {self._features[role]}"
            features[role] = read_feature(layer, copies, where)
        return ModuleOutput(find_class_maps(returned, self._output, len(images), self.name), features)

    def _run(self, images: Tensor) -> Any:
        try:
            return self._module(images)
        except Exception as error:  # the module's code may raise any error
            raise ModelError(
                f"{self.name}: the module failed on images {images.dtype} {list(images.shape)}: "
                f"{type(error).__name__}: {error}",
                "Give a module that accepts images float32 [N, 3, h, w]. If it accepts one size only, set size=, in a "
                "model card input.size. If the sides must be multiples of a number, as in a U-Net, set multiple_of=32 "
                "in the Preprocessing, in a model card input.multiple_of.",
            ) from error

    @override
    def _classifier_layer(self) -> nn.Module | None:
        return None if self._classifier is None else self._find_layer(self._classifier)

    def _find_feature(self, name: str) -> tuple[nn.Module, bool]:
        """Return the layer of a feature, and whether the feature is the layer's input instead of its output."""
        return self._find_layer(name.removeprefix(_INPUT_OF)), name.startswith(_INPUT_OF)

    def _find_layer(self, name: str) -> nn.Module:
        if name not in self._layers:
            raise UnknownNameError(f"layer of {self.name}", name, self._layers)
        layer: nn.Module = self._layers[name]
        return layer

    def _check_classifier(self) -> None:
        if self._classifier is None:
            return
        layer = self._find_layer(self._classifier)
        linear = read_linear(layer)
        if linear is None:
            raise ModelError(
                f"{self.name}: the classifier '{self._classifier}' is {layer}; expected a 1x1 Conv2d with stride 1 and "
                "without groups, or a Linear",
                "Name the layer that computes the class maps, or omit classifier.",
            )
        self._check_classes(len(linear.weight), len(self.classes), f"outputs of the classifier '{self._classifier}'")

    def _compute_digest(self, version: str | None) -> str:
        identity = identify_module(self._module, version, self._output)
        if identity.unknown:
            self.reusable = False
            self.not_reusable_because = (
                f"{'; '.join(identity.unknown)}: set version= to identify the code, or move the code to a file"
            )
        options = [
            self.classes.name,
            self.classes.names,
            self._order,
            identify_settings(self._input, ("name",)),
            str(self._windows),
            self._kind,
            sorted(self._features.items()),
            self._classifier,
        ]
        return digest_bytes(json.dumps([identity.weights, identity.settings, identity.code, options]).encode())
