"""The procedural world `streets`: driving scenes with the 19 classes of Cityscapes, and anomalies in three regimes.

A frame is a function of the world's version, the split and the index. Its labels are identical on all machines. Its
image is identical within one grey level, because blur and exponentials differ in the last bit between processors. The
world does not change: a change that affects a label raises `VERSION`, and previous numbers are no longer comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, RGBImage, Size
from oodbench.worlds import regimes
from oodbench.worlds.canvas import Canvas
from oodbench.worlds.dice import Dice
from oodbench.worlds.objects import ANOMALIES, Picture
from oodbench.worlds.people import make_bicycle, make_person
from oodbench.worlds.regimes import Target, sample_targets
from oodbench.worlds.scene import Scene, compose_scene
from oodbench.worlds.scene_objects import SceneObject, paint_contact
from oodbench.worlds.vehicles import make_vehicle
from oodbench.worlds.weather import render_canvas

VERSION = 1
SEED = 20221
"""Seed of the world."""
SIZE: Size = (512, 1024)


@dataclass(frozen=True)
class Split:
    """A set of frames.

    Attributes:
        code: Part of the key of each frame's dice, different for all splits.
        frames: Number of frames.
        statistics: Statistics of its anomalies; None without anomalies.
        shifted: Whether roads, light and cameras differ from training.
        pasted: Whether anomalies, and known objects too, are pasted anywhere in the image, in front of everything.
    """

    code: int
    frames: int
    statistics: regimes.Statistics | None = None
    shifted: bool = False
    pasted: bool = False


SPLITS: Mapping[str, Split] = {
    "train": Split(1, 2000),
    "val": Split(2, 300),
    "obstacles": Split(3, 250, regimes.OBSTACLES),
    "static": Split(4, 250, regimes.STATIC, pasted=True),
    "anomaly": Split(5, 250, regimes.ANOMALY, shifted=True),
}


@dataclass(frozen=True)
class RenderedFrame:
    """A rendered frame.

    Attributes:
        image: uint8 [H, W, 3].
        semantic: uint8 [H, W], classes of Cityscapes or VOID; anomalies are VOID.
        anomaly: uint8 [H, W], IN_DISTRIBUTION, ANOMALY or VOID.
    """

    image: RGBImage
    semantic: NDArray[np.uint8]
    anomaly: NDArray[np.uint8]


def render_frame(split: str, index: int, size: Size = SIZE) -> RenderedFrame:
    """Render a frame of a split.

    Args:
        split: Key of `SPLITS`.
        index: 0 to the number of frames - 1.
        size: (height, width). Any size except `SIZE` gives another world, for tests.

    Raises:
        IndexError: There is no such frame.
    """
    kind = SPLITS[split]
    if not 0 <= index < kind.frames:
        raise IndexError(f"streets {split} has the frames 0 to {kind.frames - 1}, not {index}")
    dice = Dice(VERSION, SEED, kind.code, index)
    scene = compose_scene(size, dice, shifted=kind.shifted)
    extra: list[SceneObject] = []
    last: list[SceneObject] = []
    if kind.statistics is not None:
        targets = sample_targets(kind.statistics, dice)
        if kind.pasted:
            last = _paste_objects(scene, targets, dice)
        else:
            extra = [_place_on_ground(scene, target, dice, kind.shifted) for target in targets]
    canvas = scene.paint(extra, last)
    semantic, anomalous = canvas.labels(), canvas.anomalous()
    anomaly = np.full(size, IN_DISTRIBUTION, np.uint8)
    anomaly[semantic == VOID] = VOID
    anomaly[anomalous] = ANOMALY
    return RenderedFrame(render_canvas(canvas, scene.weather, dice), semantic, anomaly)


def _choose_object(dice: Dice, share: float) -> Picture:
    """Choose an anomaly. Objects above 5 % of the image are of kinds that can be that large."""
    kinds = sorted(ANOMALIES)
    if share > 0.05:
        kinds = ["animal", "boulder", "sheet", "sofa", "toppled trailer"]
    return ANOMALIES[dice.pick(kinds)](dice)


def _compute_extent(picture: Picture, target: Target, size: Size) -> tuple[float, float]:
    """Compute (width, height) of the box in pixels that gives the object its share."""
    area = target.share * size[0] * size[1] / picture.fill
    width = (area * picture.aspect) ** 0.5
    return width, area / width


def _place_on_ground(scene: Scene, target: Target, dice: Dice, anywhere: bool) -> SceneObject:
    """Place an anomaly on the road, or `anywhere` on the visible ground."""
    camera, (rows, columns) = scene.camera, scene.camera.size
    picture = _choose_object(dice, target.share)
    width, height = _compute_extent(picture, target, camera.size)
    base = min(max(target.height * rows + height / 2, camera.horizon + 6), 0.985 * rows)
    z = camera.distance(base)
    left, right = scene.street.left + 0.2, scene.street.right - 0.2
    if anywhere:
        left, right = scene.street.walk_left - 3, scene.street.walk_right + 3
    half = width / 2 * z / camera.focal
    margin = min(0.5 * width, 0.3 * columns)
    # Of 24 places, choose the one with the least occlusion by nearer objects.
    best, least = 0.5 * columns, np.inf
    for _ in range(24):
        x = dice.uniform(left + half, right - half) if left + half < right - half else dice.uniform(left, right)
        centre = float(np.clip(camera.project(x, 0.0, z)[0], margin, columns - margin))
        hidden = _measure_occlusion(scene, z, (centre - width / 2, base - height, centre + width / 2, base))
        if hidden < least:
            best, least = centre, hidden
        if hidden == 0:
            break

    def paint(canvas: Canvas) -> None:
        paint_contact(canvas, camera, camera.across(best, z), z, half, 0.35 * half)
        picture.paint(canvas, best - width / 2, base - height, width, height, z)

    return SceneObject(z, (best - width / 2, base - height, best + width / 2, base), paint)


def _measure_occlusion(scene: Scene, z: float, box: tuple[float, float, float, float]) -> float:
    """Return an upper bound for the pixels of a box that nearer objects cover."""
    covered = 0.0
    for item in scene.objects:
        if item.distance < z:
            wide = min(box[2], item.box[2]) - max(box[0], item.box[0])
            high = min(box[3], item.box[3]) - max(box[1], item.box[1])
            covered += max(wide, 0.0) * max(high, 0.0)
    return covered


def _paste_objects(scene: Scene, targets: list[Target], dice: Dice) -> list[SceneObject]:
    """Paste one to four known objects anywhere, then the anomalies."""
    rows, columns = scene.camera.size
    pasted_objects = [_make_known_object(scene, dice) for _ in range(dice.integer(1, 4))]
    for target in targets:
        picture = _choose_object(dice, target.share)
        width, height = _compute_extent(picture, target, scene.camera.size)
        left = dice.uniform(0, columns - width)
        top = target.height * rows - height / 2
        z = scene.camera.distance(max(target.height * rows, scene.camera.horizon + 12))

        def paint(
            canvas: Canvas,
            picture: Picture = picture,
            box: tuple[float, float, float, float] = (left, top, width, height),
            z: float = z,
        ) -> None:
            picture.paint(canvas, *box, z)

        pasted_objects.append(SceneObject(z, (left, top, left + width, top + height), paint))
    return pasted_objects


def _make_known_object(scene: Scene, dice: Dice) -> SceneObject:
    """Create a known object at an arbitrary place and size, by means of another camera."""
    rows, columns = scene.camera.size
    z = dice.uniform(6, 26)
    x = dice.uniform(-0.45, 0.45) * columns * z / scene.camera.focal
    lifted = replace(scene.camera, horizon=scene.camera.horizon - dice.uniform(-20, 60) * rows / 512, bend=0.0)
    kind = dice.pick(("person", "person", "bicycle", "car", "truck"))
    if kind == "person":
        return make_person(lifted, dice, x, z)
    if kind == "bicycle":
        return make_bicycle(lifted, dice, x, z, ridden=dice.chance(0.5))
    return make_vehicle(lifted, dice, kind, x, z + 4, facing=dice.pick((-1.0, 1.0)), across=dice.chance(0.5))
