"""Sky, road, sidewalks, the ground beyond, and lane markings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oodbench.worlds.camera import Camera
from oodbench.worlds.canvas import Canvas, Color, Paint
from oodbench.worlds.dice import Dice
from oodbench.worlds.palette import ROAD, SIDEWALK, SKY, TERRAIN, WHITE, vary_color

FAR = 260.0
"""Distance in metres beyond which there is only the skyline."""

_STEPS = 16
_BANDS = 32


@dataclass(frozen=True)
class Street:
    """Cross-section of the street, in metres from the axis of the road through the camera.

    Attributes:
        left, right: Edges of the road.
        walk_left, walk_right: Outer edges of the sidewalks.
        facade_left, facade_right: Lines of buildings, walls and fences.
        lane: Width of a lane.
        road, walk, green: Surfaces.
    """

    left: float
    right: float
    walk_left: float
    walk_right: float
    facade_left: float
    facade_right: float
    lane: float
    road: Paint
    walk: Paint
    green: Paint


def sample_street(dice: Dice) -> Street:
    """Sample a street with asphalt, paved sidewalks, and sometimes a strip of grass."""
    lane = dice.uniform(2.9, 3.6)
    left = -lane * dice.pick((1.5, 1.5, 2.5)) - dice.uniform(0, 1.5)
    right = lane * dice.pick((0.5, 0.5, 1.5)) + dice.uniform(0.2, 2.2)
    walk_left, walk_right = left - dice.uniform(1.8, 4.5), right + dice.uniform(1.8, 4.5)
    grey = dice.uniform(0.20, 0.36)
    tone = dice.uniform(-0.012, 0.012)
    paved = vary_color(dice, dice.pick(((0.46, 0.44, 0.42), (0.52, 0.50, 0.47), (0.50, 0.42, 0.38))), 0.04)
    return Street(
        left=left,
        right=right,
        walk_left=walk_left,
        walk_right=walk_right,
        facade_left=walk_left - dice.pick((0.3, 0.3, 3.0, 7.0)) * dice.uniform(0.7, 1.4),
        facade_right=walk_right + dice.pick((0.3, 0.3, 3.0, 7.0)) * dice.uniform(0.7, 1.4),
        lane=lane,
        road=Paint((grey + tone, grey, grey - tone), ROAD, 0.04, 0.10),
        walk=Paint(paved, SIDEWALK, 0.05, 0.10),
        green=Paint(vary_color(dice, (0.27, 0.36, 0.16)), TERRAIN, 0.16, 0.18),
    )


def sample_shifted_street(dice: Dice) -> Street:
    """Sample a road that differs from those in training: tracks, bleached asphalt, snow at the side."""
    usual = sample_street(dice)
    surface: Color = dice.pick(((0.50, 0.42, 0.32), (0.46, 0.45, 0.43), (0.30, 0.31, 0.34), (0.42, 0.33, 0.27)))
    beside: Color = dice.pick(((0.48, 0.42, 0.24), (0.36, 0.38, 0.20), (0.74, 0.75, 0.77), (0.46, 0.36, 0.25)))
    green = Paint(vary_color(dice, beside), TERRAIN, 0.14, 0.20)
    walk = Paint(green.color, SIDEWALK, 0.10, 0.14) if dice.chance(0.3) else usual.walk
    return Street(
        left=usual.left,
        right=usual.right,
        walk_left=usual.left - dice.uniform(0.8, 2.0),
        walk_right=usual.right + dice.uniform(0.8, 2.0),
        facade_left=usual.facade_left - dice.uniform(4, 12),
        facade_right=usual.facade_right + dice.uniform(4, 12),
        lane=usual.lane,
        road=Paint(vary_color(dice, surface, 0.04), ROAD, 0.08, 0.16),
        walk=walk,
        green=green,
    )


def paint_sky(canvas: Canvas, camera: Camera, zenith: Color, low: Color) -> None:
    """Paint the sky in bands from the upper edge to the horizon, and slightly below it."""
    width = canvas.size[1]
    rows = np.linspace(0.0, camera.horizon + 2.0, _BANDS + 1)
    for index in range(_BANDS):
        share = (index + 0.5) / _BANDS
        color = (
            zenith[0] + share * (low[0] - zenith[0]),
            zenith[1] + share * (low[1] - zenith[1]),
            zenith[2] + share * (low[2] - zenith[2]),
        )
        band = np.array(
            [[0, rows[index]], [width, rows[index]], [width, rows[index + 1] + 1], [0, rows[index + 1] + 1]]
        )
        canvas.polygon(band, Paint(color, SKY, 0.0, 0.05), 0.0)


def paint_ground(canvas: Canvas, camera: Camera, street: Street) -> None:
    """Paint all surfaces in strips across the road, so that haze increases with distance."""
    depths = camera.depths(FAR, _STEPS + 1)
    wide = 400.0
    curb = street.walk.lit(0.82)
    strips = (
        (-wide, wide, street.green),
        (street.walk_left, street.left, street.walk),
        (street.right, street.walk_right, street.walk),
        (street.left - 0.16, street.left, curb),
        (street.right, street.right + 0.16, curb),
        (street.left, street.right, street.road),
    )
    for index in range(_STEPS, 0, -1):
        far, close = float(depths[index]), float(depths[index - 1])
        for left, right, paint in strips:
            corners = camera.project([left, right, right, left], 0.0, [far, far, close, close])
            canvas.polygon(corners, paint, (far + close) / 2)


def paint_marks(canvas: Canvas, camera: Camera, street: Street, dice: Dice) -> None:
    """Paint dashed lines between the lanes, and sometimes a solid line and a crossing."""
    wear = dice.uniform(0.55, 0.95)
    paint = street.road.of((WHITE[0] * wear, WHITE[1] * wear, WHITE[2] * wear))

    def stripe(x: float, half: float, close: float, far: float) -> None:
        corners = camera.project([x - half, x + half, x + half, x - half], 0.0, [far, far, close, close])
        canvas.polygon(corners, paint, (far + close) / 2)

    borders = [border for border in np.arange(-3.5, 3.5) * street.lane if street.left + 1 < border < street.right - 1]
    solid, phase = dice.chance(0.3), dice.uniform(0, 9)
    for border in borders:
        for start in np.arange(3.0 + phase, 90.0, 9.0):
            stripe(float(border), 0.07, float(start), float(start) + (9.0 if solid else 3.5))
    if dice.chance(0.25):
        start = dice.uniform(9, 30)
        for x in np.arange(street.left + 0.5, street.right - 0.3, 1.0):
            stripe(float(x), 0.25, start, start + 3.0)
    if dice.chance(0.4):
        patch = street.road.lit(dice.uniform(0.7, 1.2))
        x, start = dice.uniform(street.left, street.right - 1.5), dice.uniform(5, 25)
        corners = camera.project([x, x + 1.4, x + 1.5, x + 0.1], 0.0, [start, start, start + 4, start + 4])
        canvas.polygon(corners, patch, start + 2)
