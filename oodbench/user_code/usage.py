"""Collection of the digests of used user code, so that the digest of an object can cover that code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_used: ContextVar[set[str] | None] = ContextVar("used", default=None)


@contextmanager
def collect_used_code() -> Iterator[set[str]]:
    """Collect the digests of the user code that is used within the block."""
    collected: set[str] = set()
    token = _used.set(collected)
    try:
        yield collected
    finally:
        _used.reset(token)


def record_used_code(digest: str) -> None:
    """Add a digest to the enclosing `collect_used_code`; outside such a block, do nothing."""
    collected = _used.get()
    if collected is not None:
        collected.add(digest)
