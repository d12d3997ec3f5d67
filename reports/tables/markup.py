"""Escapes of text for Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable

from oodbench.text import escape_controls

# Characters that Markdown escapes with a backslash. The others are entities, because not every program accepts a
# backslash before them; GitHub reads tildes as strikethrough and dollar signs as formulas.
_MARKDOWN = {c: f"\\{c}" for c in "\\`*_[]#"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKDOWN |= {c: f"&#{ord(c)};" for c in "|~$"}

_LATEX = {c: f"\\{c}" for c in "&%$#_{}"}
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
# TeX's standard fonts have other characters at these positions.
_LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
# At the beginning of a row, these would belong to the line break before it.
_LATEX |= {"[": "{[}", "*": "{*}"}
_LATEX |= {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}


def to_line(text: str) -> str:
    """Return a text in one line, without control characters."""
    return escape_controls(" ".join(text.split()))


def escape_markdown(text: str) -> str:
    """Return a text as one line of Markdown that is shown literally, in the cell of a table or in a paragraph."""
    return "".join(_MARKDOWN.get(c, c) for c in to_line(text))


def make_markdown_list(items: Iterable[str]) -> str:
    """Return a list in Markdown whose items are shown literally."""
    # An item that begins with `1.` or a dash would be a list itself.
    return "\n".join("- " + re.sub(r"^(\d*)([-+.)])", r"\1\\\2", escape_markdown(item)) for item in items)


def escape_latex(text: str) -> str:
    """Return a text as one line of LaTeX that is printed literally."""
    return "".join(_LATEX.get(c, c) for c in to_line(text))
