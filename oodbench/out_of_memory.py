"""Recognition of errors that report too little memory. Each library has its own error, mostly without its own class."""

from __future__ import annotations

import errno
import re

from oodbench.errors import OodbenchError

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


def _reports_memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, OodbenchError):  # its text can contain words of the user
        return False
    return isinstance(error, MemoryError) or (isinstance(error, Exception) and bool(_REPORT.search(str(error))))
