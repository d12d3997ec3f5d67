"""Weights to start a training from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oodbench.errors import ModelError
from oodbench.segmenters.checkpoint import read_weights

# MMSegmentation's Swin norms each stage's maps; files of a backbone that was trained to classify have none of these.
_MAY_BE_MISSING = re.compile(r"norm\d\.|.*num_batches_tracked$")
# By this torch reads no pickle whole, whatever its caller asks for.
_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@contextmanager
def reading_weights_only() -> Iterator[None]:
    """Also where MMEngine fetches a file from its address, which it would read whole: a pickle may hold any program."""
    before = os.environ.get(_WEIGHTS_ONLY)
    os.environ[_WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_WEIGHTS_ONLY]
        else:
            os.environ[_WEIGHTS_ONLY] = before


def start_from(network: Any, file: Path) -> None:
    """Weights of a backbone, or of the backbone of a whole network, of a file.

    Raises:
        ModelError: they are not those of this architecture.
    """
    state = read_weights(file).state
    whole = any(name.startswith("backbone.") for name in state)
    there = {
        name.removeprefix("backbone."): v for name, v in state.items() if name.startswith("backbone.") or not whole
    }
    own = network.backbone.state_dict()
    missing = [name for name in own if name not in there and not _MAY_BE_MISSING.match(name)]
    shapes = [name for name in own if name in there and there[name].shape != own[name].shape]
    # Of a deeper network the first layers would fit. A classifier after the backbone is rightly left out, and so is a
    # buffer more in a layer.
    parts, modules = set(dict(network.backbone.named_children())), set(dict(network.backbone.named_modules()))
    surplus = [name for name in there if name.partition(".")[0] in parts and name.rpartition(".")[0] not in modules]
    if missing or shapes or surplus:
        raise ModelError(
            f"--start {file}: not the weights of this backbone ({type(network.backbone).__name__}): of its {len(own)} "
            f"tensors {len(missing)} are missing, {len(shapes)} have another shape, {len(surplus)} more are of layers "
            f"that it doesn't have, first {[*missing, *shapes, *surplus][0]}",
            "Give the file that the recipe's config names for its backbone, or a checkpoint of the same network.",
        )
    network.backbone.load_state_dict({name: there[name] for name in own if name in there}, strict=False)
