"""The contract test of submissions, which runs on frames that the subclass provides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from oodbench.contracts import LARGEST_CHANGE, Submission, SubmissionScorer, WrittenSubmission
from oodbench.errors import OodbenchError
from oodbench.metrics import measure_change
from oodbench.testing.plugin import PluginContract, assert_filled, raised


class SubmissionContract(PluginContract):
    """The tests that a `Submission` (writer of files for a leaderboard) must pass; pytest runs them from a subclass.

    The subclass sets `name`, and `plugin` to your file. It defines `scored`, which returns the frames to write.

    Attributes:
        spec: The submission with parameters, as `oodbench submit` takes it; by default the name alone.
        ending: Ending of the names of the files with scores, for example `.npy`.

    Examples:
        >>> from oodbench.testing import SubmissionContract
        >>> class TestFishyscapes(SubmissionContract):
        ...     name = "fishyscapes"
        ...     ending = ".npy"  # the subclass also defines scored()
        >>> TestFishyscapes().test_its_card_and_parameters_are_described()  # pytest runs all tests of the class
    """

    kind = "submissions"
    spec: str = ""
    ending: str

    def scored(self) -> SubmissionScorer:
        """Return all frames that a complete submission needs, with their score maps; some must have labels."""
        raise NotImplementedError

    def submission(self) -> Submission:
        """Return a new instance of the submission."""
        return self.registry().submission(self.spec or self.name)

    def test_its_card_and_parameters_are_described(self) -> None:
        """Check that the card and the parameters have what `oodbench info submission NAME` shows."""
        loaded = self.load()
        assert_filled(loaded.card, "title", "url", "state", "benchmarks")
        for key, field in loaded.Params.model_fields.items():
            assert field.description, f"{self.name}: the parameter {key} has no description"
            assert not field.is_required(), f"{self.name}: {key} has no default, and --check passes no parameters"

    def test_its_submission_passes_its_check_and_keeps_the_metrics(self, tmp_path: Path) -> None:
        """Check that `check` finds no problem, and that the scores that `read` yields have the same AP and FPR95."""
        scored, out = self.scored(), tmp_path / "out"
        self._write(scored, out)
        assert {path.name for path in tmp_path.iterdir()} == {"out"}, f"{self.name}: wrote outside of its folder"
        problems = list(self.submission().check(out, scored.frames))
        assert not problems, f"{self.name}: its own check reports a problem in its output: {problems[0]}"
        labelled = [frame for frame in scored.frames if frame.read_labels]
        assert labelled, f"{self.name}: scored() has no labelled frame to measure on"
        read = list(self.submission().read(out, labelled))
        assert [frame.id for frame, _ in read] == [frame.id for frame in labelled], (
            f"{self.name}: read() yields {len(read)} of {len(labelled)} frames, or another order"
        )
        triples = []
        for frame, score in read:
            assert score.dtype == np.float32, f"{self.name}: read() yields {score.dtype}; expected float32"
            assert score.shape == frame.size, f"{self.name}: {frame.id} is read as {score.shape}; expected {frame.size}"
            assert frame.read_labels is not None, "only labelled frames are read"
            triples.append((frame.read_score(), score, frame.read_labels()))
        measured = measure_change(triples)
        assert measured.largest < LARGEST_CHANGE, (
            f"{self.name}: AP and FPR95 were {measured.before}, and are {measured.after} after reading back"
        )

    def test_its_check_finds_missing_and_damaged_files(self, tmp_path: Path) -> None:
        """Check that `check` reports an empty folder, a missing file and a truncated file."""
        scored = self.scored()
        (tmp_path / "empty").mkdir()
        assert list(self.submission().check(tmp_path / "empty")), f"{self.name}: check() accepts an empty folder"
        self._write(scored, tmp_path / "out")
        first, second, *_ = sorted((tmp_path / "out").rglob(f"*{self.ending}"))
        kept = second.read_bytes()
        second.write_bytes(kept[: len(kept) // 2])
        problems = list(self.submission().check(tmp_path / "out", scored.frames))
        assert any(second.name in line for line in problems), f"{self.name}: check() accepts a truncated {second.name}"
        second.write_bytes(kept)
        first.unlink()
        problems = list(self.submission().check(tmp_path / "out", scored.frames))
        assert any(first.name in line for line in problems), (
            f"{self.name}: check() does not report that {first.name} is missing"
        )

    def test_an_incomplete_run_is_refused(self, tmp_path: Path) -> None:
        """Check that `write` raises an error if a frame is missing or a score is NaN."""
        scored = self.scored()
        first, *others = scored.frames
        broken = replace(first, read_score=lambda: np.full(first.size, np.nan, np.float32))
        for what, frames in (("a frame is missing", others), ("a frame is NaN", [broken, *others])):
            error = raised(partial(self._write, replace(scored, frames=tuple(frames)), tmp_path / what))
            assert isinstance(error, OodbenchError), f"{self.name}: {what}, and write() ended with {error!r}"
            assert error.remedy, f"{self.name}: {what}, and the error has no remedy"

    def _write(self, scored: SubmissionScorer, out: Path) -> WrittenSubmission:
        out.mkdir()
        return self.submission().write(scored, out, _track)


@contextmanager
def _track(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    yield lambda done: None
