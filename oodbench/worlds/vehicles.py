"""Cars, trucks, buses and trams: profiles along or across the street, extruded to their width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from oodbench.worlds.camera import Camera
from oodbench.worlds.canvas import Canvas, Color, Paint, Points
from oodbench.worlds.dice import Dice
from oodbench.worlds.palette import BUS, CAR, CAR_PAINTS, GLASS, RUBBER, TRAIN, TRUCK, vary_color
from oodbench.worlds.scene_objects import SceneObject, paint_contact
from oodbench.worlds.shapes import ellipse, rectangle

# Brightness of the faces of a body in neutral light: toward the camera, to the side, upward.
_FRONT, _SIDE, _TOP = 0.85, 0.95, 1.15


@dataclass(frozen=True)
class Body:
    """The shape of a vehicle.

    Attributes:
        label: Class index.
        length, width, height: Size in metres.
        outline: Side view, (along, up) with the rear at 0: convex, clockwise from the lower rear corner.
        glass: Panes on the side.
        wheels: (along, radius) per wheel.
        stripe: Band along the side, or None.
    """

    label: int
    length: float
    width: float
    height: float
    outline: Points
    glass: Sequence[Points]
    wheels: Sequence[tuple[float, float]]
    stripe: Points | None = None


def _make_car(dice: Dice) -> Body:
    length, width, height = dice.uniform(3.8, 4.8), dice.uniform(1.7, 1.9), dice.uniform(1.4, 1.75)
    boot = dice.pick((0.02, 0.16))
    waist = 0.58 * height
    roof = (length * (0.06 + boot), length * 0.62)
    outline = np.array(
        [[0, 0.22], [0, waist], [boot * length, waist + 0.05], [roof[0] + 0.25, height], [roof[1], height],
         [length * 0.78, waist + 0.04], [length, waist - 0.12], [length, 0.22]]
    )  # fmt: skip
    pane = np.array([[roof[0] + 0.1, waist + 0.04], [roof[0] + 0.35, height - 0.1], [roof[1] - 0.05, height - 0.1],
                     [length * 0.74, waist + 0.04]])  # fmt: skip
    return Body(CAR, length, width, height, outline, [pane], [(0.19 * length, 0.32), (0.80 * length, 0.32)])


def _make_truck(dice: Dice) -> Body:
    length, height = dice.uniform(6.5, 11), dice.uniform(3.0, 3.8)
    cab = length - 2.0
    outline = np.array(
        [[0, 0.7], [0, height], [cab - 0.2, height], [cab, 0.82 * height], [length - 0.25, 0.78 * height],
         [length, 0.5 * height], [length, 0.45], [0.3, 0.45]]
    )  # fmt: skip
    pane = rectangle(cab + 0.5, 0.5 * height, length - 0.3, 0.72 * height)
    gap = rectangle(cab - 0.18, 0.6, cab + 0.12, 0.84 * height)
    return Body(TRUCK, length, 2.4, height, outline, [pane, gap],
                [(1.3, 0.5), (2.5, 0.5), (length - 1.2, 0.5)])  # fmt: skip


def _make_bus(dice: Dice) -> Body:
    length, height = dice.uniform(9, 12), dice.uniform(2.9, 3.2)
    panes = [rectangle(0.5 + 1.5 * index, 1.35, 1.75 + 1.5 * index, 2.35) for index in range(int((length - 1.5) / 1.5))]
    stripe = rectangle(0, 0.75, length, 1.05)
    return Body(BUS, length, 2.5, height, rectangle(0, 0.3, length, height)[[0, 3, 2, 1]], panes,
                [(2.2, 0.48), (length - 2.4, 0.48)], stripe)  # fmt: skip


def _make_tram(dice: Dice) -> Body:
    length, height = dice.uniform(18, 32), dice.uniform(3.4, 3.7)
    panes = [rectangle(0.8 + 2.2 * index, 1.5, 2.6 + 2.2 * index, 2.7) for index in range(int((length - 1.5) / 2.2))]
    outline = np.array([[0.2, 0.25], [0, 1.4], [0.4, height], [length - 0.4, height], [length, 1.4], [length, 0.25]])
    return Body(TRAIN, length, 2.4, height, outline, panes, [], rectangle(0, 2.85, length, 3.1))


_MAKERS = {"car": _make_car, "truck": _make_truck, "bus": _make_bus, "tram": _make_tram}
_PAINTS: dict[str, tuple[Color, ...]] = {
    "car": CAR_PAINTS,
    "truck": ((0.80, 0.80, 0.78), (0.16, 0.26, 0.46), (0.58, 0.14, 0.10), (0.70, 0.60, 0.20), (0.30, 0.40, 0.30)),
    "bus": ((0.78, 0.70, 0.16), (0.64, 0.12, 0.12), (0.82, 0.82, 0.80), (0.14, 0.38, 0.56)),
    "tram": ((0.70, 0.14, 0.12), (0.80, 0.76, 0.60), (0.16, 0.42, 0.30)),
}


def make_vehicle(
    camera: Camera, dice: Dice, kind: str, x: float, z: float, *, facing: float, across: bool = False
) -> SceneObject:
    """Create a vehicle whose near end, or near side if `across`, is at distance z.

    Args:
        camera: Camera of the scene.
        dice: Source of random choices.
        kind: `car`, `truck`, `bus` or `tram`.
        x: Position of its centre in metres.
        z: Distance in metres.
        facing: 1 if it drives away (or to the right, if across), -1 if it approaches.
        across: Whether it stands across the street.
    """
    body = _MAKERS[kind](dice)
    paint = Paint(vary_color(dice, dice.pick(_PAINTS[kind])), body.label, 0.02, 0.07)
    second = Paint(vary_color(dice, dice.pick(((0.82, 0.82, 0.80), (0.20, 0.22, 0.26)))), body.label, 0.02, 0.05)

    def draw(canvas: Canvas) -> None:
        half_x, half_z = (body.length / 2, body.width / 2) if across else (body.width / 2, body.length / 2)
        paint_contact(canvas, camera, x, z + half_z, half_x * 1.05, half_z * 1.05)
        painter = _Painter(canvas, camera, body, paint, second, x, z, facing)
        if across:
            painter.across()
        else:
            painter.along()

    scale = camera.scale(z)
    half = (body.length if across else body.width) / 2
    centre = camera.project(x, 0.0, z)
    box = (centre[0] - half * scale, centre[1] - body.height * scale, centre[0] + half * scale, centre[1])
    return SceneObject(z, box, draw)


class _Painter:
    """A painter of one body: faces away from the camera are omitted, the others are painted from far to near."""

    def __init__(
        self, canvas: Canvas, camera: Camera, body: Body, paint: Paint, second: Paint, x: float, z: float, facing: float
    ) -> None:
        self.canvas, self.camera, self.body = canvas, camera, body
        self.paint, self.second, self.x, self.z, self.facing = paint, second, x, z, facing
        self.glass = paint.of(GLASS)
        self.tyre = paint.of(RUBBER)

    def fill(self, points: Points, paint: Paint) -> None:
        self.canvas.polygon(points, paint, self.z + self.body.length / 4)

    def side(self, place: Callable[[Points, Points], Points]) -> None:
        """Paint the side with panes, stripe and wheels; `place` converts (along, up) to pixels."""

        def put(outline: Points, paint: Paint) -> None:
            self.fill(place(outline[:, 0], outline[:, 1]), paint)

        put(self.body.outline, self.paint.lit(_SIDE))
        if self.body.stripe is not None:
            put(self.body.stripe, self.second)
        for pane in self.body.glass:
            put(pane, self.glass)
        for along, radius in self.body.wheels:
            put(ellipse(along, radius, radius, radius), self.tyre)
            put(ellipse(along, radius, 0.5 * radius, 0.5 * radius, 10), self.tyre.of((0.4, 0.4, 0.42)))

    def across(self) -> None:
        """Paint the vehicle as seen from its side."""
        middle = self.body.length / 2
        self.side(lambda along, up: self.camera.project(self.x + self.facing * (along - middle), up, self.z))

    def along(self) -> None:
        """Paint the vehicle as seen along the street: one side, the top, and the end toward the camera."""
        body, half = self.body, self.body.width / 2
        # `along` counts from the rear. An approaching vehicle shows its front.
        outline = body.outline.copy()
        if self.facing < 0:
            outline[:, 0] = body.length - outline[:, 0]
            outline = outline[::-1]
        middle = self.camera.project(self.x, 0.0, self.z)[0]
        visible = self.x + half if middle < self.camera.centre else self.x - half

        def place(along: Points, up: Points) -> Points:
            return self.camera.project(visible, up, self.z + (along if self.facing > 0 else body.length - along))

        self.side(place)
        for index in range(len(outline) - 1, 0, -1):
            (first_z, first_y), (last_z, last_y) = outline[index - 1], outline[index]
            face = self.camera.project(
                [self.x - half, self.x + half, self.x + half, self.x - half],
                [first_y, first_y, last_y, last_y],
                [self.z + first_z, self.z + first_z, self.z + last_z, self.z + last_z],
            )
            rises = last_y - first_y
            if rises <= 0 and first_y > self.camera.height:
                continue
            steep = abs(rises) > 0.5 * abs(last_z - first_z)
            if rises <= 0 and steep:
                continue
            slanted = body.label == CAR and rises > 0.15 and first_y > 0.5 * body.height
            paint = self.glass if slanted else self.paint.lit(_FRONT if steep else _TOP)
            self.fill(face, paint)
        self.end(half)

    def end(self, half: float) -> None:
        """Paint the lights, plate, pane and tyres of the end toward the camera."""
        body, camera = self.body, self.camera

        def put(left: float, low: float, right: float, high: float, paint: Paint) -> None:
            corners = rectangle(self.x + left, low, self.x + right, high)
            self.fill(camera.project(corners[:, 0], corners[:, 1], self.z), paint)

        lamp: Color = (0.62, 0.08, 0.06) if self.facing > 0 else (0.90, 0.88, 0.76)
        low = 0.45 * min(body.height, 2.0)
        put(-half, 0.0, -half + 0.22, 0.35, self.tyre)
        put(half - 0.22, 0.0, half, 0.35, self.tyre)
        if body.label in (BUS, TRAIN):
            put(-half + 0.2, 0.45 * body.height, half - 0.2, 0.84 * body.height, self.glass)
            put(-half + 0.5, 0.87 * body.height, half - 0.5, 0.96 * body.height, self.glass.of((0.75, 0.55, 0.12)))
            put(-half, 0.25 * body.height, half, 0.33 * body.height, self.second)
        elif body.label == TRUCK and self.facing < 0:
            put(-half + 0.15, 0.5 * body.height, half - 0.15, 0.74 * body.height, self.glass)
        elif body.label == TRUCK:
            put(-0.04, 0.8, 0.04, body.height - 0.15, self.paint.lit(0.6))
            put(-half + 0.1, 0.75, half - 0.1, 0.95, self.paint.of((0.12, 0.12, 0.13)))
        put(-half + 0.08, low, -half + 0.38, low + 0.2, self.paint.of(lamp))
        put(half - 0.38, low, half - 0.08, low + 0.2, self.paint.of(lamp))
        put(-0.26, 0.5 * low, 0.26, 0.5 * low + 0.13, self.paint.of((0.8, 0.8, 0.74)))
