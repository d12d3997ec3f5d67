"""The record of a generated page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GeneratedPage:
    """A page of the site that no file of docs/ holds.

    Attributes:
        path: Path below docs/, as if it were a file there.
        text: Its Markdown.
        title: Its title in the navigation; empty for the index page of a section.
        section: The section of the navigation that holds it; empty for the one of its prefix.
    """

    path: str
    text: str
    title: str = ""
    section: str = ""
