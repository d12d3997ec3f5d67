"""The pages about plugins in docs/how-to/, from the first command to the last, in a temporary folder."""

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

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "how-to"
# In this order: the last page installs what the first two wrote.
NAMES = ("add-a-method", "add-a-benchmark", "add-a-segmenter", "add-a-head", "add-a-report", "ship-a-plugin")


def steps() -> list[tuple[str, str]]:
    """Return (file, content) for each block that names a file and ("", command) for each command, in page order."""
    found: list[tuple[str, str]] = []
    for name in NAMES:
        for language, block in re.findall(r"```(\w+)\n(.*?)```", (PAGES / f"{name}.md").read_text(), re.DOTALL):
            file = re.match(r"# ([\w.]+\.\w+)\n", block)
            if file:
                found.append((file[1], block[file.end() :]))
            elif language == "sh":
                found += [("", line) for line in block.splitlines()]
    return found


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


# Blocks that call a contract's make(folder), as the pages describe it.
DATA = {
    "test_lost_cargo.py": "from test_lost_cargo import *; TestLostCargo().make(Path('downloads/lost_cargo'))",
    "test_colour_table.py": "from test_colour_table import *; TestColourTable().make(Path('.'))",
}


@pytest.mark.slow
def test_the_pages_hold(place: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (place / "downloads" / "lost_cargo").mkdir()
    printed = {}
    for file, content in steps():
        if file:
            (place / file).write_text(content)
            if file in DATA:
                subprocess.run([sys.executable, "-c", DATA[file]], check=True, cwd=place)
        elif content == "python -m pip install .":
            install(place, site)
            for name in ("network.onnx", "network.toml", "downloads"):
                (place / name).rename(elsewhere / name)
        else:
            installed = site.exists()
            printed[content] = execute(content, [site] if installed else [], elsewhere if installed else place)
    commands = list(printed)
    assert [line.split()[0] for line in commands].count("oodbench") == 14
    assert [line.split()[0] for line in commands].count("python") == 5
    assert "Margin" in printed[next(line for line in commands if "--plugin margin.py" in line)]
    doctor = next(line for line in commands if "doctor" in line)
    assert "3 of 3 frames, official layout" in printed[doctor]
    assert "trained on" in printed["oodbench info model table.npz --plugin colour_table.py"]
    assert "minus the gap" in printed["oodbench list methods"]
    last = printed[commands[-1]]
    assert "lost-cargo" in last
    assert "Margin" in last

    # Commands in blocks of another language need a run or a training, so they are not executed above.
    report = execute("oodbench run --method msp --limit 1 --benchmark streets-anomaly --out run", [], place)
    assert "MSP" in report
    assert "MSP on streets-" in execute("oodbench report run --format winners --plugin winners.py", [], place)

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
    config = ROOT / "pyproject.toml"
    files = f"{module}.py test_{module}.py my_street.py test_my_street.py "
    files += "my_segmenter.py test_my_segmenter.py"
    execute(f"python -m ruff check --config {config} {files}", [], place)
    run = f"oodbench run --plugin {module}.py --method {longest} --model network.onnx --data downloads"
    assert longest.replace("-", " ").capitalize() in execute(run, [], place)


def test_every_kind_has_its_line_and_its_contract() -> None:
    text = (PAGES / "add-a-method.md").read_text()
    contracts = [getattr(oodbench.testing, name) for name in oodbench.testing.__all__]
    assert {contract.kind for contract in contracts} == set(KINDS)
    for contract in contracts:
        (line,) = (line for line in text.splitlines() if line.startswith(f"| `{contract.kind}` | `"))
        assert f"| `{contract.__name__}` |" in line
