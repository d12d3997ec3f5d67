"""Networks exported to ONNX, run by ONNX Runtime. A model card describes their input and outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.contracts import Adapter, AdapterCard, Capabilities, Expected, Needs, Segmenter
from oodbench.errors import ModelError
from oodbench.files import digest_bytes, digest_file
from oodbench.segmenters.model_card import ModelCard, read_card
from oodbench.segmenters.torch_modules.batching_check import check_image, stack_images
from oodbench.segmenters.torch_modules.class_map_check import find_kind_problem
from oodbench.types import ClassMaps, RGBImage, SegmenterOutput

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
    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        path = Path(source)
        if not path.is_file():
            raise ModelError(f"{path}: no such file; expected an ONNX network", "Check the path of --model.")
        card_path = card or path.with_suffix(".toml")
        return OnnxSegmenter(path, card_path, read_card(card_path), device)


class OnnxSegmenter(Segmenter):
    """A network in an ONNX file."""

    def __init__(
        self, path: Path, card_path: Path, card: ModelCard, device: Literal["auto", "cpu", "cuda"] = "cpu"
    ) -> None:
        self._path, self._card_path, self._card = path, card_path, card
        self.name = card.name
        self.classes, self._order = card.classes.resolve()
        self.expected = Expected(card.expected.miou, card.expected.mean_confidence)
        self.capabilities = Capabilities(
            card.outputs.class_maps_are if card.outputs.class_maps else None, tuple(card.outputs.features)
        )
        self._session, self.device = _start_session(path, device)
        self._input = self._check_input()
        self._check_outputs()
        self.digest = self._compute_digest()

    @override
    def prepare(self, image: RGBImage) -> NDArray[np.float32]:
        check_image(image, str(self._card_path))
        return self._card.input.apply(image)

    @override
    def forward(self, batch: Sequence[NDArray[np.float32]], needs: Needs) -> SegmenterOutput:
        import torch

        images = stack_images(batch, str(self._card_path))  # [N, 3, h, w]
        names = {role: self._card.outputs.features[role] for role in needs.features}
        if (needs.class_maps or needs.logits) and self._card.outputs.class_maps is not None:
            names[""] = self._card.outputs.class_maps
        try:
            arrays = self._session.run(list(names.values()), {self._input: images})
        except Exception as error:  # the errors of ONNX Runtime have no common base class except Exception
            raise ModelError(
                f"{self._path}: failed on an input of shape {images.shape}: {error}",
                "Check input.size in the model card.",
            ) from error
        outputs = {role: torch.from_numpy(array) for role, array in zip(names, arrays, strict=True)}
        values = outputs.pop("", None)
        if values is None:
            return SegmenterOutput(None, outputs).select(needs)
        if values.shape[1] != len(self.classes):
            raise self._wrong_classes(int(values.shape[1]))
        if self._order is not None:
            values = values[:, list(self._order)]
        maps = ClassMaps(values, self._card.outputs.class_maps_are)
        problem = find_kind_problem(maps)
        if problem:
            raise ModelError(
                f"{self._card_path}: outputs.class_maps_are is {maps.kind}, but {self._path.name} outputs {problem}",
                "Set outputs.class_maps_are to the kind of the class maps: logits, posteriors or sums.",
            )
        return SegmenterOutput(maps, outputs).select(needs)

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
            "classes": f"{self.classes.name}: {', '.join(self.classes.names)}",
            "class order": "that of the class set"
            if self._order is None
            else ", ".join(self._card.classes.order or ()),
            "expected": self._card.expected.model_dump(),
        }

    def _check_input(self) -> str:
        nodes = {node.name: node for node in self._session.get_inputs()}
        name = self._card.input.name
        if name is None:
            if len(nodes) != 1:
                raise ModelError(
                    f"{self._card_path}: input.name is missing, and {self._path.name} has the inputs "
                    f"{', '.join(nodes)}",
                    "Set input.name to the image input.",
                )
            name = next(iter(nodes))
        if name not in nodes:
            raise ModelError(
                f"{self._card_path}: input.name is '{name}', but {self._path.name} has the inputs {', '.join(nodes)}",
                "Set input.name to one of these inputs.",
            )
        node = nodes[name]
        takes_colour = len(node.shape) == 4 and (node.shape[1] == 3 or not isinstance(node.shape[1], int))
        if node.type != "tensor(float)" or not takes_colour:
            raise ModelError(
                f"{self._path}: the input '{name}' is {node.type} {node.shape}; expected float32 [N, 3, h, w]",
                "Export the network with images in channels-first float32 as its input.",
            )
        for axis, side in zip(node.shape[2:], self._card.input.size or (None, None), strict=True):
            if isinstance(axis, int) and axis != side:
                raise ModelError(
                    f"{self._card_path}: input.size is {self._card.input.size}, but {self._path.name} accepts only "
                    f"{node.shape[2:]}",
                    f"Set input.size = {node.shape[2:]}, or export the network with dynamic height and width.",
                )
        return name

    def _check_outputs(self) -> None:
        nodes = {node.name: node for node in self._session.get_outputs()}
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
            if name not in nodes:
                raise ModelError(
                    f"{self._card_path}: {field} is '{name}', but {self._path.name} has the outputs {', '.join(nodes)}",
                    f"Set {field} to one of these outputs.",
                )
            if len(nodes[name].shape) != 4:
                raise ModelError(
                    f"{self._card_path}: {field} is '{name}', of shape {nodes[name].shape}; "
                    "expected [N, channels, h, w]",
                    f"Set {field} to an output with height and width.",
                )
        if outputs.class_maps is not None:
            count = nodes[outputs.class_maps].shape[1]
            if isinstance(count, int) and count != len(self.classes):
                raise self._wrong_classes(count)

    def _wrong_classes(self, count: int) -> ModelError:
        return ModelError(
            f"{self._card_path}: classes.set is {self.classes.name} with {len(self.classes)} classes, but "
            f"{self._path.name} outputs {count} class maps",
            "Set classes.set to the class set that the network was trained on.",
        )

    def _compute_digest(self) -> str:
        settings = self._card.model_dump(exclude={"name", "source", "licence", "expected"}, mode="json")
        files = [digest_file(file) for file in (self._path, *_find_weight_files(self._path))]
        return digest_bytes(json.dumps([files, settings], sort_keys=True).encode())


def _find_weight_files(path: Path) -> list[Path]:
    """Return the files in which a large network stores its weights, next to the file of the graph."""
    model = onnx.load(path, load_external_data=False)
    external = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    names = {entry.value for tensor in external for entry in tensor.external_data if entry.key == "location"}
    return [path.parent / name for name in sorted(names)]


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
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # the errors of ONNX Runtime have no common base class except Exception
        raise ModelError(
            f"{path}: not an ONNX network that can be run ({error})", "Export the network again."
        ) from error
    used: Literal["cpu", "cuda"] = "cuda" if "CUDAExecutionProvider" in session.get_providers() else "cpu"
    if device == "cuda" and used != "cuda":
        raise ModelError("--device cuda: ONNX Runtime could not start its CUDA provider", "Use --device cpu.")
    return session, used
