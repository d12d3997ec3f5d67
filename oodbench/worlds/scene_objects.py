"""Objects of the scene, which are painted from far to near."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from oodbench.worlds.camera import Camera
from oodbench.worlds.canvas import Canvas, Points


@dataclass(frozen=True)
class SceneObject:
    """One object that is not painted yet.

    Attributes:
        distance: Distance in metres; nearer objects occlude farther ones.
        box: Approximate (left, top, right, bottom) in pixels.
        paint: Paints the object on a canvas.
    """

    distance: float
    box: tuple[float, float, float, float]
    paint: Callable[[Canvas], None]


@dataclass(frozen=True)
class UprightPlane:
    """A plane that faces the camera at distance z, for outlines in metres (right of x, up from the ground).

    Attributes:
        mirror: -1 swaps left and right.
    """

    camera: Camera
    x: float
    z: float
    mirror: float = 1.0

    def place(self, outline: Points, up: float = 0.0) -> Points:
        """Project an outline to pixels."""
        return self.camera.project(self.x + self.mirror * outline[:, 0], outline[:, 1] + up, self.z)

    def box(self, half_width: float, height: float) -> tuple[float, float, float, float]:
        """Return the box in pixels of a rectangle on the ground."""
        corners = self.camera.project([self.x - half_width, self.x + half_width], [height, 0.0], self.z)
        return (corners[0, 0], corners[0, 1], corners[1, 0], corners[1, 1])


def paint_contact(canvas: Canvas, camera: Camera, x: float, z: float, half_width: float, half_length: float) -> None:
    """Paint the dark patch under an object."""
    angles = np.arange(16) * (np.pi / 8)
    outline = camera.project(
        x + 1.08 * half_width * np.cos(angles), 0.0, np.maximum(z + half_length * np.sin(angles), 1.0)
    )
    canvas.shade(outline, 0.55)
