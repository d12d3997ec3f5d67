"""Atomic writes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_the_mask_of_the_user_decides_who_can_read_a_file(tmp_path: Path, mask: int, mode: int) -> None:
    program = (
        f"import os\nos.umask({mask})\nfrom pathlib import Path\nfrom oodbench.files import write_atomically\n"
        "write_atomically(Path('new.txt'), lambda file: file.write(b'text'))\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == mode
