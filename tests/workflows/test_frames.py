"""Choice of frames by their ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.errors import DataError, OodbenchError, RunFolderError, UnknownNameError, UsageError
from oodbench.planning.frame_choice import choose_frames
from oodbench.planning.request import Request
from oodbench.types import Frame, FrameSet
from tests.helpers.fake_benchmarks import numbers, small_run

FIRST = "animals01_Guiguinto_railway_station_Calves"
SECOND = "obstacles03_cardboard"
THIRD = "vehicle02_Skidloader"


def frame_set(*ids: str) -> FrameSet:
    return FrameSet(tuple(Frame(identity, "", None, None) for identity in ids), "plain", None, len(ids), default=1)  # type: ignore[arg-type]


SETS = {"one": frame_set("a", "b", "c", "d, e", "x=1"), "two": frame_set("b", "z")}


def choose(*frames: str, **options: Any) -> dict[str, list[str]]:
    chosen = choose_frames(SETS, Request.of(frames=frames, **options))
    return {name: [frame.id for frame in found.frames] for name, found in chosen.items()}


def test_frames_are_chosen_by_id_in_the_order_of_the_benchmark(tmp_path: Path) -> None:
    assert choose() == {"one": ["a"], "two": ["b"]}
    assert choose("c,a", "c") == {"one": ["a", "c"]}
    assert choose("b") == {"one": ["b"], "two": ["b"]}
    assert choose("one=a, b", "z") == {"one": ["a", "b"], "two": ["z"]}
    assert choose("d, e", "x=1") == {"one": ["d, e", "x=1"]}
    file = tmp_path / "ids.txt"
    file.write_bytes(b"\xef\xbb\xbfa\r\n\r\n# b\r\n c \r\nd, e\r\n")
    assert choose(str(file)) == {"one": ["a", "c", "d, e"]}
    assert choose(f"one={file}", "two=b") == {"one": ["a", "c", "d, e"], "two": ["b"]}


@pytest.mark.parametrize(
    ("frames", "kind", "message"),
    [
        (["a,bb"], UnknownNameError, "unknown frame of one, two 'bb'"),
        (["two=a"], UnknownNameError, "unknown frame of two, or file, 'a'. Known: b, z."),
        (["on=a"], UnknownNameError, "--frames: unknown benchmark 'on'. Did you mean 'one'?"),
        (["one=,"], UsageError, "--frames ',' names no frame"),
        (["absent.txt"], UnknownNameError, "--frames: unknown frame of one, two, or file, 'absent.txt'"),
        (["."], UsageError, "--frames .: a folder; expected ids, or a file with one id per line"),
    ],
)
def test_wrong_choices_are_errors(frames: list[str], kind: type[OodbenchError], message: str) -> None:
    with pytest.raises(kind) as error:
        choose(*frames)
    assert message in str(error.value)


def test_a_named_benchmark_without_chosen_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--frames selects no frame of two"):
        choose("a", benchmarks=("one", "two"))
    with pytest.raises(UsageError, match="--frames and --limit exclude each other"):
        choose("a", limit=2)
    (tmp_path / "ids").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="ids: can't be read"):
        choose(str(tmp_path / "ids"))


def test_an_error_lists_only_some_of_many_frames() -> None:
    sets = {"one": frame_set(*(f"frame{index:04}" for index in range(3000)))}
    with pytest.raises(UnknownNameError) as error:
        choose_frames(sets, Request.of(frames=("zzz",)))
    assert "frame0049 and 2950 more." in error.value.problem
    with pytest.raises(UnknownNameError, match="Did you mean 'frame0123'"):
        choose_frames(sets, Request.of(frames=("fram0123",)))


def test_a_run_on_chosen_frames(network_file: Path, road_anomaly: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"methods": ["msp"], "frames": {"road-anomaly": [THIRD, FIRST]}}
    run = small_run(network_file, road_anomaly, tmp_path / "run", **options)
    (result,) = run.results
    assert list(run.frames("road-anomaly")) == [FIRST, THIRD]
    assert "road-anomaly: limited to 2 of 3 frames" in result.warnings
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["chosen"] is True
    assert numbers(small_run(network_file, road_anomaly, tmp_path / "run", **options)) == numbers(run)
    assert {check.verdict for check in oodbench.verify(run)} == {"right", "not checked"}
    other = options | {"frames": [SECOND, THIRD]}
    with pytest.raises(RunFolderError, match=f"chosen frames: {FIRST}, {THIRD} there, {SECOND}, {THIRD} here"):
        small_run(network_file, road_anomaly, tmp_path / "run", **other)
    reused = small_run(network_file, road_anomaly, tmp_path / "run", if_exists="reuse", **other)
    assert numbers(reused) == numbers(small_run(network_file, road_anomaly, tmp_path / "fresh", **other))
    first = small_run(network_file, road_anomaly, tmp_path / "first", methods=["msp"], frames=[FIRST, SECOND])
    assert numbers(first) == numbers(
        small_run(network_file, road_anomaly, tmp_path / "limited", methods=["msp"], limit=2)
    )


def test_the_command_takes_a_file_of_ids(network_file: Path, road_anomaly: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(f"{SECOND}\n")
    command = ["run", "--model", str(network_file), "--method", "msp", "--data", str(road_anomaly)]
    command += ["--out", str(tmp_path / "run"), "--dry-run", "--json"]
    shown = CliRunner().invoke(app, [*command, "--frames", f"road-anomaly={tmp_path / 'ids.txt'}"])
    (benchmark,) = json.loads(shown.stdout)["benchmarks"]
    assert [frame["id"] for frame in benchmark["frames"]] == [SECOND]
    wrong = CliRunner().invoke(app, [*command, "--frames", "obstacles03_cardbord"])
    assert "Did you mean 'obstacles03_cardboard'?" in str(wrong.exception)
