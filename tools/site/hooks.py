"""Hooks of MkDocs: add the generated pages, their navigation, and the links between files of the repository.

mkdocs build --strict        # writes site/
mkdocs serve                 # shows it, and follows changes of docs/
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# MkDocs loads this file by its path, so that the repository is not on the import path.
sys.path.insert(0, str(ROOT))

from mkdocs.config.defaults import MkDocsConfig  # noqa: E402  # after the import path
from mkdocs.structure.files import File, Files  # noqa: E402
from mkdocs.structure.pages import Page  # noqa: E402

from tools.site import api_reference, cli_reference, root_pages  # noqa: E402
from tools.site.generated import GeneratedPage  # noqa: E402

SECTIONS = {"reference/cli/": cli_reference.make_pages, "reference/api/": api_reference.make_pages}
"""Maps each navigation entry that is expanded to the function that makes its pages."""


def on_config(config: MkDocsConfig) -> None:
    """Make the generated pages, and expand the navigation entries that end with "/"."""
    config.extra["generated"] = root_pages.make_pages(ROOT)
    for prefix, make_pages in SECTIONS.items():
        pages = make_pages()
        config.extra["generated"] += pages
        _expand(config.nav, prefix, _navigation(pages))


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the generated pages to the files of the site."""
    for page in config.extra["generated"]:
        files.append(File.generated(config, page.path, content=page.text))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links to files of the repository's root to their pages."""
    return root_pages.redirect_links(markdown, page.file.src_uri)


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Point the links of notebooks to pages; MkDocs itself does this for Markdown only."""
    return root_pages.redirect_html(html, page.file.src_uri) if page.file.src_uri.endswith(".ipynb") else html


def _navigation(pages: list[GeneratedPage]) -> list[Any]:
    """Return the navigation of generated pages, nested by their sections; an index page has no title."""
    top: list[Any] = []
    sections: dict[str, list[Any]] = {}
    for page in pages:
        if page.section and page.section not in sections:
            top.append({page.section: sections.setdefault(page.section, [])})
        where = sections[page.section] if page.section else top
        where.append({page.title: page.path} if page.title else page.path)
    return top


def _expand(items: list[Any], prefix: str, pages: list[Any]) -> None:
    for item in items:
        for title, target in item.items():
            if target == prefix:
                item[title] = pages
            elif isinstance(target, list) and all(isinstance(child, dict) for child in target):
                _expand(target, prefix, pages)
