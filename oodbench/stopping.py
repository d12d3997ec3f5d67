"""A request to stop after the current batch, which a scheduler sends before it takes the machine away."""

from __future__ import annotations

import threading

from oodbench.errors import StopRequestedError

_requested = threading.Event()


def request_stop() -> None:
    """Request that the run in this process stops after the current batch. Safe to call from a signal handler."""
    _requested.set()


def check_stop() -> None:
    """Raise if a stop was requested, and clear the request.

    Raises:
        StopRequestedError: A stop was requested.
    """
    if _requested.is_set():
        _requested.clear()
        raise StopRequestedError("stopped after a batch, as requested", "Run the same command again to resume the run.")
