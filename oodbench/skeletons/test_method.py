"""The contract test of the method, and its equation computed by hand."""

from __future__ import annotations

from pathlib import Path

from oodbench.testing import MethodContract


class TestMyMethod(MethodContract):
    """The contract on a small network with a planted anomaly: low equal logits, and features far from every class."""

    plugin = Path(__file__).with_name("my_method.py")
    name = "my-method"
    # To test parameters: spec = "my-method:scale=2"
    # If the method does not detect the planted anomaly by design: finds_planted = False


# Add tests that the contract can't contain: the equation on a few pixels, computed by hand.
