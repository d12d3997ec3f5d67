"""Search for plugins, identity of other distributions, and errors for missing modules."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import oodbench.methods
from oodbench.errors import PluginError
from oodbench.registry import Registry
from oodbench.registry import registry as registry_module
from tests.helpers.plugin_folder import METHOD, edit, write_plugins


def oodbench_command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "oodbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def test_a_plugin_in_a_nested_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "methods" / "family" / "branch" / "deep.py"
    file.parent.mkdir(parents=True)
    file.write_text(METHOD.replace("from helper import transform", "transform = abs").replace("mine", "deep"))
    monkeypatch.setattr(registry_module, "_find_folder", lambda name: tmp_path / name)
    monkeypatch.setattr(oodbench.methods, "__path__", [str(tmp_path / "methods")])
    importlib.invalidate_caches()
    registry = Registry()
    assert registry.names("methods") == ["deep"]
    assert registry.method("deep").card.title == "Mine"
    for name in ("oodbench.methods.family.branch.deep", "oodbench.methods.family.branch", "oodbench.methods.family"):
        sys.modules.pop(name)


def distribution(folder: Path, version: str) -> Path:
    """Write a distribution with the method `mine` and its module; return where its files are."""
    write_plugins(folder)
    info = folder / "mine.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mine\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[oodbench]\nmine = method\n")
    return folder


def source_digest(folder: Path) -> str:
    program = "from oodbench.registry import Registry; print(Registry().source_digest('methods', 'mine'))"
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path})
    return done.stdout


def test_a_distribution_is_identified_by_its_version(tmp_path: Path) -> None:
    one = distribution(tmp_path / "one" / "site-packages", "1.0")
    two = distribution(tmp_path / "two" / "site-packages", "1.1")
    first = source_digest(one)
    assert source_digest(two) not in ("None\n", first)
    edit(one / "helper.py", "amax", "amin")
    assert source_digest(one) == first


def test_an_editable_distribution_is_identified_by_its_files(tmp_path: Path) -> None:
    folder = distribution(tmp_path / "source", "1.0")
    first = source_digest(folder)
    assert source_digest(folder) == first
    edit(folder / "helper.py", "amax", "amin")
    assert source_digest(folder) not in ("None\n", first)


def test_two_folders_may_have_modules_with_one_name(tmp_path: Path) -> None:
    one, two = (write_plugins(tmp_path / name)["methods"] for name in ("one", "two"))
    edit(tmp_path / "two" / "helper.py", "amax", "amin")
    text = two.read_text().replace("mine", "other")
    two.write_text(text.replace("def pixel_score", "def unused").replace("return transform", "return 0 * transform"))
    registry = Registry([one, two])
    transforms = [sys.modules[registry.load("methods", name).__module__].transform for name in ("mine", "other")]
    assert [Path(each.__code__.co_filename).parent.name for each in transforms] == ["one", "two"]


def test_list_and_info_show_a_plugin_with_neighbouring_modules(tmp_path: Path) -> None:
    file = write_plugins(tmp_path)["methods"]
    listed = oodbench_command("list", "methods", "--plugin", file)
    assert "for a test" in listed.stdout
    told = oodbench_command("info", "method", "mine", "--plugin", file)
    assert told.returncode == 0, told.stderr
    assert "Mine" in told.stdout


@pytest.mark.slow
@pytest.mark.parametrize("module", ["helper", "nets"])
def test_a_missing_module_is_a_user_error(network_file: Path, road_anomaly: Path, tmp_path: Path, module: str) -> None:
    """The import is at the top of a method's file, or in a function of an adapter."""
    files = write_plugins(tmp_path / "plugins")
    (tmp_path / "tiny.seed").write_text("7")
    if module == "helper":
        file, network, method, line = files["methods"], network_file, "mine", 2
        (tmp_path / "plugins" / "helper.py").unlink()
    else:
        file, network, method, line = files["models"], tmp_path / "tiny.seed", "msp", 22
        (tmp_path / "plugins" / "nets").rename(tmp_path / "elsewhere")
    done = oodbench_command(
        "run", "--plugin", file, "--method", method, "--model", network, "--benchmark", "road-anomaly",
        "--data", road_anomaly, "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        f"error: {file}:{line}: needs the module '{module}', which is not installed and not in {file.parent}",
        f"       Install it, or put {module}.py into {file.parent}.",
    ]


def test_an_adapter_that_can_not_be_imported_is_named_in_the_error(tmp_path: Path) -> None:
    file = write_plugins(tmp_path)["models"]
    edit(file, "import torch\n", "import torch, absent\n")
    with pytest.raises(PluginError, match="needs the module 'absent'"):
        Registry([file]).adapter("network.seed")
