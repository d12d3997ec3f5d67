"""`oodbench new`: written files and errors. tests/test_plugins_page.py runs the written files."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from oodbench.cli.main import app
from oodbench.errors import OodbenchError
from oodbench.registry import Registry


def new(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["new", *arguments])
    if isinstance(done.exception, OodbenchError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_two_files_are_written_and_the_next_steps_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert new("method", "two-words").splitlines() == [
        "wrote two_words.py",
        "wrote test_two_words.py",
        "test it:  python -m pytest test_two_words.py",
        "run it:   oodbench run --plugin two_words.py --method two-words --model network.onnx --data DIR",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"two_words.py", "test_two_words.py"}
    for text in (path.read_text() for path in tmp_path.iterdir()):
        assert "TwoWords" in text
        assert not any(word in text for word in ("my-method", "my_method", "MyMethod", "My method"))


def test_a_model_is_a_file_with_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert new("model", "two-words").splitlines()[2:] == [
        "test it:  python -m pytest test_two_words.py",
        "run it:   oodbench run --model two_words.py:build --checkpoint FILE --data DIR",
    ]
    for text in (path.read_text() for path in tmp_path.iterdir()):
        assert "TwoWords" in text
        assert not any(word in text for word in ("my-model", "my_model", "MyModel", "My model"))
    assert Registry().adapter("two_words.py:build").open("two_words.py:build", None, "cpu").name == "Two words"


def test_files_are_written_into_another_folder(tmp_path: Path) -> None:
    new("benchmark", "my-street", "--out", str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b" / "test_my_street.py").is_file()


@pytest.mark.parametrize("there", ["margin.py", "test_margin.py"])
def test_no_file_is_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(OodbenchError, match=f"{there}: the file already exists"):
        new("method", "margin", "--out", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("metod", "margin", "unknown kind 'metod'. Did you mean 'method'?"),
        ("method", "Margin", "'Margin' can't be a public name; expected lower-case letters and digits"),
        ("method", "a--b", "can't be a public name"),
        ("method", "../margin", "can't be a public name"),
        ("method", "a" * 41, "40 characters at most"),
        ("method", "msp", "msp.py has the method msp (one minus the largest softmax probability)"),
        ("benchmark", "road-anomaly", "road_anomaly.py has the benchmark road-anomaly"),
        ("benchmark", "cityscapes", "cityscapes.py has the dataset cityscapes"),
        ("method", "lambda", "the name of a Python keyword"),
        ("method", "none", "the name of a Python keyword"),
        ("method", "pixel-method", "would give the class the name PixelMethod"),
        ("method", "torch", "torch.py would hide the module torch"),
    ],
)
def test_an_invalid_name_is_an_error(tmp_path: Path, kind: str, name: str, message: str) -> None:
    with pytest.raises(OodbenchError) as error:
        new(kind, name, "--out", str(tmp_path))
    assert message in str(error.value)
    assert error.value.remedy is not None or kind == "metod"
    assert not list(tmp_path.iterdir())
