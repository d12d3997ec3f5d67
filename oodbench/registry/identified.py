"""Benchmarks and datasets from user code, whose frames contain the digest of that code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from typing_extensions import override

from oodbench.contracts import Benchmark, Dataset, Roots
from oodbench.types import ClassSet, FrameSet
from oodbench.user_code import explain_missing_modules


class IdentifiedBenchmark(Benchmark):
    """Benchmark whose frames contain the digest of its code, so that records of frames from older code are not reused.

    Args:
        plugin: The benchmark.
        digest: The digest of its code.
    """

    def __init__(self, plugin: Benchmark, digest: str) -> None:
        self.card = plugin.card  # type: ignore[misc]  # of the class in other benchmarks
        self._plugin, self._digest = plugin, digest

    @override
    def open(self, roots: Roots) -> FrameSet:
        with explain_missing_modules():
            return _identify(self._plugin.open(roots), self._digest)


class IdentifiedDataset(Dataset):
    """Dataset whose frames contain the digest of its code.

    Args:
        plugin: The dataset.
        digest: The digest of its code.
    """

    def __init__(self, plugin: Dataset, digest: str) -> None:
        self.card = plugin.card  # type: ignore[misc]  # of the class in other datasets
        self._plugin, self._digest = plugin, digest

    @override
    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        with explain_missing_modules():
            return {split: _identify(found, self._digest) for split, found in self._plugin.open(roots).items()}

    @override
    def classes(self, roots: Roots) -> ClassSet:
        return self._plugin.classes(roots)


def _identify(found: FrameSet, digest: str) -> FrameSet:
    return replace(found, frames=tuple(replace(frame, reader_digest=digest) for frame in found.frames))
