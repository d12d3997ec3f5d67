"""Speed of GMMSeg's class scores on a frame of 1024 x 2048: one matrix product against a broadcast over N x K x D.

    python -m tools.speed.density

Each form runs in a separate process, on the same points and mixtures: 131 072 pixels (stride 4), 64 dimensions, 19
classes of 5 components. Prints seconds, memory in addition to the inputs, the two ratios and the largest difference.
"""

from __future__ import annotations

import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from oodbench.mixture import ClassMixtures

PIXELS, DIMENSIONS, CLASSES, COMPONENTS = 131_072, 64, 19, 5


def make_inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Return unit vectors, unit means, and variances in the range after training: 0.01 to 0.03."""
    torch.manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(PIXELS, DIMENSIONS), dim=1)
    mean = torch.nn.functional.normalize(torch.randn(CLASSES, COMPONENTS, DIMENSIONS), dim=2)
    return points, mean, 0.01 + 0.02 * torch.rand(CLASSES, COMPONENTS, DIMENSIONS)


def score_by_product(points: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Compute the class scores as oodbench does."""
    return ClassMixtures(mean, variance).class_log_density(points, "max")


def score_by_broadcast(points: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Compute the class scores by the formula, as the released code of GMMSeg does."""
    deviation = variance.sqrt().flatten(0, 1)
    scaled = (points[:, None] - mean.flatten(0, 1)) / deviation  # [N, K, D]
    log_density = (
        -0.5 * scaled.square().sum(dim=2) - deviation.log().sum(dim=1) - 0.5 * DIMENSIONS * math.log(2 * math.pi)
    )
    return log_density.view(-1, CLASSES, COMPONENTS).amax(dim=2)


FORMS: dict[str, tuple[Callable[[Tensor, Tensor, Tensor], Tensor], int]] = {
    "product": (score_by_product, 9),
    "broadcast": (score_by_broadcast, 3),
}


def measure(form: str) -> dict[str, object]:
    """Measure one form in this process: the median time, the additional memory, and some of the scores."""
    compute, repeats = FORMS[form]
    tensors = make_inputs()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    compute(tensors[0][:64], *tensors[1:])
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        scores = compute(*tensors)
        seconds.append(time.perf_counter() - start)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"seconds": statistics.median(seconds), "megabytes": memory, "scores": scores[::997].tolist()}


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(measure(sys.argv[1])))
        sys.exit()
    measurements = {}
    for name in FORMS:
        process = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
        measurements[name] = json.loads(process.stdout)
        print(f"{name:10} {measurements[name]['seconds']:8.4f} s  {measurements[name]['megabytes']:8.0f} MB")
    ours, theirs = (torch.tensor(measurements[name]["scores"]) for name in FORMS)
    of_product, of_broadcast = measurements["product"], measurements["broadcast"]
    print(f"time, broadcast over product    {of_broadcast['seconds'] / of_product['seconds']:.1f}")
    print(f"memory, broadcast over product  {of_broadcast['megabytes'] / of_product['megabytes']:.1f}")
    print(f"largest difference              {float((ours - theirs).abs().max()):.1e}")
    print(f"threads {torch.get_num_threads()}, torch {torch.__version__}")
