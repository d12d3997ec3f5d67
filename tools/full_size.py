"""One training step of each architecture at full size with GMMSeg's head, printed as a table.

    python -m tools.full_size [ARCHITECTURE]...

Recipe, optimiser and head are those of `oodbench train cityscapes-ARCHITECTURE-gmmseg`. The weights are random and the
images are noise. The crops are small enough for a CPU. The table has one row per architecture: sizes, losses, and
gradients.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

from oodbench.contracts import Roots
from oodbench.segmenters.mmsegmentation.custom_head import find_modules_with_head
from oodbench.training.catalogue import load_recipe
from oodbench.training.data import find_data_or_empty
from oodbench.training.options import TrainingOptions
from oodbench.training.train import make_job

ARCHITECTURES = ("fcn", "deeplabv3plus", "ocrnet", "upernet-swin", "segformer", "mask2former")
PIXELS = 2 * 192 * 192


def run_step(name: str) -> str:
    """Run one step and return a line of the table."""
    recipe = load_recipe(f"cityscapes-{name}-gmmseg")
    data, _ = find_data_or_empty(recipe, Roots(), ())
    job = make_job(recipe, data, TrainingOptions(device="cpu"), "cpu", resumed=True)
    network: Any = job.model
    batch, _ = job.make_example(PIXELS)
    trained = {key: value for key, value in network.named_parameters() if value.requires_grad}
    losses = network.loss(**network.data_preprocessor(batch, training=True))
    job.optimizer.backward(network.parse_losses(losses)[0])
    assert all(value.isfinite().all() for value in losses.values())
    assert not any("mixture" in key for key in trained)
    with_gradient = sum(value.grad is not None and bool(value.grad.isfinite().all()) for value in trained.values())
    assert with_gradient == len(trained), [key for key, value in trained.items() if value.grad is None]
    ((_, module),) = find_modules_with_head(network).items()
    means = module.head.mixture.mean.clone()
    first = next(value.grad.norm().item() for key, value in trained.items() if key.startswith("backbone."))
    job.optimizer.step()
    module.after_step()
    assert all(value.isfinite().all() for value in trained.values())
    assert int(module.head.mixture.estimations) == 1
    (prefix,) = [key.removesuffix(".loss_components") for key in losses if key.endswith(".loss_components")]
    segmentation = losses[f"{prefix}.loss_cls" if name == "mask2former" else f"{prefix}.loss_segmentation"]
    cells = [
        f"`{name}`",
        "{} of {}x{}".format(len(batch["inputs"]), *batch["inputs"][0].shape[1:]),
        f"{sum(value.numel() for value in trained.values()) / 1e6:.1f} M",
        f"{segmentation.item():.2f}",
        f"{losses[f'{prefix}.loss_components'].item():.4f}",
        f"{with_gradient} of {len(trained)}",
        f"{first:.2g}",
        f"{(module.head.mixture.mean - means).norm().item():.2g}",
    ]
    return f"| {' | '.join(cells)} |"


def main(names: list[str]) -> None:
    """Print the table of the architectures named, or of all."""
    warnings.simplefilter("ignore", UserWarning)  # raised by MMSegmentation
    columns = ("architecture", "crops", "parameters", "class loss", "component loss", "tensors with a gradient",
               "its norm at the first", "means moved by")  # fmt: skip
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    for name in names or ARCHITECTURES:
        print(run_step(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
