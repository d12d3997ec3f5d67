"""Errors for recipes and data that the training of an architecture can't use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from oodbench.cli.main import main
from oodbench.contracts import Roots
from oodbench.errors import DataError, RunFolderError, TrainingError, UsageError
from oodbench.progress import Silent
from oodbench.training.catalogue import load_recipe
from oodbench.training.options import TrainingOptions
from oodbench.training.train import train
from tests.helpers.small_recipe import PLUGINS, QUIET, make_command, run_recipe, write_recipe

pytestmark = QUIET


def test_values_that_do_not_fit_together_are_errors(tmp_path: Path) -> None:
    classes = '"decode_head.num_classes" = { value = 7, source = "ours" }'
    with pytest.raises(UsageError, match=r"network.decode_head.num_classes is 7; the labels of blocks have 19 classes"):
        run_recipe(write_recipe(tmp_path, network=classes), tmp_path / "out")
    unknown = '"neck.channels" = { value = 7, source = "ours" }'
    with pytest.raises(UsageError, match=r"network.neck.channels: the config's model has no neck"):
        run_recipe(write_recipe(tmp_path, network=unknown), tmp_path / "out")
    path = write_recipe(tmp_path)
    path.write_text('config = { value = "fcn/fcn_r51.py", source = "ours" }\n' + path.read_text())
    with pytest.raises(UsageError, match=r"small: config: fcn/fcn_r51.py can't be read in .*configs"):
        run_recipe(path, tmp_path / "out")
    strange = '"backbone.depht" = { value = 7, source = "ours" }'
    with pytest.raises(UsageError, match=r"the network can't be built .*depht"):
        run_recipe(write_recipe(tmp_path, network=strange), tmp_path / "out")
    with pytest.raises(RunFolderError, match="no training to resume"):
        run_recipe(write_recipe(tmp_path), tmp_path / "out", resume=True)
    with pytest.raises(UsageError, match="--amp"):
        run_recipe(write_recipe(tmp_path), tmp_path / "out", amp=True, device="cpu")
    run_recipe(write_recipe(tmp_path), tmp_path / "out")
    with pytest.raises(RunFolderError, match=r"another training: head.parameters.components is 5 there and 2 here\n"):
        run_recipe(write_recipe(tmp_path, more='components = { value = 2, source = "ours" }\n'), tmp_path / "out")


def test_a_missing_split_is_an_error(tmp_path: Path) -> None:
    lacking = tmp_path / "lacking.py"
    lacking.write_text(PLUGINS[0].read_text().replace('"train": 6, "val": 3', '"train": 6'))
    with pytest.raises(DataError, match=r"blocks has no split 'val', which the recipe small needs; it has train"):
        train(
            load_recipe(str(write_recipe(tmp_path))),
            tmp_path / "out",
            Silent(),
            roots=Roots(),
            options=TrainingOptions(plugins=[lacking]),
        )


def test_fields_that_the_config_lacks_are_errors(tmp_path: Path) -> None:
    shortest = 'shortest = { value = [64], source = "ours" }\n'
    path = write_recipe(tmp_path, "")
    good = path.read_text()
    path.write_text(good.replace("[data]\n", f"[data]\n{shortest}"))
    with pytest.raises(UsageError, match="expected 'scale' and 'ratio', or 'shortest'"):
        load_recipe(str(path))
    scale = 'scale = { value = [96, 64], source = "ours" }\nratio = { value = [1, 1], source = "ours" }\n'
    blocks = 'dataset = { value = "blocks", source = "ours" }\n'
    path.write_text(f'base = "cityscapes-mask2former"\ntitle = "x"\n[data]\n{blocks}{scale}')
    with pytest.raises(UsageError, match=r"data.scale and ratio: .* has no step RandomResize"):
        run_recipe(path, tmp_path / "out")
    path.write_text(good.replace("[data]\n", '[data]\nclass_balanced = { value = false, source = "ours" }\n'))
    with pytest.raises(UsageError, match="'around_class' needs 'class_balanced'"):
        load_recipe(str(path))
    path.write_text(good.replace("checkpoint_every = { value = 2", "checkpoint_every = { value = 0"))
    with pytest.raises(UsageError, match=r"checkpoint_every.*greater than or equal to 1"):
        load_recipe(str(path))


def test_a_recipe_may_have_the_same_name_as_its_base(tmp_path: Path) -> None:
    path = tmp_path / "cityscapes-fcn.toml"
    path.write_text('base = "cityscapes-fcn"\ntitle = "mine"\n')
    assert load_recipe(str(path)).title == "mine"
    (tmp_path / "a.toml").write_text('base = "b"\ntitle = "a"\n')
    (tmp_path / "b.toml").write_text('base = "a"\ntitle = "b"\n')
    with pytest.raises(UsageError, match="unknown base in"):
        load_recipe(str(tmp_path / "a.toml"))


def test_an_unreadable_frame_is_an_error(tmp_path: Path) -> None:
    torn = tmp_path / "torn.py"
    torn.write_text(
        PLUGINS[0]
        .read_text()
        .replace(
            "    def image()",
            "    def image() -> np.ndarray:\n        raise DataError('frame 3: torn', 'Copy it again.')\n\n    def _()",
        )
    )
    options = TrainingOptions(plugins=[torn], workers=1)
    with pytest.raises(DataError, match=r"frame 3: torn\nCopy it again."):
        train(load_recipe(str(write_recipe(tmp_path))), tmp_path / "out", Silent(), roots=Roots(), options=options)


def test_unknown_bases_and_missing_files_are_errors(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    path.write_text(path.read_text().replace("streets-segformer", "streets-segfromer"))
    with pytest.raises(UsageError, match="Did you mean 'streets-segformer-gmmseg'"):
        load_recipe(str(path))
    path.write_text("base = ")
    with pytest.raises(UsageError, match="not a readable TOML file"):
        load_recipe(str(path))
    with pytest.raises(UsageError, match=r"gone.toml: no such file"):
        load_recipe("gone.toml")


def test_without_mmsegmentation_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mmseg", None)
    monkeypatch.setattr(sys, "argv", make_command(write_recipe(tmp_path), tmp_path / "out")[2:])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "pip install 'oodbench[mmseg]'" in capsys.readouterr().err


def test_missing_memory_is_an_error_that_names_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    monkeypatch.setattr("oodbench.training.train._train", fail)
    for recipe, crops in (("streets-softmax", "5 crops of 512 x 128"), ("cityscapes-fcn", "8 crops of 768 x 768")):
        with pytest.raises(TrainingError, match=rf"{recipe}: not enough memory on .* {crops} pixels \(CUDA out of"):
            train(load_recipe(recipe), tmp_path / recipe, Silent(), roots=Roots())
