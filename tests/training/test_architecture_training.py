"""Training of architectures of MMSegmentation, by recipes that take seconds."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
import torch
from test_train import log

from oodbench.cli.main import main
from oodbench.contracts import Roots
from oodbench.errors import DataError, ModelError, RunFolderError, TrainingError, UsageError
from oodbench.pipeline.progress import Silent
from oodbench.registry import Registry
from oodbench.training.catalogue import find_recipe
from oodbench.training.draws import Draws
from oodbench.training.dry_run import dry_run
from oodbench.training.hooks import GuardHook
from oodbench.training.train import Options, find_data, make_trainee, train

PLUGINS = (Path(__file__).parent / "blocks.py", Path(__file__).parent / "breaks.py")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:mmseg.*"),
    # MMEngine finds out by pkg_resources what is installed.
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated"),
]

SMALL = """
base = "streets-segformer{head}"
title = "a small SegFormer"

[network]
"backbone.embed_dims" = {{ value = 8, source = "ours" }}
"backbone.num_layers" = {{ value = [1, 1, 1, 1], source = "ours" }}
"decode_head.in_channels" = {{ value = [8, 16, 40, 64], source = "ours" }}
"decode_head.channels" = {{ value = 16, source = "ours" }}
{network}

[data]
dataset = {{ value = "blocks", source = "ours" }}
validation_frames = {{ value = 2, source = "ours" }}
scale = {{ value = [96, 64], source = "ours" }}
crop = {{ value = [64, 64], source = "ours" }}
batch = {{ value = 2, source = "ours" }}

[schedule]
iterations = {{ value = 6, source = "ours" }}
warmup = {{ value = 2, source = "ours" }}
validate_every = {{ value = 4, source = "ours" }}
checkpoint_every = {{ value = 2, source = "ours" }}

[inference]
scale = {{ value = [96, 64], source = "ours" }}
"""
MEMORY = '\n[head.parameters]\nmemory = { value = 30, source = "ours" }\n'


def recipe(folder: Path, head: str = "-gmmseg", network: str = "", more: str = "") -> Path:
    """A file with it."""
    folder.mkdir(exist_ok=True)
    path = folder / "small.toml"
    path.write_text(SMALL.format(head=head, network=network) + (MEMORY if head == "-gmmseg" else "") + more)
    return path


def run(path: Path, out: Path, **options: Any) -> Path:
    return train(find_recipe(str(path)), out, Silent(), roots=Roots(), options=Options(plugins=PLUGINS, **options))


def weights(config: Path) -> Mapping[str, torch.Tensor]:
    return safetensors.torch.load_file(config.with_suffix(".safetensors"))


def same(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("head", ["", "-gmmseg"])
def test_a_recipe_becomes_a_network_that_runs(head: str, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    config = run(recipe(tmp_path, head), tmp_path / "out")
    assert torch.get_num_threads() == threads, "sums of another number of threads have other last bits"
    network = Registry().adapter(str(config)).open(str(config), None, "cpu")
    assert (network.name, network.trained_on) == ("small", "blocks")
    assert network.expected.miou is not None
    assert ("class_log_density" in network.capabilities.extras) == (head == "-gmmseg")
    assert not any("memory" in name for name in weights(config))
    lines = log(tmp_path / "out")
    assert [entry["iteration"] for entry in lines if "miou" in entry] == [4, 6]
    if head:
        # A frame has at most three of the 19 classes, so each batch is without most of them.
        assert {"decode.loss_segmentation", "memory fill", "estimations"} <= lines[-1].keys()


class KilledError(Exception):
    """Stands in for a kill."""


# What enters the memory `paper` draws by chance.
@pytest.mark.parametrize("preset", ["authors", "paper"])
def test_a_stopped_training_goes_on_and_ends_the_same(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(tmp_path, more=f'preset = {{ value = "{preset}", source = "ours" }}\n')
    whole = run(path, tmp_path / "whole")
    read = Draws.__getitem__

    def stop_at_five(self: Draws, draw: int) -> object:
        if draw == 5 * 2:
            raise KilledError
        return read(self, draw)

    with monkeypatch.context() as patched:
        patched.setattr(Draws, "__getitem__", stop_at_five)
        with pytest.raises(KilledError):
            run(path, tmp_path / "parts")
    resumed = run(path, tmp_path / "parts", resume=True)
    assert same(whole, resumed)
    first, second = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["network"] for name in ("whole", "parts")
    )
    assert any("memory.points" in name for name in first)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def command(path: Path, out: Path, *more: str) -> list[str]:
    plugins = [part for plugin in PLUGINS for part in ("--plugin", str(plugin))]
    return [sys.executable, "-m", "oodbench", "train", str(path), "--out", str(out), *plugins, *more]


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Here and in what is started: sums of several threads have other last bits."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_killed_training_goes_on_from_the_command_line(tmp_path: Path) -> None:
    whole = run(recipe(tmp_path), tmp_path / "whole")
    out = tmp_path / "killed"
    process = subprocess.Popen(command(recipe(tmp_path), out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / "checkpoint.pt").is_file() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert torch.load(out / "checkpoint.pt", weights_only=True)["iteration"] < 6, "it was killed before its end"
    done = subprocess.run(command(recipe(tmp_path), out, "--resume"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("killed/small.py")
    assert same(whole, out / "small.py")


def on_two_devices(path: Path, out: Path) -> subprocess.CompletedProcess[str]:
    two = command(path, out, "--devices", "2", "--device", "cpu")
    return subprocess.run(two, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("one_thread")
def test_two_devices_share_the_steps_and_what_stops_one_stops_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "two"
    done = on_two_devices(recipe(tmp_path), out)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert log(out)[-1]["iteration"] == 6
    states = torch.load(out / "checkpoint.pt", weights_only=True)["random"]
    assert len(states) == 2
    assert not torch.equal(states[0]["cpu"], states[1]["cpu"])
    with pytest.raises(RunFolderError, match="2 devices trained it; here are 1"):
        run(recipe(tmp_path), out)
    assert not done.stderr.count("Warning")
    monkeypatch.setenv("TORN_ON_RANK", "1")
    broken = on_two_devices(recipe(tmp_path), tmp_path / "parts")
    assert broken.returncode == 2, broken.stderr
    assert broken.stderr.count("error:") == 1
    assert "error: process 1 of 2: the third frame: torn" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["iteration"] < 6
    monkeypatch.delenv("TORN_ON_RANK")
    resumed = on_two_devices(recipe(tmp_path), tmp_path / "parts")
    assert resumed.returncode == 0, resumed.stderr
    assert same(out / "small.py", tmp_path / "parts" / "small.py")


@pytest.mark.parametrize(
    ("where", "at", "said", "last"),
    [
        ("loss", 5, "step 5: loss is nan, decode.loss_segmentation is nan", 4),
        # At a step after which the state would be saved.
        ("gradient", 4, "step 4: the losses are finite, and the weights after it are not", 2),
    ],
)
def test_what_is_no_number_stops_the_training_and_the_last_good_state_is_kept(
    where: str, at: int, said: str, last: int, tmp_path: Path
) -> None:
    breaks = f"""
[head]
name = {{ value = "breaks", source = "ours" }}

[head.parameters]
at = {{ value = {at}, source = "ours" }}
where = {{ value = "{where}", source = "ours" }}
"""
    with pytest.raises(TrainingError) as stopped:
        run(recipe(tmp_path, "", more=breaks), tmp_path / "out")
    assert stopped.value.problem.startswith(said)
    assert "train-" in stopped.value.problem
    assert "checkpoint.pt has an earlier one" in stopped.value.problem
    kept = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert kept["iteration"] == last
    assert all(value.isfinite().all() for value in kept["network"].values())


def test_half_precision_in_which_no_step_is_taken_any_more_stops_too(tmp_path: Path) -> None:
    network, scaler = torch.nn.Linear(2, 1), torch.amp.GradScaler("cpu", init_scale=2.0**-9)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    runner: Any = SimpleNamespace(
        model=network, iter=6, optim_wrapper=SimpleNamespace(optimizer=optimizer, loss_scaler=scaler)
    )
    guard, batch = GuardHook(tmp_path / "checkpoint.pt"), {"data_samples": []}
    for step in range(3):
        loss = network(torch.ones(1, 2)).sum()
        optimizer.zero_grad()
        scaler.scale(loss + (0 * loss).sqrt()).backward()
        scaler.step(optimizer)
        scaler.update()
        runner.iter = step
        if step < 1:
            guard.after_train_iter(runner, step, batch, {"loss": loss})  # now and then a step is passed over
    with pytest.raises(TrainingError, match=r"step 3: the losses are finite, and in half precision no gradient"):
        guard.after_train_iter(runner, 2, batch, {"loss": loss})


def test_weights_to_start_from(tmp_path: Path) -> None:
    first = run(recipe(tmp_path, ""), tmp_path / "first").with_suffix(".safetensors")
    chosen, options = find_recipe(str(recipe(tmp_path))), Options(start=first, plugins=PLUGINS)
    splits, classes = find_data(chosen, Roots(), PLUGINS)
    started = make_trainee(chosen, splits, classes, options, "cpu", 1).network.state_dict()
    written = safetensors.torch.load_file(first)
    backbone = {name for name in started if name.startswith("backbone.")}
    assert backbone <= written.keys()
    assert all(torch.equal(started[name], written[name]) for name in backbone)
    other = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"conv1.weight": torch.zeros(3)}, other)
    with pytest.raises(
        ModelError, match=r"not the weights of this backbone \(MixVisionTransformer\).* are missing, 0 have"
    ):
        run(recipe(tmp_path), tmp_path / "third", start=other)
    deeper = tmp_path / "deeper.safetensors"
    safetensors.torch.save_file({**written, "backbone.layers.0.1.9.ffn.layers.0.weight": torch.zeros(3)}, deeper)
    with pytest.raises(ModelError, match=r"1 more are of layers that it doesn't have, first layers.0.1.9.ffn"):
        run(recipe(tmp_path), tmp_path / "deeper", start=deeper)
    with pytest.raises(ModelError, match="no such file"):
        run(recipe(tmp_path), tmp_path / "fourth", start=tmp_path / "gone.pth")


class Planted:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("planted",)


def test_a_pickle_that_would_run_code_is_no_start_and_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = tmp_path / "evil.pth"
    evil.write_bytes(pickle.dumps({"state_dict": Planted()}, protocol=2))
    with pytest.raises(ModelError, match=r"evil.pth"):
        run(recipe(tmp_path), tmp_path / "out", start=evil)
    (tmp_path / "out" / "checkpoint.pt").write_bytes(evil.read_bytes())
    with pytest.raises(RunFolderError, match="not a checkpoint of oodbench train"):
        run(recipe(tmp_path), tmp_path / "out")
    assert not (tmp_path / "planted").exists()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which its files can be had."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_what_a_config_names_by_its_address_is_read_weights_only(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "fetched"))
    folder, address = served
    written = weights(run(recipe(tmp_path, ""), tmp_path / "first"))
    backbone = {name.removeprefix("backbone."): v for name, v in written.items() if name.startswith("backbone.")}
    torch.save(backbone, folder / "good.pth")
    (folder / "evil.pth").write_bytes(pickle.dumps({"state_dict": Planted()}, protocol=2))

    def started_from(name: str) -> Mapping[str, torch.Tensor]:
        said = f'{{ type = "Pretrained", checkpoint = "{address}/{name}" }}'
        path = recipe(tmp_path, network=f'"backbone.init_cfg" = {{ value = {said}, source = "ours" }}')
        path.write_text('start = { value = "pretrained", source = "ours" }\n' + path.read_text())
        chosen = find_recipe(str(path))
        return make_trainee(chosen, *find_data(chosen, Roots(), PLUGINS), Options(), "cpu", 1).network.state_dict()

    started = started_from("good.pth")
    assert all(torch.equal(started[f"backbone.{name}"], value) for name, value in backbone.items())
    with pytest.raises(ModelError, match=r"the weights to start from can't be had \(UnpicklingError"):
        started_from("evil.pth")
    with pytest.raises(ModelError, match=r"can't be had \(HTTPError: .*404"):
        started_from("gone.pth")
    assert not (tmp_path / "planted").exists()


def test_what_does_not_fit_together_is_said(tmp_path: Path) -> None:
    classes = '"decode_head.num_classes" = { value = 7, source = "ours" }'
    with pytest.raises(UsageError, match=r"network.decode_head.num_classes is 7; the labels of blocks have 19 classes"):
        run(recipe(tmp_path, network=classes), tmp_path / "out")
    unknown = '"neck.channels" = { value = 7, source = "ours" }'
    with pytest.raises(UsageError, match=r"network.neck.channels: the config's model has no neck"):
        run(recipe(tmp_path, network=unknown), tmp_path / "out")
    path = recipe(tmp_path)
    path.write_text('config = { value = "fcn/fcn_r51.py", source = "ours" }\n' + path.read_text())
    with pytest.raises(UsageError, match=r"small: config: fcn/fcn_r51.py can't be read in .*configs"):
        run(path, tmp_path / "out")
    strange = '"backbone.depht" = { value = 7, source = "ours" }'
    with pytest.raises(UsageError, match=r"the network can't be built .*depht"):
        run(recipe(tmp_path, network=strange), tmp_path / "out")
    with pytest.raises(RunFolderError, match="no training to resume"):
        run(recipe(tmp_path), tmp_path / "out", resume=True)
    with pytest.raises(UsageError, match="--amp"):
        run(recipe(tmp_path), tmp_path / "out", amp=True, device="cpu")
    run(recipe(tmp_path), tmp_path / "out")
    with pytest.raises(RunFolderError, match=r"another training: head.parameters.components is 5 there and 2 here\n"):
        run(recipe(tmp_path, more='components = { value = 2, source = "ours" }\n'), tmp_path / "out")


def test_a_dataset_without_a_split(tmp_path: Path) -> None:
    lacking = tmp_path / "lacking.py"
    lacking.write_text(PLUGINS[0].read_text().replace('"train": 6, "val": 3', '"train": 6'))
    with pytest.raises(DataError, match=r"blocks has no split 'val', which the recipe small needs; it has train"):
        train(
            find_recipe(str(recipe(tmp_path))),
            tmp_path / "out",
            Silent(),
            roots=Roots(),
            options=Options(plugins=[lacking]),
        )


def test_fields_that_do_not_go_with_a_config(tmp_path: Path) -> None:
    shortest = 'shortest = { value = [64], source = "ours" }\n'
    path = recipe(tmp_path, "")
    good = path.read_text()
    path.write_text(good.replace("[data]\n", f"[data]\n{shortest}"))
    with pytest.raises(UsageError, match="expected 'scale' and 'ratio', or 'shortest'"):
        find_recipe(str(path))
    scale = 'scale = { value = [96, 64], source = "ours" }\nratio = { value = [1, 1], source = "ours" }\n'
    blocks = 'dataset = { value = "blocks", source = "ours" }\n'
    path.write_text(f'base = "cityscapes-mask2former"\ntitle = "x"\n[data]\n{blocks}{scale}')
    with pytest.raises(UsageError, match=r"data.scale and ratio: .* has no step RandomResize"):
        run(path, tmp_path / "out")
    path.write_text(good.replace("[data]\n", '[data]\nclass_balanced = { value = false, source = "ours" }\n'))
    with pytest.raises(UsageError, match="'around_class' needs 'class_balanced'"):
        find_recipe(str(path))
    path.write_text(good.replace("checkpoint_every = { value = 2", "checkpoint_every = { value = 0"))
    with pytest.raises(UsageError, match=r"checkpoint_every.*greater than or equal to 1"):
        find_recipe(str(path))


def test_a_recipe_may_have_the_name_of_the_one_that_it_stands_on(tmp_path: Path) -> None:
    path = tmp_path / "cityscapes-fcn.toml"
    path.write_text('base = "cityscapes-fcn"\ntitle = "mine"\n')
    assert find_recipe(str(path)).title == "mine"
    (tmp_path / "a.toml").write_text('base = "b"\ntitle = "a"\n')
    (tmp_path / "b.toml").write_text('base = "a"\ntitle = "b"\n')
    with pytest.raises(UsageError, match="unknown base in"):
        find_recipe(str(tmp_path / "a.toml"))


def test_a_frame_that_can_not_be_read_is_said(tmp_path: Path) -> None:
    torn = tmp_path / "torn.py"
    torn.write_text(
        PLUGINS[0]
        .read_text()
        .replace(
            "    def image()",
            "    def image() -> np.ndarray:\n        raise DataError('frame 3: torn', 'Copy it again.')\n\n    def _()",
        )
    )
    options = Options(plugins=[torn], workers=1)
    with pytest.raises(DataError, match=r"frame 3: torn\nCopy it again."):
        train(find_recipe(str(recipe(tmp_path))), tmp_path / "out", Silent(), roots=Roots(), options=options)


@pytest.mark.parametrize("more", [("--launcher", "pytorch"), ("--launcher", "slurm"), ("--devices", "3")])
def test_processes_that_nobody_started_or_that_can_not_share(
    more: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", command(recipe(tmp_path), tmp_path / "out", "--device", "cpu", *more)[2:])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "is not set, so it started no process" in said or "which 3 devices can't share evenly" in said
    assert not (tmp_path / "out").exists()


def test_a_base_that_is_none(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    path.write_text(path.read_text().replace("streets-segformer", "streets-segfromer"))
    with pytest.raises(UsageError, match="Did you mean 'streets-segformer-gmmseg'"):
        find_recipe(str(path))
    path.write_text("base = ")
    with pytest.raises(UsageError, match="not a readable TOML file"):
        find_recipe(str(path))
    with pytest.raises(UsageError, match=r"gone.toml: no such file"):
        find_recipe("gone.toml")


def test_a_dry_run_says_what_a_training_would_be_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = list(dry_run(find_recipe("streets-segformer-gmmseg"), roots=Roots(), options=Options(device="cpu")))
    text = "\n".join(lines)
    assert "small twin of cityscapes-segformer-gmmseg" in text
    assert "schedule.learning_rate: 6e-05 -> " in text
    assert "head.parameters.memory: 32000 -> " in text
    assert "data: train, 2000 frames" in text
    assert "type='OodbenchHead'" in text
    assert lines[-1].startswith("training: ")
    assert lines[-2].startswith("step: ")
    assert lines[-3].startswith("memory: ")
    found = list(dry_run(find_recipe(str(recipe(tmp_path))), roots=Roots(), options=Options(plugins=PLUGINS)))
    assert "data: train, 6 frames" in found
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_a_dry_run_needs_no_data(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    path.write_text(path.read_text().replace('value = "blocks"', 'value = "cityscapes"'))
    lines = list(dry_run(find_recipe(str(path)), roots=Roots((tmp_path,)), options=Options(device="cpu")))
    assert any(line.startswith("data: ") and line.endswith("; a training needs it") for line in lines)
    assert lines[-1].startswith("training: 6 steps")
    compact = list(dry_run(find_recipe("streets-softmax"), roots=Roots(), options=Options(device="cpu")))
    assert compact[-1].startswith("training: 4000 steps")


def test_without_mmsegmentation_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mmseg", None)
    monkeypatch.setattr(sys, "argv", command(recipe(tmp_path), tmp_path / "out")[2:])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "pip install 'oodbench[mmseg]'" in capsys.readouterr().err
