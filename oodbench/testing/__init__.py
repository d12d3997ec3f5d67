"""Contract tests, which a plugin must pass: add them to the test suite of your own method, benchmark or other plugin.

    from pathlib import Path
    from oodbench.testing import MethodContract

    class TestMargin(MethodContract):
        plugin = Path(__file__).with_name("margin.py")
        name = "margin"

Each contract is a plain class. pytest collects the tests from your subclass. docs/how-to/add-a-method.md explains each
step.
"""

from oodbench.testing.benchmarks import BenchmarkContract
from oodbench.testing.datasets import DatasetContract
from oodbench.testing.heads import HeadContract
from oodbench.testing.methods import MethodContract
from oodbench.testing.reports import ReportContract
from oodbench.testing.segmenters import AdapterContract
from oodbench.testing.submissions import SubmissionContract

__all__ = [
    "AdapterContract",
    "BenchmarkContract",
    "DatasetContract",
    "HeadContract",
    "MethodContract",
    "ReportContract",
    "SubmissionContract",
]
