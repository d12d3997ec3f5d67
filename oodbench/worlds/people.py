"""Pedestrians, riders with their vehicles, and parked two-wheelers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from oodbench.worlds.camera import Camera
from oodbench.worlds.canvas import Canvas, Paint, Points
from oodbench.worlds.dice import Dice
from oodbench.worlds.palette import BICYCLE, CAR_PAINTS, CLOTHES, MOTORCYCLE, PERSON, RIDER, RUBBER, SKINS, vary_color
from oodbench.worlds.scene_objects import SceneObject, UprightPlane, paint_contact
from oodbench.worlds.shapes import bar, ellipse, rectangle


def make_person(camera: Camera, dice: Dice, x: float, z: float) -> SceneObject:
    """Create a person who walks or stands."""
    plane = UprightPlane(camera, x, z, dice.pick((-1.0, 1.0)))
    tall = dice.uniform(1.1, 1.25) if dice.chance(0.12) else dice.uniform(1.55, 1.9)
    stride = dice.uniform(0.02, 0.34)
    figure = _make_figure(dice, PERSON)

    def paint(canvas: Canvas) -> None:
        paint_contact(canvas, camera, x, z, 0.3, 0.25)
        for outline, surface in figure(stride, 0.0):
            canvas.polygon(plane.place(outline * (tall / 1.75)), surface, z)

    return SceneObject(z, plane.box(0.4, tall), paint)


def _make_figure(dice: Dice, label: int) -> Callable[[float, float], list[tuple[Points, Paint]]]:
    """Create the parts of a standing figure of 1.75 m, as a function of stride and lean."""
    top = Paint(vary_color(dice, dice.pick(CLOTHES)), label, 0.06, 0.08)
    legs = Paint(vary_color(dice, dice.pick(CLOTHES[:3])), label, 0.05, 0.06)
    skin = Paint(vary_color(dice, dice.pick(SKINS), 0.03), label, 0.02, 0.03)
    hair = Paint(vary_color(dice, (0.16, 0.11, 0.08), 0.04), label, 0.04, 0.04)
    bag = dice.chance(0.3)
    swing = dice.uniform(-0.25, 0.25)

    def parts(stride: float, lean: float) -> list[tuple[Points, Paint]]:
        shoulder = (lean, 1.42)
        found = [
            (bar((-0.06, 0.86), (-0.08 - stride, 0.0), 0.19, 0.13), legs.lit(0.85)),
            (bar((0.06, 0.86), (0.06 + stride, 0.0), 0.19, 0.13), legs),
            (bar((shoulder[0] - 0.18, 1.38), (-0.24 - swing, 0.86), 0.11, 0.09), top.lit(0.85)),
            (bar((0.0, 0.80), shoulder, 0.36, 0.44), top),
            (bar((shoulder[0] + 0.18, 1.38), (0.24 + swing, 0.86), 0.11, 0.09), top.lit(1.1)),
            (ellipse(lean * 1.15, 1.60, 0.105, 0.14, 12), skin),
            (ellipse(lean * 1.15 - 0.015, 1.665, 0.11, 0.085, 12), hair),
        ]
        if bag:
            found.append((rectangle(-0.36, 0.95, -0.12, 1.35), top.of((0.15, 0.15, 0.2))))
        return found

    return parts


def make_bicycle(camera: Camera, dice: Dice, x: float, z: float, *, ridden: bool) -> SceneObject:
    """Create a bicycle seen from the side or nearly along, with or without a rider."""
    plane = UprightPlane(camera, x, z, dice.pick((-1.0, 1.0)))
    squeeze = dice.pick((1.0, 0.85, 0.35))
    frame = Paint(vary_color(dice, dice.pick(CAR_PAINTS)), BICYCLE, 0.02, 0.03)
    tyre = Paint(RUBBER, BICYCLE, 0.02, 0.02)
    narrow = np.array([squeeze, 1.0])
    figure = _make_figure(dice, RIDER)

    def paint(canvas: Canvas) -> None:
        paint_contact(canvas, camera, x, z, 0.8 * squeeze, 0.2)
        for centre in (-0.52, 0.52):
            rings = [ellipse(centre, 0.34, radius, radius) * narrow for radius in (0.34, 0.265)]
            canvas.polygons([plane.place(ring) for ring in rings], tyre, z)
        for start, end in (
            ((-0.52, 0.34), (-0.12, 0.78)), ((-0.12, 0.78), (0.0, 0.34)), ((0.0, 0.34), (0.38, 0.82)),
            ((-0.12, 0.76), (0.38, 0.82)), ((0.52, 0.34), (0.36, 1.0)), ((-0.52, 0.34), (0.0, 0.34)),
        ):  # fmt: skip
            canvas.polygon(plane.place(bar(start, end, 0.07) * narrow), frame, z)
        canvas.polygon(plane.place(rectangle(-0.26, 0.84, 0.0, 0.92) * narrow), tyre, z)
        canvas.polygon(plane.place(rectangle(0.28, 0.97, 0.48, 1.04) * narrow), tyre, z)
        if ridden:
            for outline, surface in figure(0.16, 0.2):
                lifted = np.where(outline[:, 1:] > 0.7, outline[:, 1:] + 0.12, 0.3 + 0.72 * outline[:, 1:])
                canvas.polygon(plane.place(np.hstack([outline[:, :1] * narrow[0] - 0.08, lifted])), surface, z)

    return SceneObject(z, plane.box(0.9 * squeeze, 1.85 if ridden else 1.05), paint)


def make_motorcycle(camera: Camera, dice: Dice, x: float, z: float, *, ridden: bool) -> SceneObject:
    """Create a motorcycle or scooter seen from the side or nearly along, with or without a rider."""
    plane = UprightPlane(camera, x, z, dice.pick((-1.0, 1.0)))
    squeeze = dice.pick((1.0, 0.8, 0.4))
    body = Paint(vary_color(dice, dice.pick(CAR_PAINTS)), MOTORCYCLE, 0.02, 0.05)
    dark = Paint(RUBBER, MOTORCYCLE, 0.03, 0.03)
    metal = Paint((0.42, 0.42, 0.43), MOTORCYCLE, 0.03, 0.05)
    narrow = np.array([squeeze, 1.0])
    figure = _make_figure(dice, RIDER)
    tank = np.array([[-0.15, 0.62], [0.0, 0.90], [0.42, 0.92], [0.52, 0.66]])
    tail = np.array([[-0.85, 0.80], [-0.80, 0.92], [-0.1, 0.84], [-0.1, 0.62]])

    def paint(canvas: Canvas) -> None:
        paint_contact(canvas, camera, x, z, 0.95 * squeeze, 0.3)
        for centre in (-0.68, 0.68):
            canvas.polygon(plane.place(ellipse(centre, 0.32, 0.32, 0.32) * narrow), dark, z)
            canvas.polygon(plane.place(ellipse(centre, 0.32, 0.16, 0.16, 12) * narrow), metal, z)
        canvas.polygon(plane.place(rectangle(-0.42, 0.28, 0.36, 0.66) * narrow), metal.lit(0.6), z)
        canvas.polygon(plane.place(tail * narrow), body, z)
        canvas.polygon(plane.place(tank * narrow), body.lit(1.1), z)
        canvas.polygon(plane.place(bar((0.68, 0.32), (0.46, 1.06), 0.1) * narrow), metal, z)
        canvas.polygon(plane.place(rectangle(0.30, 1.02, 0.52, 1.12) * narrow), dark, z)
        if ridden:
            for outline, surface in figure(0.2, 0.22):
                lifted = np.where(outline[:, 1:] > 0.7, outline[:, 1:] + 0.02, 0.28 + 0.62 * outline[:, 1:])
                canvas.polygon(plane.place(np.hstack([outline[:, :1] * narrow[0] - 0.1, lifted])), surface, z)

    return SceneObject(z, plane.box(1.0 * squeeze, 1.8 if ridden else 1.1), paint)
