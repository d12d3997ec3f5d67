"""docs/how-to/add-a-method.md, from its first command to its last, in a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import oodbench.testing
from oodbench.registry import KINDS

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "add-a-method.md"


def steps() -> list[tuple[str, str]]:
    """(file, content) for each block that names a file, ("", command) for each command, in the order of the page."""
    blocks = r"```\w+\n# ([\w.]+)\n(.*?)```|^    ((?:oodbench|python) [^\n]*)$"
    found = re.finditer(blocks, PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [(match[1], match[2]) if match[1] else ("", match[3]) for match in found]


def execute(command: str, paths: list[Path], cwd: Path) -> str:
    """What a command prints, with more folders to import from."""
    words = command.split()
    words = words[1:] if words[0] == "python" else ["-m", *words]
    search = os.pathsep.join([*map(str, paths), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def install(folder: Path, site: Path) -> None:
    """What `pip install .` does, without pip's network: build the wheel and unpack it where Python looks."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(site), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = site.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)


@pytest.mark.slow
def test_the_page_holds(place: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    printed = {}
    for file, content in steps():
        if file:
            (place / file).write_text(content)
            if file == "test_lost_cargo.py":
                folder = place / "downloads" / "lost_cargo"
                folder.mkdir()
                program = f"from test_lost_cargo import *; TestLostCargo().make(Path({str(folder)!r}))"
                subprocess.run([sys.executable, "-c", program], check=True)
        elif content == "python -m pip install .":
            install(place, site)
            for name in ("network.onnx", "network.toml", "downloads"):
                (place / name).rename(elsewhere / name)
        else:
            installed = site.exists()
            printed[content] = execute(content, [site] if installed else [], elsewhere if installed else place)
    commands = list(printed)
    assert [line.split()[0] for line in commands].count("oodbench") == 8
    assert "Margin" in printed[next(line for line in commands if "--plugin margin.py" in line)]
    doctor = next(line for line in commands if "doctor" in line)
    assert "3 of 3 frames, official layout" in printed[doctor]
    assert "minus the gap" in printed["oodbench list methods"]
    last = printed[commands[-1]]
    assert "lost-cargo" in last
    assert "Margin" in last

    # Installed, the contracts need no file.
    for name in ("margin", "lost_cargo"):
        test = (place / f"test_{name}.py").read_text()
        (elsewhere / f"test_{name}.py").write_text(re.sub(r"    plugin = .*\n", "", test))
    execute("python -m pytest -q .", [site], elsewhere)


@pytest.mark.slow
def test_the_skeletons_pass_and_run(place: Path) -> None:
    longest = "a" * 20 + "-" + "b" * 19
    execute(f"oodbench new method {longest}", [], place)
    execute("oodbench new benchmark my-street", [], place)
    execute("oodbench new model my-segmenter", [], place)
    execute("python -m pytest -q .", [], place)
    module = longest.replace("-", "_")
    config = PAGE.parent.parent / "pyproject.toml"
    files = f"{module}.py test_{module}.py my_street.py test_my_street.py "
    files += "my_segmenter.py test_my_segmenter.py"
    execute(f"python -m ruff check --config {config} {files}", [], place)
    run = f"oodbench run --plugin {module}.py --method {longest} --model network.onnx --data downloads"
    assert longest.replace("-", " ").capitalize() in execute(run, [], place)


def test_every_kind_has_its_line_and_its_contract() -> None:
    text = PAGE.read_text()
    contracts = [getattr(oodbench.testing, name) for name in oodbench.testing.__all__]
    assert {contract.kind for contract in contracts} == set(KINDS)
    for contract in contracts:
        (line,) = (line for line in text.splitlines() if line.startswith(f"| `{contract.kind}` | `"))
        assert f"| `{contract.__name__}` |" in line
