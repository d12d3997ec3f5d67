"""One step of training of each architecture at full size with GMMSeg's head.

    python tests/segmenters/full_size.py [ARCHITECTURE]...

The networks are those of MMSegmentation's wheel, from random weights; the crop is small, so that a CPU does it.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import torch
from architectures import ARCHITECTURES, batch, build, config, headed

CROP = (128, 256)
HEAD = {"name": "gmmseg", "parameters": {"half_memory": True}}


def step(name: str) -> str:
    """A row of the table."""
    torch.manual_seed(0)
    network: Any = build(config(name, HEAD, full=True))
    images, samples = batch(CROP)
    losses = network.loss(images, samples)
    network.parse_losses(losses)[0].backward()
    decoder = headed(network)
    decoder.after_step()
    assert int(decoder.head.mixture.estimations) == 1
    assert all(value.isfinite().all() for value in losses.values())
    trained = {key: value for key, value in network.named_parameters() if value.requires_grad}
    assert not any("mixture" in key for key in trained)
    with_gradient = sum(value.grad is not None and bool(value.grad.isfinite().all()) for value in trained.values())
    first = next(value for key, value in trained.items() if key.startswith("backbone."))
    (prefix,) = [key.removesuffix(".loss_components") for key in losses if key.endswith(".loss_components")]
    segmentation = losses[f"{prefix}.loss_segmentation" if name in ARCHITECTURES else f"{prefix}.loss_cls"]
    cells = [
        f"`{name}`",
        f"{sum(value.numel() for value in trained.values()) / 1e6:.1f} M",
        f"{segmentation.item():.2f}",
        f"{losses[f'{prefix}.loss_components'].item():.4f}",
        f"{with_gradient} of {len(trained)}",
        f"{first.grad.norm().item():.2g}",
    ]
    return f"| {' | '.join(cells)} |"


def main(names: list[str]) -> None:
    """Those named, or all."""
    warnings.simplefilter("ignore", UserWarning)  # of MMSegmentation's own ways
    columns = ("architecture", "parameters", "class loss", "component loss", "tensors with a gradient",
               "its norm at the first")  # fmt: skip
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    for name in names or (*ARCHITECTURES, "mask2former"):
        print(step(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
