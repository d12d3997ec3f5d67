"""Initial weights of the backbone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oodbench.errors import ModelError
from oodbench.segmenters.checkpoint import read_weights

# MMSegmentation's Swin normalises the maps of each stage. Backbones that were trained for classification have no such
# norms.
_MAY_BE_MISSING = re.compile(r"norm\d\.|.*num_batches_tracked$")
# With this variable torch never unpickles arbitrary objects, even if its caller asks for it.
_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@contextmanager
def force_weights_only() -> Iterator[None]:
    """Make torch read tensors and plain values only, also in files that MMEngine downloads.

    MMEngine would unpickle them completely, and a pickle may run any program.
    """
    before = os.environ.get(_WEIGHTS_ONLY)
    os.environ[_WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_WEIGHTS_ONLY]
        else:
            os.environ[_WEIGHTS_ONLY] = before


def load_backbone_weights(network: Any, file: Path) -> None:
    """Load the weights of the network's backbone.

    Args:
        network: Network with a `backbone`.
        file: File with the weights of a backbone, or of a network that contains the backbone.

    Raises:
        ModelError: The file has no weights, or those of another architecture.
    """
    state = read_weights(file).state
    whole_network = any(name.startswith("backbone.") for name in state)
    weights = {
        name.removeprefix("backbone."): value
        for name, value in state.items()
        if name.startswith("backbone.") or not whole_network
    }
    expected = network.backbone.state_dict()
    missing = [name for name in expected if name not in weights and not _MAY_BE_MISSING.match(name)]
    shapes = [name for name in expected if name in weights and weights[name].shape != expected[name].shape]
    # The first layers of a deeper network would fit, so surplus layers are an error. A classifier after the backbone is
    # not, and neither is an additional buffer in a layer.
    parts, modules = set(dict(network.backbone.named_children())), set(dict(network.backbone.named_modules()))
    surplus = [name for name in weights if name.partition(".")[0] in parts and name.rpartition(".")[0] not in modules]
    if missing or shapes or surplus:
        raise ModelError(
            f"--start {file}: not the weights of this backbone ({type(network.backbone).__name__}). Of its "
            f"{len(expected)} tensors, {len(missing)} are missing and {len(shapes)} have another shape; {len(surplus)} "
            f"tensors belong to other layers. The first of them is {[*missing, *shapes, *surplus][0]}",
            "Give the file that the recipe's config names for its backbone, or a checkpoint of the same network.",
        )
    network.backbone.load_state_dict({name: weights[name] for name in expected if name in weights}, strict=False)
