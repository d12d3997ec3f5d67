"""Objects as bytes for other machines. Files that they name are found again there, or sent.

Code of the user is part of the bytes, because workers can't import it. A path to a file is replaced by the path and the
digest of the file.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray import cloudpickle
from typing_extensions import override

from oodbench.errors import DataError, UsageError
from oodbench.files import digest_bytes, digest_file
from oodbench.user_code.importing import USER_PACKAGES

Fetch = Callable[[str], bytes]
"""A function that returns the content of a file on the driver's machine."""


class Packer:
    """Converter of objects to bytes. The digest of each file is computed once."""

    def __init__(self) -> None:
        self._digests: dict[Path, str] = {}

    def digest(self, file: Path) -> str:
        """Return the digest of a file."""
        if file not in self._digests:
            self._digests[file] = digest_file(file)
        return self._digests[file]

    def pack(self, content: Any, what: str) -> bytes:
        """Return an object as bytes.

        Args:
            content: The object.
            what: What it is, for the error.

        Raises:
            UsageError: The object can't be pickled.
        """
        for name in [name for name in sys.modules if name.startswith(USER_PACKAGES) and "." not in name]:
            cloudpickle.register_pickle_by_value(sys.modules[name])  # type: ignore[no-untyped-call]
        buffer = io.BytesIO()
        try:
            _Pickler(buffer, self).dump(content)  # type: ignore[no-untyped-call]
        except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
            raise UsageError(
                f"{what} can't be sent to the workers of --executor ray, because it can't be pickled ({error})",
                "Give it by name or as a file instead of an object, or use --executor serial.",
            ) from error
        return buffer.getvalue()


class _Pickler(cloudpickle.Pickler):
    def __init__(self, buffer: io.BytesIO, packer: Packer) -> None:
        super().__init__(buffer)  # type: ignore[no-untyped-call]
        self._packer = packer

    @override
    def persistent_id(self, content: Any) -> tuple[str, str] | None:
        """Return the path and the digest of a file; None for anything else."""
        if not isinstance(content, Path) or not content.is_file():
            return None
        file = content.absolute()
        return str(file), self._packer.digest(file)


class ReceivedFiles:
    """Files on a worker's machine: those of the driver's paths, or copies in a folder.

    Args:
        folder: The folder of the copies. A copy has the driver's path in it.
        fetch: The function that returns the content of a file on the driver's machine.
    """

    def __init__(self, folder: Path, fetch: Fetch) -> None:
        self._folder, self._fetch = folder, fetch

    def find(self, path: str, digest: str) -> Path:
        """Return a file with this content: the file at the path, or a copy of the driver's.

        Raises:
            DataError: The driver's file has changed.
        """
        file = Path(path)
        return file if _has_content(file, digest) else self._copy(file, digest)

    def find_together(self, digests: Mapping[str, str]) -> Callable[[str], str]:
        """Find files that refer to each other by relative paths, and return a function that maps their paths.

        Args:
            digests: Maps the path of each file to its digest.
        """
        if all(_has_content(Path(path), digest) for path, digest in digests.items()):
            return lambda path: path
        for path, digest in digests.items():
            self._copy(Path(path), digest)
        return lambda path: str(self._place(Path(path)))

    def unpack(self, data: bytes) -> Any:
        """Return the object of bytes that `Packer.pack` made, with the paths of this machine."""
        return _Unpickler(io.BytesIO(data), self).load()

    def _place(self, file: Path) -> Path:
        return self._folder / file.relative_to(file.anchor)

    def _copy(self, file: Path, digest: str) -> Path:
        copy = self._place(file)
        if not copy.exists():
            content = self._fetch(str(file))
            if digest_bytes(content) != digest:
                raise DataError(f"{file}: changed while the run used it", "Run the same command again.")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
        return copy


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, files: ReceivedFiles) -> None:
        super().__init__(buffer)
        self._files = files

    @override
    def persistent_load(self, pid: Any) -> Path:
        """Return the file of a path and a digest."""
        return self._files.find(*pid)


def _has_content(file: Path, digest: str) -> bool:
    try:
        return file.is_file() and digest_file(file) == digest
    except OSError:
        return False
