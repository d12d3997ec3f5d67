"""Checkpoints that a training resumes from.

They contain tensors and plain values only, so that they can be read weights-only.
"""

from __future__ import annotations

import json
import traceback
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from oodbench.errors import RunFolderError
from oodbench.training.job import TrainingJob

# Number of differences from another training that an error lists.
_LISTED = 4


def read_checkpoint(file: Path) -> dict[str, Any] | None:
    """Read a checkpoint; return None if there is no such file.

    Raises:
        RunFolderError: The file is not a checkpoint of `oodbench train`, or it is damaged.
    """
    if not file.is_file():
        return None
    try:
        _check_integrity(file)
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        for key in ("seed", "iteration", "network", "optimizer", "schedulers"):
            state[key]
        json.loads(state["recipe"]), [random["cpu"] for random in state["random"]]
    except Exception as error:  # a truncated archive, a foreign pickle and a missing key raise different classes
        raise RunFolderError(
            f"{file}: not a checkpoint of oodbench train, or one of another version ({str(error).partition('.')[0]})",
            "Remove it, or choose another --out.",
        ) from None
    return state


def _check_integrity(file: Path) -> None:
    """Compare each part of the archive with its checksum, which torch writes but does not check.

    Raises:
        ValueError: A part is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} does not have its checksum")


def check_checkpoint(checkpoint: dict[str, Any], file: Path, job: TrainingJob, seed: int, processes: int) -> None:
    """Check that a checkpoint belongs to this training.

    Args:
        checkpoint: Result of `read_checkpoint`.
        file: File of the checkpoint, for messages.
        job: Training job.
        seed: Seed of the training.
        processes: Number of processes that share a step.

    Raises:
        RunFolderError: The recipe, the data, the options, the seed or the number of processes differ.
    """
    # JSON has lists instead of tuples.
    here = {"seed": seed, **json.loads(json.dumps(job.record))}
    there = {"seed": checkpoint["seed"], **json.loads(checkpoint["recipe"])}
    differences = [
        f"{field} is {there.get(field)} there and {here.get(field)} here"
        for field in {**there, **here}
        if there.get(field) != here.get(field)
    ]
    if differences:
        more = f", and {len(differences) - _LISTED} more" if len(differences) > _LISTED else ""
        raise RunFolderError(
            f"{file}: belongs to another training: {'; '.join(differences[:_LISTED])}{more}",
            "Choose another --out, or remove the folder.",
        )
    trained_by = len(checkpoint["random"])
    if trained_by != processes:
        raise RunFolderError(
            f"{file}: it was trained on {trained_by} devices, and now there are {processes}",
            f"Resume with --devices {trained_by}.",
        )


def load_network(checkpoint: dict[str, Any], file: Path, job: TrainingJob) -> None:
    """Load the network's state from a checkpoint.

    Raises:
        RunFolderError: The state does not fit the network.
    """
    try:
        job.network.load_state_dict(checkpoint["network"])
    except RuntimeError as error:  # the head of a plugin may have changed under the same name
        last = str(error).splitlines()[-1].strip()
        raise RunFolderError(
            f"{file}: its state does not fit the network, which has changed ({last})",
            "Choose another --out, or remove the folder.",
        ) from None


def save_state(state: Mapping[str, Any], file: IO[bytes]) -> None:
    """Save a state like torch.save, but raise the original error if writing fails (a full disk, Ctrl-C).

    torch closes its archive after any error, fails in doing so, and raises that second error.
    """
    try:
        torch.save(state, file)
    except BaseException as error:
        # torch's writer writes once more when it is deleted, and ends the process if the file is closed by then.
        traceback.clear_frames(error.__traceback__)
        if isinstance(error, RuntimeError) and error.__context__ is not None:
            raise error.__context__ from None
        raise


def get_device(model: nn.Module) -> torch.device:
    """Return the device of a model's parameters."""
    return next(model.parameters()).device


def get_random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the states of the generators that a training step uses in this process."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Set the generators to the states that `get_random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
