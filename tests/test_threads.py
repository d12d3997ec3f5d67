"""The number of threads is the user's."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import oodbench, torch, numba
from oodbench.numerics import summarise
summarise(torch.zeros(19, 8, 8), (64, 64))
print(torch.get_num_threads(), numba.get_num_threads())
"""


def test_compiled_loops_keep_to_omp_num_threads() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "1"]
