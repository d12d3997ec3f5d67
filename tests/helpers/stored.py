"""Changes of stored files together with their digests, as in a forged run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from oodbench.storage.keys import Kind
from oodbench.storage.local import LocalStore
from oodbench.storage.sealed import SealedStore


def forge(folder: Path, path: Path, content: bytes | str) -> None:
    """Replace a stored file of the run in `folder`, and record the digest of its new content."""
    store = LocalStore(folder)
    (key,) = (key for kind in Kind for key in store.keys(kind) if store.path(key) == path)
    SealedStore(store).write(key, content.encode() if isinstance(content, str) else content)


def forge_map(folder: Path, path: Path, values: Any) -> None:
    """Replace a stored map, and record the digest of the new one."""
    file = io.BytesIO()
    np.save(file, values)
    forge(folder, path, file.getvalue())
