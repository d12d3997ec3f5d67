"""Reference of the command line, from the program itself: one page per command."""

from __future__ import annotations

import html
import re
from typing import Any

import typer.main

from oodbench.cli.main import app
from tools.site.generated import GeneratedPage

FOLDER = "reference/cli"

INTRODUCTION = """\
# Command line

    oodbench COMMAND [OPTIONS]

`oodbench COMMAND --help` prints the same text as the page of the command. [Errors and exit
codes](../errors.md) lists what each exit code means.

"""


def make_pages() -> list[GeneratedPage]:
    """Return the index of the commands, and one page per command."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = [
        f"| [`oodbench {name}`]({name}.md) | {_escape(command.get_short_help_str(200))} |"
        for name, command in commands.items()
    ]
    index = INTRODUCTION + "\n".join(["| command | what it does |", "|---|---|", *lines]) + "\n"
    return [
        GeneratedPage(f"{FOLDER}/index.md", index),
        *(
            GeneratedPage(f"{FOLDER}/{name}.md", _command_page(f"oodbench {name}", command), f"oodbench {name}")
            for name, command in commands.items()
        ),
    ]


def _command_page(name: str, command: Any, level: int = 1) -> str:
    """Return the page of a command; the commands of a group are sections."""
    parts = [f"{'#' * level} {name}", _paragraphs(command.help or "")]
    children = getattr(command, "commands", {})
    if children:
        parts += [_command_page(f"{name} {child}", children[child], level + 1) for child in children]
        return "\n\n".join(parts)
    context = command.context_class(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts.append(f"```text\n{usage}\n```")
    command.get_help(context)  # completes the texts that depend on the registry
    for kind in ("argument", "option"):
        records = [
            parameter.get_help_record(context)
            for parameter in command.get_params(context)
            if parameter.param_type_name == kind
        ]
        lines = [
            f"| <code>{_escape(record[0])}</code> | {_mark_options(_escape(record[1]))} |"
            for record in records
            if record
        ]
        if lines:
            parts.append("\n".join([f"| {kind} | description |", "|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"


def _paragraphs(text: str) -> str:
    """Return help text as Markdown: click keeps the lines of paragraphs that begin with a mark."""
    return re.sub(r"\x08\n", "", text).strip()


def _mark_options(text: str) -> str:
    """Set the options in a help text as code, which does not break after its hyphens."""
    return re.sub(r"(?<![\w-])--[a-z][a-z-]*", r"<code>\g<0></code>", text)


def _escape(text: str) -> str:
    """Return text for a cell of a table."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "&#124;")
