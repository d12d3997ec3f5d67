"""What a config of MMSegmentation says, read for inference: network, preprocessing, classes, windows."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import ModelError
from oodbench.segmenters.checkpoint import Weights
from oodbench.segmenters.mmsegmentation.shims import import_mmseg, quiet
from oodbench.segmenters.mmsegmentation.source import Inference
from oodbench.segmenters.model_card import Classes, classes_named
from oodbench.segmenters.torch_modules.windows import Windowing
from oodbench.types import RGBImage

# Steps of a test pipeline that do nothing to an image that is read already, and those that bring it to another size.
_READING = ("LoadImageFromFile", "LoadImageFromNDArray", "LoadAnnotations", "PackSegInputs")
_RESIZING = ("Resize", "ResizeToMultiple", "ResizeShortestEdge")


class NetworkConfig:
    """One config.

    Attributes:
        model: what is built: without what is of use in training alone, and without batch statistics over GPUs.
        windows: None: images go through whole.
        dataset: type of the dataset that it is tested on.
    """

    def __init__(self, path: Path, inference: Inference) -> None:
        config = _read(path)
        self.path = path
        self.scope = str(config.get("default_scope") or "mmseg")
        if "model" not in config:
            raise ModelError(
                f"{path}: no 'model' in it; expected a config of MMSegmentation that describes a network",
                f"For a function in it that returns a torch module: --model {path}:FUNCTION",
            )
        self.model: dict[str, Any] = _settled(config["model"])
        dataset = _dataset(config)
        self.dataset = str(dataset.get("type") or config.get("dataset_type") or "")
        self._metainfo = dataset.get("metainfo") or {}
        self._pipeline = dataset.get("pipeline") or config.get("test_pipeline") or ()
        self.windows = _windows(path, self.model.get("test_cfg") or {}, inference)

    def build(self) -> Any:
        """The network, its weights not yet loaded.

        Raises:
            ModelError: it can't be built of what is installed.
        """
        from mmengine.config import ConfigDict
        from mmengine.registry import DefaultScope
        from mmseg.registry import MODELS

        try:
            with quiet(), DefaultScope.overwrite_default_scope(self.scope):
                return MODELS.build(ConfigDict(copy.deepcopy(self.model)))
        except Exception as error:  # whatever a registry, a class that was registered, or compiled code says
            raise ModelError(
                f"{self.path}: the network can't be built ({type(error).__name__}: {str(error).splitlines()[0]})",
                "A type that is not registered: name its module in the config's custom_imports.",
            ) from error

    def resizer(self) -> Resizer:
        """What brings a photograph to the size at which the network takes it.

        Raises:
            ModelError: the test pipeline does more to an image than that.
        """
        from mmengine.registry import DefaultScope
        from mmseg.registry import TRANSFORMS

        steps = _steps(self.path, self._pipeline)
        with quiet(), DefaultScope.overwrite_default_scope(self.scope):
            return Resizer(steps, [TRANSFORMS.build(dict(step)) for step in steps])

    def class_names(self) -> tuple[str, ...]:
        """Of the dataset that it is tested on; none where that is not known."""
        from mmengine.registry import DefaultScope
        from mmseg.registry import DATASETS

        names = self._metainfo.get("classes")
        if names is None and self.dataset:
            with quiet(), DefaultScope.overwrite_default_scope(self.scope):
                dataset = DATASETS.get(self.dataset)
            names = getattr(dataset, "METAINFO", {}).get("classes")
        return tuple(names or ())


class Resizer:
    """The resizing steps of a test pipeline: as the config has them, and built."""

    def __init__(self, steps: Sequence[Mapping[str, Any]], built: Sequence[Any]) -> None:
        self.steps, self._built = steps, built

    def apply(self, image: RGBImage) -> NDArray[np.uint8]:
        """uint8 [H, W, 3], red first -> uint8 [h, w, 3], blue first, as MMSegmentation reads images."""
        results: dict[str, Any] = {"img": np.ascontiguousarray(image[:, :, ::-1])}
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        for step in self._built:
            # A step remembers the image it is at; several threads prepare images.
            results = copy.copy(step)(results)
        return np.asarray(results["img"], np.uint8)


def classes_of(config: NetworkConfig, weights: Weights, checkpoint: Path) -> Classes:
    """The class set whose names the checkpoint has, else that of the config's dataset; both have to agree.

    Raises:
        ModelError: they differ, are of no known class set, or neither says which they are.
    """
    said = {
        str(path): classes_named(names, path)
        for path, names in ((checkpoint, weights.classes), (config.path, config.class_names()))
        if names
    }
    if not said:
        raise ModelError(
            f"{checkpoint}: neither it nor {config.path.name} says which classes it has",
            'Say the class set in a model card: [classes] set = "cityscapes-19"; and give it with --model-card.',
        )
    if len({(classes.set, classes.order) for classes in said.values()}) > 1:
        sets = " and ".join(f"{path} has {classes.set}" for path, classes in said.items())
        raise ModelError(
            f"the classes differ: {sets}", "Give the config that the checkpoint was trained with, or a model card."
        )
    return next(iter(said.values()))


def _read(path: Path) -> Any:
    import_mmseg(f"--model {path}")
    from mmengine.config import Config

    try:
        with quiet():
            return Config.fromfile(path)
    except Exception as error:  # a config is a program
        raise ModelError(
            f"{path}: not a readable config ({type(error).__name__}: {error})",
            "Expected a config of MMSegmentation 1.x, the files that it names in _base_ where it looks for them.",
        ) from error


def _settled(model: Any) -> dict[str, Any]:
    """The network as it is built for inference."""
    settled: dict[str, Any] = _plain(model)
    # Weights come from the checkpoint: none is fetched for the backbone.
    for part in (settled, settled.get("backbone")):
        if isinstance(part, dict) and "pretrained" in part:
            part["pretrained"] = None
    settled.pop("auxiliary_head", None)
    return settled


def _plain(value: Any) -> Any:
    """Of plain containers; batch normalisation over several GPUs, which none of ours needs, as the usual one."""
    if isinstance(value, Mapping):
        plain = {key: _plain(part) for key, part in value.items()}
        return {**plain, "type": "BN"} if plain.get("type") in ("SyncBN", "MMSyncBN") else plain
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(part) for part in value)
    return value


def _dataset(config: Any) -> Mapping[str, Any]:
    """The dataset that it is tested on, out of whatever wraps it."""
    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    while inner := dataset.get("dataset") or next(iter(dataset.get("datasets") or ()), None):
        dataset = inner
    return dict(dataset)


def _steps(path: Path, pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    steps = []
    for step in pipeline:
        kind = str(step.get("type"))
        if kind == "LoadImageFromFile" and not str(step.get("color_type", "color")).startswith("color"):
            raise ModelError(f"{path}: images are read as {step['color_type']}; expected colour photographs")
        if kind in _RESIZING:
            steps.append(_plain(step))
        elif kind not in _READING:
            raise ModelError(
                f"{path}: its test pipeline has the step {kind}; expected {', '.join((*_READING, *_RESIZING))}",
                "Say in the [input] of a model card how images are prepared (docs/models.md).",
            )
    return steps


def _windows(path: Path, test: Mapping[str, Any], wanted: Inference) -> Windowing | None:
    mode = wanted.mode or ("slide" if wanted.window or wanted.stride else test.get("mode", "whole"))
    if mode == "whole":
        return None
    window, stride = wanted.window or test.get("crop_size"), wanted.stride or test.get("stride")
    if window is None or stride is None:
        missing = "window" if window is None else "stride"
        raise ModelError(
            f"{path}: windows are wanted, and neither --model nor the config says their {missing}",
            f"--model {path.stem}:window=768,stride=512",
        )
    made = Windowing((int(window[0]), int(window[1])), (int(stride[0]), int(stride[1])))
    if made.stride[0] > made.size[0] or made.stride[1] > made.size[1]:
        raise ModelError(
            f"{path}: windows of {made.size} every {made.stride} pixels leave gaps", "Give a smaller stride."
        )
    return made
