"""The first stage: everything is looked up, checked and decided before anything is computed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from oodbench.contracts import DatasetCard, Method, Needs, PixelMethod, Roots, Scoring, Segmenter
from oodbench.errors import DataNotFoundError, RunFolderError, UnknownNameError, UsageError
from oodbench.files import digest_bytes
from oodbench.metrics import POOLED
from oodbench.pipeline.frames import FrameRecord, inspect
from oodbench.pipeline.progress import Progress
from oodbench.pipeline.record import NetworkRecord, PlanRecord, RootsRecord, ScorerRecord, SetRecord, Skipped
from oodbench.pipeline.request import Request, data_roots
from oodbench.registry import Registry, method_label
from oodbench.types import ClassSet, Frame, FrameSet


@dataclass(frozen=True)
class Plan:
    """The record that is kept, and the live objects that it describes.

    Attributes:
        record: what is kept.
        networks: name -> network.
        scorers: key of a scorer -> its method.
        frames: digest of a frame -> the frame.
    """

    record: PlanRecord
    networks: Mapping[str, Segmenter]
    scorers: Mapping[str, Method]
    frames: Mapping[str, Frame]

    def map_bytes(self) -> int:
        """What the score maps and predicted classes take on disk."""
        frames = {frame.key: frame for part in self.record.benchmarks for frame in part.frames}.values()
        pixels = sum(frame.height * frame.width for frame in frames)
        return pixels * (4 * len(self.record.scorers) + len(self.record.networks))

    def seconds_a_pass(self) -> dict[str, float]:
        """network -> the time of one warm forward pass, measured on its first frame."""
        record = self.record.benchmarks[0].frames[0]
        image = self.frames[record.digest].read_image()
        seconds = {}
        for name, network in self.networks.items():
            batch = network.prepare(image)[None]
            needs = shared_needs(network, [self.scorers[s.key] for s in self.record.scorers if s.network == name])
            network.forward(batch, needs)
            start = time.perf_counter()
            network.forward(batch, needs)
            seconds[name] = time.perf_counter() - start
        return seconds


def make_plan(request: Request, registry: Registry, progress: Progress) -> Plan:
    """Decide what runs.

    Raises:
        OodbenchError: a name, a parameter, a network or a data set is not what it should be.
    """
    scoring = Scoring(request.upsample)
    methods = _methods(request, registry)
    data, id_data = data_roots(request.data, request.id_data)
    _check_named_roots(data, id_data, registry)
    networks = _networks(request, registry)
    sets = _benchmarks(request, registry, data)
    classes = _one_class_set(networks)
    fit_frames, calibrate_frames = _in_distribution(
        registry, id_data, classes, any(method.needs().fit for method in methods.values()), request.id_limit
    )

    frames: dict[str, Frame] = {}
    limit = request.limit

    def checked(name: str, title: str, split: str, found: FrameSet) -> SetRecord:
        records = inspect(found.frames, name, progress)
        frames.update({record.digest: frame for record, frame in zip(records, found.frames, strict=True)})
        return _set_record(name, title, split, found, records)

    benchmarks = tuple(
        checked(name, registry.benchmark(name).card.title, "", _first(found, limit)) for name, found in sets.items()
    )
    fit = checked(*fit_frames) if fit_frames else None
    calibrate = checked(*calibrate_frames) if calibrate_frames else None

    scorers: dict[str, Method] = {}
    scorer_records: list[ScorerRecord] = []
    skipped: list[Skipped] = []
    for network in networks.values():
        for spec, method in methods.items():
            reason = network.capabilities.lacks(method.needs())
            if reason is not None:
                skipped.append(Skipped(network=network.name, method=method_label(method), reason=reason))
                continue
            scorer = _scorer(network, spec, method, scoring, request, fit)
            scorers[scorer.key] = registry.method(spec)
            scorer_records.append(scorer)
    _every_method_fits(methods, networks, skipped)

    record = PlanRecord(
        networks=tuple(
            NetworkRecord(name=n.name, source=str(Path(source).absolute()), card=card, digest=n.digest, device=n.device)
            for (source, card), n in zip(_sources(request), networks.values(), strict=True)
        ),
        scorers=tuple(scorer_records),
        skipped=tuple(skipped),
        benchmarks=benchmarks,
        fit=fit,
        calibrate=calibrate,
        scoring=scoring.record(),
        protocol=POOLED.name,
        seed=request.seed,
        batch_size=request.batch_size,
        limit=limit,
        data=RootsRecord.of(data),
        id_data=RootsRecord.of(id_data),
        plugins=tuple(Path(path).absolute() for path in request.plugins),
    )
    return Plan(record, networks, scorers, frames)


def default_folder(record: PlanRecord) -> Path:
    """Where the run goes without --out: the same command goes on with the same run."""
    benchmarks = "+".join(part.name for part in record.benchmarks[:2])
    more = f"+{len(record.benchmarks) - 2}" if len(record.benchmarks) > 2 else ""
    return Path("runs") / f"{benchmarks}{more}-{record.digest[:10]}"


def check_space(plan: Plan, folder: Path) -> None:
    """Refuse a run whose maps don't fit on the disk."""
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    stored = sum(path.stat().st_size for path in (folder / "scores").glob("*/*.npy"))
    if plan.map_bytes() - stored > free:
        raise RunFolderError(
            f"{folder}: the score maps take {plan.map_bytes() / 1e9:.1f} GB and {free / 1e9:.1f} GB are free there",
            "Use --out on another disk, fewer methods or benchmarks, or --limit.",
        )


def shared_needs(network: Segmenter, methods: Iterable[Method]) -> Needs:
    """What one forward pass has to give for these methods, and for the predicted classes that are kept."""
    needs = Needs.union(method.needs() for method in methods)
    return Needs(network.capabilities.class_maps is not None, needs.features, needs.fit)


def _methods(request: Request, registry: Registry) -> dict[str, Method]:
    """spec -> method; all that there are where none is named."""
    specs = list(dict.fromkeys(request.methods)) or registry.names("methods")
    methods = {spec: registry.method(spec) for spec in specs}
    seen: dict[str, str] = {}
    for spec, method in methods.items():
        other = seen.setdefault(method_label(method), spec)
        if other != spec:
            raise UsageError(f"--method {spec} is the same as --method {other}", "Name it once.")
    return methods


def _sources(request: Request) -> list[tuple[str, str | None]]:
    """(source, card) of each network."""
    cards = list(request.model_cards)
    if not request.models:
        raise UsageError(
            "no network was given", "Name one: --model FILE.onnx (docs/models.md says how to bring one in)."
        )
    if cards and len(cards) != len(request.models):
        raise UsageError(
            f"{len(cards)} --model-card for {len(request.models)} --model; expected one for each, in the same order",
            "Or put each card beside its network, as FILE.toml for FILE.onnx.",
        )
    absolute: list[str | None] = [str(Path(card).absolute()) for card in cards]
    return list(zip(request.models, absolute or [None] * len(request.models), strict=True))


def _networks(request: Request, registry: Registry) -> dict[str, Segmenter]:
    networks: dict[str, Segmenter] = {}
    for source, card in _sources(request):
        network = registry.adapter(source).open(source, Path(card) if card else None, request.device)
        if network.name in networks:
            raise UsageError(
                f"two networks are called '{network.name}'", "Give each a name of its own in its model card."
            )
        networks[network.name] = network
    return networks


def _one_class_set(networks: Mapping[str, Segmenter]) -> ClassSet:
    sets = {network.classes.name: network.classes for network in networks.values()}
    if len(sets) > 1:
        raise UsageError(
            f"the networks have different class sets: {', '.join(sets)}", "Run them one by one, with --out for each."
        )
    return next(iter(sets.values()))


def _check_named_roots(data: Roots, id_data: Roots, registry: Registry) -> None:
    known = [*registry.names("benchmarks"), *registry.names("datasets")]
    for name in (*data.named, *id_data.named):
        if name not in known:
            raise UnknownNameError("data set in NAME=DIR", name, known, "oodbench list benchmarks")


def _benchmarks(request: Request, registry: Registry, data: Roots) -> dict[str, FrameSet]:
    """name -> frames; all that are found where none is named."""
    sets: dict[str, FrameSet] = {}
    for name in dict.fromkeys(request.benchmarks) or registry.names("benchmarks"):
        try:
            sets[name] = registry.benchmark(name).open(data)
        except DataNotFoundError:
            if request.benchmarks:
                raise
    if not sets:
        where = ", ".join(map(str, data.anywhere)) or "no folder"
        raise DataNotFoundError(
            f"no benchmark was found in {where}; looked for {', '.join(registry.names('benchmarks'))}",
            "Give the folder of one: --data DIR, or OODBENCH_DATA=DIR. 'oodbench info benchmark NAME' says where to "
            "get it.",
        )
    return sets


def _dataset(registry: Registry, roots: Roots, classes: ClassSet) -> tuple[DatasetCard, Mapping[str, FrameSet]]:
    """The one dataset with these classes that is found, and its splits."""
    found = []
    missing = DataNotFoundError(f"no dataset has the classes {classes.name}", "See: oodbench list datasets")
    for dataset in map(registry.dataset, registry.names("datasets")):
        if dataset.card.classes == classes:
            try:
                found.append((dataset.card, dataset.open(roots)))
            except DataNotFoundError as error:
                missing = error
    if not found:
        raise missing
    if len(found) > 1:
        names = ", ".join(card.name for card, _ in found)
        raise UsageError(
            f"several datasets with the classes {classes.name} were found: {names}", "Use --id-data NAME=DIR."
        )
    return found[0]


def labelled_frames(
    registry: Registry, roots: Roots, classes: ClassSet, limit: int
) -> tuple[str, str, tuple[Frame, ...]]:
    """Dataset, split and frames to measure a network's closed-set quality on: those that calibrate.

    Raises:
        DataError: there are none.
    """
    _, calibrate = _in_distribution(registry, roots, classes, True, limit)
    assert calibrate is not None, "required frames are there or an error was raised"
    name, _, split, found = calibrate
    return name, split, found.frames


_InDistribution = tuple[str, str, str, FrameSet]
"""name, title, split, frames."""


def _in_distribution(
    registry: Registry, roots: Roots, classes: ClassSet, required: bool, limit: int
) -> tuple[_InDistribution | None, _InDistribution | None]:
    """The frames to fit on and those to calibrate on: by the dataset's own splits, else every fifth calibrates."""
    try:
        card, splits = _dataset(registry, roots, classes)
    except DataNotFoundError:
        if required:
            raise
        return None, None
    if len(splits) > 1:
        (fit_split, fit), (calibrate_split, calibrate) = list(splits.items())[:2]
    else:
        ((split, only),) = splits.items()
        rest = [frame for index, frame in enumerate(only.frames) if index % 5]
        fit = replace(only, frames=tuple(rest))
        calibrate = replace(only, frames=only.frames[::5])
        fit_split, calibrate_split = f"{split} (four of five)", f"{split} (every fifth)"
    if required and not fit.frames:
        raise UsageError(
            f"{card.name}: {fit.folder} has one labelled frame; expected some to fit on and others to calibrate on",
            card.obtain,
        )
    return (
        (card.name, card.title, fit_split, _spread(fit, limit)),
        (card.name, card.title, calibrate_split, _spread(calibrate, limit)),
    )


def _spread(found: FrameSet, limit: int) -> FrameSet:
    """At most `limit` frames, evenly spaced."""
    count = len(found.frames)
    if count <= limit:
        return found
    picked = np.linspace(0, count - 1, limit).round().astype(int)
    return replace(found, frames=tuple(found.frames[index] for index in picked))


def _first(found: FrameSet, limit: int | None) -> FrameSet:
    return found if limit is None else replace(found, frames=found.frames[:limit])


def _set_record(name: str, title: str, split: str, found: FrameSet, records: Sequence[FrameRecord]) -> SetRecord:
    warnings = list(found.warnings)
    if len(records) != found.expected:
        what = f"{name} {split}".strip()
        warnings.append(f"{what}: {len(records)} of {found.expected} frames")
    return SetRecord(
        name=name,
        title=title,
        split=split,
        layout=found.layout,
        folder=found.folder.absolute(),
        expected=found.expected,
        warnings=tuple(warnings),
        frames=tuple(records),
    )


def _scorer(
    network: Segmenter, spec: str, method: Method, scoring: Scoring, request: Request, fit: SetRecord | None
) -> ScorerRecord:
    fits = method.needs().fit
    params = method.params.model_dump(mode="json")
    depends_on = {
        "network": [network.digest, network.device],
        "method": [method.card.name, method.card.version, params],
        "scoring": scoring.record() if isinstance(method, PixelMethod) else scoring.resize,
        "batch_size": request.batch_size,
        "fit": [request.seed, fit.digest] if fits and fit else None,
    }
    digest = digest_bytes(json.dumps(depends_on, sort_keys=True).encode())
    return ScorerRecord(
        key=f"{method.card.name}-{digest[:12]}",
        network=network.name,
        spec=spec,
        method=method.card.name,
        params=params,
        label=method_label(method),
        version=method.card.version,
        fits=fits,
    )


def _every_method_fits(
    methods: Mapping[str, Method], networks: Mapping[str, Segmenter], skipped: Sequence[Skipped]
) -> None:
    """A method that fits no network at all is a mistake, not something to skip."""
    for method in methods.values():
        reasons = [pair for pair in skipped if pair.method == method_label(method)]
        if len(reasons) == len(networks):
            details = "; ".join(f"{pair.network}: {pair.reason}" for pair in reasons)
            raise UsageError(
                f"{method.card.name} fits none of the networks ({details})",
                "Declare the features in the model card, or choose other methods with --method.",
            )
