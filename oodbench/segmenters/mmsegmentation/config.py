"""Configs of MMSegmentation, read for inference: network, preprocessing, classes and windows."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import ModelError
from oodbench.segmenters.checkpoint import Weights
from oodbench.segmenters.mmsegmentation.shims import import_mmseg, suppress_warnings
from oodbench.segmenters.mmsegmentation.source import Inference
from oodbench.segmenters.model_card import Classes, example_sections, require_class_set
from oodbench.segmenters.torch_modules.windows import Windowing
from oodbench.types import RGBImage

# Steps of a test pipeline that don't change an image that is already read, and steps that resize it.
_READING = ("LoadImageFromFile", "LoadImageFromNDArray", "LoadAnnotations", "PackSegInputs")
_RESIZING = ("Resize", "ResizeToMultiple", "ResizeShortestEdge")


class NetworkConfig:
    """A config of MMSegmentation.

    Args:
        path: The config.
        inference: The options of `--model`, which override those of the config.

    Attributes:
        model: The config of the network, without parts for training only, and with plain batch normalisation.
        windows: Sliding windows; None: the whole image at once.
        dataset: Type of the test dataset.
    """

    def __init__(self, path: Path, inference: Inference) -> None:
        config = _read(path)
        self.path = path
        self.scope = str(config.get("default_scope") or "mmseg")
        if "model" not in config:
            raise ModelError(
                f"{path}: no 'model' in it; expected a config of MMSegmentation that describes a network",
                f"Give another config. If a function in this file returns a torch module: --model {path}:FUNCTION",
            )
        self.model: dict[str, Any] = _prepare_model(config["model"])
        dataset = _find_dataset(config)
        self.dataset = str(dataset.get("type") or config.get("dataset_type") or "")
        self._metainfo = dataset.get("metainfo") or {}
        self._pipeline = dataset.get("pipeline") or config.get("test_pipeline") or ()
        self.windows = _find_windows(path, self.model.get("test_cfg") or {}, inference)

    def build(self) -> Any:
        """Build the network, without loading its weights.

        Raises:
            ModelError: The network can't be built with the installed libraries.
        """
        from mmengine.config import ConfigDict
        from mmengine.registry import DefaultScope
        from mmseg.registry import MODELS

        try:
            with suppress_warnings(), DefaultScope.overwrite_default_scope(self.scope):
                return MODELS.build(ConfigDict(copy.deepcopy(self.model)))
        except Exception as error:  # registries, registered classes and compiled code may raise any error
            raise ModelError(
                f"{self.path}: the network can't be built ({type(error).__name__}: {str(error).splitlines()[0]})",
                "Correct the config. If a type is not registered, name its module in the config's custom_imports.",
            ) from error

    def resizer(self) -> Resizer:
        """Return the resizing steps of the test pipeline.

        Raises:
            ModelError: The test pipeline has other steps that change an image, or the config does not describe how
                images are normalised.
        """
        if not self.model.get("data_preprocessor"):
            raise missing_preprocessor(self.path)
        from mmengine.registry import DefaultScope
        from mmseg.registry import TRANSFORMS

        steps = _find_resizing_steps(self.path, self._pipeline)
        with suppress_warnings(), DefaultScope.overwrite_default_scope(self.scope):
            return Resizer(steps, [TRANSFORMS.build(dict(step)) for step in steps])

    def class_names(self) -> tuple[str, ...]:
        """Return the class names of the test dataset, or an empty tuple if they are unknown."""
        from mmengine.registry import DefaultScope
        from mmseg.registry import DATASETS

        names = self._metainfo.get("classes")
        if names is None and self.dataset:
            with suppress_warnings(), DefaultScope.overwrite_default_scope(self.scope):
                dataset = DATASETS.get(self.dataset)
            names = getattr(dataset, "METAINFO", {}).get("classes")
        return tuple(names or ())


class Resizer:
    """The resizing steps of a test pipeline.

    Args:
        steps: The steps as in the config.
        built: The transforms that were built from the steps.
    """

    def __init__(self, steps: Sequence[Mapping[str, Any]], built: Sequence[Any]) -> None:
        self.steps, self._built = steps, built

    def apply(self, image: RGBImage) -> NDArray[np.uint8]:
        """Return a resized image uint8 [h, w, 3], blue first as in MMSegmentation, for uint8 [H, W, 3], red first."""
        results: dict[str, Any] = {"img": np.ascontiguousarray(image[:, :, ::-1])}
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        for step in self._built:
            # Steps store state of the current image, and several threads prepare images, so each call has its copy.
            results = copy.copy(step)(results)
        return np.asarray(results["img"], np.uint8)


def missing_preprocessor(path: Path) -> ModelError:
    """Return the error about a config that does not describe how images are normalised.

    Args:
        path: The config.
    """
    return ModelError(
        f"{path}: it has no model.data_preprocessor that normalises images and stacks them to a batch",
        f"Describe the preprocessing in a model card, {path.stem}.toml next to the config or the file that "
        "--model-card names, for example:\n\n" + example_sections("input"),
    )


def find_classes(config: NetworkConfig, weights: Weights, checkpoint: Path) -> Classes:
    """Return the class set of the class names in the checkpoint or, if it has none, in the config's dataset.

    Args:
        config: The config of the network.
        weights: The weights in the checkpoint.
        checkpoint: The checkpoint, for the error.

    Raises:
        ModelError: The two class sets differ, the names are not those of a class set, or neither file has class names.
    """
    class_sets = {
        str(path): require_class_set(names, path)
        for path, names in ((checkpoint, weights.classes), (config.path, config.class_names()))
        if names
    }
    if not class_sets:
        raise ModelError(
            f"{checkpoint}: neither it nor {config.path.name} contains the class names",
            'Name the class set in a model card, [classes] set = "cityscapes-19", and give it with --model-card.',
        )
    if len({(classes.set, classes.order) for classes in class_sets.values()}) > 1:
        sets = " and ".join(f"{path} has {classes.set}" for path, classes in class_sets.items())
        raise ModelError(
            f"the classes differ: {sets}", "Give the config that the checkpoint was trained with, or a model card."
        )
    return next(iter(class_sets.values()))


def _read(path: Path) -> Any:
    import_mmseg(f"--model {path}")
    from mmengine.config import Config

    try:
        with suppress_warnings():
            return Config.fromfile(path)
    except Exception as error:  # a config is a program and may raise any error
        raise ModelError(
            f"{path}: not a readable config ({type(error).__name__}: {error})",
            "Give a config of MMSegmentation 1.x, and make sure that the files in its _base_ exist.",
        ) from error


def _prepare_model(model: Any) -> dict[str, Any]:
    """Return the config of the network for inference."""
    prepared: dict[str, Any] = _to_plain(model)
    # The weights come from the checkpoint, so none are downloaded for the backbone.
    for part in (prepared, prepared.get("backbone")):
        if isinstance(part, dict) and "pretrained" in part:
            part["pretrained"] = None
    prepared.pop("auxiliary_head", None)
    return prepared


def _to_plain(value: Any) -> Any:
    """Convert to plain containers, and replace synchronised batch normalisation, which inference doesn't need."""
    if isinstance(value, Mapping):
        plain = {key: _to_plain(part) for key, part in value.items()}
        return {**plain, "type": "BN"} if plain.get("type") in ("SyncBN", "MMSyncBN") else plain
    if isinstance(value, (list, tuple)):
        return type(value)(_to_plain(part) for part in value)
    return value


def _find_dataset(config: Any) -> Mapping[str, Any]:
    """Return the config of the test dataset, without the datasets that wrap it."""
    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    while inner := dataset.get("dataset") or next(iter(dataset.get("datasets") or ()), None):
        dataset = inner
    return dict(dataset)


def _find_resizing_steps(path: Path, pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    steps = []
    for step in pipeline:
        kind = str(step.get("type"))
        if kind == "LoadImageFromFile" and not str(step.get("color_type", "color")).startswith("color"):
            raise ModelError(
                f"{path}: images are read as {step['color_type']}; expected colour photographs",
                "Give a config of a network for colour images.",
            )
        if kind in _RESIZING:
            steps.append(_to_plain(step))
        elif kind not in _READING:
            raise ModelError(
                f"{path}: its test pipeline has the step {kind}; expected {', '.join((*_READING, *_RESIZING))}",
                "Describe the preprocessing in the [input] section of a model card (docs/reference/models.md).",
            )
    return steps


def _find_windows(path: Path, test: Mapping[str, Any], inference: Inference) -> Windowing | None:
    mode = inference.mode or ("slide" if inference.window or inference.stride else test.get("mode", "whole"))
    if mode == "whole":
        return None
    window, stride = inference.window or test.get("crop_size"), inference.stride or test.get("stride")
    if window is None or stride is None:
        missing = "window" if window is None else "stride"
        raise ModelError(
            f"{path}: sliding windows need a window and a stride, and neither --model nor the config has the {missing}",
            f"Give both, for example: --model {path.stem}:window=768,stride=512",
        )
    windows = Windowing((int(window[0]), int(window[1])), (int(stride[0]), int(stride[1])))
    if windows.stride[0] > windows.size[0] or windows.stride[1] > windows.size[1]:
        raise ModelError(
            f"{path}: windows of {windows.size} every {windows.stride} pixels leave gaps", "Give a smaller stride."
        )
    return windows
