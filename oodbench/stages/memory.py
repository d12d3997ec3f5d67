"""Conversion of errors about too little memory to errors that name the network and the images."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from oodbench.contracts import Segmenter
from oodbench.errors import ModelError
from oodbench.out_of_memory import find_memory_error, summarise_memory_error
from oodbench.types import Frame, Size


@contextmanager
def explain_out_of_memory(network: Segmenter, frames: Sequence[Frame | Size]) -> Iterator[None]:
    """Convert an error about too little memory, in a network or in a method, to a ModelError.

    Args:
        network: The network that runs, or whose output is scored.
        frames: The frames of the batch, or the sizes of images that are not frames.

    Raises:
        ModelError: There was not enough memory. The error names the network, the frames and what to do.
    """
    try:
        yield
    except Exception as error:
        cause = find_memory_error(error)
        if cause is None:
            raise
        for failed in (error, cause):
            traceback.clear_frames(failed.__traceback__)  # they hold tensors, which the next benchmark has no room for
        raise _make_error(network, frames, cause) from cause


def _make_error(network: Segmenter, frames: Sequence[Frame | Size], cause: BaseException) -> ModelError:
    advice = ["a smaller input size or, except for ONNX, sliding windows (docs/reference/models.md)"]
    if len(frames) > 1:
        advice.insert(0, f"a batch of fewer than {len(frames)} images")
    if network.device != "cpu":
        advice.append("--device cpu")
    return ModelError(
        f"{network.name} on {', '.join(map(_describe, frames))}: not enough memory on the device {network.device} "
        f"({summarise_memory_error(cause)})",
        f"Use {', or '.join(advice)}. After other programs have freed memory, the same command resumes.",
    )


def _describe(frame: Frame | Size) -> str:
    if isinstance(frame, Frame):
        name, size = str(frame.image_file or frame.id), None
        with suppress(Exception):  # the memory may not be enough for this either
            size = frame.read_image().shape[:2]
    else:
        name, size = "an image", frame
    return name if size is None else f"{name} ({size[0]} x {size[1]} pixels)"
