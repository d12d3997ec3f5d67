"""Checkpoints of torch modules: reading of weights, and conversion of other checkpoints to safetensors.

A .pth file is a pickle, which can run any program when it is read. It is read with `weights_only=True`, which refuses
everything except tensors and plain values. The checkpoints of MMEngine's runner also contain objects of its log, so
they are refused, too. A user who trusts such a file converts it once: `oodbench convert FILE --trust`.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch

from oodbench.errors import ModelError
from oodbench.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor, nn

# Maximum number of names in the error about weights that don't fit.
_SHOWN = 3


@dataclass(frozen=True)
class Weights:
    """The weights in a checkpoint.

    Attributes:
        state: Tensors by name in the state dict.
        classes: Names of the classes that the network was trained on; empty if the file doesn't contain them.
    """

    state: Mapping[str, Tensor]
    classes: tuple[str, ...]


def read_weights(path: Path) -> Weights:
    """Read the weights of a .safetensors file, or of a pickle that contains weights and plain values only.

    Args:
        path: The checkpoint.

    Raises:
        ModelError: There is no such file, it is damaged, contains more than weights, or contains no weights.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a checkpoint, .pth or .safetensors", "Check its path.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, KeyError, ValueError) as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code is None:
            raise _make_error(path, error) from None
        raise ModelError(
            f"{path}: contains more than weights ({code[1]}); reading it would run the code in it",
            f"If you trust its author, convert it once: oodbench convert {path} --trust",
        ) from None
    return _find_weights(path, content)


def convert(path: Path, out: Path, trust: bool) -> Weights:
    """Write the weights of a checkpoint as safetensors, with the names of its classes.

    Args:
        path: The checkpoint.
        out: The file to write. It must not exist.
        trust: Whether to read the file as an unrestricted pickle, which runs any code in it.

    Returns:
        The weights that were written.

    Raises:
        ModelError: The checkpoint can't be read, as in `read_weights`, or `out` exists.
    """
    if out.exists():
        raise ModelError(f"{out}: the file already exists", "Remove it, or give another file with --out.")
    weights = _find_weights(path, _read_trusted(path)) if trust else read_weights(path)
    # safetensors refuses tensors that share memory, so each is copied.
    state = {name: value.detach().clone().contiguous() for name, value in weights.state.items()}
    metadata = {"classes": json.dumps(weights.classes)} if weights.classes else {}
    write_atomically(out, lambda file: file.write(safetensors.torch.save(state, metadata)))
    return weights


def load_into(
    network: nn.Module,
    weights: Weights,
    path: Path,
    of: str,
    remedy: str,
    not_shipped: Iterable[str] = (),
    left_out: Iterable[str] = (),
) -> None:
    """Load weights into a network, and raise unless the two match exactly.

    Args:
        network: The network that was built.
        weights: The weights in the file at `path`.
        path: The checkpoint, for the error.
        of: The name of the config or function that built the network, for the error.
        remedy: The change that fixes weights that don't fit, for the error.
        not_shipped: Prefixes of names that may be missing from a checkpoint.
        left_out: Prefixes of names in a checkpoint that the network does not have.

    Raises:
        ModelError: Weights are missing, unexpected, of another shape, NaN or infinite.
    """
    state = {name: value for name, value in weights.state.items() if not name.startswith(tuple(left_out))}
    own = network.state_dict()
    shapes = [
        f"{name} {list(value.shape)} in the file, {list(own[name].shape)} expected"
        for name, value in state.items()
        if name in own and own[name].shape != value.shape
    ]
    fitting = {name: value for name, value in state.items() if name not in own or own[name].shape == value.shape}
    # The network's own hooks may rename the weights of an older version.
    keys = network.load_state_dict(fitting, strict=False)
    absent = [name for name in keys.missing_keys if name not in state and not name.startswith(tuple(not_shipped))]
    problems = {
        "missing": [name for name in absent if not name.endswith("num_batches_tracked")],
        "not expected": list(keys.unexpected_keys),
        "of another shape": shapes,
    }
    if any(problems.values()):
        text = "; ".join(f"{len(names)} {what}: {_list_some(names)}" for what, names in problems.items() if names)
        fit = len(fitting) - len(keys.unexpected_keys)
        raise ModelError(f"{path}: not the weights of {of} ({fit} of {len(own)} fit; {text})", remedy)
    broken = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise ModelError(f"{path}: '{broken[0]}' holds NaN or infinite weights", "Use another checkpoint.")


def _read_safetensors(path: Path) -> Weights:
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        return Weights(safetensors.torch.load_file(path), tuple(json.loads(metadata.get("classes", "[]"))))
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise _make_error(path, error) from None


def _read_trusted(path: Path) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a checkpoint", "Check its path.")
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except ImportError as error:
        raise ModelError(
            f"{path}: it contains objects of a library that is not installed ({error})",
            "Install the library; for MMEngine: pip install 'oodbench[mmseg]'",
        ) from None
    except Exception as error:  # a pickle may raise anything
        raise _make_error(path, error) from None


def _make_error(path: Path, error: Exception) -> ModelError:
    first_line = str(error).partition("\n")[0]
    return ModelError(f"{path}: not a readable checkpoint ({first_line})", "Copy or download it again.")


def _find_weights(path: Path, content: Any) -> Weights:
    """Return the weights and class names in the content of a checkpoint."""
    content = content if isinstance(content, Mapping) else {}
    state = content.get("state_dict", content)
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ModelError(
            f"{path}: no weights in it; expected tensors by name, at the top level or under 'state_dict'",
            "Give a checkpoint that MMEngine or torch.save wrote.",
        )
    meta = content.get("meta") or {}
    meta = meta if isinstance(meta, Mapping) else {}
    # MMEngine stores the classes under 'dataset_meta'; MMSegmentation before 1.0 stored them as 'CLASSES'.
    classes = (meta.get("dataset_meta") or {}).get("classes") or meta.get("CLASSES") or ()
    # `HeadHook` records the prefixes of weights that only training needs, such as a memory of features.
    training_only = tuple(map(str, meta.get("training_only") or ()))
    names = {name: name.removeprefix("module.") for name in state}
    kept = {new: state[name] for name, new in names.items() if not new.startswith(training_only)}
    return Weights(kept, tuple(map(str, classes)))


def _list_some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
