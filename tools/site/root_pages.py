"""Pages of the files in the repository's root, and links to them.

These files have links that work in the repository: README.md links to docs/how-to/..., a page of docs/ to
../../CONTRIBUTING.md. On the site the same files are pages.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

from tools.site.generated import GeneratedPage

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Maps each file of the root to its page."""


def make_pages(root: Path) -> list[GeneratedPage]:
    """Return the page of each file of the root."""
    pages = []
    for name, page in PAGES.items():
        text = (root / name).read_text(encoding="utf-8")
        pages.append(GeneratedPage(page, _replace_targets(text, _page_of)))
    return pages


def redirect_links(text: str, source: str) -> str:
    """Return the Markdown of a page with links to files of the root replaced by links to their pages.

    Args:
        text: Markdown.
        source: Path of the page below docs/, with "/".
    """
    folder = posixpath.dirname(source)

    def redirect(target: str) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, target))
        return posixpath.relpath(PAGES[path], folder or ".") if path in PAGES else target

    return _replace_targets(text, redirect)


def redirect_html(text: str, source: str) -> str:
    """Return the HTML of a page with links to files of the repository replaced by links to their pages.

    Args:
        text: HTML.
        source: Path of the page below docs/, with "/".
    """

    def redirect(match: re.Match[str]) -> str:
        path, anchor = match[1], match[2] or ""
        if re.match(r"[a-z]+:", path):
            return match[0]
        folder = posixpath.dirname(source)
        file = posixpath.normpath(posixpath.join("docs", folder, path))
        target = posixpath.relpath(PAGES[file], folder or ".") if file in PAGES else path
        return f'href="{posixpath.splitext(target)[0]}.html{anchor}"'

    return re.sub(r'href="([^"#]+\.(?:md|ipynb))(#[^"]*)?"', redirect, text)


def _page_of(target: str) -> str:
    """Return the page, relative to docs/, that a link of a file in the root leads to."""
    return PAGES.get(target, target.removeprefix("docs/"))


def _replace_targets(text: str, replace: Callable[[str], str]) -> str:
    """Replace the paths of links and pictures; anchors stay, and links to other hosts are left alone."""

    def replace_link(match: re.Match[str]) -> str:
        path, anchor = match[1], match[2] or ""
        return match[0] if re.match(r"[a-z]+:", path) or not path else f"]({replace(path)}{anchor})"

    return re.sub(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", replace_link, text)
