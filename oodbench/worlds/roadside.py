"""Objects along the street: buildings, walls, fences, trees, bushes, poles, signs, traffic lights, and the skyline."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from oodbench.worlds.camera import Camera
from oodbench.worlds.canvas import Canvas, Color, Paint, Points
from oodbench.worlds.dice import Dice
from oodbench.worlds.palette import (
    BUILDING,
    FACADES,
    FENCE,
    GLASS,
    LIGHT,
    POLE,
    SIGN,
    STEEL,
    VEGETATION,
    WALL,
    vary_color,
)
from oodbench.worlds.scene_objects import SceneObject, UprightPlane
from oodbench.worlds.shapes import bar, blob, ellipse, rectangle
from oodbench.worlds.street_ground import Street

_GREENS: tuple[Color, ...] = ((0.16, 0.28, 0.10), (0.22, 0.32, 0.12), (0.12, 0.22, 0.12), (0.26, 0.30, 0.10))
_DRY: tuple[Color, ...] = ((0.48, 0.34, 0.12), (0.44, 0.22, 0.10), (0.40, 0.38, 0.18), (0.30, 0.26, 0.18))


def paint_skyline(canvas: Canvas, camera: Camera, dice: Dice, dry: bool, built: float) -> None:
    """Paint distant houses and woods along the horizon."""
    height, width = canvas.size
    column = -20.0
    while column < width:
        step = dice.uniform(18, 90)
        rise = dice.uniform(4, 34) * height / 512
        low = camera.horizon + 6
        if dice.chance(built):
            paint = Paint(vary_color(dice, dice.pick(FACADES)), BUILDING, 0.05, 0.06)
            outline = rectangle(column, low, column + step, camera.horizon - 1.3 * rise)
        else:
            paint = Paint(vary_color(dice, dice.pick(_DRY if dry else _GREENS)), VEGETATION, 0.12, 0.2)
            outline = blob(dice, 0.7 * step, rise) + np.array([column + step / 2, low - 0.3 * rise])
            base = rectangle(column - 10, low, column + step + 10, camera.horizon - 0.35 * rise)
            canvas.polygon(base, paint, 220.0)
        canvas.polygon(outline, paint, 220.0)
        column += 0.8 * step


def place_frontage(camera: Camera, street: Street, dice: Dice, built: float, dry: bool) -> Iterator[SceneObject]:
    """Place buildings, walls, fences and trees on both sides of the street, from near to far."""
    for side, x in ((-1.0, street.facade_left), (1.0, street.facade_right)):
        z = dice.uniform(3.0, 9.0)
        while z < 150:
            kind = dice.weighted([("building", 3.2 * built), ("wall", 0.5), ("fence", 0.6), ("trees", 1.2)])
            length = dice.uniform(8, 24) * (1 + z / 120)
            if kind == "building":
                yield _make_building(camera, dice, side, x, z, z + length)
            elif kind == "wall":
                yield _make_wall(camera, dice, side, x, z, z + length)
            elif kind == "fence":
                yield _make_fence(camera, dice, x, z, z + length)
            if kind in ("trees", "fence", "wall"):
                for _ in range(dice.integer(2, 4)):
                    behind = x + side * dice.uniform(1.5, 9)
                    yield make_tree(camera, dice, behind, z + dice.uniform(0.1, 1) * length, dry)
            z += length + dice.pick((0.0, 0.0, 2.0, 6.0))


def place_street_furniture(camera: Camera, street: Street, dice: Dice, dry: bool) -> Iterator[SceneObject]:
    """Place poles, lights and signs at the curb, and trees and bushes on the strips."""
    for side, curb, walk in ((-1.0, street.left, street.walk_left), (1.0, street.right, street.walk_right)):
        for _ in range(dice.integer(2, 6)):
            yield _make_pole(camera, dice, curb + side * dice.uniform(0.3, 0.8), _sample_distance(dice), side)
        for _ in range(dice.integer(0, 3)):
            yield _make_sign(camera, dice, curb + side * dice.uniform(0.3, 1.0), _sample_distance(dice))
        for _ in range(dice.integer(0, 2)):
            yield _make_traffic_light(camera, dice, curb + side * dice.uniform(0.3, 0.9), dice.uniform(9, 55))
        for _ in range(dice.integer(0, 3)):
            yield make_tree(camera, dice, walk + side * dice.uniform(-0.6, 2.5), dice.uniform(10, 90), dry)
        for _ in range(dice.integer(0, 3)):
            yield _make_bush(camera, dice, walk + side * dice.uniform(0.3, 2.0), dice.uniform(7, 50), dry)


def make_tree(camera: Camera, dice: Dice, x: float, z: float, dry: bool) -> SceneObject:
    """Create a tree with a crown of several clumps; the trunk is vegetation too, as in Cityscapes."""
    plane = UprightPlane(camera, x, z)
    tall, half = dice.uniform(4.5, 11), dice.uniform(1.4, 3.2)
    foliage = Paint(vary_color(dice, dice.pick(_DRY if dry else _GREENS)), VEGETATION, 0.22, 0.28)
    trunk = Paint(vary_color(dice, (0.20, 0.15, 0.11), 0.04), VEGETATION, 0.10, 0.15)
    stem = bar((0, 0), (0, 0.6 * tall), dice.uniform(0.2, 0.45))
    clumps = []
    for index in range(7):
        shift = np.array([dice.uniform(-0.6, 0.6) * half, tall - half * dice.uniform(0.5, 1.7)])
        clumps.append((blob(dice, 0.72 * half, 0.66 * half) + shift, 0.72 + 0.09 * index))

    def paint(canvas: Canvas) -> None:
        canvas.polygon(plane.place(stem), trunk, z)
        for outline, light in clumps:
            canvas.polygon(plane.place(outline), foliage.lit(light), z)

    return SceneObject(z, plane.box(half, tall), paint)


def _sample_distance(dice: Dice) -> float:
    """Sample a distance between 6 and 90 metres; small distances are more likely."""
    return 6.0 + 84.0 * dice.uniform(0, 1) ** 2


def _make_bush(camera: Camera, dice: Dice, x: float, z: float, dry: bool) -> SceneObject:
    plane = UprightPlane(camera, x, z)
    half, tall = dice.uniform(0.5, 1.6), dice.uniform(0.5, 1.5)
    foliage = Paint(vary_color(dice, dice.pick(_DRY if dry else _GREENS)), VEGETATION, 0.22, 0.25)
    outlines = [blob(dice, half, tall * 0.7) + np.array([dice.uniform(-0.4, 0.4), tall * 0.45]) for _ in range(3)]

    def paint(canvas: Canvas) -> None:
        for index, outline in enumerate(outlines):
            canvas.polygon(plane.place(np.maximum(outline, [-9, 0])), foliage.lit(0.8 + 0.14 * index), z)

    return SceneObject(z, plane.box(half, tall), paint)


def _project_quad(camera: Camera, x: float, close: float, far: float, low: float, high: float) -> Points:
    """Project an upright rectangle along the street."""
    return camera.project([x, x, x, x], [low, low, high, high], [close, far, far, close])


def _make_building(camera: Camera, dice: Dice, side: float, x: float, close: float, far: float) -> SceneObject:
    tall = dice.uniform(6, 19)
    wall = Paint(vary_color(dice, dice.pick(FACADES)), BUILDING, 0.05, 0.10)
    pane = Paint(vary_color(dice, dice.pick((GLASS, (0.22, 0.26, 0.30), (0.34, 0.38, 0.42)))), BUILDING, 0.03, 0.10)
    light, end_light = dice.uniform(0.75, 1.1), dice.uniform(0.7, 1.05)
    floors, bays = int(tall / 3.1), max(2, int((far - close) / dice.uniform(2.4, 3.6)))
    wide, sill = dice.uniform(0.35, 0.65), dice.uniform(0.25, 0.4)
    outer = x + side * 14.0
    lows = 3.1 * (np.arange(floors, dtype=np.float64) + sill)
    starts = close + (far - close) * (np.arange(bays, dtype=np.float64) + 0.5 - wide / 2) / bays
    stops = starts + (far - close) * wide / bays
    panes = _make_panes(lows, np.stack([starts, stops, stops, starts], axis=1), lambda z, y: camera.project(x, y, z))
    starts = x + side * (1.2 + 3.2 * np.arange(4, dtype=np.float64))
    stops = starts + side * 1.6
    end_panes = _make_panes(
        lows, np.stack([starts, stops, stops, starts], axis=1), lambda x, y: camera.project(x, y, close)
    )
    roof = Paint(vary_color(dice, dice.pick(((0.36, 0.20, 0.16), (0.26, 0.26, 0.28)))), BUILDING, 0.05, 0.06)
    pitched = dice.chance(0.5)

    def paint(canvas: Canvas) -> None:
        if pitched:
            ridge = camera.project([x, x, x + side * 5, x + side * 5], [tall, tall, tall + 3, tall + 3],
                                   [close, far, far, close])  # fmt: skip
            canvas.polygon(ridge, roof.lit(light), (close + far) / 2)
        end = rectangle(x, 0, outer, tall)
        canvas.polygon(camera.project(end[:, 0], end[:, 1], close), wall.lit(end_light), close)
        canvas.polygons(end_panes, pane.lit(end_light), close)
        # In two parts, so that haze increases along it.
        middle = (close * far) ** 0.5
        for first, last in ((middle, far), (close, middle)):
            canvas.polygon(_project_quad(camera, x, first, last, 0, tall), wall.lit(light), (first + last) / 2)
        canvas.polygons(panes, pane.lit(light), middle)

    return SceneObject(far - 0.01, (0, 0, 0, 0), paint)


def _make_panes(lows: Points, along: Points, project: Callable[[Points, Points], Points]) -> Points:
    """Create windows [m, 4, 2]: one per floor's sill [f] and per bay's corners along the wall [b, 4]."""
    up = lows[:, None, None] + np.array([0.0, 0.0, 1.5, 1.5])  # [f, 1, 4]
    return project(along[None], up).reshape(-1, 4, 2)


def _make_wall(camera: Camera, dice: Dice, side: float, x: float, close: float, far: float) -> SceneObject:
    tall = dice.uniform(1.1, 3.2)
    stone: Color = dice.pick(((0.52, 0.50, 0.47), (0.44, 0.30, 0.24), (0.40, 0.40, 0.40)))
    face = Paint(vary_color(dice, stone), WALL, 0.14, 0.16)
    cap = face.lit(1.2)

    def paint(canvas: Canvas) -> None:
        middle = (close + far) / 2
        end = rectangle(x, 0, x + side * 0.5, tall)
        canvas.polygon(camera.project(end[:, 0], end[:, 1], close), face.lit(0.85), close)
        canvas.polygon(_project_quad(camera, x, close, far, 0, tall), face, middle)
        canvas.polygon(_project_quad(camera, x, close, far, tall - 0.18, tall), cap, middle)

    return SceneObject(far - 0.02, (0, 0, 0, 0), paint)


def _make_fence(camera: Camera, dice: Dice, x: float, close: float, far: float) -> SceneObject:
    tall = dice.uniform(0.9, 2.0)
    timber: Color = dice.pick(((0.36, 0.26, 0.17), (0.62, 0.62, 0.60), (0.22, 0.27, 0.22)))
    face = Paint(vary_color(dice, timber), FENCE, 0.08, 0.08)
    gap = face.lit(0.45)
    posts = np.arange(close, min(far, close + 30), dice.uniform(0.25, 0.6))

    def paint(canvas: Canvas) -> None:
        middle = (close + far) / 2
        canvas.polygon(_project_quad(camera, x, close, far, 0.05, 0.92 * tall), gap, middle)
        slats = np.stack([posts, posts + 0.16, posts + 0.16, posts], axis=1)
        canvas.polygons(camera.project(x, np.array([0.0, 0.0, tall, tall]), slats), face, middle)
        for share in (0.3, 0.8):
            canvas.polygon(
                _project_quad(camera, x, close, far, share * tall, share * tall + 0.1), face.lit(1.1), middle
            )
        if len(posts) and posts[-1] + 1 < far:
            canvas.polygon(_project_quad(camera, x, float(posts[-1]), far, 0, tall), face.lit(0.8), middle)

    return SceneObject(far - 0.02, (0, 0, 0, 0), paint)


def _make_pole(camera: Camera, dice: Dice, x: float, z: float, side: float) -> SceneObject:
    plane = UprightPlane(camera, x, z, -side)
    tall = dice.pick((1.0, 3.0, 6.0, 8.0)) * dice.uniform(0.85, 1.15)
    metal = Paint(vary_color(dice, dice.pick((STEEL, (0.22, 0.24, 0.24), (0.40, 0.36, 0.30)))), POLE, 0.03, 0.08)
    parts = [bar((0, 0), (0, tall), dice.uniform(0.11, 0.22), 0.1)]
    if tall > 5:
        parts += [bar((0, tall), (1.3, tall + 0.25), 0.09), ellipse(1.4, tall + 0.22, 0.35, 0.1)]

    def paint(canvas: Canvas) -> None:
        for part in parts:
            canvas.polygon(plane.place(part), metal, z)

    return SceneObject(z, plane.box(0.2, tall), paint)


def _make_sign(camera: Camera, dice: Dice, x: float, z: float) -> SceneObject:
    plane = UprightPlane(camera, x, z)
    tall, half = dice.uniform(1.9, 2.8), dice.uniform(0.28, 0.45)
    metal = Paint(STEEL, POLE, 0.03, 0.05)
    rim: Color
    inner: Color
    rim, inner = dice.pick(
        (
            ((0.66, 0.10, 0.10), (0.86, 0.86, 0.84)),
            ((0.10, 0.22, 0.56), (0.10, 0.22, 0.56)),
            ((0.86, 0.86, 0.84), (0.80, 0.62, 0.10)),
            ((0.66, 0.10, 0.10), (0.66, 0.10, 0.10)),
        )
    )
    corners = dice.pick((16, 16, 3, 4, 8))
    outline = _make_polygon(corners, half)
    mark = rectangle(-0.5 * half, -0.08, 0.5 * half, 0.08)

    def paint(canvas: Canvas) -> None:
        canvas.polygon(plane.place(bar((0, 0), (0, tall), 0.08)), metal, z)
        canvas.polygon(plane.place(outline, tall), Paint(rim, SIGN, 0.02, 0.03), z)
        canvas.polygon(plane.place(0.72 * outline, tall), Paint(inner, SIGN, 0.02, 0.03), z)
        dark = (0.1, 0.1, 0.1) if inner[0] > 0.7 else (0.86, 0.86, 0.84)
        canvas.polygon(plane.place(mark, tall), Paint(dark, SIGN, 0.02, 0.03), z)

    return SceneObject(z, plane.box(half, tall + half), paint)


def _make_polygon(corners: int, radius: float) -> Points:
    """Create a regular polygon with a horizontal lower side, or a triangle with its corner down, as a yield sign."""
    angles = (np.arange(corners) + 0.5) * (2 * np.pi / corners) - np.pi / 2
    if corners == 3:
        angles = np.arange(3) * (2 * np.pi / 3) - np.pi / 2
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _make_traffic_light(camera: Camera, dice: Dice, x: float, z: float) -> SceneObject:
    plane = UprightPlane(camera, x, z)
    tall = dice.uniform(2.4, 3.4)
    box = Paint(vary_color(dice, (0.07, 0.08, 0.08), 0.02), LIGHT, 0.03, 0.05)
    lit = dice.integer(0, 2)
    lamps: tuple[Color, ...] = ((0.10, 0.75, 0.40), (0.85, 0.60, 0.10), (0.90, 0.12, 0.08))
    size = dice.uniform(0.9, 1.3)

    def paint(canvas: Canvas) -> None:
        canvas.polygon(plane.place(bar((0, 0), (0, tall), 0.13)), Paint((0.25, 0.26, 0.26), POLE, 0.03, 0.05), z)
        canvas.polygon(plane.place(rectangle(-0.2 * size, tall, 0.2 * size, tall + 1.05 * size)), box, z)
        for index, lamp in enumerate(lamps):
            red, green, blue = lamp
            color = lamp if index == lit else (0.2 * red, 0.2 * green, 0.2 * blue)
            disc = ellipse(0, tall + (0.2 + 0.33 * index) * size, 0.12 * size, 0.12 * size, 12)
            canvas.polygon(plane.place(disc), Paint(color, LIGHT, 0.01, 0.02), z)

    return SceneObject(z, plane.box(0.25 * size, tall + 1.05 * size), paint)
