"""What is wrong with a file or an option, in words of the user's rather than of the library that found it."""

from __future__ import annotations

import difflib

from pydantic import ValidationError

_WORDS = {
    "missing": "is missing",
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "string_type": "should be a text",
}


def explain(error: ValidationError, known: tuple[str, ...] = ()) -> list[str]:
    """One phrase a problem: the field, what is wrong with it, and its value.

    Args:
        error: what pydantic found.
        known: names that an unknown field may have been meant for.
    """
    phrases = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            phrases.append(f"{where} is unknown" + (f"; did you mean {close[0]}?" if close else ""))
        elif problem["type"] == "missing":
            phrases.append(f"{where} is missing")
        else:
            said = _WORDS.get(problem["type"], problem["msg"][0].lower() + problem["msg"][1:])
            phrases.append(f"{where} is {problem['input']!r}: {said}")
    return phrases
