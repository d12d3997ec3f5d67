"""No command that opens a run runs code that only the run names, without `--trust`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import Result
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.errors import PluginError, UnknownNameError, UntrustedCodeError, UsageError
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.local import LocalStore
from tests.helpers.fake_benchmarks import numbers, small_run
from tests.helpers.files import CARD, write_network, write_road_anomaly
from tests.testing.test_third_party import EVERYTHING, write_cargo, write_streets

PROBE = """
from oodbench.contracts import PixelMethod


class Probe(PixelMethod):
    card = MethodCard("probe", "Probe", "none", "https://example.org")

    def pixel_score(self, band):
        return -band.logits.amax(dim=0)


Path(__file__).with_name("marker").touch()
"""
PLUGINS = {
    "methods": {"probe": ("Probe", "for a test"), "centre": ("Centre", "distance to the mean")},
    "benchmarks": {"cargo": ("Cargo", "a few frames")},
    "datasets": {"streets": ("Streets", "a few labelled frames")},
    "models": {"seeded": ("Seeded", "FILE.seed")},
    "reports": {"lines": ("Lines", "one line per result")},
    "submissions": {"parcel": ("Parcel", "one array per frame")},
}
VERBS = {
    "report": ["report", "RUN"],
    "html": ["report", "RUN", "--format", "html", "--out", "OUT"],
    "lines": ["report", "RUN", "--format", "lines"],
    "compare": ["compare", "RUN"],
    "two runs": ["compare", "RUN", "RUN"],
    "evaluate": ["evaluate", "RUN"],
    "verify": ["verify", "RUN"],
    "submit": ["submit", "parcel", "RUN", "--out", "OUT"],
    "container": ["submit", "fishyscapes", "RUN", "--out", "OUT"],
    "merge": ["merge", "SHARDS", "--out", "OUT"],
    "gate": ["gate", "RUN", "--baseline", "BASELINE", "--accept"],
}
WITH_MARKS = [pytest.param(verb, marks=pytest.mark.slow if verb == "merge" else ()) for verb in VERBS]


class Stored(NamedTuple):
    """A run that was made with a plugin of one kind."""

    folder: Path
    plugin: Path

    @property
    def marker(self) -> Path:
        return self.plugin.with_name("marker")

    def invoke(self, verb: str, *options: str) -> Result:
        here = self.folder.parent
        places = {"RUN": "run", "SHARDS": "shards", "OUT": "out", "BASELINE": "baseline.json"}
        words = [str(here / places[word]) if word in places else word for word in VERBS[verb]]
        return CliRunner().invoke(app, [*words, *options])


def write_plugin(file: Path, kind: str) -> Path:
    """Write a plugin file that declares one kind, and leaves the file `marker` when it is imported."""
    literal = PLUGINS if kind == "all" else {kind: PLUGINS[kind]}
    text = re.sub(r"PLUGINS = \{\n.*?\n\}\n", f"PLUGINS = {literal!r}\n", EVERYTHING.read_text(), flags=re.DOTALL)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + PROBE)
    return file


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Make a run and its one shard with a plugin of each kind, which only the tests of this module use."""
    runs = {}
    with pytest.MonkeyPatch.context() as patch:
        for kind in (*PLUGINS, "all"):
            place = runs[kind] = tmp_path_factory.mktemp(kind)
            patch.setenv("OODBENCH_CACHE", str(place / "cache"))
            write_network(place / "tiny.onnx")
            (place / "tiny.toml").write_text(CARD)
            (place / "net.seed").write_text("7")
            write_road_anomaly(place / "data" / "RoadAnomaly_jpg")
            write_cargo(place / "data")
            write_streets(place / "id")
            for out, shard in (("run", None), ("shards", "1/1")):
                small_run(
                    place / ("net.seed" if kind in ("models", "all") else "tiny.onnx"),
                    place / "data",
                    place / out,
                    methods=[{"methods": "probe", "all": "centre"}.get(kind, "msp")],
                    benchmarks=["cargo" if kind in ("benchmarks", "all") else "road-anomaly"],
                    id_data=[place / "id"] if kind in ("datasets", "all") else [],
                    plugins=[write_plugin(place / "p.py", kind)],
                    shard=shard,
                )
            (place / "p.py").unlink()
        yield runs


@pytest.fixture
def stored(made: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest) -> Stored:
    """Copy the run of a kind. Its plugin has a new text, so that an import in this process would execute it."""
    kind = request.param
    for name in ("run", "shards"):
        shutil.copytree(made[kind] / name, tmp_path / name)
    plugin = write_plugin(made[kind] / "p.py", kind)
    plugin.write_text(f"{plugin.read_text()}\n# {tmp_path}\n")
    found = Stored(tmp_path / "run", plugin)
    found.marker.unlink(missing_ok=True)
    return found


@pytest.mark.parametrize("verb", WITH_MARKS)
@pytest.mark.parametrize("stored", [*PLUGINS, "all"], indirect=True)
def test_no_verb_imports_a_plugin_of_the_run(stored: Stored, verb: str) -> None:
    done = stored.invoke(verb)
    assert not stored.marker.exists()
    assert done.exception is None or isinstance(done.exception, (SystemExit, oodbench.errors.OodbenchError))
    if verb == "report":
        assert done.exit_code == 0, done.exception


@pytest.mark.parametrize(
    ("stored", "verb"),
    [
        ("methods", "html"),
        ("methods", "verify"),
        ("benchmarks", "html"),
        ("benchmarks", "evaluate"),
        ("benchmarks", "verify"),
        ("benchmarks", "merge"),
        ("datasets", "verify"),
        ("models", "verify"),
        ("reports", "lines"),
        ("reports", "merge"),
        ("submissions", "submit"),
        ("all", "submit"),
    ],
    indirect=["stored"],
)
def test_trust_or_the_same_plugin_imports_it(stored: Stored, verb: str) -> None:
    stored.invoke(verb, "--trust")
    assert stored.marker.exists()
    stored.marker.unlink()
    copy = stored.folder.parent / "mine" / "copy.py"
    copy.parent.mkdir()
    shutil.copy(stored.plugin, copy)
    shutil.rmtree(stored.folder.parent / "out", ignore_errors=True)
    stored.invoke(verb, "--plugin", str(copy))
    assert copy.with_name("marker").exists()
    assert not stored.marker.exists()


@pytest.mark.parametrize("stored", ["all"], indirect=True)
def test_what_needs_no_plugin_works_and_the_rest_names_the_file(stored: Stored) -> None:
    run = oodbench.load(stored.folder)
    (result,) = run.results
    assert run.card(result) is None
    assert run.score(result, "1").shape == (48, 96)
    for call in (run.evaluate, lambda: run.image("cargo", "1"), lambda: run.report("lines")):
        with pytest.raises(UntrustedCodeError) as error:
            call()
        assert f"{stored.plugin}: the run names this code" in str(error.value)
        assert f"--plugin {stored.plugin}, or --trust" in str(error.value)
    verdicts = {check.what: check for check in oodbench.verify(stored.folder)}
    for what in ("network net", "code of Centre", "frames of cargo", "frames of streets fit"):
        assert verdicts[what].verdict == "not checked"
        assert str(stored.plugin) in verdicts[what].said
    assert stored.invoke("verify").exit_code == 5
    assert not stored.marker.exists()


@pytest.mark.parametrize("stored", ["benchmarks"], indirect=True)
def test_the_trusted_plugin_gives_the_same_numbers(stored: Stored) -> None:
    assert isinstance(stored.invoke("merge").exception, UntrustedCodeError)
    assert not (stored.folder.parent / "out").exists()
    # The text of the plugin is part of the digests of its frames.
    stored.plugin.write_text(stored.plugin.read_text().rpartition("\n# ")[0])
    run = oodbench.load(stored.folder, plugins=stored.plugin)
    assert numbers(run.evaluate()) == numbers(run)
    assert numbers(oodbench.load(stored.folder, trust=True).evaluate()) == numbers(run)


@pytest.mark.parametrize("stored", ["methods"], indirect=True)
def test_a_missing_or_damaged_plugin_file_is_no_obstacle(stored: Stored) -> None:
    texts = ("not Python at all", "PLUGINS = {'methods': 5}", "PLUGINS = {'nothing': {}}", "PLUGINS = " + "[" * 9999)
    for text in texts:
        stored.plugin.write_text(text)
        assert stored.invoke("report").exit_code == 0
    stored.plugin.unlink()
    for options in ([], ["--trust"]):
        assert stored.invoke("report", *options).exit_code == 0
        assert stored.invoke("verify", *options).exit_code == 5
    run = oodbench.load(stored.folder, trust=True)
    with pytest.raises(UnknownNameError, match=r"names the plugin file .*p\.py, which does not exist"):
        run.registry.method("probe")
    with pytest.raises(UsageError, match=r"no adapter accepts this.* file .*p\.py, which does not exist"):
        run.registry.adapter("net.seed")
    (said,) = [check.said for check in oodbench.verify(run, recompute=0) if check.what == "code of Probe"]
    assert str(stored.plugin) in said
    assert "give --plugin FILE" in said


@pytest.mark.parametrize("verb", ["report", "verify", "compare", "evaluate"])
@pytest.mark.parametrize("stored", ["methods"], indirect=True)
def test_a_plugin_file_that_can_not_be_used_is_one_error(stored: Stored, verb: str) -> None:
    broken, text, absent = (stored.folder / name for name in ("broken.py", "method.txt", "absent.py"))
    broken.write_text("PLUGINS = {")
    text.write_text("PLUGINS = {}")
    for file, problem in (
        (absent, "no such plugin file"),
        (text, "not a Python file (.py)"),
        (stored.folder, "not a Python file (.py)"),
        (broken, "can't be read as Python"),
    ):
        error = stored.invoke(verb, "--plugin", str(file)).exception
        assert isinstance(error, PluginError)
        assert error.problem.startswith(f"{file}: {problem}")


@pytest.mark.parametrize("stored", ["methods"], indirect=True)
def test_an_untrusted_plugin_replaces_no_other(stored: Stored) -> None:
    stored.plugin.write_text('PLUGINS = {"reports": {"terminal": ("X", "x")}, "methods": {"msp": ("X", "x")}}\n')
    assert stored.invoke("report").exit_code == 0
    assert oodbench.load(stored.folder).registry.method("msp").card.title == "MSP"


NETWORK = """
from pathlib import Path

from torch import nn

CARD = {"input": {"channels": "rgb", "divide_by": 255}, "classes": {"set": "cityscapes-19"}}
Path(__file__).with_name("marker").touch()


def make():
    return nn.Conv2d(3, 19, 1)
"""


@pytest.mark.parametrize("network", ["net.py:make", "config.py"])
def test_verify_opens_a_network_in_python_only_with_trust(
    network: str, network_file: Path, road_anomaly: Path, tmp_path: Path
) -> None:
    folder = small_run(network_file, road_anomaly, tmp_path / "run", methods=["msp"]).folder
    file = tmp_path / network.partition(":")[0]
    file.write_text(f"{NETWORK}\n# {tmp_path}\n")
    file.with_suffix(".safetensors").write_bytes(b"weights")
    artifacts = RunArtifacts(LocalStore(folder))
    record = oodbench.load(folder).record
    named = record.networks[0].model_copy(update={"source": str(tmp_path / network)})
    artifacts.write_plan(record.model_copy(update={"networks": (named,)}))
    check = oodbench.verify(folder)[0]
    assert (check.verdict, check.what) == ("not checked", "network tiny")
    assert f"{tmp_path / network}: the run names this code, which is not run without --trust" in check.said
    assert CliRunner().invoke(app, ["verify", str(folder)]).exit_code == 5
    assert not (tmp_path / "marker").exists()
    if network == "net.py:make":
        file.with_suffix(".safetensors").unlink()
        assert oodbench.verify(oodbench.load(folder, trust=True))[0].verdict == "wrong"
        assert (tmp_path / "marker").exists()


def test_a_run_is_resumed_with_the_plugins_of_the_command(
    network_file: Path, road_anomaly: Path, tmp_path: Path
) -> None:
    plugin = write_plugin(tmp_path / "p.py", "methods")
    small_run(network_file, road_anomaly, tmp_path / "run", methods=["probe", "msp"], plugins=[plugin])
    (tmp_path / "marker").unlink()
    plugin.write_text(f"{plugin.read_text()}\n# {tmp_path}\n")
    again = small_run(
        network_file, road_anomaly, tmp_path / "run", methods=["msp"], if_exists="reuse", stop_after="report"
    )
    assert again.record.plugins == ()
    assert not (tmp_path / "marker").exists()


def test_the_process_that_made_a_run_uses_its_plugins(network_file: Path, road_anomaly: Path, tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "p.py", "all")
    words = ["run", "--plugin", plugin, "--method", "probe", "--model", network_file, "--benchmark", "road-anomaly"]
    done = CliRunner().invoke(app, [*map(str, words), "--data", str(road_anomaly), "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.exception
    assert (tmp_path / "run" / "report" / "lines.txt").read_text() == "probe on road-anomaly\n"
