"""Torch modules that a function in the user's Python file returns, with a checkpoint."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn
from typing_extensions import override

from oodbench.contracts import Adapter, AdapterCard, Expected, Segmenter
from oodbench.errors import ModelError, OodbenchError, UnknownNameError
from oodbench.files import digest_bytes
from oodbench.segmenters.checkpoint import load_into, read_weights
from oodbench.segmenters.device import Device
from oodbench.segmenters.model_card import ModuleCard, check_card, read_toml
from oodbench.segmenters.torch_modules.segmenter import TorchSegmenter
from oodbench.user_code import code_identity, explain_missing_modules, import_python_file, read_source

PLUGINS = {
    "models": {
        "python-file": ("PythonFileAdapter", "FILE.py:FUNCTION, which returns a torch module, with --checkpoint")
    }
}

_SOURCE = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")
# Endings of the files next to the Python file that are searched for weights, in this order.
_ENDINGS = (".safetensors", ".pth")
_CARD = """CARD = {"input": {"channels": "rgb", "divide_by": 255}, "classes": {"set": "cityscapes-19"}}"""


class PythonFileAdapter(Adapter):
    """Adapter for functions that take no arguments and return a torch module."""

    card = AdapterCard("python-file", "Python file", "FILE.py:FUNCTION, which returns a torch module")

    @override
    def accepts(self, source: str) -> bool:
        return _SOURCE.fullmatch(source) is not None

    @override
    def needs_card(self, source: str) -> bool:
        path, _ = _split(source)
        return path.is_file() and not path.with_suffix(".toml").is_file() and _read_literal(path) is None

    @override
    def open(self, source: str, card: Path | None, device: Device) -> Segmenter:
        """Load the network, and the weights in a file of the same name next to the Python file, if there is one."""
        path, _ = _split(source)
        candidates = (path.with_suffix(ending) for ending in _ENDINGS)
        return _open(source, next((file for file in candidates if file.is_file()), None), card, device)

    @override
    def open_checkpoint(self, source: str, checkpoint: Path, card: Path | None, device: Device) -> Segmenter:
        return _open(source, checkpoint, card, device)


class PythonFileSegmenter(TorchSegmenter):
    """A torch module that a function in a Python file returns, described by a model card."""

    def __init__(
        self,
        path: Path,
        function: Callable[[], Any],
        module: nn.Module,
        checkpoint: Path | None,
        card: ModuleCard,
        device: Device = "cpu",
    ) -> None:
        class_set, _ = card.classes.resolve()
        super().__init__(
            module,
            classes=class_set,
            class_order=card.classes.order,
            normalize=card.input,
            name=card.name or path.stem,
            output=card.outputs.class_maps,
            kind=card.outputs.class_maps_are,
            features=card.outputs.features,
            classifier=card.outputs.classifier,
            windows=(card.windows.size, card.windows.stride) if card.windows else None,
            device=device,
            trained_on=card.trained_on,
            expected=Expected(card.expected.miou, card.expected.mean_confidence),
        )
        self._path, self._checkpoint, self._card = path, checkpoint, card
        code, _ = code_identity(function)
        self.digest = digest_bytes(f"{self.digest} {code}".encode())

    @override
    def describe(self) -> Mapping[str, Any]:
        return {
            **super().describe(),
            "file": str(self._path),
            "checkpoint": str(self._checkpoint or "none: the function sets the weights"),
            "source": self._card.source,
            "licence": self._card.licence,
        }


def _split(source: str) -> tuple[Path, str]:
    match = _SOURCE.fullmatch(source)
    assert match is not None, "the adapter accepted it"
    return Path(match["file"]), match["function"]


def _open(source: str, checkpoint: Path | None, card: Path | None, device: Device) -> Segmenter:
    path, name = _split(source)
    if not path.is_file():
        raise ModelError(
            f"{path}: no such file; expected a Python file with the function '{name}'", "Check the path of --model."
        )
    model_card = _read_card(path, card)
    function = _find_function(_import(path), path, name)
    module = _build(function, path, name)
    if checkpoint is not None:
        remedy = f"Give a checkpoint that was saved from the module that {name} returns."
        load_into(module, read_weights(checkpoint), checkpoint, source, remedy)
    return PythonFileSegmenter(path, function, module, checkpoint, model_card, device)


def _read_card(path: Path, card: Path | None) -> ModuleCard:
    """Return the model card in the TOML file, or the one in the Python file, which is parsed but not run."""
    toml_file = path.with_suffix(".toml")
    literal = None if card else _read_literal(path)
    if card is None and toml_file.is_file():
        if literal is not None:
            raise ModelError(
                f"{path}: it has a CARD, and {toml_file} exists, too; expected one model card",
                "Remove one of them, or give the TOML file with --model-card.",
            )
        card = toml_file
    if card is not None:
        return read_toml(card, ModuleCard, "Check the path of --model-card.")
    if literal is None:
        raise ModelError(
            f"{path}: no CARD in it, and no {toml_file.name} next to it; expected the preprocessing and the class set",
            f"Add a model card to the file, for example: {_CARD}",
        )
    return check_card(literal, ModuleCard, f"{path}: CARD")


def _read_literal(path: Path) -> Any:
    try:
        tree = ast.parse(read_source(path).content, str(path))
    except (SyntaxError, ValueError) as error:
        raise ModelError(f"{path}: can't be read as Python ({error})", "Correct the file.") from None
    for node in tree.body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        if any(isinstance(target, ast.Name) and target.id == "CARD" for target in targets):
            try:
                return ast.literal_eval(node.value)  # type: ignore[attr-defined]  # an assignment
            except (ValueError, TypeError):
                raise ModelError(
                    f"{path}:{node.lineno}: CARD is not a literal; the file is not run to read it",
                    f"Write it as a literal, for example: {_CARD}",
                ) from None
    return None


def _import(path: Path) -> ModuleType:
    try:
        with explain_missing_modules():
            return import_python_file(path).module
    except OodbenchError:
        raise
    except Exception as error:  # the user's code may raise any error
        raise _make_error(error, path, "it can't be imported") from error


def _find_function(module: ModuleType, path: Path, name: str) -> Callable[[], Any]:
    value = getattr(module, name, None)
    if value is None:
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UnknownNameError(f"function of {path}", name, functions)
    if not callable(value):
        raise ModelError(
            f"{path}: '{name}' is a {type(value).__name__}; expected a function that returns a module",
            "Name a function in --model.",
        )
    function: Callable[[], Any] = value
    return function


def _build(function: Callable[[], Any], path: Path, name: str) -> nn.Module:
    try:
        module = function()
    except OodbenchError:
        raise
    except Exception as error:  # the user's code may raise any error
        raise _make_error(error, path, f"{name}() failed") from error
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"{path}: {name}() returns a {type(module).__name__}; expected a torch.nn.Module",
            "Return the network itself. Its weights can be given with --checkpoint.",
        )
    return module


def _make_error(error: Exception, path: Path, problem: str) -> ModelError:
    """Return a ModelError that names the line of the user's file that failed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    where = f"{path}:{line}" if line else str(path)
    return ModelError(
        f"{where}: {problem} ({type(error).__name__}: {error})",
        "Correct the file. Its function is called without arguments and can import modules in the same folder.",
    )
