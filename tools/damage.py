"""Measurement of the damage to the bundled model that the gate detects, on the default run.

    python -m tools.damage

Accepts a run of streets-gmmseg and gates runs of damaged copies of it: swapped input channels, and noise on the
weights at several levels. Prints per copy whether the gate caught it, and by how much the results are worse.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
import torch

import oodbench
from oodbench.baseline import Verdict, accept, gate
from oodbench.segmenters.bundled import FOLDER

NETWORK = "streets-gmmseg"
METHODS = ("gmmseg", "gmmseg-norm", "msp", "entropy", "knn")
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Levels of the noise, in standard deviations of each layer's weights."""

State = Mapping[str, torch.Tensor]


def swap_channels(state: State) -> State:
    """Return the weights with the red and blue input channels swapped."""
    name = "decoder.stem.0.0.weight"
    return {**state, name: state[name][:, [2, 1, 0, 3]].contiguous()}


def make_noise_adder(level: float, seed: int = 0) -> Callable[[State], State]:
    """Return a function that adds normal noise to the weights of all convolutions."""

    def change(state: State) -> State:
        generator = torch.Generator().manual_seed(seed)
        return {
            name: value + level * value.std() * torch.randn(value.shape, generator=generator)
            if value.ndim == 4
            else value
            for name, value in state.items()
        }

    return change


def write_changed_network(folder: Path, change: Callable[[State], State]) -> Path:
    """Write a copy of the network with changed weights and the same name, and return its file."""
    folder.mkdir(parents=True)
    file = folder / "network.safetensors"
    safetensors.torch.save_file(dict(change(safetensors.torch.load_file(FOLDER / f"{NETWORK}.safetensors"))), file)
    file.with_suffix(".toml").write_text((FOLDER / f"{NETWORK}.toml").read_text())
    return file


def run_methods(out: Path, model: str | Path = NETWORK, seed: int = 0, limit: int | None = None) -> Path:
    """Run the five methods on the three benchmarks, and return the folder of the run."""
    oodbench.run(
        models=[model], methods=METHODS, seed=seed, limit=limit, out=out, keep_scores="none", stop_after="evaluate"
    )
    return out


def gate_changed_network(
    folder: Path, baseline: Path, change: Callable[[State], State], limit: int | None = None
) -> Verdict:
    """Return the gate's verdict on a damaged copy."""
    return gate(run_methods(folder / "run", write_changed_network(folder / "network", change), limit=limit), baseline)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        accept(run_methods(folder / "accepted"), folder / "baseline.json")
        changes = {
            "red and blue swapped": swap_channels,
            **{f"noise {level}": make_noise_adder(level) for level in LEVELS},
        }
        for name, change in changes.items():
            verdict = gate_changed_network(folder / name, folder / "baseline.json", change)
            worst = max((abs(move.points) for move in verdict.worse), default=0.0)
            outcome = "passed" if verdict.passed else "caught"
            print(f"{name:22} {outcome}  {len(verdict.worse)} worse, by up to {worst:.1f} points", flush=True)
