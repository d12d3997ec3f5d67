"""The contract test of reports, which runs on a synthetic run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from oodbench.contracts import Report
from oodbench.testing.fake_run import HandmadeRun, make_result
from oodbench.testing.plugin import PluginContract, assert_filled


class ReportContract(PluginContract):
    """The tests that a `Report` must pass; pytest runs them from a subclass in your tests.

    The subclass sets `name`, and `plugin` to your file. The tests write the report of a small synthetic run.

    Examples:
        >>> from oodbench.testing import ReportContract
        >>> class TestMarkdown(ReportContract):
        ...     name = "markdown"
        >>> TestMarkdown().test_text_reports_can_be_printed()  # pytest runs all tests of the class
    """

    kind = "reports"

    def report(self) -> Report:
        """Return a new instance of the report."""
        return self.registry().report(self.name)

    def run(self, calibrated: bool = True, labelled: bool = True) -> HandmadeRun:
        """Return a synthetic run of two methods on two benchmarks.

        One metric is undefined, and some names contain characters that HTML and LaTeX must escape.

        Args:
            calibrated: Whether the run has quantiles of scores and a segmentation quality on in-distribution frames.
            labelled: Whether the frames have labels.
        """
        results = [
            make_result("msp", 0.2, 0.5),
            make_result("knn", 0.4, 0.3, label="kNN (bank_size=5)"),
            make_result("msp", None, 0.5, "road-anomaly-21"),
            make_result("msp", 0.3, 0.4, network="../<other>&_%"),
        ]
        quality = {"miou": 0.7, "ece": None, "dataset": "<set>&_%", "split": "val", "frames": 5}
        return HandmadeRun(results, calibrated, labelled, {results[0].network: quality} if calibrated else None)

    def test_its_card_is_complete(self) -> None:
        """Check that the card has a title, which `oodbench list reports` shows."""
        assert_filled(self.load().card, "title")

    def test_it_returns_the_files_that_it_writes(self, tmp_path: Path) -> None:
        """Check that the report creates the folder, writes only into it, and leaves no temporary file."""
        out = tmp_path / "inside" / "report"
        files = self._written(out)
        there = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert there == set(files), f"{self.name}: wrote {sorted(there)}, and returned {sorted(files)}"
        assert all(path.is_relative_to(out) for path in files), f"{self.name}: wrote outside of {out}"
        assert all(path.stat().st_size for path in files), f"{self.name}: an empty file among {files}"

    def test_writing_twice_gives_the_same_files(self, tmp_path: Path) -> None:
        """Check that files of the same names are replaced."""
        first, second = self._written(tmp_path), self._written(tmp_path)
        assert first == second, f"{self.name}: wrote {second} where it wrote {first} before"

    def test_files_are_written_atomically(self, tmp_path: Path) -> None:
        """Check that files are replaced by renaming, so that readers see the old or the new file, never a part."""
        kept = {}
        for number, path in enumerate(self._written(tmp_path / "report")):
            kept[path] = (tmp_path / f"kept-{number}", path.read_bytes())
            os.link(path, kept[path][0])
        written = self.report().write(
            HandmadeRun([make_result("entropy", 0.9, 0.1)], calibrated=False), tmp_path / "report"
        )
        assert written, f"{self.name}: wrote nothing"
        for path, (link, content) in kept.items():
            assert link.read_bytes() == content, (
                f"{self.name}: {path.name} was written over in place; expected oodbench.files.write_atomically"
            )

    def test_a_run_without_calibration_or_labels_is_no_error(self, tmp_path: Path) -> None:
        """Check the reports of a run without in-distribution frames, and of a run with hidden labels."""
        for index, (calibrated, labelled) in enumerate(((False, True), (True, False))):
            files = self.report().write(self.run(calibrated, labelled), tmp_path / str(index))
            assert files, f"{self.name}: wrote nothing for calibrated={calibrated}, labelled={labelled}"

    def test_text_reports_can_be_printed(self) -> None:
        """Check that `text` returns the same text twice, and not an empty one, if `card.text` is True."""
        if not self.load().card.text:
            return
        first, second = (self.report().text(self.run()) for _ in range(2))
        assert first.strip(), f"{self.name}: text() is empty"
        assert first == second, f"{self.name}: text() gives two texts for one run"

    def _written(self, out: Path) -> Sequence[Path]:
        files = self.report().write(self.run(), out)
        assert files, f"{self.name}: write() returned no files"
        for path in files:
            assert path.is_file(), f"{self.name}: write() returned {path}, which does not exist"
        return list(files)
