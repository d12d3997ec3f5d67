"""Text files that users write: byte order marks, encodings, and the one function that reads them."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from oodbench.baseline import accept
from oodbench.baseline.file import read_baseline
from oodbench.contracts import Roots
from oodbench.errors import OodbenchError, PluginError
from oodbench.files import read_text
from oodbench.planning.request import config_file, data_roots
from oodbench.registry import Registry
from oodbench.reports.submissions.segment_me_if_you_can.entry import LISTS
from oodbench.reports.submissions.segment_me_if_you_can.public_table import read_public_rows
from oodbench.segmenters.model_card import ModelCard, read_toml
from oodbench.training.catalogue import load_recipe
from tests.helpers.files import CARD, write_road_anomaly
from tests.helpers.layouts import write_labelled_folder
from tests.helpers.results import row, write_result

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "oodbench" / "training" / "recipes" / "streets-softmax.toml"
PLUGIN = '''"""A method."""
from oodbench.methods.msp import MSP
from dataclasses import replace

PLUGINS = {"methods": {"own": ("Own", "é, a method")}}


class Own(MSP):
    card = replace(MSP.card, name="own")
'''
# Files that read text in another way, with the reason.
OTHER_READERS = {
    "oodbench/files.py": "the function itself",
    "oodbench/cli/new.py": "templates in this package",
    "oodbench/skeletons/test_model.py": "a template: it is a file of the user",
    "oodbench/training/hooks.py": "the log that the training itself writes",
    "reports/html/page.py": "parts of a page in this package, and its own temporary files",
    "oodbench/data/downloads/fetch.py": "the version of a part, which the download itself writes",
    "oodbench/runs/verification/reports.py": "tables that oodbench writes",
    "oodbench/threads.py": "files of the kernel",
    "oodbench/user_code/sources.py": "Python code, whose encoding Python reads",
}


def read_card(folder: Path) -> object:
    return read_toml(folder / "net.toml", ModelCard, "")


def open_labelled_folder(folder: Path) -> object:
    return sorted(Registry().dataset("labelled-folder").open(Roots((folder,))))


def open_road_anomaly(folder: Path) -> object:
    return [frame.id for frame in Registry().benchmark("road-anomaly").open(Roots((folder,))).frames]


def write_config(folder: Path) -> Path:
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text('data = ["/é"]\n', encoding="utf-8")
    return config_file()


def write_card(folder: Path) -> Path:
    (folder / "net.toml").write_text(f"# é\n{CARD}", encoding="utf-8")
    return folder / "net.toml"


def write_class_file(folder: Path) -> Path:
    write_labelled_folder(folder)
    return next(folder.rglob("classes.toml"))


def write_frame_list(folder: Path) -> Path:
    write_road_anomaly(folder)
    return next(folder.rglob("frame_list.json"))


def write_recipe(folder: Path) -> Path:
    (folder / "own.toml").write_text(RECIPE.read_text(encoding="utf-8"), encoding="utf-8")
    return folder / "own.toml"


def write_baseline(folder: Path) -> Path:
    accept(write_result(folder / "run", [row()]), folder / "baseline.json")
    return folder / "baseline.json"


def write_table(folder: Path) -> Path:
    table: dict[str, list[object]] = {key: [] for key in LISTS}
    (folder / "table.json").write_text(json.dumps(table), encoding="utf-8")
    return folder / "table.json"


USER_FILES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "model card": (write_card, read_card),
    "config file": (write_config, lambda folder: data_roots([], [])),
    "class file": (write_class_file, open_labelled_folder),
    "frame list": (write_frame_list, open_road_anomaly),
    "recipe": (write_recipe, lambda folder: load_recipe(str(folder / "own.toml"))),
    "leaderboard table": (write_table, lambda folder: read_public_rows(folder / "table.json")),
    "baseline": (write_baseline, lambda folder: read_baseline(folder / "baseline.json")),
}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("kind", USER_FILES)
def test_files_with_a_byte_order_mark_are_read(tmp_path: Path, kind: str, encoding: str) -> None:
    write, read = USER_FILES[kind]
    path = write(tmp_path)
    expected = read(tmp_path)
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert read(tmp_path) == expected


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [("utf-16-le", "it contains zero bytes, as UTF-16 without a byte order mark does"), ("latin-1", "is not UTF-8")],
)
@pytest.mark.parametrize("kind", ["model card", "config file", "recipe"])
def test_other_encodings_are_errors_that_name_the_file(tmp_path: Path, kind: str, encoding: str, reason: str) -> None:
    write, read = USER_FILES[kind]
    path = write(tmp_path)
    path.write_text(f"# é\n{path.read_text(encoding='utf-8')}", encoding=encoding, errors="replace")
    with pytest.raises(
        OodbenchError, match=f"{path.name}: not a readable TOML file .*{reason}.*expected text in UTF-8"
    ):
        read(tmp_path)


def test_plugins_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(PLUGIN, encoding="utf-8-sig")
    assert Registry((path,)).method("own").card.name == "own"
    path.write_text(PLUGIN, encoding="utf-16")
    with pytest.raises(PluginError, match=r"own\.py is text in UTF-16; expected UTF-8"):
        Registry((path,)).names("methods")


def test_a_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    for content in (b"\xef\xbb\xbfa\r\nb\rc\n", "\ufeffa\nb\nc\n".encode("utf-16-be"), b"a\nb\nc\n"):
        (tmp_path / "text").write_bytes(content)
        assert read_text(tmp_path / "text") == "a\nb\nc\n"
    (tmp_path / "text").write_bytes(b"\xff\xfea")
    with pytest.raises(ValueError, match=r"byte 2 is not UTF-16; expected text in UTF-8"):
        read_text(tmp_path / "text")


def _reads_text(tree: ast.AST) -> bool:
    """Return whether code calls `read_text` of a path, or parses bytes that it reads from a path."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr == "read_text" or (
            node.func.attr == "load" and ast.unparse(node.func) in ("tomllib.load", "json.load")
        ):
            return True
        if node.func.attr in ("loads", "model_validate_json", "parse") and any(
            isinstance(inner, ast.Attribute) and inner.attr == "read_bytes"
            for argument in node.args
            for inner in ast.walk(argument)
        ):
            return True
    return False


def test_text_is_read_by_one_function() -> None:
    files = [path for part in ("oodbench", "methods", "benchmarks", "reports") for path in (ROOT / part).rglob("*.py")]
    names = {path.relative_to(ROOT).as_posix() for path in files if _reads_text(ast.parse(path.read_bytes()))}
    links = {f"oodbench/{part}" for part in ("methods", "benchmarks", "reports")}  # links to the other folders
    assert {name for name in names if not name.startswith(tuple(links))} <= set(OTHER_READERS)
