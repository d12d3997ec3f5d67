"""The structure of the package: direction of imports, cycles, purpose and size of folders."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from oodbench.baseline import accept
from tests.helpers.import_graph import find_cycles, import_graph
from tests.helpers.layers import FOR_PLUGINS, LAYERS, PLUGIN_FOLDERS
from tests.helpers.results import row, write_result

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "oodbench"

MOST_FILES = 15
# Folders with more Python files than the limit, and the reasons.
LARGE_FOLDERS = {
    "blending": "one file per step of a blend",
    "cli": "one file per verb",
    "training": "one file per part of a training",
    "worlds": "one file per part of a scene",
}


def imports(path: Path) -> set[str]:
    """Return the parts of the package that a file imports, at any depth of its code, including imports for types."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "oodbench" else [f"oodbench.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("oodbench.")}
    return found - {"__version__"}


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


HARNESS = [
    path for path in sorted(PACKAGE.rglob("*.py")) if part(path) not in (*PLUGIN_FOLDERS, "__init__", "__main__")
]
PACKAGES = sorted({path.parent for path in HARNESS} - {PACKAGE})


@pytest.mark.parametrize("path", HARNESS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_harness_imports_downward_and_no_plugin(path: Path) -> None:
    level = next(index for index, layer in enumerate(LAYERS) if part(path) in layer)
    allowed = set().union(*LAYERS[:level]) | {part(path)}
    assert imports(path) <= allowed


@pytest.mark.parametrize("folder", PLUGIN_FOLDERS)
def test_plugins_import_only_the_lower_layers(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        assert imports(path) <= FOR_PLUGINS | {folder}, path


def test_no_modules_import_each_other() -> None:
    assert find_cycles(import_graph(PACKAGE)) == set()


def test_a_late_import_counts_in_a_cycle(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "first.py").write_text("import package.second\n")
    (package / "second.py").write_text("def f():\n    from package import third\n")
    (package / "third.py").write_text("if TYPE_CHECKING:\n    from package.first import x\n")
    assert find_cycles(import_graph(package)) == set()
    (package / "third.py").write_text("def f():\n    from package.first import x\n")
    assert find_cycles(import_graph(package)) == {frozenset({"package.first", "package.second", "package.third"})}


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_package_has_one_purpose(path: Path) -> None:
    """Check the summary of its docstring: one sentence, and not two things joined by "and"."""
    documentation = ast.get_docstring(ast.parse((path / "__init__.py").read_text(encoding="utf-8")))
    assert documentation
    summary = " ".join(documentation.split("\n\n")[0].split())
    assert re.fullmatch(r"[A-Z][^.?!]*\.", summary), f"expected one sentence: {summary}"
    assert not re.search(r"\band\b|;", summary), f"expected one thing: {summary}"


def test_no_folder_has_too_many_files() -> None:
    counts = {str(path.relative_to(PACKAGE)): len(list(path.glob("*.py"))) for path in PACKAGES}
    assert {name for name, count in counts.items() if count > MOST_FILES} == LARGE_FOLDERS.keys()


@pytest.mark.parametrize("name", ["method", "benchmark", "model"])
def test_skeletons_import_only_modules_for_plugins(name: str) -> None:
    assert imports(PACKAGE / "skeletons" / f"{name}.py") <= FOR_PLUGINS
    assert imports(PACKAGE / "skeletons" / f"test_{name}.py") == {"testing"}


def test_metrics_import_neither_torch_nor_file_code() -> None:
    for path in sorted((PACKAGE / "metrics").rglob("*.py")):
        names = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        assert not names & {"torch", "pathlib", "cv2", "PIL"}, path


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["list", "models"],
        ["info", "method", "msp"],
        ["--version"],
        ["gate", "{run}", "--baseline", "{run}.json", "--accept"],
        ["gate", "{run}", "--baseline", "{run}.json"],
        ["new", "method", "margin"],
        ["new", "benchmark", "my-street"],
        ["run", "--help"],
        ["predict", "--help"],
        ["new", "model", "my-segmenter"],
        ["train", "--list"],
        ["status", "--help"],
    ],
)
def test_fast_commands_do_not_import_heavy_libraries(arguments: list[str], tmp_path: Path) -> None:
    write_result(tmp_path / "run", [row()])
    accept(tmp_path / "run", tmp_path / "run.json")
    arguments = [argument.format(run=tmp_path / "run") for argument in arguments]
    program = (
        "import sys\n"
        f"sys.argv = ['oodbench', *{arguments!r}]\n"
        "from oodbench.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'onnxruntime', 'numba', 'cv2'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "HEAVY []" in done.stdout


def test_evaluation_of_stored_scores_does_not_import_torch() -> None:
    program = (
        "import sys, oodbench.workflows.evaluate_scores, oodbench.runs.compare; "
        "assert not {'torch', 'scipy.ndimage'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
def test_the_contract_tests_do_not_need_pytest() -> None:
    program = "import sys, oodbench.testing; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_plugin_folders_reject_imports_by_their_bare_names() -> None:
    done = subprocess.run([sys.executable, "-c", "import methods.msp"], cwd=ROOT, capture_output=True, text=True)
    assert "import it as oodbench.methods" in done.stderr
