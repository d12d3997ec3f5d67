"""What every submission has to hold, on frames that its author gives."""

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
    """The contract of a submission.

    Attributes:
        spec: the submission with parameters, as `oodbench submit` takes it; by default the name alone.
        ending: of the files that hold the scores, as `.npy`.
    """

    kind = "submissions"
    spec: str = ""
    ending: str

    def scored(self) -> SubmissionScorer:
        """What a run would have: every frame that a whole submission needs, some of them labelled."""
        raise NotImplementedError

    def submission(self) -> Submission:
        """A new one."""
        return self.registry().submission(self.spec or self.name)

    def test_its_card_and_parameters_are_described(self) -> None:
        """`oodbench info submission NAME` says what it is and what can be set."""
        loaded = self.load()
        assert_filled(loaded.card, "title", "url", "state", "benchmarks")
        for key, field in loaded.Params.model_fields.items():
            assert field.description, f"{self.name}: the parameter {key} has no description"
            assert not field.is_required(), f"{self.name}: {key} has no default, and --check gives no parameters"

    def test_what_it_writes_is_right_and_scores_the_same(self, tmp_path: Path) -> None:
        """Its check finds nothing; each labelled frame is read back, and the exact metrics stay as they are."""
        scored, out = self.scored(), tmp_path / "out"
        self._write(scored, out)
        assert {path.name for path in tmp_path.iterdir()} == {"out"}, f"{self.name}: wrote outside of its folder"
        found = list(self.submission().check(out, scored.frames))
        assert not found, f"{self.name}: its own check says of what it wrote: {found[0]}"
        labelled = [frame for frame in scored.frames if frame.read_labels]
        assert labelled, f"{self.name}: scored() has no labelled frame to measure on"
        read = list(self.submission().read(out, labelled))
        assert [frame.id for frame, _ in read] == [frame.id for frame in labelled], (
            f"{self.name}: read() gives {len(read)} of {len(labelled)} frames, or in another order"
        )
        triples = []
        for frame, score in read:
            assert score.dtype == np.float32, f"{self.name}: read() gives {score.dtype}; expected float32"
            assert score.shape == frame.size, f"{self.name}: {frame.id} comes back {score.shape}, was {frame.size}"
            assert frame.read_labels is not None, "these are the labelled ones"
            triples.append((frame.read_score(), score, frame.read_labels()))
        measured = measure_change(triples)
        assert measured.largest < LARGEST_CHANGE, (
            f"{self.name}: AP and FPR95 were {measured.before}, and are {measured.after} as read back"
        )

    def test_its_check_finds_what_is_missing_and_what_is_damaged(self, tmp_path: Path) -> None:
        """Nothing at all, one file less, and one file cut off."""
        scored = self.scored()
        (tmp_path / "empty").mkdir()
        assert list(self.submission().check(tmp_path / "empty")), f"{self.name}: finds nothing wrong with nothing"
        self._write(scored, tmp_path / "out")
        first, second, *_ = sorted((tmp_path / "out").rglob(f"*{self.ending}"))
        kept = second.read_bytes()
        second.write_bytes(kept[: len(kept) // 2])
        found = list(self.submission().check(tmp_path / "out", scored.frames))
        assert any(second.name in line for line in found), f"{self.name}: {second.name} is cut off, and it is not found"
        second.write_bytes(kept)
        first.unlink()
        found = list(self.submission().check(tmp_path / "out", scored.frames))
        assert any(first.name in line for line in found), f"{self.name}: {first.name} is missing, and it is not found"

    def test_it_refuses_what_is_not_whole(self, tmp_path: Path) -> None:
        """A frame less, and a score that is not a number."""
        scored = self.scored()
        first, *others = scored.frames
        broken = replace(first, read_score=lambda: np.full(first.size, np.nan, np.float32))
        for what, frames in (("a frame is missing", others), ("a frame is NaN", [broken, *others])):
            error = raised(partial(self._write, replace(scored, frames=tuple(frames)), tmp_path / what))
            assert isinstance(error, OodbenchError), f"{self.name}: {what}, and write() ended with {error!r}"
            assert error.remedy, f"{self.name}: {what}, and the error says nothing of what to do"

    def _write(self, scored: SubmissionScorer, out: Path) -> WrittenSubmission:
        out.mkdir()
        return self.submission().write(scored, out, _track)


@contextmanager
def _track(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    yield lambda done: None
