"""One HTTP request for a file, or for the rest of a file: a checked answer, or the reason why there is none."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import IO
from urllib.parse import urlsplit

from typing_extensions import override

from oodbench import __version__

_TIMEOUT = 60.0
"""Longest wait for a connection, and for the next bytes, in seconds."""

_AGENT = f"oodbench/{__version__} (download of research datasets)"
_SCHEMES = ("http", "https")
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS}
_DEAD = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_CONTENT_RANGE = re.compile(r"bytes (?:(?P<start>[0-9]{1,18})-[0-9]{1,18}|\*)/(?:(?P<total>[0-9]{1,18})|\*)")
_HTML = re.compile(rb"(?is)(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|script)\b")


class Reason(Enum):
    """The reasons why a request gave no file."""

    REFUSED = "refused"
    DEAD = "dead"
    BUSY = "busy"
    BROKEN = "broken"
    UNREACHABLE = "unreachable"
    PAGE = "page"
    RANGE = "range"
    OTHER = "other"


class DownloadFailedError(Exception):
    """Error about a request that gave no file.

    Args:
        reason: The kind of problem.
        problem: The problem, without the address.
        wait: Time in seconds for which the server asks to wait; 0 if it does not ask.
        total: Size of the file in bytes as the server states it; None if it does not.
    """

    def __init__(self, reason: Reason, problem: str, *, wait: float = 0.0, total: int | None = None) -> None:
        super().__init__(problem)
        self.reason = reason
        self.wait = wait
        self.total = total

    @property
    def temporary(self) -> bool:
        """Whether the same request can succeed soon."""
        return self.reason in (Reason.BUSY, Reason.BROKEN)


@dataclass(frozen=True)
class Answer:
    """A file, or the rest of a file, that a server sends.

    Attributes:
        start: Position of the first byte in the file.
        length: Number of bytes that the server announces; None if it does not.
        validator: Identifies the version of the file in a later request; empty if the server gives none.
        read: Function that takes a number of bytes and returns at most as many; none at the end.
    """

    start: int
    length: int | None
    validator: str
    read: Callable[[int], bytes]

    @property
    def total(self) -> int | None:
        """Size of the whole file in bytes; None if the server does not state it."""
        return None if self.length is None else self.start + self.length


def is_web_address(url: str) -> bool:
    """Return whether a text is an address with http or https and a host."""
    try:
        parts = urlsplit(url)
    except ValueError:  # for example brackets that do not enclose an IPv6 address
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname)


def is_html(content: bytes) -> bool:
    """Return whether the beginning of a file is that of a web page."""
    return _HTML.match(content[:4096]) is not None


@contextmanager
def request_file(url: str, start: int = 0, validator: str = "") -> Iterator[Answer]:
    """Request a file from a position.

    Args:
        url: Address with http or https.
        start: Position of the first byte. A server may ignore it; the answer then starts at 0.
        validator: Version of the file of which the first bytes are known. If the server has another version, the answer
            starts at 0.

    Yields:
        The answer, whose content is not yet read.

    Raises:
        DownloadFailedError: The server sends no file, or the connection fails; also while the content is read.
    """
    headers = {"User-Agent": _AGENT}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    opener = urllib.request.build_opener(_WebRedirects)
    try:
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)  # noqa: S310  # checked
    except urllib.error.HTTPError as error:
        with error:
            raise _explain_status(error.code, error.headers) from None
    except (OSError, http.client.HTTPException) as error:
        raise _explain_connection(error) from None
    except ValueError as error:
        raise DownloadFailedError(Reason.OTHER, f"not a valid web address ({error})") from None

    def read(count: int) -> bytes:
        try:
            content: bytes = response.read(count)
        except (OSError, http.client.HTTPException) as error:
            raise _explain_connection(error) from None
        return content

    with response:
        first, length = _read_position(response.status, response.headers, start)
        if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise make_page_error()
        yield Answer(first, length, _find_validator(response.headers), read)


def make_page_error() -> DownloadFailedError:
    """Return the error for a web page that came instead of the file."""
    return DownloadFailedError(
        Reason.PAGE, "the server sends a web page (HTML) instead of the file, such as a login page"
    )


class _WebRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects to web addresses only, and never from https to http."""

    @override
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if not is_web_address(newurl) or (req.type == "https" and scheme != "https"):
            raise DownloadFailedError(
                Reason.OTHER, f"the server redirects from {req.type} to {scheme or 'no address'}, which is not followed"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read_position(status: int, headers: Message, start: int) -> tuple[int, int | None]:
    """Return the position of the first byte of an answer, and its announced length."""
    length = _parse_count(headers.get("Content-Length"))
    if status == HTTPStatus.OK:
        return 0, length
    if status == HTTPStatus.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if found and found["start"] == str(start):
            return start, length if found["total"] is None else int(found["total"]) - start
        raise DownloadFailedError(Reason.RANGE, "the server sends another part of the file than requested")
    raise DownloadFailedError(Reason.OTHER, f"the server answers {_describe_status(status)}")


def _explain_status(status: int, headers: Message) -> DownloadFailedError:
    text = _describe_status(status)
    if status in _REFUSED:
        return DownloadFailedError(Reason.REFUSED, f"the server refuses the download: {text}")
    if status in _DEAD:
        return DownloadFailedError(Reason.DEAD, f"the address is dead: {text}")
    if status in _BUSY:
        wait = _read_wait(headers)
        asked = f" and asks to wait {wait:.0f} s" if wait else ""
        return DownloadFailedError(Reason.BUSY, f"the server is busy{asked}: {text}", wait=wait)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        total = int(found["total"]) if found and found["total"] else None
        return DownloadFailedError(Reason.RANGE, f"the server has no such part of the file: {text}", total=total)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return DownloadFailedError(Reason.BROKEN, f"the server failed: {text}")
    return DownloadFailedError(Reason.OTHER, f"the server answers {text}")


def _describe_status(status: int) -> str:
    """Return the number and the standard name of a status. The server's own words could contain control characters."""
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


def _explain_connection(error: Exception) -> DownloadFailedError:
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, (ConnectionRefusedError, socket.gaierror)):
        return DownloadFailedError(Reason.UNREACHABLE, f"the server can't be reached ({cause})")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return DownloadFailedError(Reason.OTHER, f"the server's certificate is not valid ({cause.verify_message})")
    return DownloadFailedError(Reason.BROKEN, f"the connection failed ({cause or type(cause).__name__})")


def _read_wait(headers: Message) -> float:
    """Return the time in seconds for which Retry-After asks to wait: a number, or a date by the server's own clock."""
    value = headers.get("Retry-After", "").strip()
    seconds = _parse_count(value)
    if seconds is not None:
        return float(seconds)
    until, now = _parse_date(value), _parse_date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds()) if until else 0.0


def _parse_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _parse_count(value: str | None) -> int | None:
    """Return a number of bytes or seconds from a header; None if it is missing or not a number."""
    return int(value) if value is not None and re.fullmatch(r"[0-9]{1,18}", value.strip()) else None


def _find_validator(headers: Message) -> str:
    """Return the strong ETag, or the date of the last change. A weak ETag does not identify the bytes."""
    tag: str = headers.get("ETag", "").strip()
    if tag.startswith('"'):
        return tag
    date: str = headers.get("Last-Modified", "").strip()
    return date
