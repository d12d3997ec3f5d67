"""The contract that every method has to hold, and the equation by hand."""

from __future__ import annotations

from pathlib import Path

from oodbench.testing import MethodContract


class TestMyMethod(MethodContract):
    """On a small network with a planted anomaly: low equal logits, and features far from every class."""

    plugin = Path(__file__).with_name("my_method.py")
    name = "my-method"
    # With parameters: spec = "my-method:scale=2"
    # For a method that looks for something else than the planted anomaly: finds_planted = False


# Add what the contract can't know: the equation on a few pixels, computed by hand.
