"""The notebooks in docs/tutorials run from a fresh kernel, print what is committed, and are clean and small."""

from __future__ import annotations

import ast
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import matplotlib.font_manager
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from tests.test_docs import deep_imports
from tools import tutorials

assert matplotlib.font_manager  # importing it builds the font cache, which a notebook would report as slow

LARGEST = 400_000
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
# Numbers with a decimal point may differ between machines by this much, relative and absolute.
RELATIVE, ABSOLUTE = 0.02, 0.004

NOTEBOOKS = sorted(tutorials.FOLDER.glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def texts(cell: dict[str, Any]) -> list[str]:
    """Return what a code cell printed and displayed as text, in order."""
    found = []
    for output in cell["outputs"]:
        parts = {"text": output["text"]} if output["output_type"] == "stream" else output.get("data", {})
        # The repr of a figure is its size; a figure has no other text.
        kinds = [kind for kind in sorted(parts) if kind.startswith("text") and "image/png" not in parts]
        found += ["".join(parts[kind]) for kind in kinds]
    return found


def kinds(cell: dict[str, Any]) -> list[Any]:
    """Return the type of each output: the name of its stream, or its MIME types."""
    return [output.get("name") or sorted(output.get("data", ())) for output in cell["outputs"]]


def python(cell: dict[str, Any]) -> str:
    """Return the Python code of a cell, which may begin with a line like `%%writefile FILE`."""
    return re.sub(r"\A%%writefile .*\n", "", source(cell))


def split_numbers(text: str) -> tuple[str, list[str]]:
    """Return the text with each number and each run of spaces or lines replaced, and the numbers."""
    return re.sub(r"[\s\-─]+", " ", NUMBER.sub("#", text)).strip(), NUMBER.findall(text)


def assert_similar(got: str, expected: str) -> None:
    """Assert equal texts. Numbers with a decimal point may differ in their last digits."""
    (got_text, got_numbers), (text, numbers) = split_numbers(got), split_numbers(expected)
    assert got_text == text
    for one, other in zip(got_numbers, numbers, strict=True):
        if "." in other:
            assert math.isclose(float(one), float(other), rel_tol=RELATIVE, abs_tol=ABSOLUTE), (got, expected)
        else:
            assert one == other, (got, expected)


@pytest.mark.slow
@each_notebook
def test_it_runs_and_prints_what_is_committed(path: Path) -> None:
    executed = json.loads(json.dumps(tutorials.execute(tutorials.read(path))))
    got = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    for new, committed in zip(got, cells(path, "code"), strict=True):
        assert kinds(new) == kinds(committed), source(new)
        for one, other in zip(texts(new), texts(committed), strict=True):
            assert_similar(one, other)


@each_notebook
def test_it_was_executed_in_order_and_without_warnings(path: Path) -> None:
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}


@each_notebook
def test_it_is_as_the_tool_writes_it(path: Path) -> None:
    notebook = tutorials.read(path)
    assert tutorials.clean(notebook) == notebook
    assert path.stat().st_size < LARGEST


@each_notebook
def test_it_imports_public_names_only(path: Path) -> None:
    programs = [python(cell) for cell in cells(path, "code")]
    programs += [
        code for cell in cells(path, "markdown") for code in re.findall(r"```python\n(.*?)```", source(cell), re.DOTALL)
    ]
    for program in programs:
        assert deep_imports(program) == []
        private = [node.attr for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Attribute)]
        assert [name for name in private if re.match(r"_[^_]", name)] == []


@each_notebook
def test_no_output_has_a_path_of_a_machine(path: Path) -> None:
    for cell in cells(path, "code"):
        for text in texts(cell):
            assert not re.search(r"(?<![\w<:.])/\w|\b[A-Z]:\\|site-packages|0x[0-9a-f]{6}", text), text


@each_notebook
def test_each_code_cell_follows_its_description(path: Path) -> None:
    content = json.loads(path.read_text("utf-8"))["cells"]
    for previous, cell in zip([None, *content], content, strict=False):
        if cell["cell_type"] == "code":
            assert previous is not None, path
            assert previous["cell_type"] == "markdown", source(cell)


@each_notebook
def test_the_prose_has_no_number_that_the_cells_lack(path: Path) -> None:
    code = "\n".join(part for cell in cells(path, "code") for part in (source(cell), *texts(cell)))
    for cell in cells(path, "markdown"):
        # Code, formulas, shapes, addresses of links, the numbers of list items.
        prose = re.sub(
            r"```.*?```|`[^`]*`|\$+[^$]*\$+|\[[^\]]*\](?!\()|\]\([^)]*\)|^\d\.", " ", source(cell), flags=re.M | re.S
        )
        for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", prose):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d])", code), (number, prose)


@each_notebook
def test_links_lead_somewhere(path: Path) -> None:
    links = [link for cell in cells(path, "markdown") for link in re.findall(r"\]\(([^)#]+)", source(cell))]
    assert len(links) > 3
    for link in links:
        assert link.startswith("https://") or (path.parent / link).exists(), link


def test_differences_in_the_last_digits_are_no_failure() -> None:
    assert_similar("AP   0.213\n", "AP 0.214")
    for got, expected in (("AP 0.213", "AP 0.233"), ("AP 0.213", "AUROC 0.213"), ("10 frames", "11 frames")):
        with pytest.raises(AssertionError):
            assert_similar(got, expected)


def test_a_failing_cell_and_the_notebook_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cell = new_code_cell("import os\nopen('file', 'w').close()\nprint(os.listdir())\n1 / int(os.sep != os.sep)")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        tutorials.execute(new_notebook(cells=[cell]))
    cell["source"] = cell["source"].rpartition("\n")[0]
    done = tutorials.execute(new_notebook(cells=[cell]))
    assert texts(done["cells"][0]) == ["['file']\n"]
    assert os.listdir(tmp_path) == []
