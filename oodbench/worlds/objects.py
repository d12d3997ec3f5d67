"""Objects that belong to none of the 19 classes, in two groups without common kinds.

`ANOMALIES` occur only in the benchmarks. `OUTLIERS` are for training with outliers; no benchmark contains them. Each
kind is a function of dice that returns the parts of a picture in a unit box, from far to near. A part is (outline,
colour), with x from -0.5 to 0.5 and y from 0 to 1 upward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from oodbench.types import VOID
from oodbench.worlds.canvas import Canvas, Color, Paint, Points
from oodbench.worlds.dice import Dice
from oodbench.worlds.palette import vary_color
from oodbench.worlds.shapes import bar, blob, ellipse, rectangle

Part: TypeAlias = tuple[Points, Color]

_HIDES: Sequence[Color] = ((0.34, 0.22, 0.13), (0.72, 0.68, 0.60), (0.12, 0.10, 0.09), (0.54, 0.38, 0.22))
_CLOTHS: Sequence[Color] = ((0.44, 0.12, 0.16), (0.28, 0.40, 0.30), (0.60, 0.52, 0.40), (0.30, 0.26, 0.46))
_DRUMS: Sequence[Color] = ((0.16, 0.30, 0.52), (0.60, 0.16, 0.10), (0.30, 0.32, 0.30), (0.70, 0.54, 0.12))
_SHEETS: Sequence[Color] = ((0.80, 0.80, 0.82), (0.14, 0.36, 0.62), (0.10, 0.10, 0.11), (0.72, 0.20, 0.50))


@dataclass(frozen=True)
class Picture:
    """An object that is not placed yet.

    Attributes:
        kind: Name of the kind.
        parts: Parts from far to near in the unit box.
        aspect: Width divided by height.
        fill: Approximate share of its box that it covers.
        grain, mottle: Amplitudes of the fine and coarse texture.
        tall: Minimum and maximum real height in metres.
    """

    kind: str
    parts: Sequence[Part]
    aspect: float
    fill: float
    grain: float = 0.05
    mottle: float = 0.12
    tall: tuple[float, float] = field(kw_only=True)

    def paint(self, canvas: Canvas, left: float, top: float, width: float, height: float, distance: float) -> None:
        """Paint the object as an anomaly into a box of the image."""
        for outline, color in self.parts:
            placed = np.stack([left + (outline[:, 0] + 0.5) * width, top + (1 - outline[:, 1]) * height], axis=1)
            canvas.polygon(placed, Paint(color, VOID, self.grain, self.mottle, anomalous=True), distance)


def _scale_light(color: Color, factor: float) -> Color:
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def _make_animal(dice: Dice) -> Picture:
    """Draw a four-legged animal from the side: cow, horse, sheep, deer or dog, depending on the proportions."""
    hide: Color = vary_color(dice, dice.pick(_HIDES))
    spots: Color = vary_color(dice, dice.pick(((0.85, 0.83, 0.78), (0.16, 0.11, 0.08))))
    legs, thick = dice.uniform(0.38, 0.52), dice.uniform(0.055, 0.09)
    deep = dice.uniform(0.15, 0.21)
    body = legs + deep
    neck = dice.uniform(-0.02, 0.22)
    head = (0.38, min(body + 0.1 + neck, 0.86))
    parts: list[Part] = []
    for x, light in ((-0.22, 0.7), (0.20, 0.7), (-0.30, 1.0), (0.13, 1.0)):
        parts.append(
            (bar((x, body), (x + dice.uniform(-0.05, 0.05), 0.0), thick * 1.5, thick), _scale_light(hide, light))
        )
    parts.append((bar((-0.36, body + 0.08), (-0.46, legs), 0.035, 0.02), _scale_light(hide, 0.8)))
    parts.append((bar((0.20, body + 0.06), head, 0.24, 0.13), hide))
    parts.append((ellipse(-0.06, body, 0.33, deep), hide))
    if dice.chance(0.5):
        for _ in range(3):
            spot = blob(dice, 0.09, 0.08) + np.array([dice.uniform(-0.28, 0.14), body + dice.uniform(-0.06, 0.08)])
            parts.append((spot, spots))
    parts.append((bar((0.32, head[1] + 0.03), (0.49, head[1] - 0.07), 0.15, 0.09), _scale_light(hide, 1.1)))
    parts.append((bar((0.33, head[1] + 0.05), (0.30, min(head[1] + 0.14, 1.0)), 0.05, 0.02), _scale_light(hide, 0.8)))
    if dice.chance(0.4):
        parts.append((bar((0.36, head[1] + 0.05), (0.42, min(head[1] + 0.16, 1.0)), 0.03, 0.01), (0.75, 0.70, 0.58)))
    if dice.chance(0.5):
        parts = [(outline * np.array([-1.0, 1.0]), color) for outline, color in parts]
    return Picture("animal", parts, dice.uniform(1.15, 1.5), 0.47, 0.10, 0.16, tall=(0.7, 1.6))


def _make_crate(dice: Dice) -> Picture:
    """Draw a wooden crate: two faces and a lid, with boards."""
    wood: Color = vary_color(dice, (0.58, 0.42, 0.25), 0.08)
    parts: list[Part] = [
        (np.array([[-0.5, 0.0], [0.18, 0.0], [0.18, 0.74], [-0.5, 0.74]]), wood),
        (np.array([[0.18, 0.0], [0.5, 0.2], [0.5, 0.94], [0.18, 0.74]]), _scale_light(wood, 0.62)),
        (np.array([[-0.5, 0.74], [0.18, 0.74], [0.5, 0.94], [-0.2, 0.94]]), _scale_light(wood, 1.3)),
    ]
    for index in range(1, 4):
        level = 0.185 * index
        parts.append((rectangle(-0.5, level - 0.012, 0.18, level + 0.012), _scale_light(wood, 0.5)))
    parts.append((bar((-0.46, 0.04), (0.14, 0.70), 0.07), _scale_light(wood, 0.8)))
    parts.append((rectangle(-0.5, 0, -0.42, 0.74), _scale_light(wood, 0.85)))
    parts.append((rectangle(0.10, 0, 0.18, 0.74), _scale_light(wood, 0.85)))
    return Picture("crate", parts, dice.uniform(1.0, 1.4), 0.86, tall=(0.4, 0.9))


def _make_tyres(dice: Dice) -> Picture:
    """Draw a stack of one to three tyres."""
    count = dice.integer(1, 3)
    parts: list[Part] = []
    tall = 1.0 / count
    for index in range(count):
        shift, low = dice.uniform(-0.06, 0.06), index * tall * 0.92
        grey = dice.uniform(0.05, 0.10)
        tread: Color = (grey, grey, grey * 1.1)
        parts.append((ellipse(shift, low + 0.42 * tall, 0.44, 0.42 * tall), _scale_light(tread, 0.8)))
        parts.append((rectangle(shift - 0.44, low + 0.40 * tall, shift + 0.44, low + 0.66 * tall), tread))
        parts.append((ellipse(shift, low + 0.66 * tall, 0.44, 0.34 * tall), _scale_light(tread, 2.2)))
        parts.append((ellipse(shift, low + 0.66 * tall, 0.24, 0.18 * tall), _scale_light(tread, 0.4)))
    return Picture("tyres", parts, 1.9 / count, 0.78, 0.06, 0.08, tall=(0.30 * count, 0.38 * count))


def _make_cone(dice: Dice) -> Picture:
    """Draw a traffic cone."""
    orange: Color = vary_color(dice, (0.86, 0.33, 0.08), 0.04)
    parts: list[Part] = [(rectangle(-0.5, 0, 0.5, 0.1), _scale_light(orange, 0.7))]
    for low, high, color in ((0.08, 0.38, orange), (0.38, 0.56, (0.85, 0.85, 0.83)), (0.56, 0.74, orange),
                             (0.74, 0.86, (0.85, 0.85, 0.83)), (0.86, 1.0, orange)):  # fmt: skip
        wide, slim = 0.36 * (1 - low) + 0.05, 0.36 * (1 - high) + 0.05
        parts.append((np.array([[-wide, low], [wide, low], [slim, high], [-slim, high]]), color))
        parts.append(
            (np.array([[0.3 * wide, low], [wide, low], [slim, high], [0.3 * slim, high]]), _scale_light(color, 0.7))
        )
    return Picture("cone", parts, dice.uniform(0.6, 0.8), 0.52, 0.02, 0.05, tall=(0.5, 0.9))


def _make_boulder(dice: Dice) -> Picture:
    """Draw a rock with a light and a dark flank."""
    stone: Color = vary_color(dice, dice.pick(((0.44, 0.42, 0.40), (0.36, 0.32, 0.28), (0.55, 0.50, 0.44))))
    outline = np.maximum(blob(dice, 0.5, 0.56, 11, 0.3) + np.array([0.0, 0.42]), [-0.5, 0.0])
    peak = np.array([[dice.uniform(-0.15, 0.15), 0.62]])
    parts: list[Part] = [(outline, stone)]
    right = outline[outline[:, 0] > 0.0]
    if len(right) > 2:
        parts.append((np.concatenate([right[np.argsort(right[:, 1])], peak]), _scale_light(stone, 0.62)))
    upper = outline[outline[:, 1] > 0.55]
    if len(upper) > 2:
        parts.append((np.concatenate([upper, peak]), _scale_light(stone, 1.3)))
    return Picture("boulder", parts, dice.uniform(1.1, 1.7), 0.66, 0.16, 0.22, tall=(0.35, 1.0))


def _make_bird(dice: Dice) -> Picture:
    """Draw a large standing bird: goose or ostrich, depending on the neck."""
    feathers: Color = vary_color(dice, dice.pick(((0.82, 0.81, 0.78), (0.24, 0.20, 0.18), (0.46, 0.40, 0.34))))
    parts: list[Part] = []
    for x in (-0.06, 0.08):
        parts.append((bar((x, 0.42), (x + 0.03, 0.0), 0.05), (0.70, 0.42, 0.16)))
    parts.append((bar((-0.30, 0.56), (-0.50, 0.66), 0.18, 0.05), _scale_light(feathers, 0.7)))
    parts.append((ellipse(-0.04, 0.52, 0.36, 0.19), feathers))
    parts.append((ellipse(-0.10, 0.55, 0.26, 0.11), _scale_light(feathers, 0.75)))
    parts.append((bar((0.22, 0.58), (0.30, 0.93), 0.16, 0.09), feathers))
    parts.append((ellipse(0.31, 0.93, 0.09, 0.07), _scale_light(feathers, 0.8)))
    parts.append((bar((0.36, 0.94), (0.50, 0.91), 0.06, 0.02), (0.85, 0.52, 0.12)))
    return Picture("bird", parts, dice.uniform(0.8, 1.1), 0.40, 0.08, 0.10, tall=(0.6, 1.2))


def _make_sofa(dice: Dice) -> Picture:
    """Draw a sofa or an armchair from the front."""
    cloth: Color = vary_color(dice, dice.pick(_CLOTHS))
    parts: list[Part] = [
        (rectangle(-0.42, 0.30, 0.42, 1.0), _scale_light(cloth, 0.8)),
        (rectangle(-0.46, 0.08, 0.46, 0.48), cloth),
        (rectangle(-0.36, 0.40, 0.36, 0.52), _scale_light(cloth, 1.25)),
        (rectangle(-0.50, 0.06, -0.35, 0.70), _scale_light(cloth, 1.1)),
        (rectangle(0.35, 0.06, 0.50, 0.70), _scale_light(cloth, 0.7)),
        (rectangle(-0.01, 0.46, 0.01, 0.98), _scale_light(cloth, 0.5)),
        (rectangle(-0.45, 0.0, -0.40, 0.08), (0.15, 0.10, 0.07)),
        (rectangle(0.40, 0.0, 0.45, 0.08), (0.15, 0.10, 0.07)),
    ]
    return Picture("sofa", parts, dice.uniform(1.2, 2.3), 0.83, 0.07, 0.10, tall=(0.75, 1.0))


def _make_drum(dice: Dice) -> Picture:
    """Draw an upright oil drum."""
    steel: Color = vary_color(dice, dice.pick(_DRUMS))
    parts: list[Part] = [
        (ellipse(0.0, 0.10, 0.5, 0.10), _scale_light(steel, 0.8)),
        (rectangle(-0.5, 0.10, 0.5, 0.90), steel),
        (rectangle(0.16, 0.06, 0.5, 0.90), _scale_light(steel, 0.66)),
        (rectangle(-0.5, 0.36, 0.5, 0.40), _scale_light(steel, 0.55)),
        (rectangle(-0.5, 0.64, 0.5, 0.68), _scale_light(steel, 0.55)),
        (ellipse(0.0, 0.90, 0.5, 0.10), _scale_light(steel, 1.3)),
        (ellipse(0.15, 0.90, 0.07, 0.03), _scale_light(steel, 0.3)),
    ]
    return Picture("drum", parts, dice.uniform(0.62, 0.8), 0.95, 0.05, 0.14, tall=(0.85, 0.95))


def _make_toppled_trailer(dice: Dice) -> Picture:
    """Draw a trailer on its side, with its underside, axles and wheels toward the camera."""
    frame: Color = vary_color(dice, (0.26, 0.25, 0.25), 0.05)
    skin: Color = vary_color(dice, dice.pick(((0.70, 0.70, 0.68), (0.20, 0.34, 0.56), (0.52, 0.30, 0.14))))
    parts: list[Part] = [
        (np.array([[-0.48, 0.78], [0.40, 0.78], [0.46, 1.0], [-0.40, 1.0]]), _scale_light(skin, 1.1)),
        (np.array([[-0.48, 0.0], [0.40, 0.0], [0.40, 0.80], [-0.48, 0.80]]), frame),
        (rectangle(-0.48, 0.30, 0.40, 0.36), _scale_light(frame, 1.7)),
        (rectangle(-0.48, 0.48, 0.40, 0.54), _scale_light(frame, 1.7)),
        (bar((0.38, 0.42), (0.5, 0.30), 0.07), _scale_light(frame, 1.4)),
    ]
    for x in (-0.22, 0.02):
        parts.append((rectangle(x - 0.02, 0.1, x + 0.02, 0.74), _scale_light(frame, 0.5)))
        for y in (0.12, 0.70):
            parts.append((ellipse(x, y, 0.10, 0.12), (0.05, 0.05, 0.06)))
            parts.append((ellipse(x, y, 0.05, 0.06), (0.50, 0.50, 0.50)))
    return Picture("toppled trailer", parts, dice.uniform(1.5, 2.2), 0.82, 0.05, 0.12, tall=(1.2, 1.6))


def _make_sheet(dice: Dice) -> Picture:
    """Draw a crumpled tarpaulin or bag."""
    color: Color = vary_color(dice, dice.pick(_SHEETS))
    parts: list[Part] = [(np.maximum(blob(dice, 0.5, 0.62, 13, 0.45) + np.array([0.0, 0.42]), [-0.5, 0.0]), color)]
    for light in (0.6, 1.25, 0.75, 1.1):
        fold = blob(dice, 0.22, 0.16, 5, 0.5) + np.array([dice.uniform(-0.18, 0.18), dice.uniform(0.22, 0.6)])
        parts.append((fold, _scale_light(color, light)))
    return Picture("sheet", parts, dice.uniform(1.0, 1.9), 0.58, 0.03, 0.10, tall=(0.3, 0.9))


def _make_ball(dice: Dice) -> Picture:
    color: Color = vary_color(dice, dice.pick(((0.85, 0.20, 0.20), (0.90, 0.80, 0.20), (0.20, 0.40, 0.80))))
    parts: list[Part] = [
        (ellipse(0, 0.5, 0.5, 0.5), color),
        (ellipse(0.1, 0.42, 0.36, 0.36), _scale_light(color, 0.8)),
        (ellipse(-0.16, 0.68, 0.14, 0.12), _scale_light(color, 1.3)),
    ]
    return Picture("ball", parts, 1.0, 0.78, tall=(0.2, 0.3))


def _make_suitcase(dice: Dice) -> Picture:
    color: Color = vary_color(dice, dice.pick(((0.40, 0.10, 0.12), (0.12, 0.14, 0.20), (0.24, 0.44, 0.42))))
    parts: list[Part] = [
        (rectangle(-0.5, 0.04, 0.5, 0.80), color),
        (rectangle(-0.44, 0.10, 0.44, 0.74), _scale_light(color, 1.2)),
        (rectangle(-0.02, 0.04, 0.02, 0.80), _scale_light(color, 0.6)),
        (rectangle(-0.18, 0.80, -0.14, 1.0), (0.5, 0.5, 0.5)),
        (rectangle(0.14, 0.80, 0.18, 1.0), (0.5, 0.5, 0.5)),
        (rectangle(-0.18, 0.95, 0.18, 1.0), (0.2, 0.2, 0.2)),
    ]
    return Picture("suitcase", parts, dice.uniform(0.8, 1.3), 0.80, tall=(0.5, 0.8))


def _make_log(dice: Dice) -> Picture:
    bark: Color = vary_color(dice, (0.28, 0.20, 0.14))
    parts: list[Part] = [
        (rectangle(-0.42, 0.05, 0.42, 0.95), bark),
        (ellipse(-0.40, 0.5, 0.10, 0.45), _scale_light(bark, 0.8)),
        (ellipse(0.40, 0.5, 0.10, 0.45), _scale_light(bark, 2.0)),
        (ellipse(0.40, 0.5, 0.05, 0.25), _scale_light(bark, 1.6)),
    ]
    return Picture("log", parts, dice.uniform(2.5, 4.5), 0.86, 0.14, 0.2, tall=(0.25, 0.5))


def _make_pallet(dice: Dice) -> Picture:
    wood: Color = vary_color(dice, (0.62, 0.50, 0.34))
    parts: list[Part] = [(rectangle(-0.5, 0.0, 0.5, 1.0), _scale_light(wood, 0.35))]
    parts += [(rectangle(-0.5, 0.22 * index, 0.5, 0.22 * index + 0.13), wood) for index in range(5)]
    parts += [(rectangle(x - 0.05, 0.0, x + 0.05, 1.0), _scale_light(wood, 0.8)) for x in (-0.45, 0.0, 0.45)]
    return Picture("pallet", parts, dice.uniform(1.0, 2.4), 0.95, tall=(0.8, 1.2))


def _make_washer(dice: Dice) -> Picture:
    grey = dice.uniform(0.75, 0.9)
    shell: Color = (grey, grey, grey)
    parts: list[Part] = [
        (rectangle(-0.5, 0.0, 0.5, 1.0), shell),
        (rectangle(-0.5, 0.84, 0.5, 0.87), _scale_light(shell, 0.6)),
        (ellipse(0.0, 0.42, 0.30, 0.28), _scale_light(shell, 0.6)),
        (ellipse(0.0, 0.42, 0.23, 0.21), (0.12, 0.13, 0.16)),
    ]
    return Picture("washing machine", parts, dice.uniform(0.7, 0.85), 0.98, 0.02, 0.04, tall=(0.85, 0.85))


def _make_ladder(dice: Dice) -> Picture:
    metal: Color = vary_color(dice, (0.66, 0.66, 0.66))
    parts: list[Part] = [(bar((x, 0.0), (0.8 * x, 1.0), 0.14), metal) for x in (-0.42, 0.42)]
    parts += [(rectangle(-0.40, level, 0.40, level + 0.04), metal) for level in np.arange(0.08, 0.98, 0.12)]
    return Picture("ladder", parts, dice.uniform(0.25, 0.4), 0.5, 0.02, 0.04, tall=(2.0, 3.5))


Maker: TypeAlias = Callable[[Dice], Picture]

ANOMALIES: Mapping[str, Maker] = {
    "animal": _make_animal,
    "bird": _make_bird,
    "boulder": _make_boulder,
    "cone": _make_cone,
    "crate": _make_crate,
    "drum": _make_drum,
    "sheet": _make_sheet,
    "sofa": _make_sofa,
    "toppled trailer": _make_toppled_trailer,
    "tyres": _make_tyres,
}
"""Kinds of objects in the benchmarks, by name."""

OUTLIERS: Mapping[str, Maker] = {
    "ball": _make_ball,
    "ladder": _make_ladder,
    "log": _make_log,
    "pallet": _make_pallet,
    "suitcase": _make_suitcase,
    "washing machine": _make_washer,
}
"""Kinds of objects for training with outliers, by name."""
