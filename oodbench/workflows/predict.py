"""Prediction for photographs: the stages of a run up to scoring, on frames without labels, with heatmaps."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from oodbench.contracts import FALSE_ALARM_RATE, Calibration
from oodbench.data import open_photographs
from oodbench.data.pairing import describe_other_files
from oodbench.errors import RunFolderError, UsageError
from oodbench.files import expand_home
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.one_or_more import OneOrMore, as_paths, as_tuple
from oodbench.planning.plan import Plan, combine_needs, default_folder, make_plan
from oodbench.planning.records import PHOTOGRAPHS, PlanRecord
from oodbench.planning.request import Request
from oodbench.planning.resolve import METHOD_SETS
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.stages.apply_methods import add_error_context, score_output
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.stages.calibrate import calibrate
from oodbench.stages.fit import fit
from oodbench.stages.quality import quality_warnings
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import IMAGE_SHARES, Kind, calibration_key, image_heatmap_key, image_score_key, quality_key
from oodbench.storage.open_store import open_store
from oodbench.text import count_noun, escape_cell
from oodbench.threads import limit_threads
from oodbench.types import RGBImage, ScoreMap
from oodbench.visualization.photograph import DPI, PhotographThreshold, draw_photograph
from oodbench.workflows.image_submission import write_images
from oodbench.workflows.run import open_run_folder

DEFAULT_METHOD = "gmmseg"
DEFAULT_MODEL = "streets-gmmseg"

_KEEP = "Choose another folder with --out, or use --overwrite to replace them; stored fits are used again."


class AnomalousShare(NamedTuple):
    """The number of pixels of a photograph whose score is above the threshold.

    Attributes:
        image: The id of the photograph.
        height: Height of the photograph in pixels.
        width: Width of the photograph in pixels.
        above: Number of pixels above the threshold; None without a threshold.
    """

    image: str
    height: int
    width: int
    above: int | None

    @property
    def share(self) -> float | None:
        """Share of the pixels above the threshold; None without a threshold."""
        return None if self.above is None else self.above / (self.height * self.width)


@dataclass(frozen=True)
class Prediction:
    """The output of `predict`.

    Attributes:
        folder: The folder of the score maps (the anomaly score of each pixel) and heatmaps.
        threshold: The threshold, `score`, and the `share` of the pixels of in-distribution frames that score higher
            (0.05). None if there are no such frames.
        source: Description of the frames from which the threshold was computed; empty without a threshold.
        shares: For each photograph, in order, the number and the share of its pixels above the threshold.

    Examples:
        >>> import oodbench
        >>> from PIL import Image
        >>> Image.new("RGB", (64, 32)).save("photo.png")
        >>> prediction = oodbench.predict(
        ...     "photo.png", model="streets-softmax", method="msp", id_limit=1, out="predicted"
        ... )
        >>> prediction.source, prediction.threshold.share
        ('Streets val, 1 frame', 0.05)
        >>> share = prediction.shares[0]
        >>> share.image, share.height, share.width
        ('photo', 32, 64)
    """

    folder: Path
    threshold: PhotographThreshold | None
    source: str
    shares: Sequence[AnomalousShare]


def predict(
    images: OneOrMore,
    *,
    method: str = DEFAULT_METHOD,
    model: str | Path = DEFAULT_MODEL,
    model_card: str | Path | None = None,
    checkpoint: str | Path | None = None,
    id_data: OneOrMore = (),
    id_limit: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    form: str | None = None,
    fit_file: str | Path | None = None,
    overwrite: bool = False,
    plugins: OneOrMore = (),
    progress: Progress | None = None,
) -> Prediction:
    """Compute anomaly scores of photographs and render heatmaps, as `oodbench predict` does.

    Args:
        images: A photograph, a folder of photographs, or several of them.
        method: The method, as `NAME` or `NAME:key=value,...` (`list_methods`).
        model: The network: a name (`list_models`), or a file as `load_segmenter` opens it.
        model_card: The model card, a TOML file that describes the network. None: the card next to the network's file.
        checkpoint: File of the weights; None: they are in the network's file or next to it.
        id_data: Folders to search for a dataset of in-distribution frames. The method is fitted (learns) on the
            training split of the dataset, and the threshold is computed from its validation split.
        id_limit: Maximum number of frames for fitting, and for the threshold. None: the dataset's own default if it
            has one, otherwise 500.
        device: The device for the network: `auto` (a GPU if there is one), `cpu` or `cuda`.
        seed: Random seed.
        out: The output folder. None: a folder in runs/, whose name contains a hash of photographs, network and
            settings.
        form: Name of a leaderboard (`list_submissions`). The scores of each image are then written in the file format
            of this leaderboard, without heatmaps and threshold, and `out` is required. None: score maps and heatmaps
            are written.
        fit_file: With `form`: what the method has learned, as a file from the folder fits/ of a run. None: the method
            learns nothing.
        overwrite: Whether to delete the maps and heatmaps of an earlier call in the folder that this call does not
            compute again.
        plugins: Python files with your own methods or other plugins.
        progress: Callback for progress messages; None: silent.

    Returns:
        The output folder, the threshold, and the share of each photograph's pixels above the threshold.

    Raises:
        UsageError: An argument, or a combination of arguments, is not valid, or the network lacks an output that the
            method needs.
        UnknownNameError: There is no method, parameter or format of that name.
        ModelError: The network, its model card or the device is not valid.
        DataError: A photograph, or a frame of the dataset, is missing or damaged.
        ScoreError: A score is not finite.
        RunFolderError: The folder is not writable, is in use, contains a run, or contains maps of other photographs
            or another method.
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> from PIL import Image
        >>> Image.new("RGB", (64, 32)).save("photo.png")
        >>> prediction = oodbench.predict(
        ...     "photo.png", model="streets-softmax", method="msp", id_limit=1, out="predicted"
        ... )
        >>> sorted(path.name for path in prediction.folder.glob("*/photo.*"))
        ['photo.npy', 'photo.png']
    """
    _check_method(method)
    request = Request.of(
        methods=(method,),
        models=(str(model),),
        model_cards=() if model_card is None else (str(model_card),),
        checkpoints=() if checkpoint is None else (str(checkpoint),),
        id_data=as_tuple(id_data),
        id_limit=id_limit,
        device=device,
        seed=seed,
        out=out,
        if_exists="reuse",
        plugins=as_tuple(plugins),
    )
    progress = progress or Silent()
    registry = Registry(request.plugins)
    paths = as_paths(images)
    for folder in filter(Path.is_dir, paths):
        if other_files := describe_other_files(folder):
            progress.warn(other_files)
    if form is not None:
        fit_path = Path(expand_home(fit_file)) if fit_file else None
        with limit_threads():
            sizes = write_images(paths, form, fit_path, request, registry, progress)
        without_share = [AnomalousShare(name, *size, None) for name, size in sizes.items()]
        return Prediction(Path(str(request.out)), None, "", without_share)
    if fit_file is not None:
        raise UsageError(
            "--fit is only for --format; otherwise methods are fitted on the frames of --id-data", "Remove --fit."
        )
    plan = make_plan(request, registry, progress, open_photographs(paths))
    for warning in registry.warnings:
        progress.warn(warning)
    _check_folder(request.out or default_folder(plan.record), plan.record, overwrite)
    # Fits and calibrations in the folder are reused; maps and heatmaps are computed again.
    with open_run_folder(request, plan) as store, limit_threads():
        for kind in (Kind.IMAGE_SCORE, Kind.IMAGE_HEATMAP):
            for key in list(store.keys(kind)):
                store.delete(key)
        artifacts = RunArtifacts(store)
        fit(plan, artifacts, progress)
        calibrate(plan, artifacts, progress)
        calibration = _load_calibration(plan, artifacts, progress)
        threshold = None
        if calibration is not None:
            threshold = PhotographThreshold(calibration.score_at(1 - FALSE_ALARM_RATE), FALSE_ALARM_RATE)
        shares = _score_photographs(plan, artifacts, calibration, threshold, progress)
        store.write(IMAGE_SHARES, _format_csv(shares, threshold).encode())
    return Prediction(Path(store.location), threshold, calibration.source if calibration else "", shares)


def _check_method(method: str) -> None:
    if method.partition(":")[0] in METHOD_SETS:
        raise UsageError(
            f"--method {method}: a set of methods; expected the name of a method",
            f"Name each method, for example --method {DEFAULT_METHOD}.",
        )


def _check_folder(folder: Path, plan: PlanRecord, overwrite: bool) -> None:
    """Raise if the folder contains a run, or maps of an earlier call that the plan does not compute again."""
    store = open_store(folder)
    existing = RunArtifacts(store).plan()
    if existing is None:
        return
    if [part.name for part in existing.benchmarks] != [PHOTOGRAPHS]:
        raise RunFolderError(f"{folder}: this folder contains a run", "Choose another folder with --out.")
    maps = list(store.keys(Kind.IMAGE_SCORE))
    if overwrite or not maps:
        return
    (scorer,), (earlier,) = plan.scorers, existing.scorers
    if earlier.key != scorer.key:
        differences = "; ".join(plan.differences(existing))
        raise RunFolderError(f"{folder}: contains maps of another method, network or setting ({differences})", _KEEP)
    frames = {frame.id: frame.key for part in plan.benchmarks for frame in part.frames}
    lost = [frame.id for part in existing.benchmarks for frame in part.frames if frames.get(frame.id) != frame.key]
    if lost:
        others = count_noun(len(lost), "other photograph")
        raise RunFolderError(f"{folder}: contains maps of {others}; the first is {lost[0]}", _KEEP)


def _load_calibration(plan: Plan, artifacts: RunArtifacts, progress: Progress) -> Calibration | None:
    """Return the scorer's calibration; warn if the network's quality on the same frames differs from its card."""
    part = plan.record.calibrate
    if part is None:
        return None
    (scorer,), (network,) = plan.record.scorers, plan.networks.values()
    quality = artifacts.json(quality_key(network.digest, part))
    for warning in quality_warnings(network.name, quality, network.expected) if quality else []:
        progress.warn(warning)
    return artifacts.calibration(calibration_key(scorer.key, part))


def _score_photographs(
    plan: Plan,
    artifacts: RunArtifacts,
    calibration: Calibration | None,
    threshold: PhotographThreshold | None,
    progress: Progress,
) -> list[AnomalousShare]:
    (network,), (part,) = plan.networks.values(), plan.record.benchmarks
    ((key, method),) = plan.scorers.items()
    frames = [plan.frames[record.digest] for record in part.frames]
    scoring, needs = plan.record.scoring, combine_needs(network, [method])
    shares = []
    with progress.track(f"score {network.name} on {part.name}", len(frames), "images") as advance:
        for batch in forward_batches(network, frames, split_batches(len(frames), plan.record.batch_size), needs):
            records = [part.frames[index] for index in batch.positions]
            sizes = [(record.height, record.width) for record in records]
            with add_error_context(network, [frames[index] for index in batch.positions]):
                scored_frames, _ = score_output(batch.output, sizes, {key: method}, scoring)
            for index, record, scored in zip(batch.positions, records, scored_frames, strict=True):
                score = scored.scores[key]
                above = None if threshold is None else int(np.count_nonzero(threshold.above(score)))
                shares.append(AnomalousShare(record.id, record.height, record.width, above))
                artifacts.write_map(image_score_key(record.id), score)
                _write_heatmap(plan, artifacts, record, frames[index].read_image(), score, calibration, threshold)
                advance(1)
    return shares


def _write_heatmap(
    plan: Plan,
    artifacts: RunArtifacts,
    record: FrameRecord,
    image: RGBImage,
    score: ScoreMap,
    calibration: Calibration | None,
    threshold: PhotographThreshold | None,
) -> None:
    (scorer,) = plan.record.scorers
    figure = draw_photograph(image, score, calibration, threshold, scorer.label, scorer.network)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, pil_kwargs={"compress_level": 1})
    artifacts.store.write(image_heatmap_key(record.id), file.getbuffer())


def _format_csv(shares: Sequence[AnomalousShare], threshold: PhotographThreshold | None) -> str:
    """Return one line per photograph; without a threshold, the columns that need it are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "width", "height", "threshold", "pixels_above", "share_above"])
    limit = None if threshold is None else threshold.score
    writer.writerows(
        [escape_cell(share.image), share.width, share.height, limit, share.above, share.share] for share in shares
    )
    return text.getvalue()
