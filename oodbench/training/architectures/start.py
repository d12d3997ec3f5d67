"""Weights to start a training from, out of a file of the user's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from oodbench.errors import ModelError
from oodbench.segmenters.mmsegmentation.checkpoint import read_weights

# MMSegmentation's Swin norms each stage's maps; files of a backbone that was trained to classify have none of these.
_MAY_BE_MISSING = re.compile(r"norm\d\.|.*num_batches_tracked$")


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
    if missing or shapes:
        raise ModelError(
            f"--start {file}: not the weights of this backbone ({type(network.backbone).__name__}): of its {len(own)} "
            f"tensors {len(missing)} are missing, {len(shapes)} have another shape, first {[*missing, *shapes][0]}",
            "Give the file that the recipe's config names for its backbone, or a checkpoint of the same network.",
        )
    network.backbone.load_state_dict({name: there[name] for name in own if name in there}, strict=False)
