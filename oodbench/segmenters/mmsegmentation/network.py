"""One network of MMSegmentation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from oodbench.contracts import Capabilities, Expected, LinearClassifier, Needs, Segmenter
from oodbench.errors import ModelError
from oodbench.files import digest_bytes, digest_file
from oodbench.segmenters.bundled import choose_device
from oodbench.segmenters.mmsegmentation.checkpoint import load_into, read_weights
from oodbench.segmenters.mmsegmentation.config import NetworkConfig, classes_of
from oodbench.segmenters.mmsegmentation.output_readers import Maps, reader_of
from oodbench.segmenters.mmsegmentation.shims import quiet
from oodbench.segmenters.mmsegmentation.windows import Box, average_on_grid, average_on_pixels
from oodbench.segmenters.model_card import PartialCard
from oodbench.types import ClassMaps, RGBImage, SegmenterOutput, Size, Window, Windows

# Of the pass that tells what the network gives, in pixels.
_TRIAL: Size = (64, 128)


class MMSegmentationSegmenter(Segmenter):
    """A config with its weights."""

    def __init__(
        self, config: NetworkConfig, checkpoint: Path, card: PartialCard, device: Literal["auto", "cpu", "cuda"] = "cpu"
    ) -> None:
        self._config, self._checkpoint, self._windows = config, checkpoint, config.windows
        weights = read_weights(checkpoint)
        self.name = card.name or config.path.stem
        self.expected = Expected(card.expected.miou, card.expected.mean_confidence)
        self.trained_on = card.trained_on
        self.classes, self._order = (card.classes or classes_of(config, weights, checkpoint)).resolve()
        self.device = choose_device(device)
        self._network = config.build().eval()
        self._reader = reader_of(self._network, config.path)
        load_into(self._network, weights, checkpoint, config.path, self._reader.training_only)
        self._network.to(self.device)
        self._own_input = card.input
        self._resizer = None if card.input else config.resizer()
        trial = self._tried()
        self._grids = {role: (maps.shape[1], _TRIAL[0] / maps.shape[-2]) for role, maps in trial.features.items()}
        self._stride = _TRIAL[0] / trial.class_maps.shape[-2]
        self.capabilities = Capabilities(self._reader.kind, tuple(trial.features), self._reader.extras)
        bearing = [config.model, self._preprocessing(), str(self._windows), self._order, self._reader.kind]
        self.digest = digest_bytes(json.dumps([digest_file(checkpoint), bearing], sort_keys=True, default=str).encode())

    def prepare(self, image: RGBImage) -> NDArray[Any]:
        if self._resizer is None:
            assert self._own_input is not None, "one of both prepares images"
            return self._own_input.apply(image)
        return self._resizer.apply(image)

    @torch.inference_mode()
    def forward(self, batch: Sequence[NDArray[Any]], needs: Needs) -> SegmenterOutput:
        shapes = {image.shape for image in batch}
        if len(shapes) > 1:
            raise ModelError(
                f"{self.name}: images of {len(shapes)} sizes in one batch",
                "Set input.size in a model card, or use a batch of one.",
            )
        images, size = self._images(batch)
        padded: Size = (images.shape[-2], images.shape[-1])
        boxes = self._windows.boxes(padded) if self._windows else [Box(0, 0, *padded)]
        with quiet():
            seen = [(box, self._seen(images, box, needs)) for box in boxes]
        if len(seen) == 1 and size == padded:
            return seen[0][1]
        return self._averaged(seen, size)

    def classifier(self) -> LinearClassifier | None:
        layer = self._reader.classifier()
        if layer is None or self._order is None:
            return layer
        order = list(self._order)
        return LinearClassifier(layer.weight[order], layer.bias[order])

    def describe(self) -> Mapping[str, Any]:
        network = self._network
        linear = self._reader.classifier()
        averages = "; class maps are averaged on the image's pixels, of features their scores"
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
            "class order": "as the set's" if self._order is None else "another than the set's, brought into its order",
            "expected": {"miou": self.expected.miou, "mean_confidence": self.expected.mean_confidence},
        }

    def _images(self, batch: Sequence[NDArray[Any]]) -> tuple[torch.Tensor, Size]:
        """What the network takes, float32 [N, 3, h, w], and the size of the images in it: they may be padded."""
        if self._resizer is None:
            own = torch.from_numpy(np.stack(batch)).to(self.device)
            return own, (own.shape[-2], own.shape[-1])
        from mmseg.structures import SegDataSample

        inputs = [torch.from_numpy(image).permute(2, 0, 1) for image in batch]
        data = {"inputs": inputs, "data_samples": [SegDataSample() for _ in inputs]}
        images: torch.Tensor = self._network.data_preprocessor(data, False)["inputs"]
        return images, (inputs[0].shape[-2], inputs[0].shape[-1])

    def _seen(self, images: torch.Tensor, box: Box, needs: Needs) -> SegmenterOutput:
        """What is needed of the network's maps of a part of the images, which they span."""
        part = images[..., box.top : box.top + box.height, box.left : box.left + box.width]
        maps = self._reader.read(part, needs.extras)
        class_maps = None
        if needs.class_maps or needs.logits:
            ordered = maps.class_maps if self._order is None else maps.class_maps[:, list(self._order)]
            class_maps = ClassMaps(ordered.float(), self._reader.kind)
        return SegmenterOutput(
            class_maps,
            {role: maps.features[role].float() for role in needs.features},
            {name: maps.extras[name].float() for name in needs.extras},
        )

    def _averaged(self, seen: Sequence[tuple[Box, SegmenterOutput]], size: Size) -> SegmenterOutput:
        """One output of windows; or of one view of padded images, without the padding."""
        several = len(seen) > 1
        maps = [(box, output.class_maps.values) for box, output in seen if output.class_maps is not None]
        class_maps = None
        if maps:
            average = average_on_pixels(maps, size, self._network.align_corners) if several else None
            class_maps = ClassMaps(average_on_grid(maps, size) if average is None else average, self._reader.kind)
        first = seen[0][1]
        features = {
            role: average_on_grid([(box, output.features[role]) for box, output in seen], size)
            for role in first.features
        }
        extras = {
            name: average_on_grid([(box, output.extras[name]) for box, output in seen], size) for name in first.extras
        }
        parts = tuple(Window(*box, replace(output, class_maps=None)) for box, output in seen)
        return SegmenterOutput(class_maps, features, extras, Windows(size, parts) if several else None)

    def _tried(self) -> Maps:
        """What the network gives for a small image."""
        image = torch.zeros(1, 3, *_TRIAL, device=self.device)
        try:
            with quiet(), torch.inference_mode():
                maps = self._reader.read(image)
        except ModelError:
            raise
        except Exception as error:  # whatever a network may stumble over; compiled code that is not there, too
            raise ModelError(
                f"{self._config.path}: the network can't be run ({type(error).__name__}: {error})",
                "docs/models.md says which networks of MMSegmentation are read.",
            ) from error
        if maps.class_maps.shape[1] != len(self.classes):
            raise ModelError(
                f"{self._config.path}: {maps.class_maps.shape[1]} class maps; expected the {len(self.classes)} of "
                f"{self.classes.name}, as {self._checkpoint.name} or its model card says",
                "Give the config that it was trained with, or say the class set in a model card: [classes] set = ...",
            )
        return maps

    def _preprocessing(self) -> dict[str, Any]:
        if self._resizer is None:
            assert self._own_input is not None, "one of both prepares images"
            return self._own_input.model_dump(exclude={"name"}, mode="json")
        steps = ", ".join(json.dumps(step, default=str) for step in self._resizer.steps)
        return {"resize": steps or "none", **self._config.model.get("data_preprocessor", {})}
