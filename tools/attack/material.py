"""The smallest network, benchmark, datasets and runs that the trials attack."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from tests.helpers.files import CARD, anomaly_label, photograph, save, write_cityscapes, write_network
from tests.helpers.layouts import write_labelled_folder
from tools.attack.process import run_forked

FRAMES = 5
RUN = tuple(
    shlex.split(
        "run --model net.onnx --method msp --method knn --benchmark road-anomaly-21 --data ra "
        "--id-data labelled-folder=id --out out --until evaluate"
    )
)
"""A run with a method that is fitted, a calibration, predictions and labels."""

RECIPE = """
name = "small"
title = "Small"
network = "compact"

[head]
name = "softmax"

[data]
dataset = "blocks"
train = "train"
validation = "val"
crops = 2
window = 4
steps_a_frame = 2
crop = [32, 48]
balanced = 0.5
labels = 1000
evenness = 0.5
validation_frames = 2

[schedule]
iterations = 6
warmup = 1
learning_rate = 2e-3
weight_decay = 1e-2
power = 0.9
clip = 5.0
validate_every = 2
checkpoint_every = 2
"""


class Material:
    """A folder with the inputs, and one with the trial.

    Every trial works in the same folder, so that the paths in stored files are the same.

    Args:
        folder: A folder of this program's own.
    """

    def __init__(self, folder: Path) -> None:
        self.inputs, self.prepared = folder / "inputs", folder / "prepared"
        self.trial = folder / "trial"
        self._states: dict[Sequence[Sequence[str]], Path] = {}
        shutil.rmtree(folder, ignore_errors=True)
        self.prepared.mkdir(parents=True)
        os.environ["OODBENCH_CACHE"] = str(self.trial / "cache")
        self._write_inputs()

    def begin(self, before: Sequence[Sequence[str]] = ()) -> Path:
        """Return the trial's folder, new, with the inputs and what these commands write.

        Args:
            before: Commands that must succeed first. They are run once; later trials get a copy.
        """
        if before not in self._states:
            self._copy(self.inputs)
            for command in before:
                done = run_forked(command, self.trial)
                if done.code != 0:
                    raise RuntimeError(f"{' '.join(command)}: {done.code}\n{done.stderr}")
            state = self.prepared / str(len(self._states))
            shutil.copytree(self.trial, state, symlinks=True)
            self._states[before] = state
        self._copy(self._states[before])
        return self.trial

    def _copy(self, source: Path) -> None:
        shutil.rmtree(self.trial, ignore_errors=True)
        shutil.copytree(source, self.trial, symlinks=True)

    def _write_inputs(self) -> None:
        folder = self.inputs
        folder.mkdir()
        write_network(folder / "net.onnx")
        (folder / "net.toml").write_text(CARD)
        for index in range(FRAMES):
            name = f"validation{index:04d}"
            save(folder / "ra" / "images" / f"{name}.jpg", photograph(index), quality=95)
            save(folder / "ra" / "labels_masks" / f"{name}_labels_semantic.png", anomaly_label(index))
            scores = np.random.default_rng(index).normal(size=(48, 96)).astype(np.float32)
            (folder / "maps").mkdir(exist_ok=True)
            np.save(folder / "maps" / f"{name}.npy", scores)
            save(folder / "photographs" / f"{index}.png", photograph(index, (64, 128)))
        write_labelled_folder(folder / "id")
        write_cityscapes(folder / "cityscapes")
        state = {"weight": torch.arange(2000.0).reshape(20, 100), "bias": torch.ones(20)}
        torch.save({"state_dict": state, "meta": {}}, folder / "weights.pth")
        (folder / "small.toml").write_text(RECIPE)
        shutil.copy(Path(__file__).parents[2] / "tests" / "helpers" / "block_plugins.py", folder / "blocks.py")
