"""`~` in every path of the command line, of Python, of environment variables and of files."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import typer
from PIL import Image
from typer.models import ArgumentInfo
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.cli.options import CommandGroup
from oodbench.errors import UsageError
from oodbench.files import expand_home
from oodbench.planning.frame_index import _Cache
from oodbench.planning.request import Request, config_file, data_roots
from oodbench.storage import open_store as stores
from oodbench.storage.local import LocalStore
from oodbench.training.catalogue import load_recipe
from tests.helpers.files import CARD, photograph, save, write_network, write_road_anomaly
from tests.helpers.results import row, write_result

# Texts that can be or contain a path. Their functions expand it, which the tests of Python below check.
TEXTS_WITH_PATHS = {"data", "id_data", "model", "model_card", "checkpoint", "leaderboard", "recipe", "frames"}
NOBODY = "~nobody-of-this-name/x"
MESSAGE = "there is no user 'nobody-of-this-name'"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder; the current folder is another one, which must stay empty."""
    (tmp_path / "home").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home"


def list_commands(group: typer.Typer, *words: str) -> Iterator[tuple[tuple[str, ...], Callable[..., Any]]]:
    """Yield the words of each command, and its function."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield (*words, command.name or command.callback.__name__.replace("_", "-")), command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from list_commands(inner.typer_instance, *words, str(inner.name))


def list_parameters(function: Callable[..., Any]) -> Iterator[tuple[str, Any, Any, bool]]:
    """Yield the name, the type, the declaration of typer and whether it is required, of each parameter."""
    hints = get_type_hints(inspect.unwrap(function), include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints[name]
        assert get_origin(hint) is Annotated
        kind, declaration, *_ = get_args(hint)
        yield name, kind, declaration, parameter.default is inspect.Parameter.empty


def is_path(kind: Any) -> bool:
    return kind is Path or any(map(is_path, get_args(kind)))


COMMANDS = dict(list_commands(app))
PATHS = [
    (words, name)
    for words, function in COMMANDS.items()
    for name, kind, _, _ in list_parameters(function)
    if is_path(kind)
]


def make_words(name: str, declaration: Any, value: str) -> list[str]:
    if isinstance(declaration, ArgumentInfo):
        return [value]
    options = [option for option in declaration.param_decls or () if option.startswith("--")]
    return [f"{options[0] if options else '--' + name.replace('_', '-')}={value}"]


@pytest.mark.parametrize(("words", "name"), PATHS, ids=lambda part: part if isinstance(part, str) else "-".join(part))
def test_every_path_of_every_command_is_expanded(words: tuple[str, ...], name: str) -> None:
    line = list(words)
    for other, kind, declaration, required in list_parameters(COMMANDS[words]):
        if other == name:
            line += make_words(other, declaration, NOBODY)
        elif required or (isinstance(declaration, ArgumentInfo) and not is_path(kind)):
            line += make_words(other, declaration, "x")
    done = CliRunner().invoke(app, line)
    assert isinstance(done.exception, UsageError), (line, done.output)
    assert done.exception.problem == f"{NOBODY}: {MESSAGE}; expected a path"


def test_every_text_that_contains_a_path_is_known() -> None:
    named = {
        name
        for function in COMMANDS.values()
        for name, kind, declaration, _ in list_parameters(function)
        if not is_path(kind) and any(word in (declaration.metavar or "") for word in ("DIR", "FILE", "PATH", "RECIPE"))
    }
    assert named == TEXTS_WITH_PATHS


def test_single_paths_and_lists_are_expanded(home: Path) -> None:
    group, received = CommandGroup(), []

    @group.command()
    def show(
        file: Annotated[Path, typer.Option()],
        others: Annotated[list[Path] | None, typer.Option()] = None,
        text: Annotated[str, typer.Option()] = "",
    ) -> None:
        received.append((file, others, text))

    done = CliRunner().invoke(group, ["--file=~/a", "--others=~/b", "--others", "c~/~", "--text=~"])
    assert done.exit_code == 0, done.output
    assert received == [(home / "a", [home / "b", Path("c~/~")], "~")]


@pytest.mark.parametrize("text", ["a~", "./~", "$HOME/x", "C:\\~", "", "hf:~/x"])
def test_only_a_leading_tilde_is_expanded(text: str) -> None:
    assert expand_home(text) == text


def test_a_file_whose_name_begins_with_a_tilde_is_taken(home: Path) -> None:
    Path("~of-an-editor").touch()
    assert expand_home("~of-an-editor") == "~of-an-editor"
    assert expand_home("~") == str(home)


def test_requests_and_data_folders_are_expanded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request.of(
        models=("~/net.py:make",), model_cards=["~/a.toml"], checkpoints=("~/b",), out="~/r", plugins=("~/p.py",)
    )
    assert request.models == (f"{home}/net.py:make",)
    assert request.model_cards == (f"{home}/a.toml",)
    assert (request.out, request.plugins) == (home / "r", (home / "p.py",))
    roots, id_roots = data_roots(["~/a", "x=~/b"], ["~/c"])
    assert (roots.anywhere, roots.named, id_roots.anywhere) == ((home / "a",), {"x": (home / "b",)}, (home / "c",))
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text('data = ["x=~/d"]')
    assert data_roots([], [])[0].named == {"x": (home / "d",)}
    monkeypatch.setenv("OODBENCH_DATA", "~/e")
    assert data_roots([], [])[0].anywhere == (home / "e",)
    with pytest.raises(UsageError, match=MESSAGE):
        data_roots([f"x={NOBODY}"], [])
    with pytest.raises(UsageError, match=MESSAGE):
        Request.of(out=NOBODY)


def test_the_cache_folder_is_expanded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OODBENCH_CACHE", "~/cache")
    _Cache()
    assert (home / "cache" / "frames.sqlite").is_file()


def test_stores_are_expanded_with_and_without_a_prefix(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stores.STORES, "memory", LocalStore)
    assert stores.open_store("~/r").location == str(home / "r")
    assert stores.open_store("memory:~/r").location == str(home / "r")


def test_recipes_and_their_bases_are_expanded(home: Path) -> None:
    (home / "base.toml").write_text('base = "erfnet-cityscapes"\n')
    with pytest.raises(UsageError, match=rf"{home}/missing\.toml: no such file"):
        load_recipe("~/missing.toml")


def test_functions_of_python_expand_their_paths(home: Path) -> None:
    write_road_anomaly(home / "ra")
    write_network(home / "net.onnx")
    (home / "card.toml").write_text(CARD)
    save(home / "photos" / "a.png", photograph(0, (32, 64)))
    (home / "plugin.py").write_text('PLUGINS = {"methods": {"mine": ("Mine", "a method")}}\n')
    files: dict[str, Any] = {"models": "~/net.onnx", "model_cards": "~/card.toml", "plugins": "~/plugin.py"}
    run = oodbench.run(
        **files, methods="msp", benchmarks="road-anomaly", data="~/ra", out="~/r", limit=2, stop_after="evaluate"
    )
    assert Path(run.location) == home / "r"
    assert oodbench.load("~/r").results
    for frame in oodbench.load_benchmark("road-anomaly", {"road-anomaly": "~/ra"}, plugins="~/plugin.py"):
        (home / "maps").mkdir(exist_ok=True)
        np.save(home / "maps" / f"{frame.id}.npy", np.random.default_rng(0).random(frame.read_size()))
    for scores in ("~/maps", {"mine": "~/maps"}):
        given = oodbench.evaluate_scores(
            scores, "road-anomaly", anomalous="higher", data="~/ra", out="~/given", if_exists="overwrite",
            stop_after="evaluate",
        )  # fmt: skip
        assert list(given.table()["label"]) == ["mine" if isinstance(scores, dict) else "maps"]
    network = oodbench.load_segmenter("~/net.onnx", card="~/card.toml")
    scorer = oodbench.Scorer("msp", network)
    assert scorer(np.asarray(Image.open(home / "photos" / "a.png"))).shape == (32, 64)
    predicted = oodbench.predict(
        "~/photos", method="msp", model="~/net.onnx", model_card="~/card.toml", plugins=["~/plugin.py"], out="~/p"
    )
    assert predicted.folder == home / "p"
    (home / "submission").mkdir()
    (problem,) = oodbench.check_submission("fishyscapes", "~/submission")
    assert problem.startswith(str(home / "submission"))
    with pytest.raises(UsageError, match="its benchmarks are road-anomaly"):
        oodbench.submit("segment-me-if-you-can:requires_ood=no", "~/r", "~/new")
    assert not list(Path().iterdir())


def test_baselines_are_expanded(home: Path) -> None:
    write_result(home / "run", [row()])
    oodbench.accept("~/run", "~/baseline.json")
    assert json.loads((home / "baseline.json").read_text())
    oodbench.gate("~/run", "~/baseline.json")


def test_texts_of_commands_are_expanded(home: Path) -> None:
    for line in (
        ["info", "model", NOBODY],
        ["train", f"{NOBODY}.toml"],
        ["data", "verify", f"--data=road-anomaly={NOBODY}"],
    ):
        done = CliRunner().invoke(app, line)
        assert isinstance(done.exception, UsageError), (line, done.exception)
        assert MESSAGE in done.exception.problem
    write_network(home / "net.onnx")
    (home / "net.toml").write_text(CARD)
    assert CliRunner().invoke(app, ["info", "model", "~/net.onnx"]).exit_code == 0
