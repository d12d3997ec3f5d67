"""Small ONNX networks of the kinds that exporters write: other types, layouts, fixed sizes and external weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CARD = """
name = "exported"

[input]
channels = "rgb"
divide_by = 255
{inputs}

[classes]
set = "cityscapes-19"
{classes}

[outputs]
class_maps = "logits"
features = {{ penultimate = "features" }}
{outputs}
"""
FREE = ("n", "h", "w")


def write_card(path: Path, *, inputs: str = "", classes: str = "", outputs: str = "", more: str = "") -> Path:
    """Write a model card with further lines in its sections, and further sections."""
    path.write_text(CARD.format(inputs=inputs, classes=classes, outputs=outputs) + more)
    return path


def write_pointwise(
    path: Path,
    *,
    classes: int = 19,
    input_type: int = TensorProto.FLOAT,
    output_type: int = TensorProto.FLOAT,
    sides: Sequence[str | int] = FREE,
    input_nhwc: bool = False,
    output_nhwc: bool = False,
    channels: bool = True,
    external: str = "",
) -> Path:
    """Write a network of two 1x1 convolutions, with the outputs `features` [N, 8, h, w] and `logits`.

    Args:
        path: The file.
        classes: Number of class maps.
        input_type: Type of the input.
        output_type: Type of both outputs.
        sides: Batch size, height and width, each fixed or dynamic.
        input_nhwc: Whether the channels are the last axis of the input.
        output_nhwc: Whether the channels are the last axis of the outputs.
        channels: Whether the file states the numbers of channels.
        external: File for the weights; empty: they are in the network's file.
    """

    def shape(count: int, nhwc: bool) -> list[str | int]:
        axis = count if channels else f"c{count}"
        return [sides[0], *sides[1:], axis] if nhwc else [sides[0], axis, *sides[1:]]

    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["x"], perm=[0, 3, 1, 2] if input_nhwc else [0, 1, 2, 3]),
        helper.make_node("Conv", ["x", "first"], ["hidden"]),
        helper.make_node("Conv", ["hidden", "second"], ["maps"]),
    ]
    for name, source in (("features", "hidden"), ("logits", "maps")):
        perm = [0, 2, 3, 1] if output_nhwc else [0, 1, 2, 3]
        nodes.append(helper.make_node("Transpose", [source], [f"{name}-moved"], perm=perm))
        nodes.append(helper.make_node("Cast", [f"{name}-moved"], [name], to=output_type))
    graph = helper.make_graph(
        nodes,
        "pointwise",
        [helper.make_tensor_value_info("image", input_type, shape(3, input_nhwc))],
        [
            helper.make_tensor_value_info("features", output_type, shape(8, output_nhwc)),
            helper.make_tensor_value_info("logits", output_type, shape(classes, output_nhwc)),
        ],
        [
            numpy_helper.from_array(rng.normal(size=(8, 3, 1, 1)).astype(np.float32), "first"),
            numpy_helper.from_array(rng.normal(size=(20, 8, 1, 1)).astype(np.float32)[:classes], "second"),
        ],
    )
    return _save(path, graph, external)


def write_unet(path: Path) -> Path:
    """Write a network that joins maps of 1/2 of the image with upsampled maps of 1/4, like a U-Net."""
    rng = np.random.default_rng(0)
    stride = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "first"], ["half"], **stride),
        helper.make_node("Conv", ["half", "second"], ["quarter"], **stride),
        helper.make_node("Resize", ["quarter", "", "scales"], ["back"], mode="nearest"),
        helper.make_node("Concat", ["half", "back"], ["features"], axis=1),
        helper.make_node("Conv", ["features", "third"], ["logits"]),
    ]
    weights = {"first": (8, 3, 3, 3), "second": (8, 8, 3, 3), "third": (19, 16, 1, 1)}
    initializers = [numpy_helper.from_array(rng.normal(size=s).astype(np.float32), n) for n, s in weights.items()]
    graph = helper.make_graph(
        nodes,
        "unet",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 16, "y", "x"]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 19, "y", "x"]),
        ],
        [*initializers, numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")],
    )
    return _save(path, graph)


def _save(path: Path, graph: onnx.GraphProto, external: str = "") -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if external:
        onnx.save(model, path, save_as_external_data=True, location=external, size_threshold=0)
    else:
        onnx.save(model, path)
    return path
