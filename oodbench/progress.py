"""How the pipeline tells what it does. The command line shows it; a library user sees nothing unless they ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Where the pipeline reports to."""

    def say(self, text: str) -> None:
        """One line of news."""

    def warn(self, text: str) -> None:
        """Something that the user should know before quoting a number."""

    def track(self, title: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        """A piece of work of `total` units; the function that it gives takes how many were just done."""


class Silent:
    """Reports to nobody."""

    def say(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing."""

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        yield lambda done: None
