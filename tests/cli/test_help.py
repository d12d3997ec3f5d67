"""Help of options that is composed when it is printed."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from oodbench.cli.main import app
from oodbench.registry import Registry


@pytest.mark.parametrize("verb", ["run", "predict"])
def test_the_help_of_model_names_what_each_adapter_accepts(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "--help"])
    assert shown.exit_code == 0
    # Lines are also broken at hyphens.
    text = "".join(shown.output.split())
    accepted = [entry.summary for entry in Registry().entries("models")]
    assert any("hf:OWNER/NAME" in summary for summary in accepted)
    for summary in accepted:
        assert "".join(summary.split()) in text
    assert "{sources}" not in text
