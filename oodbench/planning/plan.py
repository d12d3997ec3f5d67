"""First stage of a run: resolve, check and decide everything before any computation."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ByteSize

from oodbench.contracts import (
    BenchmarkCard,
    ComponentSizes,
    Method,
    Needs,
    PixelMethod,
    Requirements,
    Scoring,
    Segmenter,
)
from oodbench.errors import DataNotFoundError, UsageError
from oodbench.files import digest_bytes
from oodbench.metrics.protocols import PROTOCOLS
from oodbench.numerics import NUMERICS_VERSION
from oodbench.out_of_memory import explain_out_of_memory
from oodbench.planning.frame_choice import choose_frames
from oodbench.planning.frame_index import index_frames
from oodbench.planning.live_objects import OBJECT, MethodSource, Objects
from oodbench.planning.records import (
    BUCKETED_BYTES,
    MEASUREMENT_BYTES,
    PHOTOGRAPHS,
    FrameSetRecord,
    PlanRecord,
    RootsRecord,
    ScorerRecord,
    SegmenterRecord,
    SkippedPair,
)
from oodbench.planning.request import LEADERBOARD, Request, data_roots
from oodbench.planning.resolve import (
    NO_OBJECTS,
    AmbiguousDatasetError,
    find_benchmarks,
    find_in_distribution,
    find_methods,
    find_synthetic_world,
    open_networks,
    shared_class_set,
    take_evenly,
    validate_named_roots,
)
from oodbench.progress import Progress
from oodbench.registry import Registry, method_label
from oodbench.types import Frame, FrameSet


@dataclass(frozen=True)
class Plan:
    """Plan of a run: the stored record and the live objects that it describes.

    Attributes:
        record: The stored record of the plan.
        networks: Maps the name of each network to the network.
        scorers: Maps the key of each scorer to its method.
        frames: Maps the digest of each frame to the frame.
    """

    record: PlanRecord
    networks: Mapping[str, Segmenter]
    scorers: Mapping[str, Method]
    frames: Mapping[str, Frame]

    def disk_bytes(self) -> int:
        """Return the largest size of all maps and measurements on disk while the run is computed, in bytes."""
        sizes: dict[str, float] = {}  # by frame: frames that benchmarks share are stored once
        scorers, networks = len(self.record.scorers), len(self.networks)
        for part in self.record.benchmarks:
            kept = part.kept_frames(self.record.keep_scores)
            measured = BUCKETED_BYTES if self.record.is_bucketed(part) else MEASUREMENT_BYTES
            for index, frame in enumerate(part.frames):
                per_pixel = measured * scorers + (4 * scorers + networks if index in kept else 0)
                sizes[frame.key] = max(sizes.get(frame.key, 0), frame.height * frame.width * per_pixel)
        return round(sum(sizes.values()))

    def seconds_a_pass(self) -> dict[str, float]:
        """Measure one warm forward pass of each network on the first frame; return seconds by name of network."""
        record = self.record.benchmarks[0].frames[0]
        frame = self.frames[record.digest]
        seconds = {}
        for name, network in self.networks.items():
            needs = combine_needs(network, [self.scorers[s.key] for s in self.record.scorers if s.network == name])
            with explain_out_of_memory(network, [frame]):
                batch = [network.prepare(frame.read_image())]
                network.forward(batch, needs)
                start = time.perf_counter()
                network.forward(batch, needs)
                seconds[name] = time.perf_counter() - start
        return seconds


def make_plan(
    request: Request,
    registry: Registry,
    progress: Progress,
    photographs: FrameSet | None = None,
    objects: Objects = NO_OBJECTS,
) -> Plan:
    """Resolve a request to a plan: networks, methods, frames, protocols.

    Args:
        request: The request.
        registry: The registry, with the plugins of the request.
        progress: Callback for progress messages.
        photographs: Images to score instead of benchmarks.
        objects: Networks and methods that were passed as objects, in addition to those that the request names.

    Raises:
        OodbenchError: A name, a parameter, a network, a benchmark or a dataset is invalid.
    """
    scoring = Scoring(request.upsample, request.resize)
    methods = find_methods(request, registry, objects)
    given = {*request.methods, *(method.spec for method in methods[len(methods) - len(objects.methods) :])}
    chosen_by_name = [method for method in methods if method.spec in given]
    data, id_data = data_roots(request.data, request.id_data)
    validate_named_roots(data, id_data, registry)
    opened = open_networks(request, registry, objects)
    networks = {name: network.segmenter for name, network in opened.items()}
    for network in networks.values():
        if not network.reusable:
            progress.warn(
                f"{network.name}: {network.not_reusable_because}; other processes won't reuse its results (version=)"
            )
    world = find_synthetic_world(networks, registry)
    if photographs is None:
        sets = find_benchmarks(request, registry, data, world)
        cards = [registry.benchmark(name).card for name in sets]
        titles = {card.name: card.title for card in cards}
        sizes = {card.name: card.components for card in cards}
    else:
        sets, cards, titles, sizes = {PHOTOGRAPHS: photographs}, [], {PHOTOGRAPHS: "Photographs"}, {}
    classes = shared_class_set(networks)
    any_fits = any(method.make().needs().fit for method in methods)
    fit_frames = calibrate_frames = None
    try:
        fit_frames, calibrate_frames = find_in_distribution(
            registry, id_data, classes, "" if request.id_data else world
        )
    except DataNotFoundError as error:
        if fitted := [method.spec for method in chosen_by_name if method.make().needs().fit]:
            verb = "is" if len(fitted) == 1 else "are"
            raise DataNotFoundError(
                f"{', '.join(fitted)} {verb} fitted on labelled in-distribution frames, and {error.problem}",
                error.remedy,
            ) from error
        if request.id_data:
            raise
    except AmbiguousDatasetError as error:
        if request.id_data or any_fits:
            raise
        progress.warn(f"without calibration: {error.problem}. {error.remedy}")
    if fit_frames and not (any_fits and fit_frames.found.frames):
        fit_frames = None

    frames: dict[str, Frame] = {}

    def index_set(
        name: str,
        title: str,
        split: str,
        found: FrameSet,
        chosen: FrameSet,
        components: ComponentSizes,
    ) -> FrameSetRecord:
        records = index_frames(chosen.frames, name, progress)
        frames.update({record.digest: frame for record, frame in zip(records, chosen.frames, strict=True)})
        return FrameSetRecord.of(name, title, split, found, records, components)

    benchmarks = tuple(
        index_set(name, titles[name], "", sets[name], chosen, sizes.get(name, ComponentSizes()))
        for name, chosen in choose_frames(sets, request).items()
    )
    fit, calibrate = (
        index_set(*part, take_evenly(part.found, request.id_limit), ComponentSizes()) if part else None
        for part in (fit_frames, calibrate_frames)
    )

    scorers: dict[str, Method] = {}
    scorer_records: list[ScorerRecord] = []
    skipped: list[SkippedPair] = []
    for network in networks.values():
        for source in methods:
            method = source.make()
            reason = network.capabilities.lacks(method.needs())
            if reason is None and method.needs().fit and fit is None:
                reason = "it needs in-distribution frames to fit on (--id-data)"
            if reason is not None:
                skipped.append(SkippedPair(network=network.name, method=method_label(method), reason=reason))
                continue
            scorer = _make_scorer_record(network, source, method, scoring, request, fit)
            scorers[scorer.key] = method
            scorer_records.append(scorer)
    _check_pairs({method_label(method.make()) for method in chosen_by_name}, scorer_records, skipped)

    record = PlanRecord(
        networks=tuple(
            SegmenterRecord(
                name=network.name,
                source=model.recorded() if model else f"{type(network).__name__}{OBJECT}",
                card=model.card if model else None,
                checkpoint=model.checkpoint if model else None,
                digest=network.digest,
                device=network.device,
                expected_miou=network.expected.miou,
                expected_mean_confidence=network.expected.mean_confidence,
            )
            for network, model in opened.values()
        ),
        scorers=tuple(scorer_records),
        skipped=tuple(skipped),
        benchmarks=benchmarks,
        fit=fit,
        calibrate=calibrate,
        scoring=scoring,
        protocols={card.name: resolve_protocols(request.protocols, card) for card in cards},
        seed=request.seed,
        batch_size=request.batch_size,
        limit=request.limit,
        chosen=bool(request.frames),
        keep_scores=request.keep_scores,
        memory=request.memory,
        data=RootsRecord.of(data),
        id_data=RootsRecord.of(id_data),
        plugins=tuple(Path(path).absolute() for path in request.plugins),
        classes=classes.name,
    )
    _check_bucketed(record)
    return Plan(record, networks, scorers, frames)


def _check_bucketed(record: PlanRecord) -> None:
    """Raise UsageError if a benchmark's scores are counted in buckets and a protocol can't be computed from them."""
    for benchmark in filter(record.is_bucketed, record.benchmarks):
        for name in record.protocols[benchmark.name]:
            protocol = PROTOCOLS[name]
            if not protocol.is_pooled or protocol.precision != "float32" or protocol.void != "dropped":
                size = math.ceil(benchmark.measurement_bytes / 1e6)
                raise UsageError(
                    f"the protocol {name} needs all scores of {benchmark.name}, {size} MB per method, and --memory is "
                    f"{ByteSize(record.memory).human_readable(decimal=True)}",
                    f"Use --memory {size}MB, --keep-scores measurements or all, or --protocol pooled.",
                )


def resolve_protocols(names: Sequence[str], card: BenchmarkCard) -> tuple[str, ...]:
    """Return the names of the protocols for a benchmark; `leaderboard` is replaced by the protocol on its card."""
    return tuple(dict.fromkeys(card.leaderboard_protocol if name == LEADERBOARD else name for name in names))


def default_folder(record: PlanRecord) -> Path:
    """Return the run's folder if --out is missing. The same command gets the same folder and resumes the run."""
    benchmarks = "+".join(part.name for part in record.benchmarks[:2])
    more = f"+{len(record.benchmarks) - 2}" if len(record.benchmarks) > 2 else ""
    return Path("runs") / f"{benchmarks}{more}-{record.digest[:10]}"


def combine_needs(network: Segmenter, methods: Iterable[Method]) -> Needs:
    """Return the output that one forward pass needs for these methods and for the predicted classes."""
    needs = Needs.union(method.needs() for method in methods)
    return replace(needs, class_maps=network.capabilities.class_maps is not None)


def make_scorer_key(
    method: Method,
    network: tuple[str, str],
    source_digest: str | None,
    *,
    scoring: Scoring,
    batch_size: int,
    fit: tuple[int, str] | None,
) -> str:
    """Return the key of a scorer: a digest of everything except the benchmark's frames on which its scores depend.

    Args:
        method: The method with its parameters.
        network: The digest of the network and its device.
        source_digest: Digest of the user code that defines the method; None for a method of this package.
        scoring: The scoring resolution of the run.
        batch_size: Number of frames per forward pass.
        fit: The seed and the digest of the frames to fit on; None if the method learns nothing.
    """
    depends_on = {
        "network": list(network),
        "method": [method.card.name, method.card.version, source_digest, method.params.model_dump(mode="json")],
        "numerics": NUMERICS_VERSION,
        "scoring": scoring.identity() if isinstance(method, PixelMethod) else scoring.resize,
        "batch_size": batch_size,
        "fit": list(fit) if fit else None,
    }
    return f"{method.card.name}-{digest_bytes(json.dumps(depends_on, sort_keys=True).encode())[:12]}"


def _make_scorer_record(
    network: Segmenter,
    source: MethodSource,
    method: Method,
    scoring: Scoring,
    request: Request,
    fit: FrameSetRecord | None,
) -> ScorerRecord:
    fits = method.needs().fit
    params = method.params.model_dump(mode="json")
    key = make_scorer_key(
        method,
        (network.digest, network.device),
        source.source_digest,
        scoring=scoring,
        batch_size=request.batch_size,
        fit=(request.seed, fit.digest) if fits and fit else None,
    )
    return ScorerRecord(
        key=key,
        network=network.name,
        spec=source.spec,
        method=method.card.name,
        params=params,
        label=method_label(method),
        version=method.card.version,
        fits=fits,
        source_digest=source.source_digest,
        requirements=Requirements(
            retraining=method.card.retraining,
            extra_network=method.card.extra_network,
            ood_data=method.card.ood_data,
        ),
    )


def _check_pairs(named: Container[str], scorers: Sequence[ScorerRecord], skipped: Sequence[SkippedPair]) -> None:
    """Raise UsageError if a method that the user named fits no network, or if there is no scorer at all."""
    usable = {scorer.label for scorer in scorers}
    for label in dict.fromkeys(pair.method for pair in skipped):
        if label not in usable and (label in named or not scorers):
            details = "; ".join(f"{pair.network}: {pair.reason}" for pair in skipped if pair.method == label)
            raise UsageError(
                f"{label} fits none of the networks ({details})",
                "Give in-distribution frames with --id-data, declare the needed output in the model card, or choose "
                "other methods.",
            )
