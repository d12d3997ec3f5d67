"""`oodbench new`: a plugin or a model to start from, with its test."""

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

# kind -> the kinds of the registry among which its name has to be new: users name data sets in NAME=DIR.
_KINDS: Mapping[str, tuple[str, ...]] = {
    "method": ("methods",),
    "benchmark": ("benchmarks", "datasets"),
    "model": ("models",),
}
_LONGEST = 40


def new(
    kind: Annotated[str, typer.Argument(help="method, benchmark or model.")],
    name: Annotated[str, typer.Argument(help="Its public name: lower-case letters, digits and dashes.")],
    out: Annotated[Path, typer.Option(help="Where to write the two files.", metavar="DIR")] = Path(),
) -> None:
    """Write a plugin or a model to start from, NAME.py, and its test, test_NAME.py. No file is overwritten."""
    if kind not in _KINDS:
        raise UnknownNameError("kind", kind, _KINDS)
    _check_free(kind, name)
    module, title = name.replace("-", "_"), name.replace("-", " ").capitalize()
    class_name = title.title().replace(" ", "")
    templates = {
        out / f"{module}.py": files("oodbench.skeletons").joinpath(f"{kind}.py").read_text(encoding="utf-8"),
        out / f"test_{module}.py": files("oodbench.skeletons").joinpath(f"test_{kind}.py").read_text(encoding="utf-8"),
    }
    for path in templates:
        if path.exists():
            raise UsageError(f"{path}: there is such a file already", "Remove it, or choose another name or --out.")
    tokens = (token for text in templates.values() for token in tokenize.generate_tokens(io.StringIO(text).readline))
    used = {token.string for token in tokens if token.type == tokenize.NAME} - {f"My{kind.capitalize()}"}
    _check_words(name, module, class_name, used)
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


def _check_free(kind: str, name: str) -> None:
    """Refuse what is no public name, and one that another plugin has."""
    if len(name) > _LONGEST or not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"'{name}' can't be a public name; expected lower-case letters and digits, parted by single dashes, "
            f"a letter first, {_LONGEST} characters at most",
            f"For example: oodbench new {kind} my-{kind}",
        )
    registry = Registry()
    for known in _KINDS[kind]:
        for entry in registry.entries(known):
            if entry.name == name:
                raise UsageError(
                    f"'{name}' is taken: {entry.file} has the {known.removesuffix('s')} {name} ({entry.summary})",
                    "Choose another name.",
                )


def _check_words(name: str, module: str, class_name: str, used: set[str]) -> None:
    """Refuse a name that Python or the skeleton uses for something else."""
    if keyword.iskeyword(module) or keyword.iskeyword(class_name):
        raise UsageError(f"'{name}' would make a file or a class called as a word of Python", "Choose another name.")
    if class_name in used:
        raise UsageError(f"'{name}' would make a class {class_name}, as there is one already", "Choose another name.")
    # A file in the current folder would hide the module of that name from everything that imports it.
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
