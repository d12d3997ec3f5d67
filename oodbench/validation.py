"""Conversion of pydantic validation errors to messages in the user's terms."""

from __future__ import annotations

import difflib

from pydantic import ValidationError

from oodbench.text import escape_controls, shorten

_WORDS = {
    "missing": "is missing",
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "string_type": "should be a string",
}


def explain(error: ValidationError, known: tuple[str, ...] = ()) -> list[str]:
    """Return one phrase per problem: the field, its value and what is wrong with it.

    Args:
        error: The error that pydantic raised.
        known: Names that an unknown field may be a misspelling of.
    """
    phrases = []
    for problem in error.errors():
        where = escape_controls(".".join(str(part) for part in problem["loc"]))
        if problem["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            phrases.append(f"{where} is unknown" + (f"; did you mean {close[0]}?" if close else ""))
        elif problem["type"] == "missing":
            phrases.append(f"{where} is missing")
        else:
            text = problem["msg"].removeprefix("Value error, ")
            message = _WORDS.get(problem["type"], text[0].lower() + text[1:])
            phrases.append(f"{where} is {shorten(problem['input'])}: {message}")
    return phrases
