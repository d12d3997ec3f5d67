"""The classes of the world and the colours of its objects."""

from __future__ import annotations

from oodbench.types import CITYSCAPES_19
from oodbench.worlds.canvas import Color
from oodbench.worlds.dice import Dice

(
    ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION,
    TERRAIN, SKY, PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE,
) = range(len(CITYSCAPES_19))  # fmt: skip

GLASS: Color = (0.13, 0.16, 0.19)
RUBBER: Color = (0.06, 0.06, 0.07)
STEEL: Color = (0.45, 0.46, 0.47)
WHITE: Color = (0.86, 0.86, 0.84)
SKINS: tuple[Color, ...] = ((0.78, 0.58, 0.46), (0.62, 0.42, 0.30), (0.40, 0.26, 0.18), (0.84, 0.66, 0.54))
CAR_PAINTS: tuple[Color, ...] = (
    (0.08, 0.08, 0.09), (0.75, 0.75, 0.76), (0.50, 0.51, 0.53), (0.28, 0.29, 0.31), (0.50, 0.08, 0.08),
    (0.10, 0.18, 0.42), (0.12, 0.28, 0.20), (0.62, 0.55, 0.42), (0.14, 0.34, 0.52),
)  # fmt: skip
CLOTHES: tuple[Color, ...] = (
    (0.10, 0.10, 0.13), (0.18, 0.22, 0.38), (0.50, 0.50, 0.50), (0.60, 0.14, 0.14), (0.72, 0.70, 0.64),
    (0.20, 0.34, 0.22), (0.70, 0.52, 0.16), (0.34, 0.22, 0.16), (0.46, 0.18, 0.42), (0.20, 0.46, 0.56),
)  # fmt: skip
FACADES: tuple[Color, ...] = (
    (0.70, 0.64, 0.54), (0.58, 0.36, 0.28), (0.62, 0.60, 0.58), (0.74, 0.70, 0.64), (0.48, 0.44, 0.40),
    (0.66, 0.54, 0.38), (0.40, 0.42, 0.45), (0.55, 0.28, 0.22), (0.60, 0.62, 0.54),
)  # fmt: skip


def vary_color(dice: Dice, color: Color, spread: float = 0.06) -> Color:
    """Vary a colour randomly, more in brightness than in hue."""
    light = 1.0 + dice.uniform(-2 * spread, 2 * spread)
    red, green, blue = (min(max(part * light + dice.uniform(-spread, spread) / 2, 0.02), 0.95) for part in color)
    return (red, green, blue)
