"""Checkpoints of torch modules: weights alone are read; a file that is more than weights is converted once.

A .pth file is a pickle, which may hold any program. It is read by torch's reader for weights, which refuses all but
tensors and plain values. What MMEngine's runner saves has objects of its own beside the weights (its log), and is
refused too, until somebody who trusts the file says so: `oodbench convert FILE --trust`.
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

# Of the names that are shown where weights don't fit.
_SHOWN = 3


@dataclass(frozen=True)
class Weights:
    """A network's state, and the names of the classes that it was trained on where the file has them."""

    state: Mapping[str, Tensor]
    classes: tuple[str, ...]


def read_weights(path: Path) -> Weights:
    """Of a .safetensors file, or of a pickle that holds weights and plain values.

    Raises:
        ModelError: there is no such file, it is damaged, holds more than weights, or holds none.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a checkpoint, .pth or .safetensors")
    if path.suffix == ".safetensors":
        return _from_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, KeyError, ValueError) as error:
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        if foreign is None:
            raise _unreadable(path, error) from None
        raise ModelError(
            f"{path}: holds more than weights ({foreign[1]}); to read it is to run what is in it",
            f"If you trust whoever made it, convert it once: oodbench convert {path} --trust",
        ) from None
    return _weights(path, content)


def convert(path: Path, out: Path, trust: bool) -> Weights:
    """Write the weights of a checkpoint as safetensors, with the names of its classes.

    Args:
        path: the checkpoint.
        out: where to; there must be no such file.
        trust: read it as the pickle it is, which runs whatever program lies in it.

    Raises:
        ModelError: as `read_weights`; `out` is there already.
    """
    if out.exists():
        raise ModelError(f"{out}: there is such a file already", "Remove it, or name another one with --out.")
    weights = _weights(path, _trusted(path)) if trust else read_weights(path)
    # Tensors that share memory, which safetensors refuses, are written one by one.
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
    """Load weights into a network: all that it has, and nothing else.

    Args:
        network: The network that was built.
        weights: The weights in the file at `path`.
        path: The checkpoint, for the error.
        of: The name of the config or function that built the network, for the error.
        remedy: The change that fixes weights that don't fit, for the error.
        not_shipped: Prefixes of names that a checkpoint need not have.
        left_out: Prefixes of names in a checkpoint that the network is built without.

    Raises:
        ModelError: Weights are missing, left over, of another shape, NaN or infinite.
    """
    state = {name: value for name, value in weights.state.items() if not name.startswith(tuple(left_out))}
    own = network.state_dict()
    shapes = [
        f"{name} {list(value.shape)} there, {list(own[name].shape)} expected"
        for name, value in state.items()
        if name in own and own[name].shape != value.shape
    ]
    fitting = {name: value for name, value in state.items() if name not in own or own[name].shape == value.shape}
    # The network's own hooks may still rename what an older version called otherwise.
    found = network.load_state_dict(fitting, strict=False)
    absent = [name for name in found.missing_keys if name not in state and not name.startswith(tuple(not_shipped))]
    problems = {
        "missing": [name for name in absent if not name.endswith("num_batches_tracked")],
        "not expected": list(found.unexpected_keys),
        "of another shape": shapes,
    }
    if any(problems.values()):
        said = "; ".join(f"{len(names)} {what}: {_some(names)}" for what, names in problems.items() if names)
        raise ModelError(
            f"{path}: not the weights of {of} ({len(fitting) - len(found.unexpected_keys)} of {len(own)} fit; {said})",
            remedy,
        )
    broken = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise ModelError(f"{path}: '{broken[0]}' holds NaN or infinite weights", "Take another checkpoint.")


def _from_safetensors(path: Path) -> Weights:
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        return Weights(safetensors.torch.load_file(path), tuple(json.loads(metadata.get("classes", "[]"))))
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise _unreadable(path, error) from None


def _trusted(path: Path) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a checkpoint")
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except ImportError as error:
        raise ModelError(
            f"{path}: its objects are of a library that is not installed ({error})",
            "MMEngine's come with: pip install 'oodbench[mmseg]'",
        ) from None
    except Exception as error:  # a pickle may raise anything
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> ModelError:
    said = str(error).partition("\n")[0]
    return ModelError(f"{path}: not a readable checkpoint ({said})", "Copy or download it again.")


def _weights(path: Path, content: Any) -> Weights:
    """The state and the classes in what torch read."""
    content = content if isinstance(content, Mapping) else {}
    state = content.get("state_dict", content)
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ModelError(
            f"{path}: no weights in it; expected them under 'state_dict', or nothing else in the file",
            "Give a checkpoint that MMEngine or torch.save wrote.",
        )
    meta = content.get("meta") or {}
    meta = meta if isinstance(meta, Mapping) else {}
    # MMEngine keeps the classes one level down; MMSegmentation before 1.0 kept them here.
    named = (meta.get("dataset_meta") or {}).get("classes") or meta.get("CLASSES") or ()
    # What heads of ours need in training alone, a memory of features for one, is said by the hook that trains them.
    left_out = tuple(map(str, meta.get("training_only") or ()))
    names = {name: name.removeprefix("module.") for name in state}
    kept = {new: state[name] for name, new in names.items() if not new.startswith(left_out)}
    return Weights(kept, tuple(map(str, named)))


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
