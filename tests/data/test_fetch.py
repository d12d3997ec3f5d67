"""Downloads from a local server: complete, resumed, busy, broken, refused, replaced and missing files."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest
from typing_extensions import override

import oodbench
from oodbench.contracts import Archive
from oodbench.data.downloads import fetch as module
from oodbench.data.downloads.fetch import fetch_archive
from oodbench.data.downloads.web import is_html
from oodbench.errors import DataError, PluginError, RunFolderError
from oodbench.progress import Silent

CONTENT = bytes(range(256)) * 512
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>"
PART = "set.zip.part"


@dataclass
class Reply:
    """One answer of the server. By default it serves CONTENT and honours Range."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: int | None = None
    drops: bool = False


@dataclass
class Server:
    """State of the server: received requests, and the answers, of which the last is repeated."""

    requests: list[dict[str, str]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    url: str = ""

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def ranges(self) -> list[str | None]:
        return [request.get("Range") for request in self.requests]


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(dict(self.headers))
            reply = state.next_reply()
            if reply.drops:
                self.connection.close()
                return
            asked = self.headers.get("Range")
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and reply.status is None else 0
            body = CONTENT[start:] if reply.body is None else reply.body
            self.send_response_only(reply.status or (206 if start else 200))
            headers = {"Content-Length": str(len(body))}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
            for name, value in (headers | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: reply.cut])

        @override
        def log_message(self, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.handle_error = lambda *args: None  # type: ignore[method-assign]  # a dropped connection is no failure
        state.url = f"http://127.0.0.1:{httpd.server_port}/set.zip"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


class Recorder(Silent):
    """Progress messages and waits."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.waits: list[float] = []

    @override
    def say(self, text: str) -> None:
        self.lines.append(text)

    @override
    def warn(self, text: str) -> None:
        self.warnings.append(text)


def fetch(server: Server, folder: Path, recorder: Recorder | None = None, **known: Any) -> Path:
    recorder = recorder or Recorder()
    archive = Archive("set.zip", server.url, **{"size": len(CONTENT), "md5": MD5, **known})
    return fetch_archive(archive, folder, "Get it at its page.", recorder, recorder.waits.append)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_complete_download_is_kept(server: Server, tmp_path: Path) -> None:
    path = fetch(server, tmp_path / "deep" / "folder")
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["set.zip"]
    fetch(server, path.parent)
    assert len(server.requests) == 1
    assert server.requests[0]["User-Agent"].startswith(f"oodbench/{oodbench.__version__} (")


@pytest.mark.parametrize(
    ("status", "headers", "waits", "said"),
    [
        (429, {"Retry-After": "7"}, [7.0], "the server is busy and asks to wait 7 s: 429 (Too Many Requests)"),
        (503, {}, [1.0], "the server is busy: 503 (Service Unavailable)"),
        (503, {"Retry-After": "soon"}, [1.0], "the server is busy: 503"),
        (429, {"Retry-After": "-5"}, [1.0], "the server is busy: 429"),
        (500, {}, [1.0], "the server failed: 500 (Internal Server Error)"),
        (502, {}, [1.0], "the server failed: 502 (Bad Gateway)"),
    ],
)
def test_a_busy_or_failing_server_is_asked_again(
    server: Server, tmp_path: Path, status: int, headers: dict[str, str], waits: list[float], said: str
) -> None:
    server.replies = [Reply(status, headers), Reply()]
    recorder = Recorder()
    assert fetch(server, tmp_path, recorder).read_bytes() == CONTENT
    assert recorder.waits == waits
    assert len(recorder.lines) == 1
    assert said in recorder.lines[0]
    assert f"the next attempt is in {waits[0]:.0f} s" in recorder.lines[0]


def test_a_date_to_wait_for_is_compared_with_the_clock_of_the_server(server: Server, tmp_path: Path) -> None:
    now = datetime(2001, 1, 1, tzinfo=UTC)
    dates = {
        "Date": format_datetime(now, usegmt=True),
        "Retry-After": format_datetime(now + timedelta(seconds=9), True),
    }
    server.replies = [Reply(503, dates), Reply()]
    recorder = Recorder()
    fetch(server, tmp_path, recorder)
    assert recorder.waits == [9.0]


def test_waits_grow_and_end(server: Server, tmp_path: Path) -> None:
    server.replies = [Reply(503)]
    recorder = Recorder()
    with pytest.raises(DataError, match="the server is busy: 503") as error:
        fetch(server, tmp_path, recorder)
    assert recorder.waits == sorted(recorder.waits)
    assert len(server.requests) == len(recorder.waits) + 1 == 5
    assert "Run the same command again later to resume the download. Get it at its page." in str(error.value)


def test_a_very_long_wait_is_left_to_the_user(server: Server, tmp_path: Path) -> None:
    server.replies = [Reply(429, {"Retry-After": "86400"})]
    recorder = Recorder()
    with pytest.raises(DataError, match="asks to wait 86400 s"):
        fetch(server, tmp_path, recorder)
    assert recorder.waits == []


@pytest.mark.parametrize(
    "broken", [Reply(cut=1000), Reply(drops=True), Reply(body=b"", headers={"Content-Length": "9"})]
)
def test_a_broken_connection_is_tried_again(server: Server, tmp_path: Path, broken: Reply) -> None:
    server.replies = [broken, broken, Reply()]
    recorder = Recorder()
    assert fetch(server, tmp_path, recorder, size=None).read_bytes() == CONTENT
    assert recorder.waits == [1.0, 2.0]


def test_a_slow_server_is_an_error(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oodbench.data.downloads.web._TIMEOUT", 0.05)
    monkeypatch.setattr(module, "_WAITS", ())
    server.replies = [Reply(headers={"Content-Length": "10"}, body=b"x" * 5)]
    monkeypatch.setattr(BaseHTTPRequestHandler, "finish", lambda self: threading.Event().wait(0.2))
    with pytest.raises(DataError, match=r"the connection failed \((.*)timed out\)"):
        fetch(server, tmp_path, size=None)


def test_received_data_reset_the_waits(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1000)
    server.replies = [Reply(cut=10_000) for _ in range(8)] + [Reply()]
    recorder = Recorder()
    assert fetch(server, tmp_path, recorder).read_bytes() == CONTENT
    assert recorder.waits == [1.0] * 8


def test_an_interrupted_download_resumes_with_the_same_version(server: Server, tmp_path: Path) -> None:
    tags = {"ETag": '"one"'}
    server.replies = [Reply(cut=1000, headers=tags), Reply(headers=tags)]
    assert fetch(server, tmp_path, size=None, md5="").read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=1000-"]
    assert server.requests[1]["If-Range"] == '"one"'
    assert names(tmp_path) == ["set.zip"]


def test_a_weak_version_is_not_sent(server: Server, tmp_path: Path) -> None:
    date = "Mon, 01 Jan 2001 00:00:00 GMT"
    server.replies = [Reply(cut=1000, headers={"ETag": 'W/"one"', "Last-Modified": date}), Reply()]
    fetch(server, tmp_path)
    assert server.requests[1]["If-Range"] == date


def test_another_version_on_the_server_starts_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(b"old" * 1000)
    (tmp_path / f"{PART}.version").write_text('"old"')
    server.replies = [Reply(200, {"ETag": '"new"'})]
    assert fetch(server, tmp_path, size=None, md5="").read_bytes() == CONTENT
    assert server.requests[0]["If-Range"] == '"old"'


def test_a_part_of_an_unknown_version_is_not_resumed(server: Server, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path, size=None, md5="").read_bytes() == CONTENT
    assert server.ranges() == [None]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200),
        Reply(416),
        Reply(416, {"Content-Range": "bytes */7"}),
        Reply(206, {"Content-Range": "bytes 5-9/10"}, b"later"),
        Reply(206, {"Content-Range": "rubbish"}, b"later"),
    ],
    ids=["ignored", "refused", "shorter", "another part", "no part"],
)
def test_a_server_that_can_not_resume_starts_again(server: Server, tmp_path: Path, reply: Reply) -> None:
    (tmp_path / PART).write_bytes(CONTENT[:1000])
    server.replies = [reply, Reply()]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges()[0] == "bytes=1000-"
    assert names(tmp_path) == ["set.zip"]


def test_a_complete_partial_file_is_only_verified(server: Server, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(CONTENT)
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == []
    (tmp_path / "set.zip").rename(tmp_path / PART)
    server.replies = [Reply(416, {"Content-Range": f"bytes */{len(CONTENT)}"})]
    assert fetch(server, tmp_path, size=None).read_bytes() == CONTENT
    assert server.ranges() == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("content", [b"\0" * 1000, b"\0" * len(CONTENT), b"\0" * (len(CONTENT) + 1)])
def test_a_part_with_other_content_is_replaced(server: Server, tmp_path: Path, content: bytes) -> None:
    (tmp_path / PART).write_bytes(content)
    assert fetch(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "kind"), [(200, "text/html; charset=utf-8"), (206, "text/html"), (200, "application/zip")]
)
@pytest.mark.parametrize("body", [PAGE, b"\xef\xbb\xbf\n <!-- moved -->\n<HTML>"])
def test_a_page_instead_of_the_archive_leaves_the_part(
    server: Server, tmp_path: Path, status: int, kind: str, body: bytes
) -> None:
    (tmp_path / PART).write_bytes(CONTENT[:1000])
    server.replies = [Reply(status, {"Content-Type": kind, "Content-Range": f"bytes 1000-9999/{len(CONTENT)}"}, body)]
    with pytest.raises(DataError, match="sends a web page") as error:
        fetch(server, tmp_path, size=None)
    assert "Download the file in a browser, store it as" in str(error.value)
    assert (tmp_path / PART).read_bytes() == CONTENT[:1000]


def test_pages_are_recognised_by_their_content() -> None:
    assert not any(map(is_html, (CONTENT, b"PK\x03\x04", b"", b"<?xml version='1.0'?><a/>", b"html")))


@pytest.mark.parametrize("offered", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_file_of_another_size_leaves_the_part(server: Server, tmp_path: Path, offered: int) -> None:
    (tmp_path / PART).write_bytes(CONTENT[:1000])
    server.replies = [Reply(200, body=b"x" * offered)]
    with pytest.raises(DataError, match=rf"the server sends {offered} bytes; expected {len(CONTENT)}"):
        fetch(server, tmp_path)
    assert (tmp_path / PART).read_bytes() == CONTENT[:1000]


def test_an_endless_file_is_stopped(server: Server, tmp_path: Path) -> None:
    server.replies = [Reply(body=CONTENT * 2, headers={"Content-Length": "abc"})]
    with pytest.raises(DataError, match="the server sends more bytes; expected"):
        fetch(server, tmp_path)


@pytest.mark.parametrize("length", ["abc", "", "-1", "1e3", "9" * 30])
def test_a_length_that_is_no_number_is_ignored(server: Server, tmp_path: Path, length: str) -> None:
    server.replies = [Reply(headers={"Content-Length": length})]
    if length == "9" * 30:
        server.replies = [Reply(headers={"Content-Length": length, "Connection": "close"})]
    assert fetch(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("published", [{"md5": "0000"}, {"sha256": "0000"}])
def test_a_file_with_a_wrong_checksum_is_removed(server: Server, tmp_path: Path, published: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"file differs from the published one: (MD5|SHA-256) \w+; expected"):
        fetch(server, tmp_path, **published)
    assert names(tmp_path) == []


def test_checksums_are_compared_without_case(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path / "md5", md5=MD5.upper())
    fetch(server, tmp_path / "sha256", md5="", sha256=SHA256.upper())


def test_a_file_without_a_checksum_has_a_warning(server: Server, tmp_path: Path) -> None:
    recorder = Recorder()
    path = fetch(server, tmp_path, recorder, md5="")
    assert recorder.warnings == [
        f"{path}: came over an unencrypted connection without a published checksum, so its content is not verified"
    ]


def test_a_damaged_copy_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"a page that says 404")
    assert fetch(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "problem", "remedy"),
    [
        (401, r"the server refuses the download: 401 \(Unauthorized\)", "It may need a login. Download the file in a"),
        (403, r"the server refuses the download: 403 \(Forbidden\)", "It may need a login. Download the file in a"),
        (404, r"the address is dead: 404 \(Not Found\)", f"If you find a copy of set.zip ({len(CONTENT)} bytes, MD5 "),
        (410, r"the address is dead: 410 \(Gone\)", "elsewhere, store it as"),
        (400, r"the server answers 400 \(Bad Request\)", "Get it at its page."),
        (204, r"the server answers 204 \(No Content\)", "Get it at its page."),
        (302, r"the server answers 302 \(Found\)", "Get it at its page."),
        (999, "the server failed: 999", "Run the same command again"),
    ],
)
def test_statuses_are_distinguished(server: Server, tmp_path: Path, status: int, problem: str, remedy: str) -> None:
    server.replies = [Reply(status)]
    (tmp_path / PART).write_bytes(CONTENT[:1000])
    with pytest.raises(DataError, match=problem) as error:
        fetch(server, tmp_path)
    assert remedy in str(error.value)
    assert "Get it at its page." in str(error.value)
    assert (tmp_path / PART).read_bytes() == CONTENT[:1000]


def test_a_redirect_is_followed_to_web_addresses_only(server: Server, tmp_path: Path) -> None:
    server.replies = [Reply(302, {"Location": "/elsewhere"}), Reply()]
    assert fetch(server, tmp_path / "web").read_bytes() == CONTENT
    for address in ("file:///etc/hostname", "ftp://127.0.0.1/set.zip", "data:,x", "javascript:1"):
        server.replies = [Reply(302, {"Location": address})]
        with pytest.raises(DataError, match=r"which is not followed|the server answers 302"):
            fetch(server, tmp_path / "other")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1:9/set.zip", "the server can't be reached"),
        ("http://[::1/set.zip", "not a web address"),
        ("http://127.0.0.1:port/set.zip", "port"),
        ("http://127.0.0.1:9/\u00e9 x", "not a valid web address|can't"),
        ("file:///etc/hostname", "not a web address"),
        ("ftp://127.0.0.1/set.zip", "not a web address"),
        ("/etc/hostname", "not a web address"),
        ("", "set.zip: not a web address"),
    ],
)
def test_other_addresses_are_errors(tmp_path: Path, url: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        fetch(Server(url=url), tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "../a.zip", "/a.zip", "a/b.zip", "a\\b.zip", "C:a.zip", "a\n", "a\0"])
def test_the_name_of_an_archive_can_not_leave_the_folder(name: str) -> None:
    with pytest.raises(PluginError, match=r"^archive .*expected"):
        Archive(name)


def test_a_target_folder_that_is_a_file_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(RunFolderError, match="can't be written"):
        fetch(server, tmp_path / "taken")


@pytest.mark.parametrize("name", ["set.zip", PART])
def test_a_folder_in_the_place_of_the_file_is_an_error(server: Server, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(RunFolderError, match=rf"{name}: not a file"):
        fetch(server, tmp_path)


def test_a_full_disk_leaves_the_part(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1000)
    opened = Path.open

    def open_until_full(self: Path, mode: str = "r", *args: Any, **options: Any) -> IO[Any]:
        if mode == "ab" and self.stat().st_size >= 3000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(self, mode, *args, **options)

    with monkeypatch.context() as full:
        full.setattr(Path, "open", open_until_full)
        with pytest.raises(RunFolderError, match="No space left on device") as error:
            fetch(server, tmp_path)
    assert "The same command then resumes the download." in str(error.value)
    assert (tmp_path / PART).stat().st_size == 3000
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=3000-"]


def test_an_interrupt_leaves_the_part(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1000)

    class Interrupted(Recorder):
        @override
        @contextmanager
        def track(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
            def advance(count: int) -> None:
                raise KeyboardInterrupt

            yield advance

    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, Interrupted())
    assert (tmp_path / PART).read_bytes() == CONTENT[:1000]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
