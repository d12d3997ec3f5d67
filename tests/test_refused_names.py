"""Names that are refused where they enter: files, plugins, networks, options and the records of other people's runs."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from typing_extensions import override

import oodbench
from oodbench.baseline.records import RowRecord
from oodbench.cli import launch
from oodbench.cli.console import BarProgress, PlainProgress
from oodbench.cli.new import new
from oodbench.contracts import Benchmark, BenchmarkCard, FailedBenchmark, Result
from oodbench.data import index_images, open_photographs
from oodbench.errors import DataError, ModelError, OodbenchError, PluginError, RunFolderError, UsageError
from oodbench.files import digest_bytes
from oodbench.planning.frame_index import index_frames
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.records import PlanRecord
from oodbench.planning.resolve import check_segmenter
from oodbench.progress import Silent
from oodbench.registry import Registry
from oodbench.segmenters.model_card import ModelCard
from oodbench.segmenters.model_card import check_card as check_model_card
from oodbench.testing.fake_run import make_result
from oodbench.types import CITYSCAPES_19, ClassSet, Frame
from oodbench.workflows.evaluate_scores import ExternalScores
from tests.helpers.hostile_names import LITERAL, REFUSED
from tests.helpers.plugin_folder import METHOD

IN_FILE_NAMES = ["a\nb", "\x1b[31mred", "a\x7f", "\x9b31m", "\u202egnp", "a\u2028b", "\udc80"]


@pytest.mark.parametrize("name", IN_FILE_NAMES, ids=ascii)
def test_file_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.png"
    with open(os.fsencode(path), "wb") as file:
        Image.new("RGB", (4, 4)).save(file, "PNG")
    for read in (lambda: index_images(tmp_path), lambda: open_photographs(path)):
        with pytest.raises(DataError) as raised:
            read()
        assert f"the file name {path.name!r}: has the character U+" in str(raised.value)


@pytest.mark.parametrize("name", [*REFUSED, "../../a", "/a", "a/../b"], ids=ascii)
def test_ids_of_frames(name: str) -> None:
    frame = Frame(name, "", lambda: (4, 4), lambda: np.zeros((4, 4, 3), np.uint8))
    if len(name) > 200:
        frame = Frame(name * 10, "", frame.read_size, frame.read_image)
    with pytest.raises(DataError, match="mine: the id of a frame "):
        index_frames([frame], "mine", Silent(), cached=False)


def test_groups_of_frames() -> None:
    frame = Frame("a", "\x1b", lambda: (4, 4), lambda: np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=re.escape(r"mine: the group of a frame '\x1b' has the character U+001B")):
        index_frames([frame], "mine", Silent(), cached=False)


@pytest.mark.parametrize("name", ["a\x1b.hdf5", "maps/a\nb.hdf5", "\u202ea.npy"], ids=ascii)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_of_archives(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "submission"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, b"")
    else:
        with tarfile.open(path, "w") as packed:
            packed.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match=re.escape(f"the file name {name!r}: has the character")):
        oodbench.check_submission("segment-me-if-you-can", path)


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_model_cards(name: str) -> None:
    content: dict[str, Any] = {
        "name": name, "input": {"channels": "rgb", "divide_by": 1}, "classes": {"set": "cityscapes-19"}, "outputs": {},
    }  # fmt: skip
    with pytest.raises(ModelError, match=r"net.toml: name is .*; expected "):
        check_model_card(content, ModelCard, "net.toml")
    content["name"] = LITERAL[0]
    assert check_model_card(content, ModelCard, "net.toml").name == LITERAL[0]


class Network:
    """The facts of a network that are checked."""

    name, digest, classes = "net", digest_bytes(b""), CITYSCAPES_19


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a\nb"),
        ("name", ""),
        ("digest", "../../XYZZZZ"),
        ("digest", "A" * 64),
        ("classes", ClassSet("mine", ("road", "\x1b"))),
        ("classes", ClassSet("a\nb", ("road",))),
    ],
)
def test_networks(field: str, value: Any) -> None:
    network: Any = Network()
    check_segmenter(network)
    setattr(network, field, value)
    with pytest.raises(ModelError, match="; expected "):
        check_segmenter(network)


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_names_of_external_scores(name: str) -> None:
    with pytest.raises(UsageError, match=r"--scores maps: the name .*; expected "):
        ExternalScores.of(name, "maps", "higher")


@pytest.mark.parametrize("name", ["../mine", "mi ne", "a\\nb", "a\\x1b", "=1", ""], ids=ascii)
def test_public_names_of_plugins(tmp_path: Path, name: str) -> None:
    (tmp_path / "p.py").write_text(METHOD.replace('"mine"', f'"{name}"'))
    with pytest.raises(PluginError, match=r"p\.py: the name .* in PLUGINS: "):
        Registry((tmp_path / "p.py",)).names("methods")


@pytest.mark.parametrize("old", ['"for a test"', 'title="Mine"', 'paper="none"', 'url="none"'])
def test_texts_on_cards(tmp_path: Path, old: str) -> None:
    text = METHOD.replace("from helper import transform", "transform = abs")
    (tmp_path / "p.py").write_text(text.replace(old, f'{old[:-1]}\\x1b"'))
    with pytest.raises(PluginError, match=r"p\.py: .*U\+001B"):
        Registry((tmp_path / "p.py",)).method("mine")


@pytest.mark.parametrize("changes", [{"name": "a/b"}, {"title": "a\nb"}, {"layouts": {"\x1b": ""}}])
def test_cards_of_objects(changes: dict[str, Any]) -> None:
    facts: dict[str, Any] = {
        "name": "mine", "title": "Mine", "paper": "", "url": "", "licence": "", "frames": 0, "labels": {},
        "layouts": {}, "obtain": "first\nsecond", "leaderboard_protocol": "pooled",
    }  # fmt: skip

    class Mine(Benchmark):
        card = BenchmarkCard(**facts)

        @override
        def open(self, roots: Any) -> Any:
            raise NotImplementedError

    Registry().add_benchmark(Mine())
    Mine.card = BenchmarkCard(**(facts | changes))
    with pytest.raises(PluginError, match=f"Mine: {next(iter(changes))} .* on its card: "):
        Registry().add_benchmark(Mine())


@pytest.mark.parametrize("name", ["con", "nul", "com1", "../a", "a b", "1a", "class"])
def test_new_plugins(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        new("method", name, tmp_path)
    assert not list(tmp_path.iterdir())


DIGEST = digest_bytes(b"")
FRAME: dict[str, Any] = {
    "id": "0", "group": "0", "key": DIGEST[:20], "digest": DIGEST, "height": 4, "width": 4, "pixels": (16, 0, 0),
}  # fmt: skip
PLAN: dict[str, Any] = {
    "networks": [
        {
            "name": "net", "source": "net.onnx", "card": None, "digest": DIGEST, "device": "cpu", "expected_miou": None,
            "expected_mean_confidence": None,
        }
    ],
    "scorers": [
        {
            "key": "msp-0123456789ab", "network": "net", "spec": "msp", "method": "msp", "params": {}, "label": "MSP",
            "version": 1, "fits": False,
        }
    ],
    "skipped": [],
    "benchmarks": [
        {
            "name": "mine", "title": "Mine", "split": "", "layout": "official", "folder": None, "expected": 1,
            "warnings": [], "frames": [FRAME], "components": {},
        }
    ],
    "fit": None, "calibrate": None, "scoring": {}, "protocols": {"mine": ["pooled"]}, "seed": 0, "batch_size": 1,
    "limit": None, "data": {"anywhere": [], "named": {}}, "id_data": {"anywhere": [], "named": {}}, "plugins": [],
    "classes": None,
}  # fmt: skip


def forge_plan(where: str, value: str) -> dict[str, Any]:
    """Return the plan with another value at a path such as `networks.0.digest`."""
    plan: Any = json.loads(json.dumps(PLAN))
    *folders, last = where.split(".")
    inner = plan
    for part in folders:
        inner = inner[int(part) if part.isdecimal() else part]
    inner[last] = value
    return plan  # type: ignore[no-any-return]


@pytest.mark.parametrize("value", ["../../XYZZZZ", "\x1b[31m", "a\nb", "", "/a"], ids=ascii)
@pytest.mark.parametrize(
    "where",
    [
        "networks.0.digest",
        "scorers.0.key",
        "scorers.0.method",
        "benchmarks.0.name",
        "benchmarks.0.frames.0.key",
        "benchmarks.0.frames.0.digest",
        "benchmarks.0.frames.0.id",
    ],
)
def test_a_forged_shard_writes_nothing(tmp_path: Path, where: str, value: str) -> None:
    assert PlanRecord.model_validate(PLAN).networks[0].name == "net"
    shard = tmp_path / "run" / "shards" / "1-of-1"
    shard.mkdir(parents=True)
    (shard / "plan.json").write_text(json.dumps(forge_plan(where, value)))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunFolderError):
        oodbench.merge([tmp_path / "run"], tmp_path / "deep" / "out")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("where", ["networks.0.name", "scorers.0.label", "benchmarks.0.title", "scorers.0.network"])
@pytest.mark.parametrize("value", ["\x1b[31m", "a\nb", "\u202e", ""], ids=ascii)
def test_names_in_plans(where: str, value: str) -> None:
    with pytest.raises(ValidationError):
        PlanRecord.model_validate(forge_plan(where, value))


@pytest.mark.parametrize("field", ["network", "label", "benchmark", "method", "layout"])
@pytest.mark.parametrize("value", ["\x1b[31m", "a\nb", "\u202e", ""], ids=ascii)
def test_names_in_results(field: str, value: str) -> None:
    content = make_result("msp", 0.5, 0.5).model_dump(mode="json")
    assert Result.model_validate(content).network == "net"
    with pytest.raises(ValidationError):
        Result.model_validate(content | {field: value})
    if field != "layout":
        facts = {"network": "n", "label": "l", "benchmark": "b", "protocol": "p", "method": "m", "params": {}}
        with pytest.raises(ValidationError):
            RowRecord.model_validate(facts | {"metrics": {}, field: value})


def test_benchmarks_in_results_are_names_of_files() -> None:
    with pytest.raises(ValidationError, match="not a public name"):
        make_result("msp", 0.5, 0.5, "../../x")


def test_free_text_in_results_is_escaped() -> None:
    text = "a\x1b[31m\u202e"
    result = make_result(
        "msp", None, 0.5, warnings=[text], undefined={"AP": text}, params={"a": [text]}, fit={"b": {text: 1}}
    )
    assert "\x1b" not in str(result.model_dump())
    assert result.warnings == [r"a\x1b[31m\u202e"]
    failed = FailedBenchmark(benchmark="mine", stage="score", problem=f"{text}\nsecond", remedy=None)
    assert failed.problem == "a\\x1b[31m\\u202e\nsecond"


@pytest.mark.parametrize("changes", [{"id": "../a"}, {"key": "../../x"}, {"group": "\x1b"}])
def test_frames_in_records(changes: dict[str, str]) -> None:
    assert FrameRecord.model_validate(FRAME | {"id": "train/0", "group": ""}).id == "train/0"
    with pytest.raises(ValidationError):
        FrameRecord.model_validate(FRAME | changes)


def test_errors_are_printed_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        print("\x1b]0;title\x07 [red]")
        raise OodbenchError("a\x1b[31m.png:\n  second line\u202e", "Rename \x9b.")

    streams = sys.stdout, sys.stderr
    try:
        with pytest.raises(SystemExit):
            launch.run_command(fail)
    finally:
        sys.stdout, sys.stderr = streams
    done = capsys.readouterr()
    assert done.out == "\\x1b]0;title\\x07 [red]\n"
    assert done.err == "error: a\\x1b[31m.png:\n  second line\\u202e\n       Rename \\x9b.\n"


@pytest.mark.parametrize("name", [name for name in LITERAL if len(name) < 60])
def test_progress_shows_names_literally(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for progress_class in (PlainProgress, BarProgress):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        progress = progress_class()
        progress.say(f"say {name}")
        progress.warn(f"{name}\x1b[31m")
        with progress.track(name, 1, "frames") as advance:
            advance(1)
        text = stream.getvalue()
        assert f"say {name}\n" in text
        assert f"warning: {name}\\x1b[31m\n" in text
        assert name in text.splitlines()[-1]
