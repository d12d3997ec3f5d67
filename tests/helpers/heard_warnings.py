"""A receiver of progress messages that keeps the warnings."""

from __future__ import annotations

from typing_extensions import override

from oodbench.progress import Silent


class HeardWarnings(Silent):
    """A receiver that keeps the warnings and ignores everything else."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    @override
    def warn(self, text: str) -> None:
        self.warnings.append(text)
