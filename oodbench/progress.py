"""Progress reporting. The command line shows it; it is silent by default in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """A receiver of progress messages."""

    def say(self, text: str) -> None:
        """Report one line of progress."""

    def warn(self, text: str) -> None:
        """Report a problem that the user should know before quoting a number."""

    def track(self, title: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        """Track a task of `total` units. The context returns a function that takes the number of units just done."""


class Silent:
    """A receiver that ignores all messages."""

    def say(self, text: str) -> None:
        """Ignore the message."""

    def warn(self, text: str) -> None:
        """Ignore the message."""

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """Yield a function that ignores its argument."""
        yield lambda done: None
