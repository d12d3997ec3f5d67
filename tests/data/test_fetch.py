"""Downloads from a local server: complete, resumed, truncated, changed and missing files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from oodbench.contracts import Archive
from oodbench.data.fetch import fetch_archive
from oodbench.errors import DataError, RunFolderError

CONTENT = bytes(range(256)) * 512
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class Server:
    """State of the server: received requests and configured behaviour."""

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        self.resumes = True
        self.cut: int | None = None
        self.url = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            if self.path != "/set.zip":
                self.send_error(404)
                return
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and state.resumes else 0
            if start and start >= len(CONTENT):
                self.send_error(416)
                return
            body = CONTENT[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut])

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.url = f"http://127.0.0.1:{httpd.server_port}/set.zip"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


@contextmanager
def track(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    yield lambda count: None


def fetch(server: Server, folder: Path, **known: object) -> Path:
    archive = Archive("set.zip", server.url, **{"size": len(CONTENT), "md5": MD5, **known})  # type: ignore[arg-type]
    return fetch_archive(archive, folder, "Get it at its page.", track)


def test_a_complete_download_is_kept(server: Server, tmp_path: Path) -> None:
    path = fetch(server, tmp_path / "deep" / "folder")
    assert path.read_bytes() == CONTENT
    assert [found.name for found in path.parent.iterdir()] == ["set.zip"]
    fetch(server, path.parent)
    assert server.ranges == [None]


@pytest.mark.parametrize("resumes", [True, False])
def test_an_interrupted_download_resumes(server: Server, tmp_path: Path, resumes: bool) -> None:
    server.cut, server.resumes = 1000, resumes
    with pytest.raises(DataError, match="the download failed") as error:
        fetch(server, tmp_path)
    assert "Run the same command again to resume the download" in str(error.value)
    assert (tmp_path / "set.zip.part").stat().st_size == 1000
    server.cut = None
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-"]
    assert [found.name for found in tmp_path.iterdir()] == ["set.zip"]


def test_a_complete_partial_file_is_only_verified(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.zip.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == []
    (tmp_path / "set.zip").rename(tmp_path / "set.zip.part")
    assert fetch(server, tmp_path, size=None).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


def test_a_file_with_a_wrong_checksum_is_removed(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the downloaded file differs from the published one: MD5 \w+; expected 0000"):
        fetch(server, tmp_path, md5="0000")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_copy_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"a page that says 404")
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_an_unreachable_address_is_an_error(server: Server, tmp_path: Path) -> None:
    server.url = server.url.replace("set.zip", "gone.zip")
    with pytest.raises(DataError, match=r"gone\.zip: the server answers 404 \(Not Found\)") as error:
        fetch(server, tmp_path)
    assert error.value.remedy == "Get it at its page."
    server.url = "http://127.0.0.1:9/set.zip"
    with pytest.raises(DataError, match="the download failed"):
        fetch(server, tmp_path)


def test_a_file_address_is_an_error(server: Server, tmp_path: Path) -> None:
    server.url = f"file://{tmp_path}"
    with pytest.raises(DataError, match="not a web address"):
        fetch(server, tmp_path)


def test_a_target_folder_that_is_a_file_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(RunFolderError, match="can't be written"):
        fetch(server, tmp_path / "taken")
