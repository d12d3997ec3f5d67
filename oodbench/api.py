"""Objects and functions for use from Python: one network, one image, one benchmark at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from oodbench.contracts import Method, MethodComparison, Scoring, Segmenter
from oodbench.errors import DataNotFoundError, ModelError, UnknownNameError, UsageError
from oodbench.files import expand_home, write_atomically
from oodbench.metrics.resampling.significance import RESAMPLES
from oodbench.out_of_memory import explain_out_of_memory
from oodbench.planning.loaded import LoadedBenchmark, LoadedDataset
from oodbench.planning.one_or_more import Data, OneOrMore, as_tuple
from oodbench.planning.request import data_roots
from oodbench.planning.resolve import ModelSource
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry, make_spec
from oodbench.runs.comparison import compare_selected
from oodbench.runs.load import load
from oodbench.runs.run import Run
from oodbench.runs.selection import ResultSelection
from oodbench.stages.apply_methods import score_output
from oodbench.stages.batching import read_semantic_labels
from oodbench.stages.fit import fit_methods
from oodbench.storage.fits import encode_fit, read_fit_file
from oodbench.types import Frame, Resize, RGBImage, ScoreMap
from oodbench.workflows.arguments import make_registry


class Scorer:
    """One network and one method, which together compute the score map of an image.

    A score map holds the anomaly score of each pixel. At the same batch size, it equals bit for bit the map that
    `oodbench.run` stores for the same image.

    Some methods must first learn from labelled frames, which is called a fit. For these methods, call `Scorer.fit`
    before you score an image, or pass the file of an earlier fit.

    Args:
        method: The name of a method, as `NAME` or `NAME:key=value,...` (`list_methods` lists the names), or a method
            object. From an object, the scorer creates its own instance, which has the same parameters and no fit.
        segmenter: The network: a `TorchSegmenter`, or the output of `load_segmenter`.
        fit: The file of an earlier fit of this method on this network, which `save_fit` wrote or which is in the
            folder `fits/` of a run. None: no earlier fit is used.
        upsample: `logits`: the network's class maps (one map of logits or posteriors per class) are resized to the
            resolution of the image, and the method scores them there. `score`: the method scores the class maps at the
            network's output resolution, and the score map is resized to the resolution of the image.
        resize: Interpolation: `bilinear` with half-pixel centres, or `bilinear-aligned` with aligned corners.

    Attributes:
        method: The method; a new instance if a method object was passed.
        segmenter: The network, as passed.

    Raises:
        ModelError: The argument `segmenter` is not a `Segmenter`.
        UnknownNameError: There is no method, or no parameter, of that name.
        UsageError: The network lacks an output that the method needs, a file was passed as `fit` for a method that
            learns nothing, or this file does not exist.
        RunFolderError: The file passed as `fit` is damaged.

    Examples:
        >>> import numpy as np
        >>> from torch import nn
        >>> import oodbench
        >>> net = nn.Conv2d(3, 19, 1)
        >>> scorer = oodbench.Scorer("energy", oodbench.TorchSegmenter(net, classes="cityscapes-19", device="cpu"))
        >>> score_map = scorer(np.zeros((4, 6, 3), np.uint8))
        >>> score_map.shape, score_map.dtype
        ((4, 6), dtype('float32'))
    """

    def __init__(
        self,
        method: str | Method,
        segmenter: Segmenter,
        *,
        fit: str | Path | None = None,
        upsample: Literal["logits", "score"] = "logits",
        resize: Resize = "bilinear",
    ) -> None:
        if not isinstance(segmenter, Segmenter):
            raise ModelError(
                f"the segmenter is a {type(segmenter).__name__}; expected a Segmenter",
                "Wrap a torch module with oodbench.TorchSegmenter, or open a file with oodbench.load_segmenter.",
            )
        self.method = Registry().method(method) if isinstance(method, str) else type(method)(method.params)
        self.segmenter = segmenter
        self._scoring = Scoring(upsample, resize)
        self._needs = self.method.needs()
        reason = segmenter.capabilities.lacks(self._needs)
        if reason is not None:
            raise UsageError(
                f"{self.method.card.name} does not fit {segmenter.name}: {reason}", "Choose another method."
            )
        self._fit = None
        if fit is not None:
            self._check_learns()
            self._fit = read_fit_file(Path(expand_home(fit)))
            self.method.load(self._fit)

    def fit(
        self,
        dataset: LoadedDataset | Sequence[Frame],
        *,
        batch_size: int = 1,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Scorer:
        """Fit the method: let it learn from labelled frames without anomalies. The network does not change.

        Args:
            dataset: Frames with semantic labels (a class per pixel), as `load_dataset` returns them.
            batch_size: Number of frames per forward pass.
            seed: Seed of every random choice.
            progress: Callback for progress messages; None: silent.

        Returns:
            This scorer, ready to score.

        Raises:
            UsageError: The method learns nothing, there are no frames, a frame has no semantic labels, or the labels
                have other classes than the network.
            DataError: An image or a label file is damaged.
        """
        self._check_learns()
        frames = list(dataset)
        if not frames:
            raise UsageError("no frames to fit on", "Give frames with semantic labels: oodbench.load_dataset(NAME).")
        if any(frame.read_semantic_labels is None for frame in frames):
            raise UsageError("a frame has no semantic labels", "Give a dataset: oodbench.load_dataset(NAME).")
        classes = read_semantic_labels(frames[0]).classes
        if classes != self.segmenter.classes:
            raise UsageError(
                f"the frames have the classes {classes.name}, and {self.segmenter.name} has "
                f"{self.segmenter.classes.name}",
                "Fit on a dataset with the network's classes.",
            )
        method = type(self.method)(self.method.params)
        fits = fit_methods(self.segmenter, {"": method}, frames, progress or Silent(), batch_size=batch_size, seed=seed)
        ((_, self._fit),) = fits
        self.method.load(self._fit)
        return self

    def save_fit(self, path: str | Path) -> None:
        """Write what the method has learned to a file, for `Scorer(..., fit=FILE)`.

        Args:
            path: The safetensors file to write; an existing file is replaced.

        Raises:
            UsageError: The method is not fitted yet, or it learns nothing.
        """
        self._check_ready()
        if self._fit is None:
            raise UsageError(f"{self.method.card.name} needs no fit, so there is nothing to save", "Omit save_fit().")
        data = encode_fit(self._fit)
        write_atomically(Path(expand_home(path)), lambda file: file.write(data))

    def __call__(self, image: RGBImage) -> ScoreMap:
        """Return the score map of one image.

        Args:
            image: uint8 [H, W, 3], red first. Any other type or shape is an error and is not converted.

        Returns:
            float32 [H, W], higher = more anomalous.

        Raises:
            ModelError: The image is of another type or shape, or there is not enough memory.
            UsageError: The method is not fitted.
            ScoreError: A score is not finite.
        """
        return self.score_batch([image])[0]

    def score_batch(self, images: Sequence[RGBImage]) -> list[ScoreMap]:
        """Return the score maps of several images of one size, from one forward pass.

        Args:
            images: N images, uint8 [H, W, 3] each, red first. Any other type or shape is an error and is not converted.

        Returns:
            N score maps, float32 [H, W] each, higher = more anomalous, in the order of the images.

        Raises:
            ModelError: An image is of another type or shape, the images have different sizes, or there is not enough
                memory.
            UsageError: The method is not fitted.
            ScoreError: A score is not finite.
        """
        self._check_ready()
        for image in images:
            _check_image(image)
        sizes = [image.shape[:2] for image in images]
        with explain_out_of_memory(self.segmenter, sizes):
            output = self.segmenter.forward([self.segmenter.prepare(image) for image in images], self._needs)
            scored, _ = score_output(output, sizes, {"": self.method}, self._scoring)
        return [frame.scores[""] for frame in scored]

    def _check_learns(self) -> None:
        if not self._needs.fit:
            raise UsageError(f"{self.method.card.name} needs no fit", "Omit the fit.")

    def _check_ready(self) -> None:
        if self._needs.fit and self._fit is None:
            raise UsageError(
                f"{self.method.card.name} is not fitted",
                "Fit it: scorer.fit(oodbench.load_dataset(NAME, data=DIR)). Or give a stored fit: fit=FILE.",
            )


def _check_image(image: Any) -> None:
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        return
    what = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
    remedy = "Pass one image as a numpy array uint8 [H, W, 3], red first."
    if isinstance(image, np.ndarray) and image.ndim == 4:
        remedy = "Pass one image, or several with score_batch([...])."
    elif isinstance(image, np.ndarray) and image.dtype.kind == "f":
        remedy = "Convert it yourself: (255 * image).round().astype(numpy.uint8) if it is in 0..1."
    raise ModelError(f"the image is {what}; expected uint8 [H, W, 3], red first", remedy)


def load_segmenter(
    source: str | Path,
    *,
    card: str | Path | None = None,
    checkpoint: str | Path | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    plugins: OneOrMore = (),
) -> Segmenter:
    """Open a network from a file or by its name, in any format that the option `--model` of the commands accepts.

    Args:
        source: One of: a file (such as `NAME.onnx`, a config of MMSegmentation, or `FILE.py:FUNCTION`); `hf:NAME` for a
            network of Hugging Face Transformers; the name of a model of this package (`list_models`).
        card: The model card, a TOML file that describes the preprocessing, the classes and the outputs of the network.
            None: the card next to the network's file.
        checkpoint: The file of the weights, if the file of the network does not contain them; otherwise None.
        device: The device on which the network runs: `auto` (a GPU if there is one), `cpu` or `cuda`.
        plugins: Python files with your own adapters (loaders of network formats) or heads (last parts of networks).

    Returns:
        The network with its preprocessing, on the device, for `Scorer` and `run`.

    Raises:
        ModelError: The network's file, the model card or the device is not valid.
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> oodbench.load_segmenter("streets-softmax").classes.name
        'cityscapes-19'
    """
    files = (expand_home(path) if path else None for path in (card, checkpoint))
    return ModelSource(expand_home(source), *files).open(make_registry(plugins), device)


def load_benchmark(name: str, data: Data = (), *, plugins: OneOrMore = ()) -> LoadedBenchmark:
    """Find a benchmark on disk and return its frames.

    Args:
        name: The benchmark's name (`list_benchmarks` lists the names).
        data: Folders to search, or a mapping from the benchmark's name to its folder. If empty, the folders in the
            environment variable OODBENCH_DATA are searched, or those in your config file if this variable is not set.
        plugins: Python files with your own benchmarks.

    Returns:
        A sequence of `oodbench.types.Frame`, with the benchmark's `card` (paper, licence, label values). A frame reads
        its pixels only when you ask for them.

    Raises:
        UnknownNameError: There is no benchmark of that name.
        DataNotFoundError: None of the folders contains the benchmark; the message says where to get it.
        DataError: A copy was found that is not intact.
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> benchmark = oodbench.load_benchmark("streets-static")  # synthetic: it needs no files
        >>> frame = benchmark[0]
        >>> frame.read_image().shape == (*frame.read_size(), 3)
        True
    """
    roots, _ = data_roots(as_tuple(data), ())
    benchmark = make_registry(plugins).benchmark(name)
    return LoadedBenchmark(benchmark.open(roots), roots, benchmark.card)


def load_dataset(name: str, split: str | None = None, data: Data = (), *, plugins: OneOrMore = ()) -> LoadedDataset:
    """Find a dataset on disk and return the frames of one split, such as `train` or `val`.

    A dataset has semantic labels (a class per pixel); a benchmark has anomaly labels.

    Args:
        name: The dataset's name (`list_datasets` lists the names).
        split: The name of the split. None: the first split, from which methods learn.
        data: Folders to search, or a mapping from the dataset's name to its folder. If empty, the folders in the
            environment variable OODBENCH_DATA are searched, or those in your config file if this variable is not set.
        plugins: Python files with your own datasets.

    Returns:
        A sequence of `oodbench.types.Frame`, with the dataset's `card` (paper, licence, classes). A frame reads its
        pixels only when you ask for them.

    Raises:
        UnknownNameError: There is no dataset, or no split, of that name.
        DataNotFoundError: None of the folders contains the dataset.
        DataError: A copy was found that is not intact.
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> dataset = oodbench.load_dataset("streets-train", "val")  # synthetic: it needs no files
        >>> labels = dataset[0].read_semantic_labels()
        >>> labels.values.shape, labels.classes.name
        ((512, 1024), 'cityscapes-19')
    """
    roots, _ = data_roots(as_tuple(data), ())
    dataset = make_registry(plugins).dataset(name)
    splits = dataset.open(roots)
    if not splits:
        raise DataNotFoundError(f"{name}: no split was found", "See: oodbench info dataset " + name)
    chosen = next(iter(splits)) if split is None else split
    if chosen not in splits:
        raise UnknownNameError(f"split of {name}", chosen, splits)
    counts = {key: len(frame_set.frames) for key, frame_set in splits.items()}
    return LoadedDataset(splits[chosen], roots, dataset.card, chosen, counts)


def create_method(name: str, *, plugins: OneOrMore = (), **parameters: Any) -> Method:
    """Return an anomaly-scoring method with these parameters.

    Args:
        name: The method's name (`list_methods` lists the names).
        plugins: Python files with your own methods.
        parameters: Parameters of the method; `oodbench info method NAME` lists them. Missing ones get their defaults.

    Returns:
        The method, for `run` and `Scorer`. A method that learns from labelled frames has not learned yet.

    Raises:
        UnknownNameError: There is no method, or no parameter, of that name.
        UsageError: A parameter has an invalid value.
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> oodbench.create_method("knn", k=3).params.k
        3
    """
    return make_registry(plugins).method(make_spec(name, parameters))


def compare(
    first: Run | str | Path,
    second: Run | str | Path | None = None,
    *,
    reference: str | None = None,
    methods: Sequence[str] = (),
    networks: Sequence[str] = (),
    benchmarks: Sequence[str] = (),
    metrics: Sequence[str] = (),
    resamples: int = RESAMPLES,
) -> list[MethodComparison]:
    """Test which differences between the methods of a run, or between two runs, are significant.

    Args:
        first: A run, or its folder.
        second: Another run, or its folder. Each of its results is compared with the matching result of the first run:
            the one with the same method, parameters and benchmark. If none matches external scores (of another
            program), or with `reference`, the methods of both runs are compared with each other. None: the methods of
            the first run are compared.
        reference: The method with which each other method is compared, on each network that has it; or `METHOD /
            NETWORK`. None: each pair of methods is compared.
        methods: Names or labels of the methods to compare. Empty: all.
        networks: Names of the networks to compare. Empty: all.
        benchmarks: Names of the benchmarks. Empty: all.
        metrics: Names of metrics, such as `AP`. Empty: AP, FPR95 and AUROC.
        resamples: Number of bootstrap resamples of the frames.

    Returns:
        One table per benchmark, metric and protocol (a set of rules that turns scores into metrics). Its two-sided
        p-values are corrected for the number of comparisons in the table.

    Raises:
        NotComparableError: There is nothing to compare, or the results of the two runs have different frames,
            protocols or scoring resolutions.
        UnknownNameError: There is no such reference, method, network, benchmark or metric in the run.
        UsageError: Several methods of one network have the name of the reference.
        RunFolderError: A folder contains no run, or a run that is not evaluated.
        NotStoredError: The sketch of a result (the counts of each frame's scores in bins) is missing, and the score
            maps from which it can be computed are not stored either.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods=["msp", "energy"], benchmarks="streets-anomaly", limit=5, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> (table,) = oodbench.compare(run, metrics=["AP"])
        >>> table.benchmark, table.units, sorted(entry.label for entry in table.entries)
        ('streets-anomaly', 5, ['Energy', 'MSP'])
    """
    runs = [run if isinstance(run, Run) else load(run) for run in (first, second) if run is not None]
    choice = ResultSelection(tuple(benchmarks), tuple(networks), tuple(methods))
    return compare_selected(runs, choice, reference, metrics, resamples)
