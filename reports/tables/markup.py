"""Escapes of text for Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable

from oodbench.text import escape_controls

# Characters with a meaning in Markdown; an underscore inside a word and an ampersand before a space have none.
_SPECIAL_IN_MARKDOWN = re.compile(r"[\\`*\[\]#<>|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=[#\w])")
# Not every program accepts a backslash before the others. GitHub reads tildes as strikethrough, dollars as formulas.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_BACKSLASHED = set("\\`*_[]#")

_LATEX = {c: f"\\{c}" for c in "&%$#_{}"}
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
# TeX's standard fonts have other characters at these positions.
_LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
# At the beginning of a row, these would belong to the line break before it.
_LATEX |= {"[": "{[}", "*": "{*}"}
_LATEX |= {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}


def to_line(text: str) -> str:
    """Return a text in one line, without control characters."""
    return escape_controls(re.sub(r"[ \t\r\n]+", " ", text).strip(" "))


def escape_markdown(text: str) -> str:
    """Return a text as one line of Markdown that is shown literally, in the cell of a table or in a paragraph."""

    def escape(match: re.Match[str]) -> str:
        return f"\\{match[0]}" if match[0] in _BACKSLASHED else _ENTITIES.get(match[0], f"&#{ord(match[0])};")

    return _SPECIAL_IN_MARKDOWN.sub(escape, to_line(text))


def make_markdown_list(items: Iterable[str]) -> str:
    """Return a list in Markdown whose items are shown literally."""
    # An item that begins with `1.` or a dash would be a list itself.
    return "\n".join("- " + re.sub(r"^(\d*)([-+.)])", r"\1\\\2", escape_markdown(item)) for item in items)


def escape_latex(text: str) -> str:
    """Return a text as one line of LaTeX that is printed literally."""
    return "".join(_LATEX.get(c, c) for c in to_line(text))
