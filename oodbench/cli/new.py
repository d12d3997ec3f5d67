"""`oodbench new`: a template for a plugin or model, with its test."""

from __future__ import annotations

import importlib.util
import io
import keyword
import re
import tokenize
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from oodbench.errors import UnknownNameError, UsageError
from oodbench.files import cannot_write
from oodbench.registry import Registry

# Maps a kind to the kinds in which its name must be unused. Benchmarks and datasets share one list of names, because
# users refer to both by NAME=DIR.
_KINDS: Mapping[str, tuple[str, ...]] = {
    "method": ("methods",),
    "benchmark": ("benchmarks", "datasets"),
    "model": ("models",),
}
_LONGEST = 40
_WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def new(
    kind: Annotated[str, typer.Argument(help="Kind: method, benchmark or model.", metavar="KIND")],
    name: Annotated[
        str, typer.Argument(help="Public name, of lower-case letters, digits and single dashes.", metavar="NAME")
    ],
    out: Annotated[Path, typer.Option(help="Folder in which both files are written.", metavar="DIR")] = Path(),
) -> None:
    """Write a template for a plugin or model, NAME.py, and its test, test_NAME.py. No file is overwritten."""
    if kind not in _KINDS:
        raise UnknownNameError("kind", kind, _KINDS)
    _check_name(kind, name)
    module, title = name.replace("-", "_"), name.replace("-", " ").capitalize()
    class_name = title.title().replace(" ", "")
    templates = {
        out / f"{module}.py": files("oodbench.skeletons").joinpath(f"{kind}.py").read_text(encoding="utf-8"),
        out / f"test_{module}.py": files("oodbench.skeletons").joinpath(f"test_{kind}.py").read_text(encoding="utf-8"),
    }
    for path in templates:
        if path.exists():
            raise UsageError(f"{path}: the file already exists", "Remove it, or choose another name or --out.")
    tokens = (token for text in templates.values() for token in tokenize.generate_tokens(io.StringIO(text).readline))
    used_names = {token.string for token in tokens if token.type == tokenize.NAME} - {f"My{kind.capitalize()}"}
    _check_identifiers(name, module, class_name, used_names)
    for path, text in templates.items():
        for old, word in {
            f"my-{kind}": name,
            f"my_{kind}": module,
            f"My{kind.capitalize()}": class_name,
            f"My {kind}": title,
        }.items():
            text = text.replace(old, word)
        _write(path, text)
    plugin, test = templates
    print(f"test it:  python -m pytest {test}")
    if kind == "model":
        print(f"run it:   oodbench run --model {plugin}:build --checkpoint FILE --data DIR")
    else:
        print(f"run it:   oodbench run --plugin {plugin} --{kind} {name} --model network.onnx --data DIR")


def _check_name(kind: str, name: str) -> None:
    """Raise if a name is not a valid public name, or if another plugin has it."""
    if len(name) > _LONGEST or not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"'{name}' can't be a public name; expected lower-case letters and digits, separated by single dashes, "
            f"with a letter first, {_LONGEST} characters at most",
            f"Choose another name, for example: oodbench new {kind} my-{kind}",
        )
    registry = Registry()
    for registry_kind in _KINDS[kind]:
        for entry in registry.entries(registry_kind):
            if entry.name == name:
                raise UsageError(
                    f"'{name}' is taken: {entry.file} has the {registry_kind.removesuffix('s')} {name} "
                    f"({entry.summary})",
                    "Choose another name.",
                )


def _check_identifiers(name: str, module: str, class_name: str, used_names: set[str]) -> None:
    """Raise if the file or the class would have a name that Python or the template already uses."""
    if module in _WINDOWS_DEVICES:
        raise UsageError(f"Windows can't have a file {module}.py", "Choose another name.")
    if keyword.iskeyword(module) or keyword.iskeyword(class_name):
        raise UsageError(f"'{name}' would give a file or a class the name of a Python keyword", "Choose another name.")
    if class_name in used_names:
        raise UsageError(
            f"'{name}' would give the class the name {class_name}, which the template already uses",
            "Choose another name.",
        )
    # A file in the current folder would hide a module of the same name from all code that imports it.
    other = importlib.util.find_spec(module)
    if other is not None:
        raise UsageError(f"{module}.py would hide the module {module} ({other.origin})", "Choose another name.")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise cannot_write(path, error) from error
    print(f"wrote {path}")
