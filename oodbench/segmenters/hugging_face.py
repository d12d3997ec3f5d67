"""Networks of the transformers library (SegFormer, UperNet, Mask2Former), from a folder or from the Hugging Face hub.

A mask classifier (Mask2Former) has no logits per pixel. Its class maps are unnormalised class scores: the sum over
queries of class posterior, without no-object, times mask probability. Divided by their total over the classes, they are
posteriors, whose logarithms can be used as logits.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import Adapter, AdapterCard, Capabilities, Expected, Needs, Segmenter
from oodbench.errors import MissingExtraError, ModelError
from oodbench.files import digest_bytes, digest_file, read_text
from oodbench.segmenters.device import choose_device
from oodbench.segmenters.mask_classification import SUMS, compute_class_maps
from oodbench.segmenters.model_card import (
    PartialCard,
    Preprocessing,
    example_sections,
    find_class_set,
    identify_settings,
    read_toml,
)
from oodbench.segmenters.torch_modules.activation_hook import capture_activations
from oodbench.segmenters.torch_modules.base import ModuleOutput, TorchBase
from oodbench.types import MaskOutput, RGBImage

if TYPE_CHECKING:
    from torch import Tensor, nn

PLUGINS = {
    "models": {"transformers": ("TransformersAdapter", "a folder with config.json, or hf:OWNER/NAME (SegFormer, ...)")}
}

_HUB = "hf:"
# Patterns of the files that are downloaded. The library reads .bin files with `weights_only=True`.
_FILES = ("*.json", "*.safetensors", "*.bin")
# Files that describe the preprocessing, of current and of newer versions of the library.
_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
_SOFTMAX = {"segformer": "SegformerForSemanticSegmentation", "upernet": "UperNetForSemanticSegmentation"}
_MASKS = {"mask2former": "Mask2FormerForUniversalSegmentation"}
_KNOWN = _SOFTMAX | _MASKS


class TransformersAdapter(Adapter):
    """Adapter for folders written by `save_pretrained` and for names on the hub."""

    card = AdapterCard("transformers", "Transformers", "a folder with config.json, or hf:OWNER/NAME", data_only=True)

    @override
    def accepts(self, source: str) -> bool:
        return source.startswith(_HUB) or (Path(source) / "config.json").is_file()

    @override
    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        try:
            import transformers  # noqa: F401  # late: it is an extra, and its import takes seconds
        except ImportError as error:
            raise MissingExtraError(f"--model {source}", "transformers", error) from None
        folder = _download(source) if source.startswith(_HUB) else Path(source)
        if card is None and not source.startswith(_HUB):
            card = _find_card(folder)
        model_card = read_toml(card, PartialCard, "Check the path of --model-card.") if card else PartialCard()
        return TransformersSegmenter(folder, source.removeprefix(_HUB), model_card, device)


class TransformersSegmenter(TorchBase):
    """A network of the transformers library."""

    def __init__(
        self, folder: Path, source: str, card: PartialCard, device: Literal["auto", "cpu", "cuda"] = "cpu"
    ) -> None:
        self._folder, self._source = folder, source
        self.name = card.name or Path(source).name
        config = _read_config(folder)
        self._masks = config["model_type"] in _MASKS
        self.expected = Expected(card.expected.miou, card.expected.mean_confidence)
        self.device = choose_device(device)
        self._network = _load_network(folder, _KNOWN[config["model_type"]], config).eval().to(self.device)
        labels: Mapping[int, str] = self._network.config.id2label
        self._names = [str(labels[index]) for index in sorted(labels)]
        classes = card.classes or find_class_set(self._names)
        prepares = card.input is not None or any((folder / name).is_file() for name in _PREPROCESSING)
        if classes is None or not prepares:
            raise _explain_missing(source, None if classes else self._names, prepares)
        self.classes, self._order = classes.resolve()
        if len(self._names) != len(self.classes):
            raise ModelError(
                f"{folder}: {len(self._names)} classes; expected the {len(self.classes)} of {self.classes.name}",
                "Name the class set of the network in a model card: [classes] set = ...",
            )
        self._make_input, preprocessing = _find_preprocessing(folder, card.input)
        self._multiple_of = card.input.multiple_of if card.input else 1
        self._preprocessing: Mapping[str, Any] = preprocessing
        roles = ("pixel-decoder",) if self._masks else ("penultimate",)
        self.capabilities = Capabilities("sums" if self._masks else "logits", roles, masks=self._masks)
        weights = sorted(path for ending in _FILES[1:] for path in folder.glob(ending))
        identity = [
            config,
            self._order,
            preprocessing,
            self.capabilities.class_maps,
            [digest_file(path) for path in weights],
        ]
        self.digest = digest_bytes(json.dumps(identity, sort_keys=True, default=str).encode())

    @override
    def _prepare(self, image: RGBImage) -> NDArray[np.float32]:
        return np.ascontiguousarray(self._make_input(image), np.float32)

    @override
    def _read(self, images: Tensor, needs: Needs) -> ModuleOutput:
        if not self._masks:
            with capture_activations(self._network.decode_head.classifier) as passes:
                maps = self._network(pixel_values=images).logits
            return ModuleOutput(maps, {"penultimate": passes[0][0]})
        # The queries of each decoder layer are classified; those of the last layer are the output.
        with capture_activations(self._network.class_predictor) as passes:
            output = self._network(pixel_values=images)
        masks = MaskOutput(output.class_queries_logits, output.masks_queries_logits, passes[-1][0])
        return ModuleOutput(
            compute_class_maps(masks.class_logits, masks.mask_logits),
            {"pixel-decoder": output.pixel_decoder_last_hidden_state},
            masks=masks,
        )

    @override
    def _classifier_layer(self) -> nn.Module | None:
        layer: nn.Module | None = None if self._masks else self._network.decode_head.classifier
        return layer

    @override
    def describe(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "source": self._source,
            "architecture": type(self._network).__name__,
            "digest": self.digest,
            "device": self.device,
            "class maps": SUMS if self._masks else "logits",
            "features": dict.fromkeys(
                self.capabilities.features,
                "pixel embeddings of the masks" if self._masks else "input of the classifier",
            ),
            "preprocessing": self._preprocessing,
            "classes": f"{self.classes.name}: {', '.join(self.classes.names)}",
            "class order": "that of the class set" if self._order is None else ", ".join(self._names),
        }


def _find_card(folder: Path) -> Path | None:
    """Return the model card NAME.toml next to the folder NAME, if there is one."""
    folder = folder.absolute()
    card = folder.parent / f"{folder.name}.toml"
    return card if card.is_file() else None


def _explain_missing(source: str, names: Sequence[str] | None, prepares: bool) -> ModelError:
    """Return one error about everything that neither the folder nor the model card contains.

    Args:
        source: The folder of the network, or its name on the hub.
        names: The class names in its config if they are not those of a class set; None: the class set is known.
        prepares: Whether the preprocessing is known.
    """
    problems, sections = [], []
    if not prepares:
        problems.append(f"no {_PREPROCESSING[0]}, which describes how images are prepared")
        sections.append("input")
    if names is not None:
        problems.append(
            f"its {len(names)} classes ({', '.join(names[:3])}, ...) are not those of a class set "
            f"({', '.join(CLASS_SETS)})"
        )
        sections.append("classes")
    next_to_it = f", or in {Path(source).absolute().name}.toml next to the folder" if Path(source).is_dir() else ""
    order = " If the classes have another order than the class set, add order = [...]." if names is not None else ""
    return ModelError(
        f"{source}: {'; '.join(problems)}",
        f"Describe this in a model card, in the file that --model-card names{next_to_it}.{order} For example:\n\n"
        + example_sections(*sections),
    )


def _download(source: str) -> Path:
    """Return the folder of a repository on the hub, after downloading it to the library's cache if necessary."""
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(source.removeprefix(_HUB), allow_patterns=list(_FILES)))
    except Exception as error:  # errors of the hub library and of its transport library
        raise ModelError(
            f"--model {source}: not in the local cache, and the download failed ({type(error).__name__}); expected "
            "hf:OWNER/NAME",
            "Check the name. Without a network connection, download the model elsewhere and give its folder.",
        ) from error


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable config ({error})", "Save or download the network again.") from None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in _KNOWN:
        raise ModelError(
            f"{path}: model_type is {kind!r}; expected one of {', '.join(sorted(_KNOWN))}",
            "Use a network of a supported type, or export the network to ONNX.",
        )
    return dict(config)


def _load_network(folder: Path, architecture: str, config: Mapping[str, Any]) -> Any:
    """Load a network and its weights.

    Missing weights are an error, because transformers would initialise them randomly. The type is Any, because the
    classes of transformers have no types.
    """
    import transformers

    network = getattr(transformers, architecture)
    library_logging: Any = transformers.logging
    library_logging.disable_progress_bar()
    logger = logging.getLogger("transformers")
    previous_level = logger.level
    logger.setLevel(logging.ERROR)  # its warnings about weights are errors here
    try:
        loaded, loading_info = network.from_pretrained(
            folder, config=network.config_class.from_dict(config), local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # the library raises various errors for a damaged folder
        raise ModelError(
            f"{folder}: can't be loaded as {architecture} ({error})", "Save or download the network again."
        ) from error
    finally:
        logger.setLevel(previous_level)
    wrong = sorted(str(name) for kind in ("missing_keys", "mismatched_keys") for name in loading_info[kind])
    if wrong:
        raise ModelError(
            f"{folder}: {len(wrong)} weights of {architecture} are missing or of another shape, for example {wrong[0]}",
            "Give the folder of a network that was trained for semantic segmentation, not of its backbone alone.",
        )
    return loaded


@contextmanager
def _copy_settings(folder: Path) -> Iterator[Path]:
    """Yield a copy of the folder's JSON files in UTF-8, because transformers reads no byte order marks."""
    with TemporaryDirectory() as scratch:
        for name in ("config.json", "preprocessor_config.json", "processor_config.json"):
            if (folder / name).is_file():
                (Path(scratch) / name).write_text(read_text(folder / name), encoding="utf-8")
        yield Path(scratch)


def _find_preprocessing(
    folder: Path, card_input: Preprocessing | None
) -> tuple[Callable[[RGBImage], NDArray[np.float32]], dict[str, Any]]:
    """Return the function that prepares images, and its description.

    Args:
        folder: The folder of the network, whose preprocessor_config.json is read.
        card_input: The preprocessing in the model card, used instead of the folder's file; None: not given.
    """
    if card_input is not None:
        return card_input.apply, identify_settings(card_input, ("name",))
    import transformers

    reader: Any = transformers.AutoImageProcessor
    copy = folder
    try:
        with _copy_settings(folder) as copy:
            processor = reader.from_pretrained(copy, local_files_only=True, backend="pil")
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(
            f"{folder}: no readable preprocessor_config.json ({str(error).replace(str(copy), str(folder))})",
            "Download this file, too, or describe the preprocessing in the [input] section of a model card "
            "(docs/reference/models.md).",
        ) from None
    if getattr(processor, "do_center_crop", False):
        raise ModelError(
            f"{folder}: its preprocessing crops the image; expected preprocessing of the whole image",
            "Describe the preprocessing of the whole image in the [input] section of a model card.",
        )

    def prepare(image: RGBImage) -> NDArray[np.float32]:
        values: NDArray[np.float32] = processor(images=image, return_tensors="np")["pixel_values"][0]
        return values

    return prepare, dict(processor.to_dict())
