"""Position, size and appearance of pasted objects: cases computed by hand, and properties."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodbench.blending.appearance import Appearance, estimate_white, measure_appearance
from oodbench.blending.cutout import RIM, Cutout, read_cutouts, resize_cutout, trim
from oodbench.blending.ground_plane import CAMERA_HEIGHT, Ground, estimate_ground
from oodbench.blending.instances import find_instances
from oodbench.blending.light import apply_lighting
from oodbench.blending.matting import MARGIN, estimate_matte
from oodbench.blending.placement import find_place
from oodbench.blending.same_scale import composite_at_same_scale
from oodbench.blending.sensor import apply_sensor
from oodbench.errors import DataError
from oodbench.types import CITYSCAPES_19, VOID, SemanticLabels
from oodbench.worlds.dice import Dice
from tests.helpers.files import save

ROAD, BUILDING, CAR = 0, 2, 13
FLAT = estimate_ground(None, (200, 400))


def box(height: int, width: int, metres: float = 1.0) -> Cutout:
    return Cutout("box", np.full((height, width, 3), 100, np.uint8), np.full((height, width), 255, np.uint8), metres)


def scene(cars: list[tuple[int, int, int, int]]) -> SemanticLabels:
    """Return labels with road below row 90, houses above it, and cars as (left, top, right, bottom)."""
    values = np.full((200, 400), BUILDING, np.uint8)
    values[90:] = ROAD
    for left, top, right, bottom in cars:
        values[top:bottom, left:right] = CAR
    return SemanticLabels(values, CITYSCAPES_19)


def test_the_scale_equals_a_case_computed_by_hand() -> None:
    """With the horizon at row 84, a camera 1.25 m high sees one metre at row 134 as 40 pixels."""
    assert FLAT.horizon == 84
    assert FLAT.scale(134) == 40
    assert FLAT.distance(134) == pytest.approx(1.1 * 400 * 1.25 / 50)
    assert FLAT.row(FLAT.distance(134)) == pytest.approx(134)
    assert FLAT.scale(80) == 0


def test_the_horizon_is_estimated_from_cars() -> None:
    """Two cars of 1.5 m have the sizes that correspond to a horizon at row 80."""
    scale = {row: (row - 80) / CAMERA_HEIGHT for row in (105, 130)}
    cars = [(40, 105 - round(1.5 * scale[105]), 90, 105), (200, 130 - round(1.5 * scale[130]), 300, 130)]
    assert estimate_ground(scene(cars), (200, 400)).horizon == pytest.approx(80, abs=0.6)
    assert estimate_ground(scene([]), (200, 400)).horizon == 84


def test_the_horizon_is_never_below_the_road() -> None:
    labels = scene([])
    labels.values[75:] = ROAD
    assert estimate_ground(labels, (200, 400)).horizon == 75


@given(st.integers(0, 2**32), st.floats(0.2, 2.5))
def test_objects_are_placed_on_the_road_at_their_size(seed: int, metres: float) -> None:
    ground = estimate_ground(scene([(150, 90, 250, 130)]), (200, 400))
    first = find_place(box(400, 300, metres), ground, [], Dice(seed))
    if first is None:
        return
    assert first.height == round(metres * ground.scale(first.bottom))
    assert first.width == max(round(0.75 * first.height), 1)
    assert ground.road[first.bottom - 1, first.left : first.right].mean() > 0.9
    assert not (ground.standing[first.top : first.bottom, first.left : first.right] > first.bottom).mean() > 0.002
    second = find_place(box(400, 300, metres), ground, [first], Dice(seed, 1))
    if second is not None:
        across = min(first.right, second.right) - max(first.left, second.left)
        down = min(first.bottom, second.bottom) - max(first.top, second.top)
        assert min(across, down) <= 0


def test_a_place_is_found() -> None:
    found = [find_place(box(400, 300), FLAT, [], Dice(seed)) for seed in range(10)]
    assert sum(place is not None for place in found) == 10
    assert len({place.bottom for place in found if place}) > 5


def test_objects_are_not_enlarged() -> None:
    places = [find_place(box(20, 20, 2.0), FLAT, [], Dice(seed)) for seed in range(10)]
    assert max(place.height for place in places if place) <= 21


def test_objects_keep_their_size_on_request() -> None:
    """60 pixels for 1.5 metres are 40 pixels per metre, as at row 134. The tolerance of sizes is 3 %."""
    places = [find_place(box(60, 90, 1.5), FLAT, [], Dice(seed), keep_size=True) for seed in range(20)]
    found = [place for place in places if place]
    assert {(place.height, place.width) for place in found} == {(60, 90)}
    assert {place.bottom for place in found} <= {132, 133, 134, 135, 136}
    assert len({place.left for place in found}) > 5
    # At a distance of 6 metres or more, one metre never covers 400 pixels.
    assert find_place(box(400, 300), FLAT, [], Dice(0), keep_size=True) is None


def test_nearly_equal_light_changes_nothing() -> None:
    appearance = Appearance(0.7, 1.0, 0.1, np.zeros(3), np.full(3, 200.0), 0.0, 150.0)
    color, inside = np.full((4, 4, 3), 50, np.float32), np.ones((4, 4), np.bool_)
    stood = np.full(3, 80.0)
    assert apply_lighting(color, inside, stood, np.array([70.0, 90.0, 80.0]), appearance) is color
    # A factor of two, minus the logarithmic difference of 0.2 that is ignored.
    assert apply_lighting(color, inside, stood, 2 * stood, appearance) == pytest.approx(50 * 2 * np.exp(-0.2), rel=1e-4)
    assert apply_lighting(color, inside, stood, stood / 2, appearance) == pytest.approx(50 / 2 * np.exp(0.2), rel=1e-4)
    # At most as bright as the brightest surface of the frame.
    assert apply_lighting(3 * color, inside, stood, 2 * stood, appearance).max() == pytest.approx(150, rel=1e-4)


def test_objects_pasted_at_the_same_scale_keep_their_pixels() -> None:
    """Four pixels away from the border at column 16, object and background are unchanged."""
    draws = Dice(0).uniforms(2 * 32 * 32 * 3, 0, 200).reshape(2, 32, 32, 3).astype(np.float32)
    cover = np.zeros((32, 32), np.float32)
    cover[:, :16], cover[:, 16] = 1.0, 0.5
    seen = composite_at_same_scale(draws[0], draws[1], cover, Dice(1))
    assert seen[:, :11] == pytest.approx(draws[1][:, :11], abs=1e-3)
    assert seen[:, 22:] == pytest.approx(draws[0][:, 22:], abs=1e-3)


def test_resizing_equals_a_case_computed_by_hand() -> None:
    """The left half is opaque red, the right half transparent green. Two columns become one."""
    color = np.zeros((4, 4, 3), np.uint8)
    color[:, :2], color[:, 2:] = (200, 0, 0), (0, 90, 0)
    alpha = np.repeat(np.array([[255, 255, 0, 0]], np.uint8), 4, axis=0)
    layer = resize_cutout(Cutout("half", color, alpha, 1.0), (1, 1))
    assert layer.color.tolist() == [[[200, 0, 0]]]
    assert layer.alpha.tolist() == [[0.5]]
    assert not layer.inside[0, 0]
    assert resize_cutout(Cutout("half", color, alpha, 1.0), (2, 2)).inside.tolist() == [[True, False]] * 2


def test_trimming_equals_a_case_computed_by_hand() -> None:
    alpha = np.zeros((6, 5), np.uint8)
    alpha[2:4, 1:4] = 255
    alpha[0, 0] = 100
    color, kept = trim(np.zeros((6, 5, 3), np.uint8), alpha)
    assert (kept.shape, color.shape) == ((2, 3), (2, 3, 3))
    _, wide = trim(np.zeros((6, 5, 3), np.uint8), alpha, RIM)
    assert np.array_equal(wide[RIM:-RIM, RIM:-RIM], kept)
    assert wide[RIM - 2, 0] == 0


def test_the_measured_appearance_equals_the_true_one() -> None:
    """The image has edges of known blur, which the Sobel operator increases, and known noise on a plain ground."""
    bars = np.full((200, 400), 60, np.float32)
    for start in range(0, 400, 40):
        bars[:, start : start + 20] = 200
    for sigma in (0.8, 1.6):
        soft = cv2.GaussianBlur(bars, (0, 0), sigma).astype(np.uint8)
        assert measure_appearance(np.dstack([soft] * 3), FLAT).blur == pytest.approx((sigma**2 + 0.53) ** 0.5, abs=0.06)
    plain = np.full((200, 400, 3), 100, np.float32)
    for noise, channel_noise in ((0.6, 0.0), (1.0, 0.4)):
        seen = apply_sensor(plain, np.full((200, 400), noise, np.float32), Dice(1), channel_noise)
        appearance = measure_appearance((seen + 0.5).astype(np.uint8), FLAT)
        assert appearance.noise == pytest.approx(noise, rel=0.15)
        assert appearance.channel_noise == pytest.approx(channel_noise, abs=0.25)


def test_haze_equals_a_case_computed_by_hand() -> None:
    """A surface that is black at the lower edge is half as bright as the sky at the horizon."""
    image = np.zeros((200, 400, 3), np.uint8)
    image[:90] = 200
    image[79:90, ::2] = 100
    assert measure_appearance(image, FLAT).haze == pytest.approx(np.log(2) / 60, rel=0.05)


def test_white_is_estimated_from_the_road() -> None:
    appearance = Appearance(0.7, 1.0, 0.1, np.zeros(3), np.full(3, 200.0), 0.0, 150.0)
    assert estimate_white(np.array([38.0, 38.0, 38.0]), appearance) == pytest.approx([100, 100, 100])
    assert (
        estimate_white(np.array([20.0, 38.0, 56.0]), appearance)[2]
        > 100
        > estimate_white(np.array([20.0, 38.0, 56.0]), appearance)[0]
    )
    assert estimate_white(np.array([100.0, 100.0, 100.0]), appearance) == pytest.approx([150, 150, 150])


def test_the_matte_follows_the_image() -> None:
    """The label of a bright object on dark ground is two pixels too large on one side and too small on the other."""
    image = np.full((80, 80, 3), 40, np.uint8)
    image[20:60, 20:60] = 180
    values = np.full((80, 80), ROAD, np.uint8)
    values[20:60, 18:58] = CAR
    (thing,) = find_instances(SemanticLabels(values, CITYSCAPES_19), ("car",))
    color, alpha = estimate_matte(image, thing)
    row = alpha[20, :].astype(int)
    assert alpha.shape == (40 + 2 * MARGIN, 40 + 2 * MARGIN)
    opaque = np.flatnonzero(row >= 128) + thing.left - MARGIN
    # Within one pixel: this edge is not blurred by a lens, but the matte is.
    assert opaque[0] in (19, 20)
    assert opaque[-1] in (58, 59)
    assert color[20, opaque - thing.left + MARGIN].min() > 170


def test_file_names_of_cut_outs_give_the_height(tmp_path: Path) -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[5:15, 5:10] = 255
    save(tmp_path / "goose_0.6m.png", pixels)
    save(tmp_path / "thing.png", pixels)
    goose, thing = (cutout for _, cutout in read_cutouts(tmp_path))
    assert (goose.kind, goose.metres, goose.size) == ("goose", 0.6, (10, 5))
    assert (thing.kind, thing.metres) == ("thing", 1.0)


@pytest.mark.parametrize(
    ("pixels", "name", "message"),
    [
        (np.zeros((9, 9, 3), np.uint8), "a.png", r"a\.png: pixels of type RGB; expected colours"),
        (np.zeros((9, 9, 4), np.uint8), "a.png", r"a\.png: every pixel is transparent"),
        (np.full((9, 9, 4), 255, np.uint8), "a.png", r"a\.png: every pixel is opaque"),
        (np.pad(np.full((9, 9, 4), 255, np.uint8), 1)[:, :, 1:5], "a_900m.png", "says 900 metres"),
    ],
)
def test_invalid_cut_outs_are_errors(tmp_path: Path, pixels: np.ndarray, name: str, message: str) -> None:
    save(tmp_path / name, pixels)
    with pytest.raises(DataError, match=message):
        read_cutouts(tmp_path)


def test_a_folder_without_cut_outs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in this folder"):
        read_cutouts(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_cutouts(tmp_path / "absent")


def test_void_pixels_are_not_ground() -> None:
    labels = scene([])
    labels.values[150:] = VOID
    ground: Ground = estimate_ground(labels, (200, 400))
    assert ground.void[150:].all()
    assert not ground.road[150:].any()
