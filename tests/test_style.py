"""Rules of style that ruff does not check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for folder in ("oodbench", "methods", "benchmarks", "reports", "tests", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
    # oodbench/methods and so on are links to folders that are listed themselves.
    if not (folder == "oodbench" and path.relative_to(ROOT / folder).parts[0] in ("methods", "benchmarks", "reports"))
]


def stray_strings(text: str) -> list[int]:
    """Return the lines of strings that are statements and document nothing.

    A string documents a module, class or function that it begins, or the assignment that it follows. Any other one has
    no effect: often it is the second half of a message without parentheses. Ruff's B018 exempts strings.
    """
    tree = ast.parse(text)
    return [
        statement.lineno
        for node in ast.walk(tree)
        for body in bodies(node)
        for previous, statement in zip([None, *body], body, strict=False)
        if is_string(statement)
        and not isinstance(previous, ast.Assign | ast.AnnAssign)
        and not (
            previous is None and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        )
    ]


def bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the blocks of statements directly under a node."""
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value


def is_string(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    return isinstance(value, ast.JoinedStr) or (
        isinstance(value, ast.Constant) and isinstance(value.value, str | bytes)
    )


def test_each_string_statement_documents_something() -> None:
    assert len(FILES) > 300
    strays = [f"{path.relative_to(ROOT)}:{line}" for path in FILES for line in stray_strings(path.read_text("utf-8"))]
    assert strays == []


def test_a_message_cut_in_two_is_found() -> None:
    text = '"""A module."""\nLIMIT = 1\n"""A constant."""\ndef f(x):\n    """A function."""\n'
    assert stray_strings(text) == []
    assert stray_strings(text + '    assert x, "no "\n    "x"\n') == [7]
    assert stray_strings('if True:\n    "a branch"\nelse:\n    "another"\n') == [2, 4]
    assert stray_strings('class A:\n    """A class."""\n    """Again."""\n') == [3]
