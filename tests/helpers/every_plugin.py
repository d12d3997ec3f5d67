"""One plugin of each kind in one file, as a third party could write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from oodbench.contracts import (
    Adapter,
    AdapterCard,
    Benchmark,
    BenchmarkCard,
    Capabilities,
    Dataset,
    DatasetCard,
    Expected,
    Fit,
    GridMethod,
    KnownFrame,
    MethodCard,
    Needs,
    ProgressCallback,
    Report,
    ReportCard,
    Roots,
    RunView,
    Segmenter,
    Submission,
    SubmissionCard,
    SubmissionScorer,
    SubmittedFrame,
    WrittenSubmission,
)
from oodbench.data import VOID_RULE, LabelRule, file_frame, find_layout, index_images, pair_by_stem, read_scores
from oodbench.errors import ModelError, OodbenchError, ScoreError, UsageError
from oodbench.files import digest_file, write_atomically
from oodbench.types import (
    CITYSCAPES_19,
    VOID,
    AnomalyLabels,
    ClassMaps,
    ClassSet,
    Frame,
    FrameSet,
    RGBImage,
    ScoreMap,
    SegmenterOutput,
    SemanticLabels,
)

PLUGINS = {
    "methods": {"centre": ("Centre", "distance to the mean in-distribution embedding")},
    "benchmarks": {"cargo": ("Cargo", "a few frames"), "boxes": ("Boxes", "synthetic frames")},
    "datasets": {"streets": ("Streets", "a few labelled frames")},
    "models": {"seeded": ("Seeded", "FILE.seed, a network drawn from the number in it")},
    "reports": {"lines": ("Lines", "a line a row")},
    "submissions": {"parcel": ("Parcel", "an array a frame")},
}


class Centre(GridMethod):
    card = MethodCard("centre", "Centre", "nobody", "https://example.org")

    def needs(self) -> Needs:
        return Needs(features=("colour",), fit=True)

    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        self._sum, self._count = torch.zeros(0), 0

    def update(self, output: SegmenterOutput, labels: Sequence[SemanticLabels]) -> None:
        features = output.features["colour"].movedim(1, -1).flatten(0, -2)
        self._sum = features.sum(dim=0) + (self._sum if len(self._sum) else 0)
        self._count += len(features)

    def fitted(self) -> Fit:
        return Fit({"mean": self._sum / self._count}, {"pixels": self._count})

    def load(self, fit: Fit) -> None:
        self._mean = fit.tensors["mean"]

    def grid_score(self, output: SegmenterOutput) -> torch.Tensor:
        return (output.features["colour"] - self._mean[:, None, None]).norm(dim=1)


def _frames(folder: Path, rule: LabelRule, classes: ClassSet | None = None) -> tuple[Any, ...]:
    pairs = pair_by_stem(index_images(folder / "pictures"), index_images(folder / "truth"), folder)
    return tuple(file_frame(name, name, image, label, rule, classes) for name, image, label in pairs)


class Cargo(Benchmark):
    card = BenchmarkCard(
        name="cargo",
        title="Cargo",
        paper="nobody",
        url="https://example.org",
        licence="none",
        frames=2,
        labels={"0": "in-distribution", "1": "anomaly", "255": "void"},
        layouts={"flat": "cargo/pictures/<n>.png, cargo/truth/<n>.png"},
        obtain="write it",
        leaderboard_protocol="pooled",
    )

    def open(self, roots: Roots) -> FrameSet:
        layouts = {"flat": lambda folder, named: (folder / "cargo" / "truth").is_dir()}
        layout, folder = find_layout("cargo", roots, layouts, self.card.layouts, self.card.obtain)
        return FrameSet(_frames(folder / "cargo", LabelRule(VOID_RULE, "")), layout, folder, 2)


class Boxes(Benchmark):
    card = replace(
        Cargo.card,
        name="boxes",
        title="Boxes",
        url="",
        frames=9,
        layouts={"synthetic": "nothing on disk"},
        obtain="here",
    )

    def open(self, roots: Roots) -> FrameSet:
        frames = tuple(
            Frame(
                id=f"box-{index}",
                group=f"box-{index}",
                read_size=partial(tuple, (48, 96)),
                read_image=partial(np.full, (48, 96, 3), index, np.uint8),
                read_anomaly_labels=partial(AnomalyLabels, np.indices((48, 96))[0].astype(np.uint8) // 24),
                identity=f"boxes 1 {index}",
            )
            for index in range(9)
        )
        return FrameSet(frames, "synthetic", None, 9)


class Streets(Dataset):
    card = DatasetCard(
        name="streets",
        title="Streets",
        paper="nobody",
        url="https://example.org",
        licence="none",
        classes=CITYSCAPES_19,
        splits={"fit": 2, "check": 2},
        layouts={"flat": "<split>/pictures/<n>.png, <split>/truth/<n>.png"},
        obtain="write it",
    )

    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        layouts = {"flat": lambda folder, named: (folder / "fit" / "truth").is_dir()}
        layout, folder = find_layout("streets", roots, layouts, self.card.layouts, self.card.obtain)
        rule = LabelRule({**{index: index for index in range(19)}, 255: VOID}, "")
        return {
            split: FrameSet(_frames(folder / split, rule, CITYSCAPES_19), layout, folder, count)
            for split, count in self.card.splits.items()
        }


class Network(Segmenter):
    classes = CITYSCAPES_19
    capabilities = Capabilities("posteriors", ("colour",))
    expected = Expected()
    device = "cpu"

    def __init__(self, path: Path) -> None:
        self.name, self.digest = path.stem, digest_file(path)
        generator = torch.Generator().manual_seed(int(path.read_text()))
        self._weights = torch.randn(19, 3, 1, 1, generator=generator)

    def prepare(self, image: RGBImage) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(image[::2, ::2].transpose(2, 0, 1))) / 255

    def forward(self, batch: Sequence[torch.Tensor], needs: Needs) -> SegmenterOutput:
        colour = torch.stack(list(batch))
        maps = torch.nn.functional.conv2d(colour, self._weights).softmax(dim=1)
        return SegmenterOutput(ClassMaps(maps, "posteriors"), {"colour": colour})

    def describe(self) -> Mapping[str, Any]:
        return {"name": self.name}


class Seeded(Adapter):
    card = AdapterCard("seeded", "Seeded", "FILE.seed")

    def accepts(self, source: str) -> bool:
        return source.endswith(".seed")

    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        if not Path(source).is_file():
            raise ModelError(f"{source}: no such file; expected a number")
        return Network(Path(source))


class Lines(Report):
    card = ReportCard("lines", "Lines", default=True, text=True)

    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        write_atomically(out / "lines.txt", lambda file: file.write(self.text(run).encode()))
        return [out / "lines.txt"]

    def text(self, run: RunView) -> str:
        return "".join(f"{row.method} on {row.benchmark}\n" for row in run.results)


class Parcel(Submission):
    card = SubmissionCard("parcel", "Parcel", "https://example.org", "open", ("cargo",))

    def write(self, scored: SubmissionScorer, out: Path, track: ProgressCallback) -> WrittenSubmission:
        if len(scored.frames) != scored.expected["cargo"]:
            raise UsageError("a frame is missing", "Score all of them.")
        for frame in scored.frames:
            score = frame.read_score()
            if not np.isfinite(score).all():
                raise ScoreError(f"{frame.id} is not finite", "Score it again.")
            write_atomically(out / f"{frame.id}.npy", partial(np.save, arr=score))
        return WrittenSubmission({})

    def check(self, path: Path, frames: Sequence[KnownFrame] = ()) -> Iterator[str]:
        files = sorted(path.glob("*.npy"))
        if not files:
            yield f"{path}: is empty"
        yield from (f"{frame.id}.npy is missing" for frame in frames if path / f"{frame.id}.npy" not in files)
        for file in files:
            try:
                read_scores(file)
            except OodbenchError as error:
                yield error.problem

    def read(self, path: Path, frames: Sequence[SubmittedFrame]) -> Iterator[tuple[SubmittedFrame, ScoreMap]]:
        return ((frame, read_scores(path / f"{frame.id}.npy")) for frame in frames)
