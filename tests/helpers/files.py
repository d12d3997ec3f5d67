"""Small files that many tests share: photographs, labels, datasets in their official layouts, an ONNX network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

NO_REAL_DATA = "no real data"
NO_NAMESPACES = "no namespaces for mounts on this machine"
NO_LATEX = "no LaTeX on this machine"
NO_BROWSER = "no browser"
REAL = Path(os.environ.get("OODBENCH_REAL_DATA", "nowhere"))
CARD = """
name = "tiny"

[input]
size = [32, 64]
channels = "rgb"
divide_by = 255.0

[classes]
set = "cityscapes-19"

[outputs]
class_maps = "logits"
features = { penultimate = "features" }
"""


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    """Write an image and create its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


def photograph(seed: int, size: tuple[int, int] = (48, 96)) -> np.ndarray:
    """Return a photograph of noisy colour bands, which depends on the seed."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(0, 255, size[0])[:, None, None] * rng.random(3)
    columns = np.linspace(0, 255, size[1])[None, :, None] * rng.random(3)
    return (0.5 * rows + 0.5 * columns + rng.integers(0, 20, (*size, 1))).clip(0, 255).astype(np.uint8)


def anomaly_label(seed: int, size: tuple[int, int] = (48, 96), anomaly: int = 1, void: int | None = 255) -> np.ndarray:
    """Return a label of zeros with a box of `anomaly` and, unless None, a strip of `void`."""
    rng = np.random.default_rng(seed)
    label = np.zeros(size, np.uint8)
    top, left = rng.integers(0, size[0] - 12), rng.integers(0, size[1] - 20)
    label[top : top + 12, left : left + 20] = anomaly
    if void is not None:
        label[-4:] = void
    return label


def write_road_anomaly(root: Path) -> None:
    """Write three frames in Road Anomaly's official layout."""
    names = ["animals01_Guiguinto_railway_station_Calves", "obstacles03_cardboard", "vehicle02_Skidloader"]
    for seed, name in enumerate(names):
        save(root / "frames" / f"{name}.jpg", photograph(seed), quality=95)
        label = anomaly_label(seed, anomaly=2, void=None)
        save(root / "frames" / f"{name}.labels" / "labels_semantic.png", label)
    (root / "frame_list.json").write_text("[\n" + ",\n".join(f'"{name}.jpg"' for name in names) + "\n]")


def write_cityscapes(root: Path) -> None:
    """Write three training frames and two validation frames in Cityscapes' official layout."""
    frames = {"train": ["aachen_000000_000019", "aachen_000001_000019", "bochum_000000_000313"]}
    frames["val"] = ["frankfurt_000000_000576", "lindau_000000_000019"]
    values = np.array([7, 8, 11, 17, 21, 23, 24, 26, 0, 4], np.uint8)
    seed = 100
    for split, names in frames.items():
        for name in names:
            seed += 1
            city = name.split("_")[0]
            save(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", photograph(seed))
            rng = np.random.default_rng(seed)
            blocks = rng.choice(values, (6, 12)).repeat(8, axis=0).repeat(8, axis=1)
            save(root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", blocks)


def write_network(path: Path, *, classes: int = 19, broken: bool = False) -> None:
    """Write a network with features [N, 8, h/2, w/2] and logits; `broken` weights give NaN."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(7)
    first = rng.normal(size=(8, 3, 3, 3)).astype(np.float32)
    second = (3 * rng.normal(size=(classes, 8, 1, 1))).astype(np.float32)
    if broken:
        second[0] = np.nan
    nodes = [
        helper.make_node(
            "Conv", ["image", "first"], ["hidden"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
        ),
        helper.make_node("Relu", ["hidden"], ["features"]),
        helper.make_node("Conv", ["features", "second"], ["logits"], kernel_shape=[1, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes, "h2", "w2"]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 8, "h2", "w2"]),
        ],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
