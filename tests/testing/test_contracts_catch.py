"""Each contract fails for a valid plugin with one error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oodbench.errors import OodbenchError
from oodbench.testing import MethodContract
from tests.testing import test_third_party as theirs

PIXEL = """
import torch
from pydantic import Field
from oodbench.contracts import Fit, MethodCard, Needs, Parameters, PixelMethod

PLUGINS = {"methods": {"mine": ("Mine", "one line")}}


class Mine(PixelMethod):
    class Params(Parameters):
        scale: float = Field(1.0, description="a factor")

    card = MethodCard(name="mine", title="Mine", paper="nobody", url="https://example.org")

    def pixel_score(self, band):
        return -band.logits.amax(dim=0) * self.params.scale
"""


class TestMine(MethodContract):
    name = "mine"
    spec = "mine:scale=2"

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.plugin = tmp_path / "mine.py"
        self.plugin.write_text(PIXEL)


def break_plugin(folder: Path, contract: type[Any], text: str, old: str, new: str) -> Any:
    """Return the contract of a plugin file with one change."""
    assert text.count(old) == 1, old
    made = contract()
    made.plugin = folder / "changed.py"
    made.plugin.write_text(text.replace(old, new))
    return made


SCORE = "return -band.logits.amax(dim=0) * self.params.scale"


@pytest.mark.parametrize(
    ("old", "new", "test", "message"),
    [
        ('"one line"', '" "', "it_is_registered_under_its_name", "no description in PLUGINS"),
        (
            'description="a factor"',
            "gt=0",
            "its_card_and_parameters_are_described",
            "scale has no description; expected Field(..., description=...)",
        ),
        ('paper="nobody"', 'paper=""', "its_card_and_parameters_are_described", "paper in its card is empty"),
        (SCORE, "return band.logits.amax(dim=0)", "higher_is_more_anomalous", "higher scores are more anomalous"),
        (
            SCORE,
            "return (1 - band.logits.softmax(dim=0).amax(dim=0)).log()",
            "scores_are_finite_at_the_extremes",
            "NaN or infinite",
        ),
        (SCORE, "return band.logits.amax(dim=0).double()", "scores_are_finite_float32_maps_of_the_label_size", "64"),
        (
            SCORE,
            "s = -band.logits.amax(dim=0); return s - s.mean()",
            "scores_do_not_depend_on_the_bands",
            "in bands of 7 rows",
        ),
        (SCORE, "return band.logits.neg_().amin(dim=0)", "its_inputs_are_not_changed", "expected new ones"),
        (SCORE, "return torch.rand(band.logits.shape[1:])", "the_same_fit_and_frame_give_the_same_scores", "two fits"),
        (
            "    def pixel_score",
            "    def fitted(self):\n        return Fit({}, {'a': 1})\n\n    def pixel_score",
            "a_loaded_fit_gives_the_same_scores",
            "needs() asks for no fit",
        ),
        (
            "    def pixel_score",
            "    def needs(self):\n        return Needs(class_maps=True)\n\n    def pixel_score",
            "posteriors_are_scored_as_their_logarithms",
            "of posteriors and of the logits that make them",
        ),
        (
            "    def pixel_score",
            "    def needs(self):\n        return Needs(features=('penultimate',))\n\n    def pixel_score",
            "its_needs_are_declared",
            "asks for none",
        ),
    ],
)
def test_invalid_methods_fail_the_contract(tmp_path: Path, old: str, new: str, test: str, message: str) -> None:
    assert_caught(break_plugin(tmp_path, TestMine, PIXEL, old, new), test, message, tmp_path)


def test_a_grid_method_that_reads_unnormalised_scores_as_logits_fails(tmp_path: Path) -> None:
    grid = PIXEL.replace("PixelMethod", "GridMethod").replace(SCORE, "return -output.class_maps.logits.amax(dim=1)")
    grid = grid.replace(
        "    def pixel_score(self, band)",
        "    def needs(self):\n        return Needs(logits=True)\n\n    def grid_score(self, output)",
    )
    test = "posteriors_are_scored_as_their_logarithms"
    getattr(break_plugin(tmp_path, TestMine, grid, "amax", "amax"), f"test_{test}")()
    assert_caught(
        break_plugin(tmp_path, TestMine, grid, "maps.logits", "maps.values"), test, "of sums and of the", tmp_path
    )


GRID = 'return (output.features["colour"] - self._mean[:, None, None]).norm(dim=1)'


@pytest.mark.parametrize(
    ("contract", "old", "new", "test", "message"),
    [
        (
            theirs.TestCentre,
            GRID,
            f"s = {GRID[7:]}; return s - s.mean()",
            "scores_do_not_depend_on_the_batch_size",
            "in a batch of three",
        ),
        (
            theirs.TestCentre,
            GRID,
            "return output.class_maps.values[:, 0]",
            "scores_do_not_depend_on_the_batch_size",
            "NoneType",
        ),
        (
            theirs.TestCentre,
            'self._mean = fit.tensors["mean"]',
            "self._mean = self._sum",
            "a_loaded_fit_gives_the_same_scores",
            "_sum",
        ),
        (
            theirs.TestCargo,
            'frames=2,\n        labels={"0"',
            'frames=9,\n        labels={"0"',
            "a_small_copy_is_found",
            "its card says 9",
        ),
        (
            theirs.TestCargo,
            'leaderboard_protocol="pooled"',
            'leaderboard_protocol="pool"',
            "its_card_is_complete",
            "pooled",
        ),
        (
            theirs.TestCargo,
            "LabelRule(VOID_RULE, ",
            "LabelRule({0: 0, 1: 255, 255: 255}, ",
            "it_has_anomalies",
            "anomalous",
        ),
        (
            theirs.TestCargo,
            "LabelRule(VOID_RULE, ",
            "LabelRule({value: value for value in range(256)}, ",
            "an_undeclared_label_value_is_an_error",
            "2 in the label file became 2",
        ),
        (
            theirs.TestCargo,
            'layout, folder = find_layout("cargo", roots',
            'layout, folder = find_layout("carg", roots',
            "a_small_copy_is_found",
            "carg",
        ),
        (
            theirs.TestCargo,
            "return FrameSet(_frames(folder / ",
            "[frame.read_image() for frame in _frames(folder / 'cargo', LabelRule(VOID_RULE, ''))]\n"
            "        return FrameSet(_frames(folder / ",
            "pixels_are_read_late",
            "open() reads images",
        ),
        (
            theirs.TestCargo,
            "file_frame(name, name, ",
            "file_frame('one', name, ",
            "ids_are_unique_and_keep_their_order",
            "one",
        ),
        (
            theirs.TestCargo,
            "    pairs = pair_by_stem(",
            "    images = index_images(folder / 'pictures').items()\n"
            "    pairs = [(name, path, folder / 'truth' / path.name) for name, path in images] or pair_by_stem(",
            "a_frame_has_its_image_and_its_label",
            "still gives the frame",
        ),
        (
            theirs.TestCargo,
            'layouts = {"flat": lambda folder, named: (folder / "cargo" / "truth").is_dir()}',
            'layouts = {"flat": lambda folder, named: True}',
            "missing_data_is_an_error_that_names_the_source",
            "expected a DataNotFoundError",
        ),
        (
            theirs.TestStreets,
            "_frames(folder / split, rule",
            "_frames(folder / 'fit', rule",
            "splits_share_no_frame",
            "two spl",
        ),
        (
            theirs.TestBoxes,
            "read_size=partial(tuple, (48, 96))",
            "read_size=lambda: (48, 96)",
            "frames_can_be_pickled",
            "can't be pickled",
        ),
        (
            theirs.TestBoxes,
            'identity=f"boxes 1 {index}"',
            "identity=''",
            "frames_have_an_identity",
            "its identity is empty",
        ),
        (
            theirs.TestStreets,
            "self.card.splits.items()\n",
            "reversed(self.card.splits.items())\n",
            "splits_are_those_of_the_card_in_its_order",
            "in that order",
        ),
        (
            theirs.TestSeeded,
            'source.endswith(".seed")',
            "True",
            "it_accepts_only_its_own_sources",
            "its own sources alone",
        ),
        (
            theirs.TestSeeded,
            ".softmax(dim=1)",
            ".softmax(dim=2)",
            "outputs_match_the_capabilities",
            "posteriors add up to",
        ),
        (
            theirs.TestSeeded,
            '.softmax(dim=1)\n        return SegmenterOutput(ClassMaps(maps, "posteriors")',
            '\n        self.capabilities = Capabilities("sums", ("colour",))\n'
            '        return SegmenterOutput(ClassMaps(maps, "sums")',
            "outputs_match_the_capabilities",
            "expected 0 or more",
        ),
        (
            theirs.TestSeeded,
            "torch.randn(19,",
            "torch.randn(20,",
            "outputs_match_the_capabilities",
            "20 class maps for the 19",
        ),
        (theirs.TestSeeded, '("colour",))', '("depth",))', "outputs_match_the_capabilities", "no features 'depth'"),
        (
            theirs.TestSeeded,
            '{"colour": colour})',
            '{"colour": colour.double()})',
            "outputs_match_the_capabilities",
            "float64",
        ),
        (
            theirs.TestSeeded,
            "torch.stack(list(batch))",
            "torch.stack(list(batch)); colour = colour - colour.mean(dim=0)",
            "a_batch_gives_the_outputs_of_single_images",
            "alone and in a batch",
        ),
        (
            theirs.TestSeeded,
            "torch.stack(list(batch))",
            "torch.ones(len(batch), 3, 4, 4)",
            "the_output_depends_on_the_image",
            "one output",
        ),
        (theirs.TestSeeded, "raise ModelError(", "raise OSError(", "a_missing_file_is_an_error", "expected ModelError"),
        (
            theirs.TestLines,
            'return [out / "lines.txt"]',
            "return []",
            "it_returns_the_files_that_it_writes",
            "no files",
        ),
        (
            theirs.TestLines,
            'write_atomically(out / "lines.txt", lambda file: file.write(self.text(run).encode()))',
            'out.mkdir(exist_ok=True); (out / "lines.txt").write_text(self.text(run))',
            "files_are_written_atomically",
            "write_atomically",
        ),
        (
            theirs.TestLines,
            'return [out / "lines.txt"]',
            '(out / "more.txt").write_text("more"); return [out / "lines.txt"]',
            "it_returns_the_files_that_it_writes",
            "more.txt",
        ),
        (theirs.TestLines, "{row.method}", "{id(self)} {object()}", "text_reports_can_be_printed", "two texts"),
        (theirs.TestParcel, '"open", ("cargo",)', '"", ("cargo",)', "its_card_and_parameters_are_described", "state"),
        (
            theirs.TestParcel,
            "partial(np.save, arr=score)",
            "partial(np.save, arr=-score)",
            "its_submission_passes_its_check_and_keeps_the_metrics",
            "after reading back",
        ),
        (
            theirs.TestParcel,
            'read_scores(path / f"{frame.id}.npy")) for frame in frames)',
            'read_scores(path / f"{frame.id}.npy")) for frame in frames[1:])',
            "its_submission_passes_its_check_and_keeps_the_metrics",
            "2 of 3 frames",
        ),
        (
            theirs.TestParcel,
            "                read_scores(file)\n",
            "                file.stat()\n",
            "its_check_finds_missing_and_damaged_files",
            "a truncated 1.npy",
        ),
        (
            theirs.TestParcel,
            "if not files:",
            "if False:",
            "its_check_finds_missing_and_damaged_files",
            "an empty folder",
        ),
        (
            theirs.TestParcel,
            "if not np.isfinite(score).all():",
            "if False:",
            "an_incomplete_run_is_refused",
            "a frame is NaN",
        ),
    ],
)
def test_a_plugin_of_another_kind_fails(
    tmp_path: Path, contract: type[Any], old: str, new: str, test: str, message: str
) -> None:
    text = theirs.EVERYTHING.read_text()
    assert_caught(break_plugin(tmp_path, contract, text, old, new), test, message, tmp_path)


def assert_caught(contract: Any, test: str, message: str, folder: Path) -> None:
    """Assert that the test fails with the reason."""
    run = getattr(contract, f"test_{test}")
    place = folder / "place"
    place.mkdir()
    with pytest.raises((AssertionError, AttributeError, OodbenchError)) as error:
        run(place) if "tmp_path" in run.__annotations__ else run()
    assert message in str(error.value)
