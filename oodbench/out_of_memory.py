"""Errors about too little memory: their recognition, and their conversion to an error that names network and images.

Each library has its own error, mostly without its own class.
"""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from oodbench.contracts import Segmenter
from oodbench.errors import ModelError, OodbenchError
from oodbench.types import Frame, Size

# Of torch, CUDA, cuBLAS, cuDNN, ONNX Runtime, OpenCV and the C++ standard library.
_REPORT = re.compile(
    r"out of memory|(can't|cannot|could not|failed to|unable to) allocate|not enough memory|insufficient memory|"
    r"bad_alloc|bad allocation|_ALLOC_FAILED|available memory of \d+ is smaller",
    re.IGNORECASE,
)


def find_memory_error(error: BaseException | None) -> BaseException | None:
    """Return the error, or the one among its causes, that reports too little memory; None if there is none."""
    while error is not None:
        if _reports_memory(error):
            return error
        error = error.__cause__ or error.__context__
    return None


def summarise_memory_error(error: BaseException) -> str:
    """Return the sentence that reports the problem; the others contain advice for programmers."""
    sentences = [sentence.strip() for line in str(error).splitlines() for sentence in line.split(". ")]
    report = next(filter(_REPORT.search, sentences), sentences[0] if sentences else "")
    return report.rstrip(".") or type(error).__name__


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
    advice = ["a smaller input size or sliding windows (docs/reference/models.md)"]
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


def _reports_memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, OodbenchError):  # its text can contain words of the user
        return False
    return isinstance(error, MemoryError) or (isinstance(error, Exception) and bool(_REPORT.search(str(error))))
