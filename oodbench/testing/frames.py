"""What benchmarks and datasets both have to hold, on a small copy that the contract's user makes."""

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
    """The base of `BenchmarkContract` and `DatasetContract`.

    Attributes:
        synthetic: Whether the frames are generated and nothing is stored on disk. `make` is not needed then, and only
            the first frames of each split are read.
    """

    synthetic: bool = False

    def make(self, folder: Path) -> None:
        """Write a small copy into `folder`: two frames or more, laid out as the authors publish the whole set.

        Write the tree out by hand: one made by the loader's own code proves nothing.
        """
        raise NotImplementedError(f"{type(self).__name__}: write make(folder), which lays out a small copy")

    def splits(self, roots: Roots) -> Mapping[str, FrameSet]:
        """What `open` finds, by split; a benchmark has one."""
        raise NotImplementedError

    def expected(self) -> Mapping[str, int]:
        """The frames of each complete split, as the card says."""
        raise NotImplementedError

    def labels(self, frame: Frame) -> NDArray[np.uint8] | None:
        """The labels of a frame, None where it has none."""
        raise NotImplementedError

    def allowed(self) -> set[int]:
        """The values that labels may have."""
        raise NotImplementedError

    def hidden(self) -> bool:
        """Whether its labels are secret, and its frames have none."""
        return False

    def made(self, folder: Path) -> list[Frame]:
        """The frames of a small copy in `folder`, over all splits."""
        folder.mkdir(exist_ok=True)
        if not self.synthetic:
            self.make(folder)
        return self.found(folder)

    def found(self, folder: Path) -> list[Frame]:
        """The frames that are found in a folder, over all splits; some of each, if they are synthetic."""
        some = slice(_SYNTHETIC_FRAMES if self.synthetic else None)
        return [frame for part in self.splits(Roots((folder,))).values() for frame in part.frames[some]]

    def test_a_small_copy_is_found(self, tmp_path: Path) -> None:
        """Among other folders, and where the user names it; in a layout of the card, with the complete set's count."""
        folder = tmp_path / "data"
        frames = self.made(folder)
        assert len(frames) >= 2, f"{self.name}: found {len(frames)} frames; make() should write two at least"
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
        """Results are stored and shown by them."""
        ids = [frame.id for frame in self.made(tmp_path)]
        assert ids == [frame.id for frame in self.found(tmp_path)], f"{self.name}: opened twice, in another order"
        for split, part in self.splits(Roots((tmp_path,))).items():
            own = [frame.id for frame in part.frames]
            twice = sorted({identity for identity in own if own.count(identity) > 1})
            assert not twice, f"{self.name} {split}: several frames are called {twice[0]}"

    def test_frames_say_what_they_are_known_by(self, tmp_path: Path) -> None:
        """A frame on disk is known by its file, a synthetic one by its identity."""
        for frame in self.made(tmp_path):
            known = frame.identity if self.synthetic else frame.image_file
            what = "identity" if self.synthetic else "image_file"
            assert known, (
                f"{frame.id}: its {what} is empty; stored results are kept by it (set `synthetic` to what holds)"
            )

    def test_images_and_labels_agree(self, tmp_path: Path) -> None:
        """Colour images, labels of the same size with declared values, both read as often as one likes."""
        for frame in self.made(tmp_path):
            size, image, labels = frame.read_size(), frame.read_image(), self.labels(frame)
            assert image.dtype == np.uint8, f"{frame.id}: an image of {image.dtype}; expected uint8"
            assert image.shape == (*size, 3), f"{frame.id}: an image {image.shape}; read_size() says {(*size, 3)}"
            assert np.array_equal(image, frame.read_image()), f"{frame.id}: read twice, the image is another one"
            if labels is not None:
                assert labels.dtype == np.uint8, f"{frame.id}: labels of {labels.dtype}; expected uint8"
                assert labels.shape == size, f"{frame.id}: labels {labels.shape}, and the image is {size}"
                strange = _values(labels) - self.allowed()
                assert not strange, f"{frame.id}: label values {sorted(strange)}; expected {sorted(self.allowed())}"

    def test_labels_say_something(self, tmp_path: Path) -> None:
        """Not all of them are void."""
        found = [labels for frame in self.made(tmp_path) if (labels := self.labels(frame)) is not None]
        if self.hidden():
            assert not found, f"{self.name}: its card has no labels, and its frames have some"
            return
        assert found, f"{self.name}: no frame has labels"
        values = set().union(*map(_values, found))
        assert values - {VOID}, f"{self.name}: all labels are void"

    def test_frames_can_be_pickled(self, tmp_path: Path) -> None:
        """A pickled frame reads the same size, image and labels, so that other processes can read it."""
        for frame in self.made(tmp_path):
            try:
                copy = pickle.loads(pickle.dumps(frame))  # noqa: S301  # written here
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise AssertionError(
                    f"{frame.id}: can't be pickled ({error}); expected readers that are functions at module level, "
                    "functools.partial of them, or objects with __call__ that hold no open file"
                ) from None
            assert copy.read_size() == frame.read_size(), f"{frame.id}: pickled, it has another size"
            assert np.array_equal(copy.read_image(), frame.read_image()), f"{frame.id}: pickled, it has another image"
            labels, copied = self.labels(frame), self.labels(copy)
            assert (labels is None) == (copied is None), f"{frame.id}: pickled, it has labels or lacks them"
            assert labels is None or copied is None or np.array_equal(labels, copied), (
                f"{frame.id}: pickled, it has other labels"
            )

    def test_nothing_is_read_before_it_is_asked_for(self, tmp_path: Path) -> None:
        """`open` finds and pairs files; damaged ones are an error when they are read, never grey pixels."""
        before = self.made(tmp_path)
        for path in {path for frame in before for path in _files(frame)}:
            path.write_bytes(b"")
        error = raised(lambda: self.found(tmp_path))
        assert error is None, f"{self.name}: open() reads images or labels ({error}); expected readers that do it later"
        after = self.found(tmp_path)
        assert [frame.id for frame in after] == [frame.id for frame in before], (
            f"{self.name}: open() looks into images or labels; expected it to go by names and structure"
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
        """Where one of the two is missing, `open` says so or leaves the frame out."""
        for path in {path for frame in self.made(tmp_path)[:1] for path in _files(frame)}:
            aside = path.rename(tmp_path / "aside")
            try:
                halves = [frame.id for frame in self.found(tmp_path) if not all(map(Path.is_file, _files(frame)))]
            except DataError:
                halves = []
            aside.rename(path)
            assert not halves, f"{self.name}: without {path.name} open() still gives the frame {halves[0]}"

    def test_a_value_that_is_not_declared_is_no_label(self, tmp_path: Path) -> None:
        """A label file of any one value becomes a label that there is, or an error."""
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

    def test_a_folder_without_it_is_an_error_that_says_where_to_get_it(self, tmp_path: Path) -> None:
        """A run looks for every benchmark that there is, and tells 'not here' from 'not in order'."""
        if self.synthetic:
            return
        (tmp_path / "images").mkdir()
        (tmp_path / "notes.txt").write_text("no data set")
        error = raised(lambda: self.splits(Roots((tmp_path,))))
        assert isinstance(error, DataNotFoundError), (
            f"{self.name}: opening a folder without it gave {error or 'frames'}; expected a DataNotFoundError"
        )
        assert error.remedy, f"{self.name}: its DataNotFoundError has no remedy; expected where to get the data"


def _files(frame: Frame) -> list[Path]:
    return [path for path in (frame.image_file, frame.label_file) if path is not None]


def _values(labels: NDArray[np.uint8]) -> set[int]:
    return set(np.unique(labels).tolist())
