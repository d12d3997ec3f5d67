"""Images recognised by their bytes, and each kind of invalid file."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from oodbench.data import LabelRule, read_image, read_image_size, read_indices
from oodbench.data.images import is_image
from oodbench.errors import DataError
from tests.helpers.files import photograph, save


def test_the_format_is_recognised_by_the_bytes(tmp_path: Path) -> None:
    jpeg = tmp_path / "0.png"
    Image.fromarray(photograph(0)).save(jpeg, format="JPEG", quality=95)
    assert read_image(jpeg).shape == (48, 96, 3)
    assert np.abs(read_image(jpeg).astype(int) - photograph(0)).mean() < 6
    webp = save(tmp_path / "1.webp", photograph(1), lossless=True)
    assert np.array_equal(read_image(webp), photograph(1))
    assert read_image_size(webp) == (48, 96)


def test_grey_and_indexed_images_are_converted_to_colour(tmp_path: Path) -> None:
    grey = save(tmp_path / "grey.png", photograph(0)[:, :, 0])
    assert read_image(grey).shape == (48, 96, 3)


def test_every_decoder_gives_the_pixels_of_pillow(tmp_path: Path) -> None:
    colour = Image.fromarray(photograph(0))
    gamma, turned, see_through = PngInfo(), Image.Exif(), colour.convert("RGBA")
    gamma.add(b"gAMA", (100000).to_bytes(4, "big"))
    turned[0x0112] = 6
    see_through.putalpha(255)
    colour.save(tmp_path / "plain.png")
    colour.save(tmp_path / "gamma.png", pnginfo=gamma)
    colour.save(tmp_path / "an unused colour transparent.png", transparency=(1, 2, 3))
    see_through.save(tmp_path / "alpha.png")
    colour.quantize(50).save(tmp_path / "indexed.png")
    colour.quantize(3).save(tmp_path / "indexed in two bits.png", bits=2)
    colour.convert("L").save(tmp_path / "grey.png")
    colour.save(tmp_path / "plain.jpg")
    colour.save(tmp_path / "turned.jpg", exif=turned)
    colour.save(tmp_path / "progressive.jpg", progressive=True, subsampling=0)
    colour.convert("L").save(tmp_path / "grey.jpg")
    colour.convert("CMYK").save(tmp_path / "four inks.jpg")
    (tmp_path / "more at the end.jpg").write_bytes((tmp_path / "plain.jpg").read_bytes() + b"from a telephone")
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            assert np.array_equal(read_image(path), np.asarray(image.convert("RGB"))), path.name


def test_an_image_that_is_not_what_is_needed_is_an_error(tmp_path: Path) -> None:
    colour = Image.fromarray(photograph(0))
    see_through = colour.convert("RGBA")
    see_through.putpixel((3, 4), (1, 2, 3, 90))
    see_through.save(tmp_path / "alpha.png")
    colour.save(tmp_path / "colour.png", transparency=tuple(photograph(0)[0, 0].tolist()))
    cv2.imwrite(str(tmp_path / "deep.png"), photograph(0).astype(np.uint16) * 251)
    frames = [Image.fromarray(photograph(index)) for index in (1, 2)]
    colour.save(tmp_path / "moving.png", save_all=True, append_images=frames)
    colour.save(tmp_path / "moving.gif", save_all=True, append_images=frames)
    expected = {
        "alpha.png": "1 transparent pixels; expected opaque colours",
        "colour.png": "transparent pixels",
        "deep.png": "16 bits per channel; expected colour or grey with eight",
        "moving.png": "an animation; expected one image",
        "moving.gif": "an animation",
    }
    for name, message in expected.items():
        with pytest.raises(DataError, match=rf"{name}.*{message}"):
            read_image(tmp_path / name)


def test_labels_whose_values_are_ambiguous_are_errors(tmp_path: Path) -> None:
    mask = np.zeros((48, 96), bool)
    mask[5:9, 7:30] = True
    Image.fromarray(mask).save(tmp_path / "bool.png")
    indexed = Image.fromarray(mask.astype(np.uint8), "P")
    indexed.putpalette([0, 0, 0, 255, 255, 255])
    indexed.save(tmp_path / "palette.png")
    Image.fromarray(mask.astype(np.uint8)).save(
        tmp_path / "moving.png", save_all=True, append_images=[Image.new("L", (96, 48))]
    )
    for name, message in {"bool.png": "one bit per pixel", "palette.png": "index 1 is the grey level 255"}.items():
        with pytest.raises(DataError, match=message):
            read_indices(tmp_path / name)
    with pytest.raises(DataError, match="animation"):
        read_indices(tmp_path / "moving.png")


def test_labels_with_a_palette_of_colours_or_equal_greys_are_read(tmp_path: Path) -> None:
    labels = np.arange(48 * 96).reshape(48, 96).astype(np.uint8) % 4
    for name, palette in {
        "colours": [0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 9],
        "greys": [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3,
    }.items():
        indexed = Image.fromarray(labels, "P")
        indexed.putpalette(palette)
        indexed.save(tmp_path / f"{name}.png")
        assert np.array_equal(read_indices(tmp_path / f"{name}.png"), labels)


@pytest.mark.parametrize("fill", [0, 0xAA])
def test_a_jpeg_with_a_hole_is_an_error(tmp_path: Path, fill: int) -> None:
    path = tmp_path / "hole.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 192, 3), np.uint8)).save(path, quality=90)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : -2] = bytes([fill]) * (len(content) - 2 - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"hole\.jpg: not an intact image file \(Corrupt JPEG data"):
        read_image(path)


@pytest.mark.parametrize("name", [b"no text \xff.png", b"no text \xff.jpg", "Straße ß.png".encode(), b"-x .png"])
def test_file_names_with_any_characters_are_read(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    grey = photograph(0)[:, :, 0]
    Image.fromarray(grey).save(path)
    assert np.abs(read_image(path)[:, :, 0].astype(int) - grey).mean() < 6
    if path.suffix == ".png":
        assert np.array_equal(read_indices(path), grey)


@pytest.mark.parametrize("ending", ["jpg", "tif", "webp", "jp2"])
def test_labels_in_a_format_with_loss_are_errors(tmp_path: Path, ending: str) -> None:
    options = {"compression": "jpeg"} if ending == "tif" else {}
    path = save(tmp_path / f"label.{ending}", np.ones((8, 8), np.uint8), **options)
    with pytest.raises(DataError, match=r"a label file in \w+; expected a format that keeps each value, such as PNG"):
        read_indices(path)


def test_images_are_told_by_their_bytes(tmp_path: Path) -> None:
    for form in ("png", "jpeg", "webp", "bmp", "tiff", "ppm", "gif", "avif"):
        if Image.registered_extensions().get(f".{form}"):
            Image.fromarray(photograph(0)).save(tmp_path / form, format=form)
            assert is_image(tmp_path / form), form
    for content in (b"", b"text", b"%PDF-1.4", b"\x89HDF\r\n\x1a\n", b"\0" * 64):
        (tmp_path / "other").write_bytes(content)
        assert not is_image(tmp_path / "other"), content


@pytest.mark.parametrize("at", [0.3, 0.7])
def test_a_flipped_bit_in_a_png_is_an_error(tmp_path: Path, at: float) -> None:
    path = save(tmp_path / "bit.png", np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 4
    path.write_bytes(content)
    for read in (read_image, read_indices):
        with pytest.raises(DataError, match=r"bit\.png: not an intact image file"):
            read(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_a_truncated_image_is_an_error_that_names_it(tmp_path: Path, ending: str, share: float) -> None:
    path = save(tmp_path / f"cut.{ending}", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"cut\..*not an intact image file") as error:
        read_image(path)
    assert "again" in str(error.value)


def test_a_file_that_is_not_an_image_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "0.png"
    page.write_text("<html>404</html>")
    with pytest.raises(DataError, match="not an intact image file"):
        read_image(page)
    with pytest.raises(DataError, match="no such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(DataError, match="is a folder"):
        read_image(tmp_path)


def test_an_indexed_label_is_read_as_indices_not_colours(tmp_path: Path) -> None:
    label = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode="P")
    label.putpalette([200, 10, 10, 10, 200, 10])
    label.save(tmp_path / "label.png")
    assert read_indices(tmp_path / "label.png").tolist() == [[0, 1], [1, 0]]


def test_a_coloured_label_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "label_color.png", photograph(0))
    with pytest.raises(DataError, match="expected one channel"):
        read_indices(path)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_a_rule_reads_all_integer_widths_alike(tmp_path: Path, kind: type[np.generic]) -> None:
    values = np.array([[0, 1, 255], [1, 0, 255]], kind)
    Image.fromarray(values).save(tmp_path / "label.png" if kind != np.int32 else tmp_path / "label.tif")
    (path,) = tmp_path.iterdir()
    normalised = LabelRule({0: 7, 1: 0, 255: 255}, "").apply(path)
    assert normalised.tolist() == [[7, 0, 255], [0, 7, 255]]
    assert normalised.dtype == np.uint8
    for strange in {np.uint8: (2, 254), np.uint16: (2, 256, 65535), np.int32: (2, 256, -1)}[kind]:
        values[0, 0] = strange
        Image.fromarray(values).save(path)
        with pytest.raises(DataError, match=f"label value {strange} is not declared"):
            LabelRule({0: 7, 1: 0, 255: 255}, "").apply(path)


def test_an_undeclared_value_is_an_error_that_names_it(tmp_path: Path) -> None:
    rule = LabelRule({0: 0, 1: 1, 255: 255}, "the hint")
    path = save(tmp_path / "label.png", np.array([[0, 1, 7], [255, 9, 0]], np.uint8))
    with pytest.raises(DataError, match=r"label\.png: label value 7, 9 is not declared; expected 0\.\.1, 255") as error:
        rule.apply(path)
    assert error.value.remedy == "the hint"


def test_values_above_255_are_not_wrapped_around(tmp_path: Path) -> None:
    path = save(tmp_path / "label.png", np.array([[0, 256, 257]], np.uint16))
    with pytest.raises(DataError, match="256, 257 is not declared"):
        LabelRule({0: 0, 1: 1, 255: 255}, "").apply(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_an_error_and_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "frame.png")
    for read in (read_image, read_indices, read_image_size):
        with pytest.raises(DataError, match=r"frame\.png: a pipe or a device; expected a regular file"):
            read(tmp_path / "frame.png")


def test_a_large_image_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "0.png", photograph(1))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    for read in (read_image, read_image_size, read_indices):
        with pytest.raises(DataError, match="more than 1000 pixels") as raised:
            read(tmp_path / "0.png")
        assert raised.value.remedy == "Reduce the image, or cut it into parts."
