"""Rules for names, and escapes for terminals and spreadsheets."""

from __future__ import annotations

import pytest

from oodbench.text import (
    count_noun,
    escape_cell,
    escape_controls,
    find_control,
    find_fault,
    find_file_fault,
    find_id_fault,
    find_public_fault,
    shorten,
)
from tests.helpers.hostile_names import LITERAL, REFUSED


@pytest.mark.parametrize("name", LITERAL)
def test_a_line_of_printable_text_is_a_name(name: str) -> None:
    assert find_fault(name) == ""
    assert escape_controls(name) == name


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_other_texts_are_no_names(name: str) -> None:
    for find in (find_fault, find_public_fault, find_file_fault):
        assert "; expected " in find(name)


def test_a_fault_names_the_character() -> None:
    assert find_fault("a\x1b") == "has the character U+001B; expected one line of printable text"
    assert find_fault("x" * 201) == "201 characters long; expected at most 200"


@pytest.mark.parametrize("name", ["msp", "road-anomaly-21", "lost-and-found-no-known@smiyc", "v1.2_b", "größe"])
def test_public_names(name: str) -> None:
    assert find_public_fault(name) == ""


@pytest.mark.parametrize("name", ["..", ".a", "../a", "a/b", "a\\b", "-a", "a b", "a:b", "a=b", "a,b", "<a>", "@a"])
def test_names_that_would_change_a_path_or_a_command_are_not_public(name: str) -> None:
    assert "not a public name" in find_public_fault(name)


@pytest.mark.parametrize("name", ["0", "train/aachen_000", "a..b", "x..", "...", "-rf", "50%s", "a\\b", "a, b"])
def test_ids_of_frames(name: str) -> None:
    assert find_id_fault(name) == ""


@pytest.mark.parametrize(
    "name", ["/a", "a/", "a//b", "..", "../a", "a/../b", "a/.", "..\\a", "a\\..\\b", "C:\\a", "c:/a"]
)
def test_ids_stay_in_their_folder(name: str) -> None:
    assert "not a path inside a folder" in find_id_fault(name)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/a", "a\\b", "c:a"])
def test_names_of_files_have_no_folder(name: str) -> None:
    assert "not the name of a file" in find_file_fault(name)
    assert find_file_fault("set v2 (1).tar.gz") == ""


def test_free_text_can_have_several_lines() -> None:
    assert find_control("one\n\ttwo") == ""
    assert "U+001B" in find_control("one\n\x1b")
    assert find_control("") == ""


def test_control_characters_are_shown_as_in_python() -> None:
    assert escape_controls("\x1b[31m\n\u202e\udc80") == r"\x1b[31m\n\u202e\udc80"
    assert escape_controls("a\n\tb\r", "\n\t") == "a\n\tb\\r"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d"])
def test_a_cell_that_a_spreadsheet_would_compute_begins_with_an_apostrophe(start: str) -> None:
    assert escape_cell(f"{start}1") == f"'{start}1"
    assert escape_cell(f"1{start}") == f"1{start}"


def test_long_values_are_shortened_in_messages() -> None:
    assert shorten("a\x1b") == r"'a\x1b'"
    assert len(shorten("x" * 10_000)) < 130


def test_a_count_has_its_noun_in_the_singular_or_the_plural() -> None:
    assert [count_noun(number, "frame") for number in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
