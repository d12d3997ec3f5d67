"""Trial of a network on small images, before it is used on a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from oodbench.contracts import Needs, Segmenter
from oodbench.errors import ModelError, OodbenchError
from oodbench.types import SegmenterOutput, Size

if TYPE_CHECKING:
    from torch import Tensor

# Networks with a few stages of stride 2 accept the first size. The second one is an eighth of 720 x 1280, and networks
# that need sides of a multiple of 4 or more refuse it.
_EVEN: Size = (128, 256)
_ODD: Size = (90, 160)


def try_network(network: Segmenter, warn: Callable[[str], None]) -> Mapping[str, str]:
    """Run a network on small images of noise, with all outputs that it declares.

    Args:
        network: The network.
        warn: Callback for a warning if the network refuses some sizes of images.

    Returns:
        The shape of each output for an image, by the name of the output.

    Raises:
        OodbenchError: The network fails, or its output is not finite.
    """
    shapes = _try_size(network, _EVEN)
    try:
        _try_size(network, _ODD)
    except OodbenchError as error:
        warn(f"images of {_ODD[0]}x{_ODD[1]} pixels fail: {error}")
    return shapes


def _try_size(network: Segmenter, size: Size) -> Mapping[str, str]:
    capabilities = network.capabilities
    needs = Needs(
        class_maps=capabilities.class_maps is not None,
        logits=capabilities.logits,
        features=capabilities.features,
        extras=capabilities.extras,
        masks=capabilities.masks,
    )
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    try:
        output = network.forward([network.prepare(image)], needs)
    except OodbenchError:
        raise
    except Exception as error:  # a network may raise any error
        raise ModelError(
            f"{network.name}: failed on an image of {size[0]}x{size[1]} pixels ({type(error).__name__}: {error})",
            "Check the network and its model card. A run would fail in the same way.",
        ) from error
    outputs = _collect_maps(output)
    for name, maps in outputs.items():
        if not torch.isfinite(maps).all():
            raise ModelError(
                f"{network.name}: {name} of an image of {size[0]}x{size[1]} pixels are NaN or infinite",
                "Check the weights, and the preprocessing in the model card.",
            )
    return {name: str(list(maps.shape[1:])) for name, maps in outputs.items()}


def _collect_maps(output: SegmenterOutput) -> dict[str, Tensor]:
    maps = {"class maps": output.class_maps.values} if output.class_maps is not None else {}
    return {**maps, **output.features, **output.extras}
