"""Import of a Python file with neighbouring modules: search, isolation, and the digest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from oodbench.errors import PluginError
from oodbench.user_code import collect_used_code, explain_missing_modules, import_python_file


def write(folder: Path, **texts: str) -> Path:
    """Write modules, `pkg__sub` as pkg/sub.py; return the file of `main`."""
    for name, text in texts.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "main.py"


def load(file: Path) -> ModuleType:
    return import_python_file(file).module


def digest(file: Path) -> str:
    return import_python_file(file).digest


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("import helper\nX = helper.VALUE", "helper"),
        ("import helper as h\nX = h.VALUE", "helper"),
        ("from helper import VALUE as X", "helper"),
        ("from helper import *\nX = VALUE", "helper"),
        ("from .helper import VALUE as X", "helper"),
        ("from . import helper\nX = helper.VALUE", "helper"),
        ("import pkg.sub\nX = pkg.sub.VALUE", "sub"),
        ("import pkg.sub, helper\nX = pkg.sub.VALUE", "sub"),
        ("import pkg.sub as s\nX = s.VALUE", "sub"),
        ("from pkg import sub\nX = sub.VALUE", "sub"),
        ("from pkg.sub import VALUE as X", "sub"),
        ("import plain.deep.leaf\nX = plain.deep.leaf.VALUE", "leaf"),
        ("import importlib\nX = importlib.import_module('helper').VALUE", "helper"),
        ("import importlib\nX = importlib.import_module('.helper', __package__).VALUE", "helper"),
        ("try:\n    import absent\nexcept ImportError:\n    from helper import VALUE as X", "helper"),
    ],
)
def test_every_import_form_finds_a_neighbouring_module(tmp_path: Path, statement: str, value: str) -> None:
    modules = {name: f"VALUE = '{name.rpartition('__')[2]}'\n" for name in ("helper", "pkg__sub", "plain__deep__leaf")}
    file = write(tmp_path, main=f"from __future__ import annotations\n{statement}\n", **modules)
    (tmp_path / "pkg" / "__init__.py").write_text("")
    path, names = list(sys.path), set(sys.modules)
    before = import_python_file(file)
    assert value == before.module.X
    assert sys.path == path
    assert not {name for name in set(sys.modules) - names if name.split(".")[0] in ("main", "helper", "pkg", "plain")}
    # The digest covers this module.
    (changed,) = [path for path in tmp_path.rglob("*.py") if path.stem == value]
    changed.write_text(f"VALUE = '{value}!'\n")
    after = import_python_file(file)
    assert f"{value}!" == after.module.X
    assert after.digest != before.digest


def test_a_module_imported_by_name_is_part_of_the_digest(tmp_path: Path) -> None:
    text = "import importlib\nimportlib.import_module('hel' + 'per')\n"
    one = write(tmp_path / "one", main=text, helper="VALUE = 1\n")
    two = write(tmp_path / "two", main=text, helper="VALUE = 2\n")
    assert digest(one) != digest(two)


@pytest.mark.parametrize("call", ["importlib.import_module", "import_module"])
def test_a_module_imported_by_a_call_is_found(tmp_path: Path, call: str) -> None:
    text = f"import importlib\nfrom importlib import import_module\n\ndef late():\n    return {call}"
    text += "('.helper', __package__).X\n"
    file = write(tmp_path, main=text, helper="X = 1\n")
    before = import_python_file(file)
    write(tmp_path, helper="X = 2\n")
    after = import_python_file(file)
    assert after.digest != before.digest
    assert after.module.late() == 2


def test_imports_inside_functions_work_later(tmp_path: Path) -> None:
    text = "def late():\n    import helper\n    from pkg.sub import VALUE\n    return helper.VALUE, VALUE\n"
    files = [
        write(tmp_path / name, main=text, helper=f"VALUE = '{name}'\n", pkg__sub=f"VALUE = '{name} sub'\n")
        for name in ("one", "two")
    ]
    one, two = map(load, files)
    assert two.late() == ("two", "two sub")
    assert one.late() == ("one", "one sub")
    assert one.late() == ("one", "one sub")
    before = digest(files[0])
    write(tmp_path / "one", pkg__sub="VALUE = 0\n")
    assert digest(files[0]) != before


def test_circular_imports_work(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        main="import left\n\nclass Main:\n    pass\n",
        left="import right\nVALUE = 1\n\ndef both():\n    return VALUE + right.VALUE\n",
        right="import left\nimport main\nVALUE = 2\n\ndef owner():\n    return main.Main, left.VALUE\n",
    )
    module = load(file)
    assert module.left.both() == 3
    assert module.left.right.owner() == (module.Main, 1)


def test_packages_with_relative_imports_work(tmp_path: Path) -> None:
    file = write(
        tmp_path, main="from pkg import total\n", pkg__one="from .two import B\nA = B + 1\n", pkg__two="B = 2\n"
    )
    (tmp_path / "pkg" / "__init__.py").write_text("from .one import A\nfrom ..main2 import C\ntotal = A + C\n")
    (tmp_path / "main2.py").write_text("C = 10\n")
    assert load(file).total == 13
    before = digest(file)
    (tmp_path / "main2.py").write_text("C = 20\n")
    assert digest(file) != before
    assert load(file).total == 23


def test_a_neighbour_may_have_the_name_of_a_standard_module(tmp_path: Path) -> None:
    """The file imports its neighbour; all other code keeps the standard module."""
    file = write(
        tmp_path, main="import statistics\nimport xmlrpc.client\nX = statistics.X\n", statistics="X = 'mine'\n"
    )
    (tmp_path / "gzip.py").write_text("raise ImportError('xmlrpc.client imports gzip, the standard one')\n")
    assert load(file).X == "mine"
    import statistics

    assert statistics.mean([1, 3]) == 2


def test_a_data_folder_may_have_the_name_of_a_library(tmp_path: Path) -> None:
    (tmp_path / "numpy").mkdir()
    assert load(write(tmp_path, main="import numpy\nX = numpy.zeros(2)\n")).X.shape == (2,)


def test_an_edit_within_one_second_changes_the_digest(tmp_path: Path) -> None:
    """Python's cache identifies a file by its size and its time in seconds."""
    file = write(tmp_path, main="from helper import X\n", helper="X = 1\n")
    assert load(file).X == 1
    write(tmp_path, helper="X = 2\n")
    assert load(file).X == 2
    assert load(file) is load(file)
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_folder_on_the_python_path_is_part_of_the_digest(tmp_path: Path) -> None:
    """The folder is on the path as with PYTHONPATH or `pip install -e`. An installed library is not covered."""
    file = write(tmp_path / "plugins", main="import numpy\nfrom elsewhere import X\n")
    (tmp_path / "lib").mkdir()
    program = (
        "import sys; from pathlib import Path; from oodbench.user_code import import_python_file as load\n"
        f"sys.path.append({str(tmp_path / 'lib')!r})\n"
        f"print(load(Path({str(file)!r})).digest)\n"
    )
    digests = []
    for value in (1, 2, 1):
        (tmp_path / "lib" / "elsewhere.py").write_text(f"X = {value}\n")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        digests.append(done.stdout)
    assert digests[0] != digests[1]
    assert digests[0] == digests[2]


def test_a_missing_module_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path, main="import helper\n", helper="\nimport absent.part\n")
    with pytest.raises(PluginError) as caught, explain_missing_modules():
        load(file)
    assert caught.value.problem == (
        f"{tmp_path / 'helper.py'}:2: needs the module 'absent', which is not installed and not in {tmp_path}"
    )
    assert caught.value.remedy == f"Install it, or put absent.py into {tmp_path}."
    write(tmp_path, absent__part="")
    with explain_missing_modules():
        assert load(file).helper.absent.part


def test_a_missing_submodule_of_a_neighbour_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path, main="def late():\n    import helper.part\n", helper="")
    module = load(file)
    with pytest.raises(PluginError, match=r"main.py:2: needs the module 'helper.part'"), explain_missing_modules():
        module.late()


def test_errors_of_other_imports_are_unchanged() -> None:
    with pytest.raises(ModuleNotFoundError), explain_missing_modules():
        import absent  # noqa: F401 - that is the point


def test_the_code_that_was_used_is_collected(tmp_path: Path) -> None:
    file = write(tmp_path, main="X = 1\n")
    with collect_used_code() as outer:
        with collect_used_code() as inner:
            known = digest(file)
        assert inner == {known}
        assert outer == set()
    with collect_used_code() as again:
        load(file)
    assert again == {known}


def test_a_file_with_a_syntax_error_can_be_fixed(tmp_path: Path) -> None:
    file = write(tmp_path, main="import helper\n", helper="def (\n")
    with pytest.raises(SyntaxError, match=r"helper.py"):
        load(file)
    write(tmp_path, helper="X = 1\n")
    assert load(file).helper.X == 1


def test_file_names_may_contain_dots_and_dashes(tmp_path: Path) -> None:
    file = tmp_path / "my-net.v2.py"
    file.write_text("from helper import X\n")
    write(tmp_path, helper="X = 1\n")
    assert load(file).X == 1
