"""The English of error messages, help texts, pages, docstrings and comments: short sentences, and no avoided words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import prose

PYTHON = prose.python_files()
PAGES = prose.page_files()
CALLS = [
    call
    for path in PYTHON
    for call in prose.error_calls(
        path.read_text(encoding="utf-8"), path.relative_to(prose.ROOT).as_posix(), prose.error_classes()
    )
]
HELP = list(prose.help_texts())

# A remedy is an instruction, so it starts with none of these words.
_NO_INSTRUCTION = re.compile(r"(Expected|The|This|That|It|There|An?|Most|Files?|You)\b|[a-z]")
# Commands start with a verb in the imperative.
_VERBS = {
    "Blend", "Build", "Check", "Combine", "Compare", "Convert", "Download", "Evaluate", "List", "Measure", "Print",
    "Score", "Show", "Test", "Train", "Verify", "Write",
}  # fmt: skip


def name(path: Path) -> str:
    return path.relative_to(prose.ROOT).as_posix()


def error_texts() -> Iterator[prose.Text]:
    for call in CALLS:
        yield from (prose.Text(call.place, text) for text in call.texts)
    for path in PYTHON:
        yield from prose.remedy_texts(path.read_text(encoding="utf-8"), name(path))


def test_error_messages_are_plain() -> None:
    assert len(CALLS) > 400
    assert [f"{place}: {long}" for place, text in error_texts() for long in prose.find_long_sentences(text)] == []
    assert [f"{place}: {word}" for place, text in error_texts() for word in prose.find_avoided_words(text)] == []


def test_each_error_has_a_remedy_in_the_imperative() -> None:
    assert [f"{call.place} {call.name}" for call in CALLS if not call.has_remedy] == []
    remedies = [
        (call.place, call.texts[-1])
        for call in CALLS
        if call.name not in ("UnknownNameError", "MissingExtraError") and len(call.texts) == 2
    ]
    wrong = [f"{place}: {text}" for place, text in remedies if _NO_INSTRUCTION.match(text)]
    assert wrong == []


def test_the_help_is_plain() -> None:
    assert len(HELP) > 150
    assert [f"{place}: {long}" for place, text in HELP for long in prose.find_long_sentences(text)] == []
    assert [f"{place}: {word}" for place, text in HELP for word in prose.find_avoided_words(text)] == []


def test_the_help_of_commands_starts_with_a_verb_and_that_of_options_with_a_capital() -> None:
    commands = [text for text in HELP if " --" not in text.place and " (short)" in text.place]
    assert len(commands) > 15
    assert [text for text in commands if text.text.split()[0].strip(",") not in _VERBS] == []
    assert [text for text in HELP if not re.match(r"['A-Z]", text.text)] == []


def test_the_readme_has_short_sentences() -> None:
    text = (prose.ROOT / "README.md").read_text(encoding="utf-8")
    assert [long for part in prose.paragraphs(text) for long in prose.find_long_sentences(part, ".!?")] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_avoid_words_of_dialect(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert prose.find_avoided_words(prose.strip_code_blocks(text) if page.suffix == ".md" else text) == []


def test_comments_and_docstrings_avoid_words_of_dialect() -> None:
    found = [
        f"{place}: {word}"
        for path in PYTHON
        for place, text in prose.comments(path)
        for word in prose.find_avoided_words(text)
    ]
    assert found == []


def test_long_sentences_are_found() -> None:
    words = " ".join(["word"] * prose.LONGEST)
    assert prose.find_long_sentences(f"{words}. {words}; {words}") == []
    assert prose.find_long_sentences(f"{words} more.") == [f"{words} more."]
    assert prose.find_long_sentences(f"{words}; {words}", ".!?") == [f"{words}; {words}"]


@pytest.mark.parametrize(
    "text",
    [
        "It is made anew.",
        "A file lies beside it.",
        "This is no number.",
        "The number stands below it.",
        "a drawn world of its own",
        "what a run has",
        "at the level .05",
        "nobody says so",
        "The two can't be told apart.",
        "the data set is in order",
    ],
)
def test_words_of_dialect_are_found(text: str) -> None:
    assert prose.find_avoided_words(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "`beside`, and [a link](lies.md)",
        "There is no label.",
        "in order to compare what it has written",
        "apart from that",
        "0.05 or file.5",
        "It is no longer used. FPR stands for false positive rate.",
    ],
)
def test_plain_text_is_accepted(text: str) -> None:
    assert prose.find_avoided_words(text) == []


def test_errors_without_remedy_are_found() -> None:
    source = (
        'raise UsageError(f"{x}: wrong")\nraise DataError("a" + f"{b} c", remedy="Fix it.")\nraise ValueError("a")\n'
    )
    first, second = prose.error_calls(source, "a.py", {"UsageError", "DataError"})
    assert (first.has_remedy, first.texts) == (False, ["X: wrong"])
    assert (second.has_remedy, second.texts, second.place) == (True, ["aX c", "Fix it."], "a.py:2")
    assert _NO_INSTRUCTION.match("Expected a file.")
    assert not _NO_INSTRUCTION.match("Give a file.")


def test_code_is_not_prose(tmp_path: Path) -> None:
    page = (
        "A sentence.\n\n    code lies\n\n```sh\nbeside\n```\n\n| a | table |\n\n- an item\n  of two lines\n- another\n"
    )
    assert [part.split() for part in prose.paragraphs(page)] == [
        ["A", "sentence."],
        ["an", "item", "of", "two", "lines"],
        ["another"],
    ]
