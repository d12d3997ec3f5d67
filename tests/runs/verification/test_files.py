"""Tables and other stored files that were changed, and the exit codes of the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from oodbench.cli.main import app
from oodbench.errors import RunFolderError
from oodbench.runs.load import load
from tests.helpers.forged_runs import edit_result_file
from tests.helpers.stored import forge
from tests.runs.verification.conftest import Find

MSP = "MSP on tiny, road-anomaly"


@pytest.mark.parametrize("name", ["table.txt", "table.md", "table.tex", "table.csv"])
def test_a_table_that_was_changed_is_wrong(run: Path, find: Find, name: str) -> None:
    path = run / "report" / name
    path.write_text(path.read_text().replace("MSP", "BEST", 1))
    wrong = find("wrong")
    assert list(wrong) == [f"report/{name}"]
    assert "the results give" in wrong[f"report/{name}"]
    path.write_bytes(b"\xff\xfe")
    assert "it can't be read" in find("wrong")[f"report/{name}"]
    path.unlink()
    assert find("wrong") == {}


def test_foreign_files_among_the_tables_are_listed(run: Path, find: Find) -> None:
    (run / "report" / "notes.txt").write_text("by hand")
    (run / "report" / "pages").mkdir()
    (run / "report" / "table.txt").unlink()
    assert find("not checked")["the rest"].endswith(
        "files in report/ other than the tables above "
        "(heatmaps-road-anomaly.pdf, heatmaps-road-anomaly.png, notes.txt, pages)"
    )


@pytest.mark.parametrize(
    "folder", ["breakdowns", "calibration", "environments", "fits", "predictions", "quality", "results", "sketches"]
)
def test_stored_files_with_other_content_are_wrong(run: Path, find: Find, folder: str) -> None:
    for path in (run / folder).rglob("*.*"):
        forge(run, path, "[5]")
    checks = {**find("wrong", recompute=1), **find("not checked", recompute=1)}
    assert checks.keys() > {"the rest"}
    path.write_text("[6]")
    assert "its content is not what was written" in find("wrong")["stored files"]


def test_the_remedy_for_a_damaged_breakdown_writes_it_again(run: Path) -> None:
    path = next((run / "breakdowns").iterdir())
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    with pytest.raises(RunFolderError, match="remove it and run 'oodbench evaluate'"):
        [load(run, ["pooled"]).breakdown(row) for row in load(run, ["pooled"]).results]
    path.unlink()
    load(run).evaluate(protocols=["pooled"])
    assert path.read_bytes() == content


def test_intervals_and_breakdowns_that_were_changed_are_wrong(run: Path, find: Find) -> None:
    for path in (run / "breakdowns").iterdir():
        content = json.loads(path.read_text())
        content["groups"][0]["ap"] = 0.99
        forge(run, path, json.dumps(content))
    assert "breakdown groups 0 ap is" in find("wrong")[f"metrics of {MSP}, pooled"]
    contents = {path: path.read_bytes() for path in (run / "sketches").iterdir()}
    for path, content in zip(contents, reversed(contents.values()), strict=True):
        forge(run, path, content)
    assert any(said.startswith("its sketch") for said in find("wrong").values())


def test_the_command_ends_with_2_5_or_0_and_prints_the_seed(run: Path, finished: Path) -> None:
    call = CliRunner().invoke
    good = call(app, ["verify", str(finished), "--recompute", "1", "--seed", "3"])
    assert good.exit_code == 0, good.output
    assert "(--seed 3)" in good.output
    assert good.output.splitlines()[-1] == f"{finished}: 25 right, 0 wrong, 0 not checked ('the rest' is not counted)"
    assert call(app, ["verify", str(run), "--recompute", "0"]).exit_code == 5
    edit_result_file(run, lambda content: content["results"]["smiyc"][0].update(metrics={}))
    bad = call(app, ["verify", str(run), "--recompute", "0"])
    assert bad.exit_code == 2
    assert "wrong        results: MSP on tiny, road-anomaly: it has no AP" in bad.output
