"""Networks exported to ONNX, run by ONNX Runtime. A model card describes their input and outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch.utils.dlpack import from_dlpack
from typing_extensions import override

from oodbench.contracts import Adapter, AdapterCard, Capabilities, Expected, Needs, Segmenter
from oodbench.errors import ModelError
from oodbench.files import digest_bytes, digest_file
from oodbench.out_of_memory import find_memory_error
from oodbench.segmenters.model_card import ModelCard, identify_settings, read_card
from oodbench.segmenters.onnx_interface import OnnxInterface
from oodbench.segmenters.onnx_weight_files import find_weight_files
from oodbench.segmenters.torch_modules.base import ModuleOutput, TorchBase
from oodbench.segmenters.torch_modules.class_map_check import find_kind_problem
from oodbench.segmenters.torch_modules.options import resolve_windows
from oodbench.segmenters.torch_modules.padding import pad_images
from oodbench.threads import count_threads
from oodbench.types import MIN_PROBABILITY, ClassMaps, RGBImage, Size

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {
    "models": {"onnx": ("OnnxAdapter", "FILE.onnx, with the model card FILE.toml next to it or given by --model-card")}
}


class OnnxAdapter(Adapter):
    """Adapter for ONNX networks with one image input and dense outputs."""

    card = AdapterCard("onnx", "ONNX", "FILE.onnx", data_only=True)

    @override
    def accepts(self, source: str) -> bool:
        return source.lower().endswith(".onnx")

    @override
    def needs_card(self, source: str) -> bool:
        return not Path(source).with_suffix(".toml").is_file()

    @override
    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        path = Path(source)
        if not path.is_file():
            raise ModelError(f"{path}: no such file; expected an ONNX network", "Check the path of --model.")
        card_path = card or path.with_suffix(".toml")
        return OnnxSegmenter(path, card_path, read_card(card_path), device)


class OnnxSegmenter(TorchBase):
    """A network in an ONNX file. Its outputs are tensors on the CPU."""

    def __init__(
        self, path: Path, card_path: Path, card: ModelCard, device: Literal["auto", "cpu", "cuda"] = "cpu"
    ) -> None:
        self._path, self._card_path, self._card = path, card_path, card
        self.name = card.name
        self.classes, self._order = card.classes.resolve()
        self._kept = card.classes.find_kept()
        self.expected = Expected(card.expected.miou, card.expected.mean_confidence)
        self.capabilities = Capabilities(
            card.outputs.class_maps_are if card.outputs.class_maps else None, tuple(card.outputs.features)
        )
        self._windows = resolve_windows(
            (card.windows.size, card.windows.stride) if card.windows else None, str(card_path)
        )
        weight_files = find_weight_files(path)
        self._session, self.device = _start_session(path, device)
        self._interface = OnnxInterface(self._session, path, card_path, card, self.classes)
        self.digest = self._compute_digest(weight_files)

    @override
    def _prepare(self, image: RGBImage) -> NDArray[np.float32]:
        return self._card.input.apply(image)

    @override
    def _load_batch(self, images: NDArray[Any]) -> tuple[Tensor, Size]:
        padded = pad_images(images, self._card.input.multiple_of, self._interface.least)
        return torch.from_numpy(padded), (images.shape[-2], images.shape[-1])

    @override
    def _read(self, images: Tensor, needs: Needs) -> ModuleOutput:
        names = {role: self._card.outputs.features[role] for role in needs.features}
        if (needs.class_maps or needs.logits) and self._card.outputs.class_maps is not None:
            names[""] = self._card.outputs.class_maps
        parts = [self._run(array, list(names.values())) for array in self._interface.split(images)]
        outputs = {
            role: self._interface.join(name, [part[index] for part in parts], len(images))
            for index, (role, name) in enumerate(names.items())
        }
        values = outputs.pop("", None)
        return ModuleOutput(None if values is None else self._finish_class_maps(values), outputs)

    def _run(self, images: NDArray[Any], names: list[str]) -> list[Tensor]:
        """Run the network on an array that it accepts."""
        try:
            if "tensor(bfloat16)" not in {node.type for node in self._session.get_outputs() if node.name in names}:
                return [torch.from_numpy(array) for array in self._session.run(names, {self._interface.input: images})]
            # NumPy has no bfloat16.
            value = onnxruntime.OrtValue.ortvalue_from_numpy(images)
            outputs = self._session.run_with_ort_values(names, {self._interface.input: value})
            return [from_dlpack(output) for output in outputs]
        except Exception as error:  # the errors of ONNX Runtime have no common base class except Exception
            if find_memory_error(error) is not None:
                raise
            raise ModelError(
                f"{self._path}: failed on an input of shape {images.shape}: {error}",
                self._interface.suggest_remedy(images),
            ) from error

    def _finish_class_maps(self, values: Tensor) -> Tensor:
        """Check the kind of the class maps, and remove the ignored ones."""
        maps = ClassMaps(values, self._card.outputs.class_maps_are)
        problem = find_kind_problem(maps)
        if problem:
            raise ModelError(
                f"{self._card_path}: outputs.class_maps_are is {maps.kind}, but {self._path.name} outputs {problem}",
                "Set outputs.class_maps_are to the kind of the class maps: logits, posteriors or sums.",
            )
        if self._kept is None:
            return values
        values = values[:, list(self._kept)]
        if maps.kind == "posteriors":  # without the ignored classes, as the softmax of the remaining logits
            values = values / values.sum(dim=1, keepdim=True).clamp_min(MIN_PROBABILITY)
        return values

    @override
    def describe(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "file": str(self._path),
            "card": str(self._card_path),
            "source": self._card.source,
            "licence": self._card.licence,
            "digest": self.digest,
            "device": self.device,
            "inputs": {node.name: f"{node.type} {node.shape}" for node in self._session.get_inputs()},
            "outputs": {node.name: f"{node.type} {node.shape}" for node in self._session.get_outputs()},
            "class maps": f"{self._card.outputs.class_maps} ({self._card.outputs.class_maps_are})",
            "features": dict(self._card.outputs.features),
            "preprocessing": self._card.input.model_dump(exclude={"name"}),
            "inference": str(self._windows or "the whole image"),
            "classes": f"{self.classes.name}: {', '.join(self.classes.names)}",
            "class order": "that of the class set"
            if self._order is None
            else ", ".join(self._card.classes.order or ()),
            "ignored class maps": ", ".join(map(str, self._card.classes.ignore)) or "none",
            "expected": self._card.expected.model_dump(),
        }

    def _compute_digest(self, weight_files: Sequence[Path]) -> str:
        settings = identify_settings(self._card, ("name", "source", "licence", "expected"))
        files = [digest_file(file) for file in (self._path, *weight_files)]
        return digest_bytes(json.dumps([files, settings], sort_keys=True).encode())


def _start_session(
    path: Path, device: Literal["auto", "cpu", "cuda"]
) -> tuple[onnxruntime.InferenceSession, Literal["cpu", "cuda"]]:
    available = onnxruntime.get_available_providers()
    if device == "cuda" and "CUDAExecutionProvider" not in available:
        raise ModelError(
            "--device cuda: this ONNX Runtime has no CUDA provider",
            "Install onnxruntime-gpu instead of onnxruntime, or use --device cpu.",
        )
    providers = ["CUDAExecutionProvider"] if device != "cpu" and "CUDAExecutionProvider" in available else []
    options = onnxruntime.SessionOptions()
    # Threads that spin while they wait would slow down the scoring between two forward passes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # By default there is one thread per core of the machine, bound to it, even if this process may not use that core.
    options.intra_op_num_threads = min(torch.get_num_threads(), count_threads())
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # the errors of ONNX Runtime have no common base class except Exception
        if find_memory_error(error) is not None:
            raise
        raise ModelError(
            f"{path}: not an ONNX network that can be run ({error})", "Export the network again."
        ) from error
    used: Literal["cpu", "cuda"] = "cuda" if "CUDAExecutionProvider" in session.get_providers() else "cpu"
    if device == "cuda" and used != "cuda":
        raise ModelError("--device cuda: ONNX Runtime could not start its CUDA provider", "Use --device cpu.")
    return session, used
