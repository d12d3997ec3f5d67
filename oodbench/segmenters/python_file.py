"""Torch modules of the user's own: a function in a Python file that returns one, and a checkpoint."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from oodbench.contracts import Adapter, AdapterCard, Expected, Segmenter
from oodbench.errors import ModelError, OodbenchError, UnknownNameError
from oodbench.files import digest_bytes
from oodbench.segmenters.checkpoint import load_into, read_weights
from oodbench.segmenters.device import Device
from oodbench.segmenters.model_card import ModuleCard, check_card, read_toml
from oodbench.segmenters.torch_modules.segmenter import TorchSegmenter
from oodbench.user_code import code_identity, explain_missing_modules, import_python_file

PLUGINS = {
    "models": {
        "python-file": ("PythonFileAdapter", "FILE.py:FUNCTION, which returns a torch module, with --checkpoint")
    }
}

_SOURCE = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")
# The weights that are looked for beside the file.
_ENDINGS = (".safetensors", ".pth")
_CARD = """CARD = {"input": {"channels": "rgb", "divide_by": 255}, "classes": {"set": "cityscapes-19"}}"""


class PythonFileAdapter(Adapter):
    """A function that takes no arguments and returns a torch module."""

    card = AdapterCard("python-file", "Python file", "FILE.py:FUNCTION, which returns a torch module")

    def accepts(self, source: str) -> bool:
        return _SOURCE.fullmatch(source) is not None

    def open(self, source: str, card: Path | None, device: Device) -> Segmenter:
        """Load the network; weights that lie beside the file under its name are loaded into it."""
        path, _ = _split(source)
        beside = (path.with_suffix(ending) for ending in _ENDINGS)
        return _open(source, next((file for file in beside if file.is_file()), None), card, device)

    def open_checkpoint(self, source: str, checkpoint: Path, card: Path | None, device: Device) -> Segmenter:
        return _open(source, checkpoint, card, device)


class PythonFileSegmenter(TorchSegmenter):
    """The module that a function in a Python file returns, as the model card describes it."""

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

    def describe(self) -> Mapping[str, Any]:
        return {
            **super().describe(),
            "file": str(self._path),
            "checkpoint": str(self._checkpoint or "none: the weights that the function returns"),
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
        raise ModelError(f"{path}: no such file; expected a Python file with the function '{name}'")
    described = _read_card(path, card)
    function = _find_function(_import(path), path, name)
    module = _build(function, path, name)
    if checkpoint is not None:
        remedy = f"Give the checkpoint that was saved of the module that {name} returns."
        load_into(module, read_weights(checkpoint), checkpoint, source, remedy)
    return PythonFileSegmenter(path, function, module, checkpoint, described, device)


def _read_card(path: Path, card: Path | None) -> ModuleCard:
    """Return the card in a TOML file, or that in the Python file, which is read without running it."""
    beside = path.with_suffix(".toml")
    literal = None if card else _read_literal(path)
    if card is None and beside.is_file():
        if literal is not None:
            raise ModelError(f"{path}: it has a CARD, and {beside} is there too", "Keep one, or name one: --model-card")
        card = beside
    if card is not None:
        return read_toml(card, ModuleCard, "--model-card names it.")
    if literal is None:
        raise ModelError(
            f"{path}: no CARD in it, and no {beside.name} beside it; expected the preprocessing and the class set",
            f"For example: {_CARD}",
        )
    return check_card(literal, ModuleCard, f"{path}: CARD")


def _read_literal(path: Path) -> Any:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        raise ModelError(f"{path}: can't be read as Python ({error})") from None
    for node in tree.body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        if any(isinstance(target, ast.Name) and target.id == "CARD" for target in targets):
            try:
                return ast.literal_eval(node.value)  # type: ignore[attr-defined]  # an assignment
            except (ValueError, TypeError):
                raise ModelError(
                    f"{path}:{node.lineno}: CARD is not a literal; it is read without running the file", _CARD
                ) from None
    return None


def _import(path: Path) -> ModuleType:
    try:
        with explain_missing_modules():
            return import_python_file(path).module
    except OodbenchError:
        raise
    except Exception as error:  # it is any program
        raise _failed(error, path, "it can't be imported") from error


def _find_function(module: ModuleType, path: Path, name: str) -> Callable[[], Any]:
    found = getattr(module, name, None)
    if found is None:
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UnknownNameError(f"function of {path}", name, functions)
    if not callable(found):
        raise ModelError(f"{path}: '{name}' is a {type(found).__name__}; expected a function that returns a module")
    function: Callable[[], Any] = found
    return function


def _build(function: Callable[[], Any], path: Path, name: str) -> nn.Module:
    try:
        module = function()
    except OodbenchError:
        raise
    except Exception as error:  # it is any program
        raise _failed(error, path, f"{name}() failed") from error
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"{path}: {name}() returns a {type(module).__name__}; expected a torch.nn.Module",
            "Return the network itself; its weights may come from --checkpoint.",
        )
    return module


def _failed(error: Exception, path: Path, problem: str) -> ModelError:
    """Return the error that names the line of the user's file at which it happened."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    where = f"{path}:{line}" if line else str(path)
    return ModelError(
        f"{where}: {problem} ({type(error).__name__}: {error})",
        "The function is called without arguments; modules beside the file can be imported.",
    )
