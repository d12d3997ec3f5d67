"""The documentation site: it builds without a warning, is complete, and loads nothing from other hosts."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer.main

from oodbench.cli.main import app
from tests.helpers.browser import browser
from tools.site import root_pages
from tools.site.api_reference import MODULES, public_names
from tools.site.cli_reference import make_pages

ROOT = Path(__file__).parents[1]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_has_a_page(site: Path) -> None:
    for module in MODULES:
        for name in public_names(module):
            page = site / "reference" / "api" / module / f"{name}.html"
            assert f'id="{module}.{name}"' in page.read_text(encoding="utf-8"), page


def test_every_option_is_on_the_page_of_its_command(site: Path) -> None:
    assert len(COMMANDS) > 10
    for name, command in COMMANDS.items():
        text = html.unescape((site / "reference" / "cli" / f"{name}.html").read_text(encoding="utf-8"))
        assert "{sources}" not in text
        for part in [command, *getattr(command, "commands", {}).values()]:
            for parameter in part.params:
                for option in parameter.opts:
                    if option.startswith("--") and not parameter.hidden:
                        assert f"<code>{option}" in text, (name, option)


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 200
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=[\"']([^\"']+)", text)
        loaded += re.findall(r"<link[^>]*rel=[\"'](?:stylesheet|preconnect)[\"'][^>]*href=[\"']([^\"']+)", text)
        assert [address for address in loaded if re.match(r"(https?:)?//", address)] == [], page


@pytest.mark.parametrize("scheme", ["default", "slate"])
def test_the_site_is_usable_wide_and_narrow_light_and_dark(site: Path, tmp_path: Path, scheme: str) -> None:
    with serve(site) as address, browser(tmp_path) as page:  # a new profile, because the site keeps the first scheme
        for width in (1400, 400):
            page.size(width, 900, dark=scheme == "slate")
            for name in ("index", "how-to/ci-gate", "reference/api/oodbench/Scorer", "tutorials/read-a-report"):
                page.driver.get(f"{address}/{name}.html")
                page.until(f"document.body.getAttribute('data-md-color-scheme') === '{scheme}'")
                assert page.run("return document.documentElement.scrollWidth") <= width, (name, width)
                assert page.complaints() == []


def test_links_between_pages_lead_somewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # its links start at the root of the host
            continue
        for target in re.findall(r'<a [^>]*href="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / html.unescape(target)).exists(), (page, target)


def test_the_search_finds_a_public_name(site: Path, tmp_path: Path) -> None:
    with serve(site) as address, browser(tmp_path) as page:
        page.size(1400, 900)
        page.driver.get(f"{address}/index.html?q=fpr_at_tpr")
        page.until("document.querySelectorAll('.md-search-result__item').length > 0")
        links = page.run("return [...document.querySelectorAll('.md-search-result__link')].map((a) => a.pathname)")
        assert "/reference/api/oodbench.metrics/fpr_at_tpr.html" in links


def test_links_between_files_of_the_root_and_pages_are_redirected() -> None:
    text = "[a](../../CONTRIBUTING.md#test) [b](https://example.org) [c](../how-to/submit.md)"
    assert root_pages.redirect_links(text, "reference/api.md") == (
        "[a](../contributing.md#test) [b](https://example.org) [c](../how-to/submit.md)"
    )
    home = next(page.text for page in root_pages.make_pages(ROOT) if page.path == "index.md")
    assert "](docs/" not in home
    assert "](contributing.md)" in home


def test_help_texts_are_complete_in_the_reference() -> None:
    pages = {page.title: page.text for page in make_pages() if page.title}
    assert pages.keys() == {f"oodbench {name}" for name in COMMANDS}
    assert "NAME&#124;FILE" in pages["oodbench run"]


class QuietHandler(SimpleHTTPRequestHandler):
    """A file server that prints nothing."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine, and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
