"""Help of options that is composed when it is printed."""

from __future__ import annotations

import re

import pytest
import typer.main
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


def test_the_help_of_method_names_the_basic_comparison() -> None:
    """Reading the cards of methods imports torch, so the names are written in the help."""
    registry = Registry()
    basic = [name for name in registry.names("methods") if registry.method(name).card.basic]
    text = option_help("run", "--method")
    names = re.findall(r"[\w-]+", text.rsplit(":", 1)[1].replace(" and ", " "))
    assert sorted(names) == sorted(basic)


def test_the_help_of_figure_names_each_figure() -> None:
    registry = Registry()
    figures = [name for name in registry.names("reports") if registry.report(name).card.figure]
    text = option_help("report", "--figure")
    names = re.search(r": (.+?)\. ", text)
    assert names is not None
    assert sorted(names[1].split(", ")) == sorted(figures)


def option_help(verb: str, option: str) -> str:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    (text,) = (parameter.help for parameter in command.params if option in parameter.opts)
    return str(text)
