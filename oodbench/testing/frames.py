"""The contract tests that benchmarks and datasets share, which run on a small copy that the subclass writes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oodbench.contracts import Roots
from oodbench.errors import DataError, DataNotFoundError
from oodbench.testing.plugin import PluginContract, raised
from oodbench.types import VOID, Frame, FrameSet

# Frames per split that are checked if they are synthetic.
_SYNTHETIC_FRAMES = 4


class FramesContract(PluginContract):
    """The base class of `BenchmarkContract` and `DatasetContract`.

    Attributes:
        synthetic: Whether the frames are generated in memory. `make` is then not needed, and the tests read only the
            first frames of each split.
    """

    synthetic: bool = False

    def make(self, folder: Path) -> None:
        """Write a small copy of at least two frames into `folder`, in the folder structure that the authors publish.

        Do not use code of the plugin to write the files; otherwise the tests prove nothing.
        """
        raise NotImplementedError(f"{type(self).__name__}: define make(folder), which writes a small copy")

    def splits(self, roots: Roots) -> Mapping[str, FrameSet]:
        """Return the frames that `open` finds, by the name of the split; a benchmark has one split."""
        raise NotImplementedError

    def expected(self) -> Mapping[str, int]:
        """Return the number of frames of each complete split, as the card states it."""
        raise NotImplementedError

    def labels(self, frame: Frame) -> NDArray[np.uint8] | None:
        """Return the labels of a frame, or None if it has none."""
        raise NotImplementedError

    def allowed(self) -> set[int]:
        """Return the values that labels may have."""
        raise NotImplementedError

    def hidden(self) -> bool:
        """Return whether the labels are hidden (not public), so that frames have none."""
        return False

    def made(self, folder: Path) -> list[Frame]:
        """Write a small copy into `folder` and return its frames of all splits."""
        folder.mkdir(exist_ok=True)
        if not self.synthetic:
            self.make(folder)
        return self.found(folder)

    def found(self, folder: Path) -> list[Frame]:
        """Return the frames of all splits that are found in a folder; if they are synthetic, only the first ones."""
        some = slice(_SYNTHETIC_FRAMES if self.synthetic else None)
        return [frame for part in self.splits(Roots((folder,))).values() for frame in part.frames[some]]

    def test_a_small_copy_is_found(self, tmp_path: Path) -> None:
        """Check that the copy is found in a folder of data and by name, with a declared layout and frame number."""
        folder = tmp_path / "data"
        frames = self.made(folder)
        assert len(frames) >= 2, f"{self.name}: found {len(frames)} frames; make() should write at least two"
        layouts = self.load().card.layouts
        for split, part in self.splits(Roots((folder,))).items():
            assert part.frames, f"{self.name} {split}: no frames"
            assert part.layout in layouts, f"{self.name}: the layout '{part.layout}' is not among its card's {layouts}"
            assert part.expected == (self.expected()[split] or len(part.frames)), (
                f"{self.name} {split}: expected {part.expected} frames, and its card says {self.expected()[split]}"
            )
        named = self.splits(Roots((), {self.name: (folder,)}))
        ids = [frame.id for part in named.values() for frame in part.frames]
        assert self.synthetic or ids == [frame.id for frame in frames], (
            f"{self.name}: '--data {self.name}=DIR' finds other frames than '--data DIR': search roots.of(card.name)"
        )

    def test_ids_are_unique_and_keep_their_order(self, tmp_path: Path) -> None:
        """Check that ids are unique and in a stable order, because results are stored and shown by id."""
        ids = [frame.id for frame in self.made(tmp_path)]
        assert ids == [frame.id for frame in self.found(tmp_path)], f"{self.name}: opened twice, the order differs"
        for split, part in self.splits(Roots((tmp_path,))).items():
            split_ids = [frame.id for frame in part.frames]
            repeated = sorted({identity for identity in split_ids if split_ids.count(identity) > 1})
            assert not repeated, f"{self.name} {split}: several frames have the id {repeated[0]}"

    def test_frames_have_an_identity(self, tmp_path: Path) -> None:
        """Check that a frame on disk is identified by its file, and a synthetic one by its identity."""
        for frame in self.made(tmp_path):
            identifier = frame.identity if self.synthetic else frame.image_file
            what = "identity" if self.synthetic else "image_file"
            assert identifier, (
                f"{frame.id}: its {what} is empty; expected it to identify stored results (or set `synthetic`)"
            )

    def test_images_and_labels_agree(self, tmp_path: Path) -> None:
        """Check the type, size and values of images and labels, and that they can be read repeatedly."""
        for frame in self.made(tmp_path):
            size, image, labels = frame.read_size(), frame.read_image(), self.labels(frame)
            assert image.dtype == np.uint8, f"{frame.id}: an image of {image.dtype}; expected uint8"
            assert image.shape == (*size, 3), f"{frame.id}: an image {image.shape}; read_size() says {(*size, 3)}"
            assert np.array_equal(image, frame.read_image()), f"{frame.id}: read twice, the images differ"
            if labels is not None:
                assert labels.dtype == np.uint8, f"{frame.id}: labels of {labels.dtype}; expected uint8"
                assert labels.shape == size, f"{frame.id}: labels {labels.shape}; expected the image's size {size}"
                strange = _values(labels) - self.allowed()
                assert not strange, f"{frame.id}: label values {sorted(strange)}; expected {sorted(self.allowed())}"

    def test_labels_have_valid_pixels(self, tmp_path: Path) -> None:
        """Check that not all labels are void."""
        labels_of_frames = [labels for frame in self.made(tmp_path) if (labels := self.labels(frame)) is not None]
        if self.hidden():
            assert not labels_of_frames, f"{self.name}: its card has no labels, and its frames have some"
            return
        assert labels_of_frames, f"{self.name}: no frame has labels"
        values = set().union(*map(_values, labels_of_frames))
        assert values - {VOID}, f"{self.name}: all labels are void"

    def test_frames_can_be_pickled(self, tmp_path: Path) -> None:
        """Check that a pickled frame reads the same size, image and labels, so that other processes can read it."""
        for frame in self.made(tmp_path):
            try:
                copy = pickle.loads(pickle.dumps(frame))  # noqa: S301  # the data was written in this process
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise AssertionError(
                    f"{frame.id}: can't be pickled ({error}); expected readers that are functions at module level, "
                    "functools.partial of them, or objects with __call__ that hold no open file"
                ) from None
            assert copy.read_size() == frame.read_size(), f"{frame.id}: the pickled frame has another size"
            assert np.array_equal(copy.read_image(), frame.read_image()), f"{frame.id}: the pickled image differs"
            labels, copied = self.labels(frame), self.labels(copy)
            assert (labels is None) == (copied is None), f"{frame.id}: the pickled frame gained or lost its labels"
            assert labels is None or copied is None or np.array_equal(labels, copied), (
                f"{frame.id}: the pickled labels differ"
            )

    def test_pixels_are_read_late(self, tmp_path: Path) -> None:
        """Check that `open` reads no image or label, and that damaged files raise a DataError when they are read."""
        before = self.made(tmp_path)
        for path in {path for frame in before for path in _files(frame)}:
            path.write_bytes(b"")
        error = raised(lambda: self.found(tmp_path))
        assert error is None, f"{self.name}: open() reads images or labels ({error}); expected readers that do so later"
        after = self.found(tmp_path)
        assert [frame.id for frame in after] == [frame.id for frame in before], (
            f"{self.name}: open() depends on the content of images or labels; expected it to use names and structure"
        )
        for frame in after:
            reads: dict[Path | None, Callable[[], object]] = {
                frame.image_file: frame.read_image,
                frame.label_file: partial(self.labels, frame),
            }
            for file, read in reads.items():
                damage = None if file is None else raised(read)
                assert file is None or isinstance(damage, DataError), (
                    f"{file}: an empty file gave {type(damage).__name__}; expected a DataError (oodbench.data)"
                )

    def test_a_frame_has_its_image_and_its_label(self, tmp_path: Path) -> None:
        """Check that `open` raises an error, or leaves the frame out, if an image or a label is missing."""
        for path in {path for frame in self.made(tmp_path)[:1] for path in _files(frame)}:
            aside = path.rename(tmp_path / "aside")
            try:
                halves = [frame.id for frame in self.found(tmp_path) if not all(map(Path.is_file, _files(frame)))]
            except DataError:
                halves = []
            aside.rename(path)
            assert not halves, f"{self.name}: without {path.name} open() still gives the frame {halves[0]}"

    def test_an_undeclared_label_value_is_an_error(self, tmp_path: Path) -> None:
        """Check that each value in a label file is read as an allowed label, or raises an error."""
        frame = self.made(tmp_path)[0]
        if frame.label_file is None or frame.label_file.suffix.lower() != ".png":
            return
        allowed = self.allowed()
        for value in range(256):
            Image.fromarray(np.full(frame.read_size(), value, np.uint8)).save(frame.label_file, format="PNG")
            try:
                labels = self.labels(frame)
            except DataError:
                continue
            strange = set() if labels is None else _values(labels) - allowed
            assert not strange, (
                f"{frame.id}: {value} in the label file became {min(strange)}; expected one of "
                f"{sorted(allowed)}, or a DataError (oodbench.data.LabelRule)"
            )

    def test_missing_data_is_an_error_that_names_the_source(self, tmp_path: Path) -> None:
        """Check that a missing copy raises DataNotFoundError, because a run distinguishes it from a damaged copy."""
        if self.synthetic:
            return
        (tmp_path / "images").mkdir()
        (tmp_path / "notes.txt").write_text("no dataset")
        error = raised(lambda: self.splits(Roots((tmp_path,))))
        assert isinstance(error, DataNotFoundError), (
            f"{self.name}: opening a folder without it gave {error or 'frames'}; expected a DataNotFoundError"
        )
        assert error.remedy, f"{self.name}: its DataNotFoundError has no remedy; expected where to get the data"


def _files(frame: Frame) -> list[Path]:
    return [path for path in (frame.image_file, frame.label_file) if path is not None]


def _values(labels: NDArray[np.uint8]) -> set[int]:
    return set(np.unique(labels).tolist())
