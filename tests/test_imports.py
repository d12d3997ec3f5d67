"""The direction of imports: a layer knows those below it and none above."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from oodbench.baseline import accept
from tests.helpers.results import row, write_result

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "oodbench"

# Each layer may import itself, those before it, and nothing else of the package.
LAYERS = [
    {"types", "errors", "validation", "progress"},
    {"class_sets"},
    {"contracts"},
    {"files", "compiled", "environment", "regions"},
    {"baseline", "registry", "metrics", "mixture", "numerics", "data", "visualization", "worlds", "published_results"},
    {"blending"},
    {"segmenters"},
    {"planning"},
    {"storage"},
    {"stages"},
    {"runs"},
    {"workflows", "training", "testing"},
    {"skeletons"},
    {"cli"},
]
PLUGIN_FOLDERS = ("methods", "benchmarks", "reports")
FOR_PLUGINS = {
    "types",
    "class_sets",
    "errors",
    "validation",
    "contracts",
    "files",
    "regions",
    "metrics",
    "mixture",
    "numerics",
    "data",
    "visualization",
    "worlds",
    "blending",
}


def imports(path: Path) -> set[str]:
    """The parts of the package that a file imports, at any depth of its code, for types alone too."""
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


@pytest.mark.parametrize("path", HARNESS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_harness_imports_downward_and_no_plugin(path: Path) -> None:
    level = next(index for index, layer in enumerate(LAYERS) if part(path) in layer)
    allowed = set().union(*LAYERS[:level]) | {part(path)}
    assert imports(path) <= allowed


@pytest.mark.parametrize("folder", PLUGIN_FOLDERS)
def test_plugins_import_the_lower_layers_alone(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        assert imports(path) <= FOR_PLUGINS | {folder}, path


@pytest.mark.parametrize("name", ["method", "benchmark"])
def test_so_do_the_skeletons(name: str) -> None:
    assert imports(PACKAGE / "skeletons" / f"{name}.py") <= FOR_PLUGINS
    assert imports(PACKAGE / "skeletons" / f"test_{name}.py") == {"testing"}


def test_metrics_know_neither_torch_nor_files() -> None:
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
        ["train", "--list"],
    ],
)
def test_small_verbs_answer_without_the_heavy_libraries(arguments: list[str], tmp_path: Path) -> None:
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


def test_stored_scores_are_measured_and_compared_without_torch() -> None:
    program = (
        "import sys, oodbench.workflows.evaluate_scores, oodbench.runs.compare; "
        "assert not {'torch', 'scipy.ndimage'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_contracts_do_without_pytest() -> None:
    program = "import sys, oodbench.testing; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_plugin_folders_refuse_their_bare_names() -> None:
    done = subprocess.run([sys.executable, "-c", "import methods.msp"], cwd=ROOT, capture_output=True, text=True)
    assert "import it as oodbench.methods" in done.stderr
