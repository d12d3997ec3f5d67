"""Collection of errors of single benchmarks, while the other benchmarks of a run continue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from oodbench.contracts import FailedBenchmark
from oodbench.errors import BenchmarksFailedError, DataError, ModelError, OodbenchError, ScoreError


class Failures:
    """Collector for errors of single benchmarks.

    Errors of the run's folder, such as a full disk, affect every benchmark and are not collected.

    Args:
        fail_fast: Whether the first error stops the run.
    """

    def __init__(self, *, fail_fast: bool = False) -> None:
        self._fail_fast = fail_fast
        self._failed: dict[str, FailedBenchmark] = {}
        self._first: OodbenchError | None = None

    @contextmanager
    def collect(self, benchmark: str, stage: str) -> Iterator[None]:
        """Record an error about scores, data or a network as the failure of this benchmark."""
        try:
            yield
        except (DataError, ScoreError, ModelError) as error:
            if self._fail_fast:
                raise
            self._first = self._first or error
            self._failed[benchmark] = FailedBenchmark(
                benchmark=benchmark, stage=stage, problem=error.problem, remedy=error.remedy
            )

    def __contains__(self, benchmark: str) -> bool:
        return benchmark in self._failed

    @property
    def records(self) -> tuple[FailedBenchmark, ...]:
        """The failures, in the order in which they happened."""
        return tuple(self._failed.values())

    def raise_if_all(self, benchmarks: Sequence[str]) -> None:
        """Raise the first error if every benchmark failed."""
        if self._first is not None and all(name in self for name in benchmarks):
            raise self._first

    def raise_if_any(self) -> None:
        """Raise one error about all failures.

        Raises:
            BenchmarksFailedError: At least one benchmark failed.
        """
        if self._failed:
            raise BenchmarksFailedError(
                "; ".join(map(str, self.records)),
                "Fix the problem and run the same command again. It computes only what is missing.",
            )
