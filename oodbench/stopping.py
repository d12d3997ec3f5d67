"""A request to stop after the current batch, which a scheduler sends before it takes the machine away."""

from __future__ import annotations

import threading
from typing import NoReturn

from oodbench.errors import StopRequestedError

_requested = threading.Event()


def request_stop() -> None:
    """Request that the run or training in this process stops after the current batch.

    Safe to call from a signal handler.
    """
    _requested.set()


def is_stop_requested() -> bool:
    """Return whether a stop was requested."""
    return _requested.is_set()


def clear_stop() -> None:
    """Forget a request to stop."""
    _requested.clear()


def stop() -> NoReturn:
    """Clear the request and stop.

    Raises:
        StopRequestedError: Always.
    """
    clear_stop()
    raise StopRequestedError(
        "stopped after a batch, as requested", "Run the same command again: it resumes from there."
    )


def check_stop() -> None:
    """Stop if a stop was requested.

    Raises:
        StopRequestedError: A stop was requested.
    """
    if is_stop_requested():
        stop()
