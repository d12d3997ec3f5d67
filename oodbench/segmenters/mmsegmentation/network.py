"""Segmenter for networks of MMSegmentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.contracts import Capabilities, Expected, Needs
from oodbench.errors import ModelError
from oodbench.files import digest_bytes, digest_file
from oodbench.segmenters.checkpoint import load_into, read_weights
from oodbench.segmenters.device import choose_device
from oodbench.segmenters.mmsegmentation.config import NetworkConfig, find_classes, missing_preprocessor
from oodbench.segmenters.mmsegmentation.output_readers import make_reader
from oodbench.segmenters.mmsegmentation.shims import suppress_warnings
from oodbench.segmenters.model_card import PartialCard, identify_settings
from oodbench.segmenters.torch_modules.base import ModuleOutput, TorchBase
from oodbench.types import RGBImage, Size

if TYPE_CHECKING:
    from torch import Tensor, nn

# Image size, in pixels, of the trial pass that determines the network's outputs.
_TRIAL: Size = (64, 128)
# Prefixes of the weights of branches that only training needs. The network is built without them.
_TRAINING_ONLY = ("auxiliary_head.",)


class MMSegmentationSegmenter(TorchBase):
    """A network of MMSegmentation: a config with its weights."""

    def __init__(
        self, config: NetworkConfig, checkpoint: Path, card: PartialCard, device: Literal["auto", "cpu", "cuda"] = "cpu"
    ) -> None:
        self._config, self._checkpoint, self._windows = config, checkpoint, config.windows
        weights = read_weights(checkpoint)
        self.name = card.name or config.path.stem
        self.expected = Expected(card.expected.miou, card.expected.mean_confidence)
        self.trained_on = card.trained_on
        self.classes, self._order = (card.classes or find_classes(config, weights, checkpoint)).resolve()
        self.device = choose_device(device)
        self._network = config.build().eval()
        self._align_corners = bool(self._network.align_corners)
        self._reader = make_reader(self._network, config.path)
        load_into(
            self._network,
            weights,
            checkpoint,
            config.path.name,
            "Give --model the config that the weights were trained with. Their authors publish both together.",
            self._reader.training_only,
            _TRAINING_ONLY,
        )
        self._network.to(self.device)
        self._own_input = card.input
        self._resizer = None if card.input else config.resizer()
        self._multiple_of = card.input.multiple_of if card.input else 1
        trial = self._run_trial()
        self._grids = {role: (maps.shape[1], _TRIAL[0] / maps.shape[-2]) for role, maps in trial.features.items()}
        assert trial.class_maps is not None, "every reader returns class maps"
        self._stride = _TRIAL[0] / trial.class_maps.shape[-2]
        self.capabilities = Capabilities(
            self._reader.kind, tuple(trial.features), self._reader.extras, trial.masks is not None
        )
        settings = [config.model, self._preprocessing(), str(self._windows), self._order, self._reader.kind]
        identity = json.dumps([digest_file(checkpoint), settings], sort_keys=True, default=str)
        self.digest = digest_bytes(identity.encode())

    @override
    def _prepare(self, image: RGBImage) -> NDArray[Any]:
        if self._resizer is None:
            assert self._own_input is not None, "without a resizer, the model card describes the preprocessing"
            return self._own_input.apply(image)
        return self._resizer.apply(image)

    @override
    def _load_batch(self, images: NDArray[Any]) -> tuple[Tensor, Size]:
        if self._resizer is None:
            return super()._load_batch(images)
        from mmseg.structures import SegDataSample

        inputs = [torch.from_numpy(image).permute(2, 0, 1) for image in images]
        data = {"inputs": inputs, "data_samples": [SegDataSample() for _ in inputs]}
        padded = self._network.data_preprocessor(data, False)["inputs"]
        if not isinstance(padded, torch.Tensor):  # MMEngine's base class does not stack the images
            raise missing_preprocessor(self._config.path)
        return padded, (inputs[0].shape[-2], inputs[0].shape[-1])

    @override
    def _read(self, images: Tensor, needs: Needs) -> ModuleOutput:
        with suppress_warnings():
            return self._reader.read(images, needs)

    @override
    def _classifier_layer(self) -> nn.Module | None:
        return self._reader.classifier_layer()

    @override
    def describe(self) -> Mapping[str, Any]:
        network = self._network
        linear = self.classifier()
        averages = "; class maps are averaged on the image's pixels, and so are the scores of features"
        return {
            "name": self.name,
            "config": str(self._config.path),
            "checkpoint": str(self._checkpoint),
            "digest": self.digest,
            "device": self.device,
            "architecture": type(network).__name__,
            "backbone": type(network.backbone).__name__,
            "decode head": type(self._reader.head).__name__,
            "class maps": f"{self._reader.maps}, every {self._stride:g} pixels",
            "features": {
                role: f"{channels} channels, every {stride:g} pixels"
                for role, (channels, stride) in self._grids.items()
            },
            "classifier": "none" if linear is None else f"linear, {linear.weight.shape[1]} -> {len(linear.weight)}",
            "extras": ", ".join(self.capabilities.extras) or "none",
            "inference": f"{self._windows}{averages}" if self._windows else "the whole image",
            "align_corners": network.align_corners,
            "preprocessing": self._preprocessing(),
            "classes": f"{self.classes.name}: {', '.join(self.classes.names)}",
            "class order": "that of the class set" if self._order is None else "reordered to that of the class set",
            "expected": {"miou": self.expected.miou, "mean_confidence": self.expected.mean_confidence},
        }

    def _run_trial(self) -> ModuleOutput:
        """Run the network on a small image, and return its output."""
        image = torch.zeros(1, 3, *_TRIAL, device=self.device)
        if self._resizer is not None:
            self._load_batch(np.zeros((1, *_TRIAL, 3), np.uint8))
        try:
            with suppress_warnings(), torch.inference_mode():
                maps = self._reader.read(image)
        except ModelError:
            raise
        except Exception as error:  # a network may raise any error, for example about missing compiled code
            raise ModelError(
                f"{self._config.path}: the network can't be run ({type(error).__name__}: {error})",
                "Use a network of MMSegmentation that docs/reference/models.md lists as supported.",
            ) from error
        assert maps.class_maps is not None, "every reader returns class maps"
        if maps.class_maps.shape[1] != len(self.classes):
            raise ModelError(
                f"{self._config.path}: {maps.class_maps.shape[1]} class maps; expected the {len(self.classes)} of "
                f"{self.classes.name}, the class set of {self._checkpoint.name} or of the model card",
                "Give the config that the network was trained with, or name the class set in a model card: [classes] "
                "set = ...",
            )
        return maps

    def _preprocessing(self) -> dict[str, Any]:
        if self._resizer is None:
            assert self._own_input is not None, "without a resizer, the model card describes the preprocessing"
            return identify_settings(self._own_input, ("name",))
        steps = ", ".join(json.dumps(step, default=str) for step in self._resizer.steps)
        return {"resize": steps or "none", **self._config.model.get("data_preprocessor", {})}
