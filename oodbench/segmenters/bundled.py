"""Networks that `oodbench train` wrote: a safetensors file with a model card. Two bundled models come with oodbench."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from oodbench.contracts import Adapter, AdapterCard, Capabilities, Expected, Head, Needs, Segmenter
from oodbench.errors import ModelError
from oodbench.files import digest_bytes, digest_file, write_atomically
from oodbench.frozen_record import FrozenRecord
from oodbench.segmenters.bundled_network import CHANNELS, CompactNetwork
from oodbench.segmenters.device import choose_device
from oodbench.segmenters.model_card import Classes, ExpectedQuality, read_toml
from oodbench.segmenters.softmax_head import SoftmaxModule
from oodbench.segmenters.torch_modules.base import ModuleOutput, TorchBase
from oodbench.types import RGBImage, Size

if TYPE_CHECKING:
    from torch import Tensor, nn

PLUGINS = {
    "models": {
        "bundled": (
            "BundledAdapter",
            "streets-softmax, streets-gmmseg, or FILE.safetensors written by 'oodbench train'",
        )
    }
}

BUNDLED = ("streets-gmmseg", "streets-softmax")
"""Names of the bundled models."""

FOLDER = Path(__file__).parent / "networks"
"""Folder of the weights and model cards of the bundled models."""

# The encoder halves height and width four times, so both must be multiples of 16.
_MULTIPLE = 16


class HeadSection(FrozenRecord):
    """The head of a network, with the parameters that it was trained with."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class TrainingSection(FrozenRecord):
    """The origin of a network's weights: recipe, seed, number of steps and dataset."""

    recipe: str
    seed: int
    iterations: int
    data: str = Field(description="name of the training dataset")


class BundledCard(FrozenRecord):
    """The model card of a network that `oodbench train` wrote."""

    name: str = Field(description="name in tables")
    intended_use: str = Field("", description="intended use")
    limits: str = Field("", description="limits of use")
    classes: Classes
    head: HeadSection
    training: TrainingSection
    expected: ExpectedQuality = ExpectedQuality()


class BundledAdapter(Adapter):
    """Adapter for the bundled models, by name, and for networks that `oodbench train` wrote, by file."""

    card = AdapterCard("bundled", "Bundled", "streets-softmax, streets-gmmseg, or FILE.safetensors", data_only=True)

    @override
    def accepts(self, source: str) -> bool:
        return source in BUNDLED or source.lower().endswith(".safetensors")

    @override
    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        path = FOLDER / f"{source}.safetensors" if source in BUNDLED else Path(source)
        if not path.is_file():
            raise ModelError(
                f"{path}: no such file; expected weights written by 'oodbench train'", "Check the path of --model."
            )
        model_card = read_toml(
            card or path.with_suffix(".toml"),
            BundledCard,
            "Copy the TOML file that 'oodbench train' wrote next to the weights.",
        )
        head = self.find_head(model_card.head.name, model_card.head.parameters)
        return BundledSegmenter(path, model_card, head, device)


class BundledSegmenter(TorchBase):
    """A network that `oodbench train` wrote."""

    def __init__(
        self, path: Path, card: BundledCard, head: Head, device: Literal["auto", "cpu", "cuda"] = "cpu"
    ) -> None:
        self._path, self._card = path, card
        self.name = card.name
        self.classes, self._order = card.classes.resolve()
        self.expected = Expected(card.expected.miou, card.expected.mean_confidence)
        self.capabilities = Capabilities("logits", ("penultimate",), head.extras())
        self.trained_on = card.training.data
        self.device = choose_device(device)
        network = CompactNetwork(head.build(CHANNELS, len(self.classes)))
        _load(network, path, head)
        network.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch omits it
        self._network = network
        head_section = card.head.model_dump(mode="json")
        self.digest = digest_bytes(json.dumps([digest_file(path), head_section, head.card.version]).encode())

    @override
    def _prepare(self, image: RGBImage) -> NDArray[np.uint8]:
        height, width = (max(_MULTIPLE, round(side / _MULTIPLE) * _MULTIPLE) for side in image.shape[:2])
        if image.shape[:2] == (height, width):
            return image
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)

    @override
    def _load_batch(self, images: NDArray[np.uint8]) -> tuple[Tensor, Size]:
        batch = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2)  # [N, 3, h, w], channels last in memory
        return batch.float(), (batch.shape[-2], batch.shape[-1])

    @override
    def _read(self, images: Tensor, needs: Needs) -> ModuleOutput:
        output = self._network(images)
        return ModuleOutput(output.class_maps, {"penultimate": output.features}, output.extras)

    @override
    def _classifier_layer(self) -> nn.Module | None:
        head = self._network.head
        return head.classifier if isinstance(head, SoftmaxModule) else None

    @override
    def describe(self) -> Mapping[str, Any]:
        card = self._card
        return {
            "name": self.name,
            "file": str(self._path),
            "digest": self.digest,
            "device": self.device,
            "intended use": card.intended_use,
            "limits": card.limits,
            "head": f"{card.head.name} {json.dumps(card.head.parameters)}",
            "training": f"{card.training.recipe}, seed {card.training.seed}, {card.training.iterations} steps on "
            f"{card.training.data}",
            "features": {"penultimate": "input of the head"},
            "extras": ", ".join(self.capabilities.extras) or "none",
            "preprocessing": "grey levels; sides are resized to multiples of 16",
            "classes": f"{self.classes.name}: {', '.join(self.classes.names)}",
            "expected": card.expected.model_dump(),
        }


def write_weights(path: Path, network: CompactNetwork, head: Head) -> None:
    """Write a network's weights as safetensors, without those that only training needs.

    Args:
        path: The file to write.
        network: The trained network.
        head: The head that built the network's last layers.
    """
    state = {
        name: value.detach().cpu().contiguous()
        for name, value in network.state_dict().items()
        if not _is_training_only(name, head)
    }
    write_atomically(path, lambda file: file.write(safetensors.torch.save(state)))


def _is_training_only(name: str, head: Head) -> bool:
    return any(name.startswith(f"head.{prefix}") for prefix in head.training_only())


def _load(network: CompactNetwork, path: Path, head: Head) -> None:
    try:
        state = safetensors.torch.load_file(path)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise ModelError(
            f"{path}: not a readable safetensors file ({error})", "Copy the file or train the network again."
        ) from None
    expected = {name: value for name, value in network.state_dict().items() if not _is_training_only(name, head)}
    differences = [
        f"{name}: {_format_shape(state.get(name))} in the file, {_format_shape(value)} expected"
        for name, value in expected.items()
        if name not in state or state[name].shape != value.shape
    ]
    differences += [f"{name}: not expected" for name in state if name not in expected]
    if differences:
        raise ModelError(
            f"{path}: not the weights of this architecture with the head '{head.card.name}' ({len(differences)} "
            f"differences, the first is {differences[0]})",
            "Use the model card that was written with the weights, or train the network again.",
        )
    broken = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise ModelError(f"{path}: '{broken[0]}' holds NaN or infinite weights", "Train the network again.")
    network.load_state_dict(state, strict=False)


def _format_shape(value: torch.Tensor | None) -> str:
    return "missing" if value is None else str(list(value.shape))
