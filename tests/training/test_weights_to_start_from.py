"""Initial weights of a training: which ones fit, and files that would run code."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import safetensors.torch
import torch

from oodbench.contracts import Roots
from oodbench.errors import ModelError, RunFolderError
from oodbench.training.catalogue import load_recipe
from oodbench.training.data import find_data
from oodbench.training.options import TrainingOptions
from oodbench.training.train import make_job
from tests.helpers.small_recipe import PLUGINS, QUIET, load_weights, run_recipe, write_recipe

pytestmark = QUIET


def test_initial_weights_are_loaded_or_rejected_with_the_reason(tmp_path: Path) -> None:
    first = run_recipe(write_recipe(tmp_path, ""), tmp_path / "first").with_suffix(".safetensors")
    chosen, options = load_recipe(str(write_recipe(tmp_path))), TrainingOptions(start=first, plugins=PLUGINS)
    started = make_job(chosen, find_data(chosen, Roots(), PLUGINS), options, "cpu").network.state_dict()
    written = safetensors.torch.load_file(first)
    backbone = {name for name in started if name.startswith("backbone.")}
    assert backbone <= written.keys()
    assert all(torch.equal(started[name], written[name]) for name in backbone)
    other = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"conv1.weight": torch.zeros(3)}, other)
    with pytest.raises(
        ModelError, match=r"not the weights of this backbone \(MixVisionTransformer\).* are missing and 0 have"
    ):
        run_recipe(write_recipe(tmp_path), tmp_path / "third", start=other)
    deeper = tmp_path / "deeper.safetensors"
    safetensors.torch.save_file({**written, "backbone.layers.0.1.9.ffn.layers.0.weight": torch.zeros(3)}, deeper)
    with pytest.raises(ModelError, match=r"1 tensors belong to other layers. The first of them is layers.0.1.9.ffn"):
        run_recipe(write_recipe(tmp_path), tmp_path / "deeper", start=deeper)
    with pytest.raises(ModelError, match="no such file"):
        run_recipe(write_recipe(tmp_path), tmp_path / "fourth", start=tmp_path / "gone.pth")


class Planted:
    """Pickle that runs code when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("planted",)


def test_a_pickle_that_would_run_code_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = tmp_path / "evil.pth"
    evil.write_bytes(pickle.dumps({"state_dict": Planted()}, protocol=2))
    with pytest.raises(ModelError, match=r"evil.pth"):
        run_recipe(write_recipe(tmp_path), tmp_path / "out", start=evil)
    (tmp_path / "out" / "checkpoint.pt").write_bytes(evil.read_bytes())
    with pytest.raises(RunFolderError, match="not a checkpoint of oodbench train"):
        run_recipe(write_recipe(tmp_path), tmp_path / "out")
    assert not (tmp_path / "planted").exists()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder, and yield it with its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_downloaded_weights_are_loaded_without_running_code(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "fetched"))
    folder, address = served
    written = load_weights(run_recipe(write_recipe(tmp_path, ""), tmp_path / "first"))
    backbone = {name.removeprefix("backbone."): v for name, v in written.items() if name.startswith("backbone.")}
    torch.save(backbone, folder / "good.pth")
    (folder / "evil.pth").write_bytes(pickle.dumps({"state_dict": Planted()}, protocol=2))

    def build_from(name: str) -> Mapping[str, torch.Tensor]:
        init_cfg = f'{{ type = "Pretrained", checkpoint = "{address}/{name}" }}'
        path = write_recipe(tmp_path, network=f'"backbone.init_cfg" = {{ value = {init_cfg}, source = "ours" }}')
        path.write_text('start = { value = "pretrained", source = "ours" }\n' + path.read_text())
        chosen = load_recipe(str(path))
        return make_job(chosen, find_data(chosen, Roots(), PLUGINS), TrainingOptions(), "cpu").network.state_dict()

    started = build_from("good.pth")
    assert all(torch.equal(started[f"backbone.{name}"], value) for name, value in backbone.items())
    with pytest.raises(ModelError, match=r"the initial weights can't be loaded \(UnpicklingError"):
        build_from("evil.pth")
    with pytest.raises(ModelError, match=r"can't be loaded \(HTTPError: .*404"):
        build_from("gone.pth")
    assert not (tmp_path / "planted").exists()
