"""Errors about too little memory name the network, the images and what to do."""

from __future__ import annotations

import errno
import re
import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.contracts import Needs
from oodbench.errors import ModelError, ScoreError
from oodbench.out_of_memory import find_memory_error, summarise_memory_error
from oodbench.segmenters.onnx import OnnxSegmenter
from oodbench.stages.apply_methods import add_error_context
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.types import Frame, SegmenterOutput
from tests.stages.test_batching import Means

CUDA = "CUDA out of memory. Tried to allocate 9.00 GiB. GPU 0 has a total capacity of 8 GiB"


class Activations:
    """What a network has in memory when it fails."""


alive: list[weakref.ref[Activations]] = []


class Hungry(Means):
    """A network that needs more memory than there is."""

    device = "cuda"

    def forward(self, batch: Sequence[float], needs: Needs) -> SegmenterOutput:
        activations = Activations()
        alive.append(weakref.ref(activations))
        try:
            raise torch.OutOfMemoryError(CUDA)
        except torch.OutOfMemoryError as error:  # as adapters convert the errors of a module's code
            raise ModelError("the module failed", "Check input.size in the model card.") from error


def frames(count: int) -> list[Frame]:
    image = partial(np.zeros, (8, 6, 3), np.uint8)
    return [Frame(f"frame{index}", "", read_size=lambda: (8, 6), read_image=image) for index in range(count)]


@pytest.mark.parametrize(
    ("error", "summary"),
    [
        (torch.OutOfMemoryError(CUDA), "CUDA out of memory"),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be ..."), "CUDA error: out of memory"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        ),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] data. DefaultCPUAllocator: can't allocate memory: you"),
            "DefaultCPUAllocator: can't allocate memory: you",
        ),
        (
            Exception("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer",
        ),
        (Exception("std::bad_alloc"), "std::bad_alloc"),
        (cv2.error("Failed to allocate 99999999999 bytes"), "Failed to allocate 99999999999 bytes"),
        (MemoryError(), "MemoryError"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "[Errno 12] Cannot allocate memory"),
    ],
)
def test_every_library_reports_missing_memory(error: Exception, summary: str) -> None:
    assert find_memory_error(error) is error
    assert summarise_memory_error(error) == summary


@pytest.mark.parametrize(
    "error",
    [ValueError("size must be positive"), FileNotFoundError(2, "out of memory"), ModelError("out of memory.png")],
)
def test_other_errors_do_not_report_missing_memory(error: Exception) -> None:
    assert find_memory_error(error) is None


def test_real_errors_report_missing_memory() -> None:
    for allocate in (lambda: torch.empty(1 << 60), lambda: np.empty(1 << 58)):
        with pytest.raises((RuntimeError, MemoryError)) as raised:
            allocate()
        assert find_memory_error(raised.value) is raised.value


def test_a_network_without_memory_is_named_with_the_images() -> None:
    with pytest.raises(ModelError) as raised:
        next(forward_batches(Hungry(), frames(2), split_batches(2, 2), Needs()))
    assert raised.value.problem == (
        "means on frame0 (8 x 6 pixels), frame1 (8 x 6 pixels): not enough memory on the device cuda "
        "(CUDA out of memory)"
    )
    assert raised.value.remedy is not None
    for text in ("fewer than 2 images", "sliding windows", "smaller input size", "--device cpu", "resumes"):
        assert text in raised.value.remedy
    assert [activations() for activations in alive] == [None], "the next benchmark needs their memory"


def test_the_command_names_the_network_and_the_image(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> SegmenterOutput:
        raise RuntimeError("bad allocation")

    monkeypatch.setattr(OnnxSegmenter, "forward", fail)
    words = ["run", "--model", "network.onnx", "--method", "msp", "--benchmark", "road-anomaly", "--data", "downloads"]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ModelError)
    assert re.search(r"on .*frames/.*\d x \d+ pixels\): not enough memory", done.exception.problem)


def test_a_method_without_memory_is_not_told_about_its_types() -> None:
    def score() -> None:
        try:
            raise torch.OutOfMemoryError(CUDA)
        except torch.OutOfMemoryError as error:
            raise ScoreError("om failed", "A score function takes and returns torch tensors.") from error

    with (
        pytest.raises(ModelError, match=r"means on frame0 \(8 x 6 pixels\): not enough memory"),
        add_error_context(Means(), frames(1)),
    ):
        score()


def test_a_scorer_states_the_size_of_the_image() -> None:
    class Large(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.empty(1 << 60)

    segmenter = oodbench.TorchSegmenter(Large(), classes="cityscapes-19", device="cpu", version="1")
    with pytest.raises(
        ModelError, match=r"on an image \(4 x 6 pixels\): not enough memory on the device cpu"
    ) as raised:
        oodbench.Scorer("msp", segmenter)(np.zeros((4, 6, 3), np.uint8))
    assert "--device cpu" not in str(raised.value)
