"""A street with all its objects, before anomalies are added."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from oodbench.types import VOID, Size
from oodbench.worlds.camera import Camera
from oodbench.worlds.canvas import Canvas, Paint
from oodbench.worlds.dice import Dice
from oodbench.worlds.people import make_bicycle, make_motorcycle, make_person
from oodbench.worlds.roadside import paint_skyline, place_frontage, place_street_furniture
from oodbench.worlds.scene_objects import SceneObject
from oodbench.worlds.shapes import ellipse
from oodbench.worlds.street_ground import (
    Street,
    paint_ground,
    paint_marks,
    paint_sky,
    sample_shifted_street,
    sample_street,
)
from oodbench.worlds.vehicles import make_vehicle
from oodbench.worlds.weather import Weather, sample_shifted_weather, sample_weather


@dataclass(frozen=True)
class Scene:
    """A street that is not painted yet.

    Attributes:
        camera, street, weather: Sampled properties.
        objects: Objects in any order.
        canvas: Canvas with sky, skyline and ground.
        hood: Whether the hood of the car with the camera is visible.
    """

    camera: Camera
    street: Street
    weather: Weather
    objects: list[SceneObject]
    canvas: Canvas
    hood: bool

    def paint(self, extra: list[SceneObject], last: list[SceneObject]) -> Canvas:
        """Paint all objects from far to near, then the objects in `last` in front of everything, then the hood."""
        for item in sorted([*self.objects, *extra], key=lambda item: -item.distance):
            item.paint(self.canvas)
        for item in last:
            item.paint(self.canvas)
        if self.hood:
            height, width = self.canvas.size
            outline = ellipse(0.5 * width, 1.045 * height, 0.46 * width, 0.085 * height, 40)
            self.canvas.polygon(outline, Paint((0.07, 0.07, 0.08), VOID, 0.02, 0.1), 0.5)
        return self.canvas


def compose_scene(size: Size, dice: Dice, *, shifted: bool) -> Scene:
    """Sample a street. If `shifted`, roads, light and cameras differ from those in training."""
    height, width = size
    camera = Camera(
        size=size,
        focal=width * (dice.uniform(0.7, 1.4) if shifted else dice.uniform(0.92, 1.08)),
        height=dice.uniform(1.2, 1.9) if shifted else dice.uniform(1.25, 1.5),
        horizon=height * (dice.uniform(0.28, 0.42) if shifted else dice.uniform(0.35, 0.40)),
        centre=width * dice.uniform(0.45, 0.55),
        bend=dice.pick((0.0, 0.0, 1.0, -1.0)) * dice.uniform(0.0, 0.0035),
    )
    street = sample_shifted_street(dice) if shifted else sample_street(dice)
    weather = sample_shifted_weather(dice) if shifted else sample_weather(dice)
    built = dice.pick((0.0, 0.1, 0.4)) if shifted else dice.pick((0.15, 0.6, 0.9, 1.0))
    dry = dice.chance(0.45) if shifted else dice.chance(0.1)
    canvas = Canvas(size)
    paint_sky(canvas, camera, weather.zenith, weather.low)
    paint_skyline(canvas, camera, dice, dry, 0.6 * built)
    paint_ground(canvas, camera, street)
    if not shifted or dice.chance(0.4):
        paint_marks(canvas, camera, street, dice)
    busy = 0.45 if shifted else 1.0
    objects = [
        *place_frontage(camera, street, dice, built, dry),
        *place_street_furniture(camera, street, dice, dry),
        *_place_traffic(camera, street, dice, busy),
        *_place_people(camera, street, dice, busy),
    ]
    return Scene(camera, street, weather, objects, canvas, hood=not shifted)


def _place_traffic(camera: Camera, street: Street, dice: Dice, busy: float) -> Iterator[SceneObject]:
    """Place vehicles in the lanes, parked ones at the curb, and sometimes one across the road."""
    lanes = [x for x in np.arange(-4, 4) * street.lane if street.left + 1.2 < x < street.right - 1.2]
    for lane in map(float, lanes):
        z = dice.uniform(9, 34) if abs(lane) < 1 else dice.uniform(4, 30)
        while z < 110:
            if dice.chance(0.62 * busy):
                kind = dice.weighted([("car", 0.6), ("truck", 0.15), ("bus", 0.13), ("tram", 0.12)])
                yield make_vehicle(
                    camera, dice, kind, lane + dice.uniform(-0.3, 0.3), z, facing=1.0 if lane > -1.5 else -1.0
                )
                z += {"tram": 32.0, "bus": 13.0, "truck": 12.0, "car": 5.5}[kind]
            z += dice.uniform(4, 26)
    for side, x in ((-1.0, street.left + 1.05), (1.0, street.right - 1.05)):
        if dice.chance(0.5) and abs(x) > 2.2:
            z = dice.uniform(4, 14)
            while z < 70:
                if dice.chance(0.7 * busy):
                    yield make_vehicle(camera, dice, "car", x + side * 0.2, z, facing=side)
                z += dice.uniform(5.2, 8)
    if dice.chance(0.3 * busy):
        kind = dice.weighted([("car", 0.5), ("truck", 0.15), ("bus", 0.15), ("tram", 0.2)])
        yield make_vehicle(
            camera, dice, kind, dice.uniform(-9, 9), dice.uniform(16, 50), facing=dice.pick((-1.0, 1.0)), across=True
        )


def _place_people(camera: Camera, street: Street, dice: Dice, busy: float) -> Iterator[SceneObject]:
    """Place pedestrians on the sidewalks and the road, riders, and parked two-wheelers."""
    for left, right in ((street.walk_left, street.left), (street.right, street.walk_right)):
        for _ in range(round(dice.integer(0, 5) * busy)):
            yield make_person(camera, dice, dice.uniform(left, right), 5 + 60 * dice.uniform(0, 1) ** 1.6)
        for maker, most in ((make_bicycle, 2), (make_motorcycle, 2)):
            for _ in range(round(dice.integer(0, most) * busy)):
                x, z = dice.uniform(left, right), 5 + 45 * dice.uniform(0, 1) ** 1.5
                yield maker(camera, dice, x, z, ridden=False)
    for _ in range(round(dice.integer(0, 2) * busy)):
        yield make_person(camera, dice, dice.uniform(street.left, street.right), dice.uniform(10, 60))
    for maker in (make_bicycle, make_bicycle, make_motorcycle):
        if dice.chance(0.55 * busy):
            x = dice.pick((street.left + 0.8, street.right - 0.8, 0.0)) + dice.uniform(-0.4, 0.4)
            yield maker(camera, dice, x, dice.uniform(7, 50), ridden=True)
