"""Options of a training that its recipe does not determine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Launcher = Literal["none", "pytorch", "slurm"]
"""Program that started the processes that share each step."""


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training that its recipe does not determine.

    Attributes:
        seed: Seed of the weights, of the order of the frames and of the crops.
        device: Device to train on.
        resume: Whether to fail if there is no checkpoint to resume from.
        amp: Whether to use automatic mixed precision; only on a GPU.
        workers: Number of processes that read frames, per training process.
        start: File with the initial weights of the backbone, instead of those that the recipe names.
        launcher: Program that started the processes that share each step.
        plugins: Plugin files with additional heads and datasets.
    """

    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    resume: bool = False
    amp: bool = False
    workers: int = 0
    start: Path | None = None
    launcher: Launcher = "none"
    plugins: Sequence[Path] = ()
