"""Any torch module as a segmenter: location and order of its outputs, and its digest."""

from __future__ import annotations

import doctest
import functools
import importlib.util
import pickle
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import oodbench.segmenters.torch_modules.segmenter
from oodbench.contracts import Expected, Needs
from oodbench.errors import ModelError, UnknownNameError
from oodbench.segmenters.model_card import Preprocessing
from oodbench.segmenters.torch_modules.segmenter import TorchSegmenter
from oodbench.types import CITYSCAPES_19, ClassSet
from oodbench.user_code.code_identity import code_identity
from tests.helpers.files import photograph

MAPS = Needs(logits=True)
ALL = Needs(logits=True, features=("penultimate",))
SMALL = Preprocessing(channels="rgb", divide_by=1, size=(8, 8))
ROOT = Path(__file__).parents[2]


class Net(nn.Module):
    """A network with maps at half the input's size; `wrap` converts them to the returned value."""

    def __init__(self, classes: int = 19, bias: bool = True, wrap: Callable[[Tensor], Any] | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.drop = nn.Dropout2d(0.5)
        self.head = nn.Conv2d(8, classes, 1, bias=bias)
        self.wrap = wrap

    def forward(self, images: Tensor) -> Any:
        maps = self.head(self.drop(self.stem(images)))
        return maps if self.wrap is None else self.wrap(maps)


class Doubled(Net):
    def forward(self, images: Tensor) -> Any:
        return 2 * super().forward(images)


class Tokens(nn.Module):
    """A network that classifies with a `Linear` on the last axis, as transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 19)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.embed(images).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def segmenter(module: nn.Module | None = None, **options: Any) -> TorchSegmenter:
    return TorchSegmenter(Net() if module is None else module, device="cpu", **options)


def run(network: TorchSegmenter, needs: Needs = MAPS, seeds: tuple[int, ...] = (1, 2)) -> Any:
    return network.forward([network.prepare(photograph(seed)) for seed in seeds], needs)


def test_class_maps_and_features_equal_those_of_the_module() -> None:
    module = Net().train()
    network = segmenter(module, normalize="imagenet", classifier="head", features={"stem": "stem"})
    assert not module.training
    output = run(network, Needs(logits=True, features=("penultimate", "stem")))
    images = np.stack([photograph(seed) for seed in (1, 2)]).transpose(0, 3, 1, 2).astype(np.float32) / 255
    mean, std = (np.array(v, np.float32)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        theirs = module(torch.from_numpy((images - mean) / std))
    assert output.class_maps.kind == "logits"
    assert torch.allclose(output.class_maps.values, theirs, atol=1e-6)
    layer = network.classifier()
    made = torch.einsum("cd,ndhw->nchw", layer.weight, output.features["penultimate"]) + layer.bias[:, None, None]
    assert torch.allclose(made, output.class_maps.values, atol=1e-6)
    assert torch.equal(output.features["stem"], output.features["penultimate"])
    assert run(network, Needs(features=("stem",))).class_maps is None
    assert run(network).features == {}


@pytest.mark.parametrize("bias", [True, False])
def test_classes_in_another_order_are_reordered(bias: bool) -> None:
    names = CITYSCAPES_19.names[3:] + CITYSCAPES_19.names[:3]
    plain = run(segmenter(Net(bias=bias)), seeds=(1,)).class_maps.values
    for options in ({"class_order": names}, {"classes": names}, {"classes": CITYSCAPES_19, "class_order": names}):
        network = segmenter(Net(bias=bias), classifier="head", **options)
        assert network.classes == CITYSCAPES_19
        output = run(network, ALL, (1,))
        assert torch.equal(output.class_maps.values, plain.roll(3, dims=1)), "the set's first class is channel 16"
        layer = network.classifier()
        made = torch.einsum("cd,ndhw->nchw", layer.weight, output.features["penultimate"]) + layer.bias[:, None, None]
        assert torch.allclose(made, output.class_maps.values, atol=1e-6)
    own = segmenter(Net(3), classes=["road", "tree", "tram"])
    assert own.classes == ClassSet("custom", ("road", "tree", "tram"))
    for wrong in (names[1:], (*names[1:], "cow")):
        with pytest.raises(ModelError, match="reordering"):
            segmenter(classes=CITYSCAPES_19, class_order=wrong)


WRAPS: list[tuple[Callable[[Tensor], Any], Any]] = [
    (lambda maps: {"out": maps, "aux": maps + 1}, None),
    (lambda maps: OrderedDict(logits=maps, hidden=3), None),
    (lambda maps: SimpleNamespace(logits=maps, loss=None), None),
    (lambda maps: (maps, "more"), None),
    (lambda maps: (maps + 1, maps), 1),
    (lambda maps: {"main": maps, "out": maps + 1}, "main"),
    (lambda maps: SimpleNamespace(main=maps), "main"),
    (lambda maps: {"deep": [maps]}, lambda returned: returned["deep"][0]),
]


@pytest.mark.parametrize("index", range(len(WRAPS)))
def test_class_maps_are_found_in_all_usual_outputs(index: int) -> None:
    wrap, key = WRAPS[index]
    assert torch.equal(run(segmenter(Net(wrap=wrap), output=key)).class_maps.values, run(segmenter()).class_maps.values)


@pytest.mark.parametrize(
    ("wrap", "key", "said"),
    [
        (lambda m: {"a": m, "b": 3}, None, r"0 outputs may be.*a dict with 'a' \(tensor \[2, 19, .*\]\), 'b' \(int\)"),
        (lambda m: {"out": m, "logits": m}, None, "2 outputs may be the class maps"),
        (lambda m: (m, m), None, "2 outputs may be the class maps"),
        (lambda m: (m, m), 2, r"no output 2; the module returns a tuple with 0 \(tensor"),
        (lambda m: {"a": m}, "main", "no output 'main'"),
        (lambda m: m.argmax(dim=1), None, r"its output is torch.int64 \[2, 24, 48\]; expected float class maps"),
        (lambda m: {"out": [m]}, "out", "its output 'out' is a list"),
    ],
)  # fmt: skip
def test_an_output_without_class_maps_is_an_error_that_lists_the_contents(wrap: Any, key: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        run(segmenter(Net(wrap=wrap), output=key))


def test_images_are_checked_and_never_converted() -> None:
    network = segmenter()
    image = photograph(1)
    for wrong, said in (
        (image.astype(np.float32) / 255, r"the image is float32, from .* to .*; expected .* uint8 \[H, W, 3\]"),
        (image[:, :, 0], r"the image has the shape \[48, 96\]"),
        (image.transpose(2, 0, 1), r"the shape \[3, 48, 96\]"),
        (np.dstack([image, image[:, :, :1]]), r"the shape \[48, 96, 4\]"),
        (torch.from_numpy(image), "the image is a Tensor"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=said):
            network.prepare(wrong)  # type: ignore[arg-type]  # that is the point


def test_images_of_two_sizes_need_a_fixed_size() -> None:
    images = [photograph(1), photograph(2)[:40]]
    network = segmenter()
    with pytest.raises(
        ModelError, match=r"Net: images of 2 sizes in one batch, for example \[3, 48, 96\] and \[3, 40, 96\]"
    ):
        network.forward([network.prepare(image) for image in images], ALL)
    fixed = segmenter(size=(32, 64), normalize="divide-255")
    assert fixed.prepare(images[0]).shape == (3, 32, 64)
    output = fixed.forward([fixed.prepare(image) for image in images], Needs(logits=True))
    assert output.class_maps is not None
    assert output.class_maps.values.shape == (2, 19, 16, 32)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"classes": "cityscapes-18"}, UnknownNameError, "unknown class set 'cityscapes-18'. Did you mean"),
        ({"normalize": "image-net"}, UnknownNameError, "unknown preprocessing 'image-net'. Did you mean 'imagenet'"),
        ({"features": {"penultimate": "steam"}}, UnknownNameError, "unknown layer of Net 'steam'. Did you mean 'stem'"),
        ({"classifier": "stem.0"}, ModelError, r"the classifier 'stem.0' is Conv2d\(3, 8, .*expected a 1x1 Conv2d"),
        ({"classifier": "stem"}, ModelError, "expected a 1x1 Conv2d"),
        ({"classes": CITYSCAPES_19.names, "class_order": CITYSCAPES_19.names}, ModelError, "class_order= does too"),
        ({"windows": ((16, 16), (32, 8))}, ModelError, "leaves no gaps"),
        ({"size": (32, 64), "normalize": SMALL}, ModelError, r"size is \(32, 64\), and normalize has .* \(8, 8\)"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_errors(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        segmenter(**options)


def test_a_wrong_number_of_classes_names_both_numbers() -> None:
    with pytest.raises(ModelError, match=r"outputs 7 class maps; expected 19 for the 19 classes of cityscapes-19"):
        run(segmenter(Net(7)))
    with pytest.raises(ModelError, match=r"outputs 7 outputs of the classifier 'head'; expected 19"):
        segmenter(Net(7), classifier="head")


def test_an_error_in_a_module_names_the_input() -> None:
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 19), nn.Unflatten(1, (19, 1, 1)))
    with pytest.raises(ModelError, match=r"failed on images torch.float32 \[2, 3, 48, 96\]: RuntimeError: mat1"):
        run(segmenter(fixed))
    assert run(segmenter(fixed, size=(8, 8))).class_maps.values.shape == (2, 19, 1, 1)


def test_class_maps_that_contradict_their_kind_are_errors() -> None:
    softmax = functools.partial(torch.softmax, dim=1)
    network = segmenter(Net(wrap=softmax), kind="posteriors", classifier="head")
    output = run(network, Needs(class_maps=True, features=("penultimate",)))
    assert output.class_maps.kind == "posteriors"
    layer = network.classifier()
    made = torch.einsum("cd,ndhw->nchw", layer.weight, output.features["penultimate"]) + layer.bias[:, None, None]
    assert torch.allclose(made.softmax(dim=1), output.class_maps.values, atol=1e-6)
    for kind in ("posteriors", "sums"):
        with pytest.raises(ModelError, match=f"declared as {kind}, but have a value of -"):
            run(segmenter(kind=kind))


def test_a_layer_that_is_not_called_or_has_no_maps_is_an_error() -> None:
    class Unused(Net):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Conv2d(8, 8, 1)

    with pytest.raises(ModelError, match="features 'penultimate', unused: the module did not call this layer"):
        run(segmenter(Unused(), features={"penultimate": "unused"}), ALL)

    class Flat(Net):
        def forward(self, images: Tensor) -> Any:
            return super().forward(images) + self.pool(images).mean()

        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.Flatten()

    with pytest.raises(ModelError, match=r"features 'penultimate', pool: it is torch.float32 \[2, 13824\]; expected"):
        run(segmenter(Flat(), features={"penultimate": "pool"}), ALL)


def test_a_linear_layer_has_its_features_on_the_last_axis() -> None:
    network = segmenter(Tokens(), classifier="head")
    output = run(network, ALL)
    assert output.features["penultimate"].shape == (2, 8, 12, 24)
    layer = network.classifier()
    assert layer is not None
    made = torch.einsum("cd,ndhw->nchw", layer.weight, output.features["penultimate"]) + layer.bias[:, None, None]
    assert torch.allclose(made, output.class_maps.values, atol=1e-6)


def test_in_place_layers_do_not_change_features() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 19, 1))
    roles = {"output": "0", "input": "input of 1", "after": "1"}
    output = run(segmenter(module, features=roles), Needs(features=tuple(roles)))
    assert float(output.features["output"].min()) < 0
    assert torch.equal(output.features["output"], output.features["input"])
    assert torch.equal(output.features["output"].relu(), output.features["after"])


def test_class_maps_of_windows_are_averaged_and_features_are_kept_per_window() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 19, 1))  # each pixel depends only on itself
    whole = run(segmenter(module, classifier="1"), ALL)
    network = segmenter(module, classifier="1", windows=((32, 40), (16, 28)))
    output = run(network, ALL)
    assert output.windows is not None
    assert len(output.windows.parts) == 6
    assert torch.allclose(output.class_maps.values, whole.class_maps.values, atol=1e-6)
    assert torch.allclose(output.features["penultimate"], whole.features["penultimate"], atol=1e-5)
    assert {part.output.class_maps for part in output.windows.parts} == {None}
    assert {tuple(part.output.features["penultimate"].shape) for part in output.windows.parts} == {(2, 8, 32, 40)}


# Digests


def test_images_are_padded_to_a_multiple_and_maps_are_cut_back() -> None:
    module = nn.Conv2d(3, 19, 1)
    plain = TorchSegmenter(module, normalize="divide-255", device="cpu")
    padding = Preprocessing(channels="rgb", divide_by=255, multiple_of=32)
    padded = TorchSegmenter(module, normalize=padding, features={"input": "input of "}, device="cpu")
    output = padded.forward([padded.prepare(photograph(1))], Needs(logits=True, features=("input",)))
    expected = plain.forward([plain.prepare(photograph(1))], Needs(logits=True))
    assert output.class_maps is not None
    assert expected.class_maps is not None
    assert torch.equal(output.class_maps.values, expected.class_maps.values)
    assert output.features["input"].shape == (1, 3, 48, 96)
    assert padded.digest != plain.digest


def test_the_digest_covers_weights_buffers_options_and_code() -> None:
    first = segmenter().digest
    assert segmenter().digest == first
    assert segmenter(name="another", trained_on="x", expected=Expected(0.5)).digest == first, "these change no score"
    changed = [segmenter(Doubled()), segmenter(normalize="none"), segmenter(size=(8, 8)), segmenter(classifier="head")]
    changed += [segmenter(kind="sums"), segmenter(class_order=CITYSCAPES_19.names[::-1])]
    changed += [segmenter(windows=((8, 8), (8, 8))), segmenter(output=0), segmenter(features={"a": "stem"})]
    for name in ("head.weight", "stem.1.running_mean"):
        module = Net()
        module.state_dict()[name].view(-1)[0] += 1e-6
        changed.append(segmenter(module))
    digests = [first, *(network.digest for network in changed)]
    assert len(set(digests)) == len(digests)


def test_the_digest_covers_attributes_outside_the_state_dict() -> None:
    def changed(change: Callable[[Net], object]) -> str:
        module = Net()
        change(module)
        network = segmenter(module)
        assert network.reusable, network.not_reusable_because
        return network.digest

    digests = [
        changed(lambda module: None),
        changed(lambda module: setattr(module.stem[0], "stride", (4, 4))),
        changed(lambda module: setattr(module, "scale", 2.0)),
        changed(lambda module: setattr(module, "scale", torch.tensor(2.0))),
        changed(lambda module: setattr(module, "wrap", functools.partial(torch.softmax, dim=1))),
        changed(lambda module: setattr(module, "wrap", functools.partial(torch.softmax, dim=2))),
        changed(lambda module: setattr(module, "config", SimpleNamespace(depth=[1, {"a": 2}]))),
        changed(lambda module: setattr(module, "config", SimpleNamespace(depth=[1, {"a": 3}]))),
        changed(lambda module: module.register_buffer("table", torch.ones(2), persistent=False)),
        changed(lambda module: module.head.register_forward_hook(_double)),
    ]
    assert len(set(digests)) == len(digests)


def _double(module: nn.Module, given: Any, output: Tensor) -> Tensor:
    return 2 * output


def test_code_of_a_notebook_is_identified_only_within_the_process() -> None:
    place: dict[str, Any] = {"nn": nn, "__name__": "__main__"}
    exec("class Cell(nn.Conv2d):\n    def forward(self, x):\n        return -super().forward(x)\n", place)  # noqa: S102
    module = place["Cell"](3, 19, 1)
    network = segmenter(module)
    assert not network.reusable
    assert "the source of Cell can't be read: set version=" in network.not_reusable_because
    assert segmenter(module).digest == network.digest
    named = segmenter(module, version="1")
    assert named.reusable
    assert named.digest not in (network.digest, segmenter(module, version="2").digest)
    assert named.describe()["reusable"] == "yes"


PROGRAM = """
import sys, torch
from torch import nn
sys.path.insert(0, sys.argv[1])
from oodbench.segmenters.torch_modules.segmenter import TorchSegmenter
torch.manual_seed(0)
from deep.net import build
place = {"nn": nn}
exec("class Cell(nn.Conv2d):\\n    def forward(self, x):\\n        return -super().forward(x)", place)
for module in (build(), place["Cell"](3, 19, 1)):
    network = TorchSegmenter(module, device="cpu")
    print(network.reusable, network.digest)
"""


def other_process(folder: Path) -> list[list[str]]:
    """Return `reusable` and `digest` of a network in files of the folder, and of one whose code is in no file."""
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_digests_are_equal_in_other_processes(tmp_path: Path) -> None:
    digests = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "__init__.py").write_text("")
        (folder / "deep" / "net.py").write_text("from .layer import Layer\ndef build():\n    return Layer(3, 19, 1)\n")
        (folder / "deep" / "layer.py").write_text(
            "from torch import nn\nfrom . import more\nclass Layer(nn.Conv2d): pass\n"
        )
        (folder / "deep" / "more.py").write_text("FACTOR = 1\n")
        digests.append(other_process(folder))
    (filed, typed), (filed_again, typed_again) = digests
    assert filed == filed_again, "the same code in another folder"
    assert filed[0] == "True"
    assert typed[0] == typed_again[0] == "False"
    assert typed[1] != typed_again[1]
    (tmp_path / "b" / "deep" / "more.py").write_text("FACTOR = 2\n")
    assert other_process(tmp_path / "b")[0][1] != filed[1], "what the file imports is its code, too"


def test_code_of_a_library_is_identified_by_its_version(tmp_path: Path) -> None:
    conv, stable = code_identity(nn.Conv2d)
    assert stable
    assert conv != code_identity(nn.Conv1d)[0]
    path = tmp_path / "mine.py"
    texts = []
    for text in ("def f(x):\n    return x\n", "def f(x):\n    return -x\n"):
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("mine", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        texts.append(code_identity(module.f))
    assert all(stable for _, stable in texts)
    assert texts[0] != texts[1]


def test_a_segmenter_can_be_pickled() -> None:
    network = segmenter(classifier="head")
    again = pickle.loads(pickle.dumps(network))  # noqa: S301  # our own
    assert again.digest == network.digest
    for mine, other in zip(run(network, ALL).features.values(), run(again, ALL).features.values(), strict=True):
        assert torch.equal(mine, other)


def test_the_docstring_example_runs() -> None:
    result = doctest.testmod(oodbench.segmenters.torch_modules.segmenter)
    assert result.attempted > 5
    assert result.failed == 0
