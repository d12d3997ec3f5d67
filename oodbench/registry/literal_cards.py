"""Cards that are read without importing the plugin's file, which may import torch."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from oodbench.contracts import MethodCard
from oodbench.user_code import read_source


def read_literal_card(file: Path, attribute: str) -> MethodCard | None:
    """Return the card of a method from its source code, as `card = MethodCard(...)` in the class states it.

    Args:
        file: The file that declares the method.
        attribute: Name of the class.

    Returns:
        The card. None if the file does not define the class, or a field is neither a literal nor a literal constant of
        the file; importing the file gives the card.
    """
    body = ast.parse(read_source(file).content, str(file)).body
    constants = {name: value for statement in body for name, value in _read_assignment(statement)}
    found = [node for node in body if isinstance(node, ast.ClassDef) and node.name == attribute]
    calls = [value for node in found for part in node.body for name, value in _read_assignment(part) if name == "card"]
    match calls:
        case [ast.Call(func=ast.Name(id="MethodCard")) as call]:
            try:
                values = [_read_literal(value, constants) for value in call.args]
                named = {str(field.arg): _read_literal(field.value, constants) for field in call.keywords if field.arg}
                return MethodCard(*values, **named) if len(named) == len(call.keywords) else None
            except (ValueError, TypeError):
                return None
    return None


def _read_assignment(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    if not isinstance(statement, ast.Assign):
        return []
    return [(target.id, statement.value) for target in statement.targets if isinstance(target, ast.Name)]


def _read_literal(value: ast.expr, constants: dict[str, ast.expr]) -> Any:
    return ast.literal_eval(constants.get(value.id, value) if isinstance(value, ast.Name) else value)
