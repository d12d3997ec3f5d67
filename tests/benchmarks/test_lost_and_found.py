"""Lost and Found under each label rule, its subsets, and errors of copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.errors import DataError
from tests.helpers import layouts
from tests.helpers.reading import map_values, open_benchmark


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lost-and-found@smiyc", {0: {255}, 1: {0}, 2: {1}, 37: {1}}),
        ("lost-and-found@pebal", {0: {255}, 1: {0}, 2: {1}, 255: {255}}),
        ("lost-and-found@rba", {0: {0}, 1: {0}, 2: {1}, 255: {255}}),
    ],
)
def test_objects_that_are_not_a_hazard_have_three_meanings(
    tmp_path: Path, name: str, expected: dict[int, set[int]]
) -> None:
    layouts.write_lost_and_found(tmp_path)
    assert map_values(open_benchmark(name, tmp_path).frames[0]) == expected


def test_the_no_known_variant_excludes_known_objects(tmp_path: Path) -> None:
    layouts.write_lost_and_found(tmp_path)
    ids = [frame.id for frame in open_benchmark("lost-and-found@smiyc", tmp_path).frames]
    without = [frame.id for frame in open_benchmark("lost-and-found-no-known@smiyc", tmp_path).frames]
    assert ids[-1] == "15_Rechbergstr_Deckenpfronn_000000_000010"
    assert without == ids[:-1]
    assert open_benchmark("lost-and-found@smiyc", tmp_path).frames[1].group == "04_Maurener_Weg_8"


def test_an_incomplete_copy_keeps_empty_frames_with_a_warning(tmp_path: Path) -> None:
    layouts.write_lost_and_found(tmp_path)
    (warning,) = open_benchmark("lost-and-found@smiyc", tmp_path).warnings
    assert "incomplete test split" in warning


def test_a_complete_copy_excludes_empty_frames(tmp_path: Path) -> None:
    """Positions refer to the order of the ids, which differs from the order of the folders."""
    names = [
        f"{scene:02d}_Weg_{sequence:06d}_{n:06d}" for scene in (2, 15) for sequence in range(2) for n in range(400)
    ]
    for split, ending in (("leftImg8bit", "leftImg8bit"), ("gtCoarse", "gtCoarse_labelIds")):
        for name in names[:1203]:
            path = tmp_path / split / "test" / name[:-14] / f"{name}_{ending}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    found = open_benchmark("lost-and-found@smiyc", tmp_path)
    gone = sorted(set(names[:1203]) - {frame.id for frame in found.frames})
    empty = (17, 37, 55, 72, 91, 110, 129, 153, 174, 197, 218, 353, 490, 618, 686, 792, 793)
    assert gone == [sorted(names[:1203])[position] for position in empty]
    assert (len(found.frames), found.expected, found.warnings) == (1186, 1186, ())


def test_all_missing_labels_are_listed(tmp_path: Path) -> None:
    layouts.write_lost_and_found(tmp_path)
    for path in list(tmp_path.rglob("04_*_gtCoarse_labelIds.png")):
        path.unlink()
    with pytest.raises(DataError, match="2 of 4 frames have no label") as error:
        open_benchmark("lost-and-found@smiyc", tmp_path)
    assert [line.rsplit("/", 1)[-1] for line in error.value.each] == [
        "04_Maurener_Weg_8_000000_000030_leftImg8bit.png: has no label",
        "04_Maurener_Weg_8_000000_000090_leftImg8bit.png: has no label",
    ]
    assert len(open_benchmark("lost-and-found@pebal", tmp_path).frames) == 4
