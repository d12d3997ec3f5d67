"""Reference of the Python API, from its docstrings: one page per public name."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType

from tools.site.generated import GeneratedPage

FOLDER = "reference/api"

MODULES = (
    "oodbench",
    "oodbench.metrics",
    "oodbench.types",
    "oodbench.errors",
    "oodbench.contracts",
    "oodbench.data",
    "oodbench.numerics",
    "oodbench.testing",
)
"""The public modules. README and the pages of docs/ import from these alone."""

INTRODUCTION = """\
# Python API

Each public name has a page. Everything else is internal and can change in any version; see
[versions](../versions.md). [From Python](../../getting-started/from-python.md) is the guided tour.

"""


def make_pages() -> list[GeneratedPage]:
    """Return an index of the modules, an index per module, and one page per public name."""
    modules = {name: importlib.import_module(name) for name in MODULES}
    lines = [f"| [`{name}`]({name}/index.md) | {_first_line(module)} |" for name, module in modules.items()]
    text = INTRODUCTION + "\n".join(["| module | contents |", "|---|---|", *lines]) + "\n"
    return [GeneratedPage(f"{FOLDER}/index.md", text), *(page for name in modules for page in _module_pages(name))]


def public_names(module: str) -> list[str]:
    """Return the public names of a module that are not modules themselves."""
    content = importlib.import_module(module)
    return [name for name in content.__all__ if not isinstance(getattr(content, name), ModuleType)]


def _module_pages(module: str) -> list[GeneratedPage]:
    content = importlib.import_module(module)
    names = public_names(module)
    lines = [f"| [`{name}`]({name}.md) | {_first_line(getattr(content, name))} |" for name in names]
    index = "\n".join([f"# {module}", "", _first_line(content), "", "| name | description |", "|---|---|", *lines, ""])
    return [
        GeneratedPage(f"{FOLDER}/{module}/index.md", index, section=module),
        *(
            GeneratedPage(f"{FOLDER}/{module}/{name}.md", f"::: {module}.{name}\n", name, section=module)
            for name in names
        ),
    ]


def _first_line(thing: object) -> str:
    """Return the first paragraph of a docstring; empty for values, whose docstring is not kept."""
    documented = inspect.ismodule(thing) or inspect.isclass(thing) or inspect.isroutine(thing)
    text = (inspect.getdoc(thing) or "") if documented else ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")
