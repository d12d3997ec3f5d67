"""Folder of plugins with the local modules that they import, and edits of its files."""

from __future__ import annotations

from pathlib import Path

METHOD = """
from helper import transform
from oodbench.contracts import MethodCard, PixelMethod

PLUGINS = {"methods": {"mine": ("Mine", "for a test")}}


class Mine(PixelMethod):
    card = MethodCard(name="mine", title="Mine", paper="none", url="none")

    def pixel_score(self, band):
        return transform(band.logits)
"""
HELPER = """
def transform(logits):
    return -logits.amax(dim=0)
"""
ADAPTER = '''
"""FILE.seed: a network with random weights; each forward pass leaves a line in the file `passes`."""

from pathlib import Path

import numpy as np
import torch
from oodbench.contracts import Adapter, AdapterCard, Capabilities, Expected, Segmenter
from oodbench.files import digest_file
from oodbench.types import CITYSCAPES_19, ClassMaps, SegmenterOutput

PLUGINS = {"models": {"seeded": ("Seeded", "FILE.seed")}}


class Network(Segmenter):
    classes = CITYSCAPES_19
    capabilities = Capabilities("logits")
    expected = Expected()
    device = "cpu"

    def __init__(self, path):
        from nets.tiny import Tiny

        self.name, self.digest = path.stem, digest_file(path)
        self._net = Tiny(int(path.read_text()))

    def prepare(self, image):
        return torch.from_numpy(np.ascontiguousarray(image[::2, ::2].transpose(2, 0, 1))) / 255

    def forward(self, batch, needs):
        with Path(__file__).with_name("passes").open("a") as file:
            file.write("one\\n")
        with torch.inference_mode():
            return SegmenterOutput(ClassMaps(self._net(torch.stack(list(batch)))))

    def describe(self):
        return {"digest": self.digest}


class Seeded(Adapter):
    card = AdapterCard("seeded", "Seeded", "FILE.seed")

    def accepts(self, source):
        return source.endswith(".seed")

    def open(self, source, card, device):
        return Network(Path(source))
'''
TINY = """
import torch

from .gain import GAIN


class Tiny(torch.nn.Module):
    def __init__(self, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weights = torch.nn.Parameter(torch.randn(19, 3, 1, 1, generator=generator))

    def forward(self, images):
        return GAIN * torch.nn.functional.conv2d(images, self.weights)
"""
BENCHMARK = """
from label_rule import RULE
from oodbench.contracts import Benchmark, BenchmarkCard
from oodbench.data import file_frame, index_images, pair_by_stem
from oodbench.errors import DataNotFoundError
from oodbench.types import FrameSet

PLUGINS = {"benchmarks": {"cargo": ("Cargo", "for a test")}}


class Cargo(Benchmark):
    card = BenchmarkCard(
        name="cargo", title="Cargo", paper="none", url="none", licence="none", frames=2,
        labels={"0": "in-distribution", "1": "anomaly", "2": "anomaly or void"}, layouts={"flat": "images, masks"},
        obtain="write it", leaderboard_protocol="pooled",
    )

    def open(self, roots):
        for folder in roots.of("cargo"):
            if (folder / "masks").is_dir():
                pairs = pair_by_stem(index_images(folder / "images"), index_images(folder / "masks"), folder)
                frames = tuple(file_frame(name, name, image, mask, RULE) for name, image, mask in pairs)
                return FrameSet(frames, "flat", folder, 2)
        raise DataNotFoundError("no cargo here")
"""
LABEL_RULE = """
from oodbench.data import LabelRule
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID

RULE = LabelRule({0: IN_DISTRIBUTION, 1: ANOMALY, 2: VOID}, "none")
"""


def write_plugins(folder: Path) -> dict[str, Path]:
    """Write a method, an adapter and a benchmark with their modules; return each plugin's file by its kind."""
    texts = {
        "method.py": METHOD,
        "helper.py": HELPER,
        "adapter.py": ADAPTER,
        "nets/__init__.py": "",
        "nets/tiny.py": TINY,
        "nets/gain.py": "GAIN = 3\n",
        "benchmark.py": BENCHMARK,
        "label_rule.py": LABEL_RULE,
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return {"methods": folder / "method.py", "models": folder / "adapter.py", "benchmarks": folder / "benchmark.py"}


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that occurs once in a file."""
    text = file.read_text()
    assert text.count(old) == 1, old
    file.write_text(text.replace(old, new))
