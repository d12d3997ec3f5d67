"""Contract of all heads."""

from __future__ import annotations

from oodbench.registry import Registry
from oodbench.testing import HeadContract


class TestSoftmax(HeadContract):
    name = "softmax"


class TestGMMSegAuthors(HeadContract):
    name = "gmmseg"
    parameters = {"memory": 50, "components": 2, "dimensions": 16}  # noqa: RUF012


class TestGMMSegPaper(HeadContract):
    name = "gmmseg"
    parameters = {"preset": "paper", "memory": 200, "components": 2, "dimensions": 16}  # noqa: RUF012


def test_every_head_is_tested() -> None:
    assert Registry().names("heads") == ["gmmseg", "softmax"]
