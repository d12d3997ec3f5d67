"""Text from files and from the user: rules for names, and escapes for terminals and spreadsheets.

A name that can't be printed in one line, or that would lead out of a folder, is refused where it enters. Free text,
such as a warning, is escaped instead. Each output still escapes the characters that have a meaning in its own format.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field

LONGEST_NAME = 200
"""Maximum number of characters of a name."""

# Spreadsheets also read the full-width forms as the beginning of a formula.
_FORMULAS = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_LONGEST_LABEL = 4000
_LONGEST_ID = 1000
# C0, DEL and C1 control characters, line and paragraph separators, overrides of the writing direction, surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# An empty part, a dot or two dots between slashes or backslashes, a slash at an end, or a drive letter of Windows.
_LEADS_OUT = re.compile(r"^/|/$|//|(^|[/\\])\.{1,2}([/\\]|$)|^[A-Za-z]:[/\\]")
_PUBLIC = re.compile(r"\w[\w.@+-]*")


def find_fault(text: str, longest: int = LONGEST_NAME) -> str:
    """Return why a text can't be a name, which is one line of printable text; empty if it can.

    Args:
        text: The text.
        longest: Maximum number of characters.
    """
    if not text.strip():
        return "blank; expected a name"
    if len(text) > longest:
        return f"{len(text)} characters long; expected at most {longest}"
    if control := _CONTROL.search(text):
        return f"has the character U+{ord(control[0]):04X}; expected one line of printable text"
    return ""


def find_id_fault(text: str) -> str:
    """Return why a text can't be the id of a frame, which can contain slashes; empty if it can."""
    fault = find_fault(text, _LONGEST_ID)
    if not fault and _LEADS_OUT.search(text):
        return "not a path inside a folder; expected names separated by single slashes"
    return fault


def find_public_fault(text: str) -> str:
    """Return why a text can't be a public name, which commands and file names contain; empty if it can."""
    fault = find_fault(text)
    if not fault and not _PUBLIC.fullmatch(text):
        return "not a public name; expected letters, digits and _ . @ + -, with a letter or a digit first"
    return fault


def find_file_fault(text: str) -> str:
    """Return why a text can't be the name of a file, without folders; empty if it can."""
    fault = find_fault(text)
    if not fault and (text in (".", "..") or re.search(r"[/\\:]", text)):
        return "not the name of a file; expected a name without folders"
    return fault


def find_control(text: str) -> str:
    """Return why free text, which can have several lines, is not printable; empty if it is."""
    return find_fault(f"text {text.translate({9: None, 10: None})}", len(text) + 5)


def escape_controls(text: str, keep: str = "") -> str:
    r"""Return a text with each control character as in a Python string, such as \x1b.

    Args:
        text: The text.
        keep: Control characters to keep.
    """
    return _CONTROL.sub(lambda match: match[0] if match[0] in keep else repr(match[0])[1:-1], text)


def shorten(value: object) -> str:
    """Return the representation of a value for a message, without the middle of a long one."""
    text = repr(value)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME // 2]}...{text[-20:]}"


def count_noun(number: int, noun: str) -> str:
    """Return a number with its noun in the singular or the plural, such as `1 frame` and `2 frames`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def escape_cell(text: str) -> str:
    """Return the text of a CSV cell that a spreadsheet does not compute: an apostrophe precedes a formula.

    Args:
        text: The text. Do not pass a formatted number, because its minus sign would count as a formula.
    """
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _escape_nested(value: Any) -> Any:
    if isinstance(value, str):
        return escape_controls(value, "\n\t")
    if isinstance(value, dict):
        return {_escape_nested(key): _escape_nested(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_escape_nested, value))
    return value


def _check_name(text: str) -> str:
    return _refuse(text, find_fault(text))


def _check_label(text: str) -> str:
    return _refuse(text, find_fault(text, _LONGEST_LABEL))


def _check_id(text: str) -> str:
    return _refuse(text, find_id_fault(text))


def _check_public(text: str) -> str:
    return _refuse(text, find_public_fault(text))


def _refuse(text: str, fault: str) -> str:
    if fault:
        raise ValueError(fault)
    return text


Name: TypeAlias = Annotated[str, AfterValidator(_check_name)]
"""A name in tables, such as that of a network."""

Label: TypeAlias = Annotated[str, AfterValidator(_check_label)]
"""A title that can contain parameters or names."""

OptionalLabel: TypeAlias = Annotated[str, AfterValidator(lambda text: text and _check_label(text))]
"""A title, or nothing."""

PublicName: TypeAlias = Annotated[str, AfterValidator(_check_public)]
"""The name of a plugin in commands and file names."""

FrameId: TypeAlias = Annotated[str, AfterValidator(_check_id)]
"""The id or the group of a frame."""

Note: TypeAlias = Annotated[str, AfterValidator(escape_controls)]
"""A line of free text, such as a warning."""

Paragraph: TypeAlias = Annotated[str, AfterValidator(lambda text: escape_controls(text, "\n"))]
"""Free text that can have several lines, such as an error."""

Digest: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 in hexadecimal."""

Facts: TypeAlias = Annotated[dict[str, Any], AfterValidator(_escape_nested)]
"""Facts by name, with escaped text at any depth."""
