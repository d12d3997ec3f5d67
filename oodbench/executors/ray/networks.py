"""Descriptions of networks from which workers open them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Literal, cast

from typing_extensions import override

from oodbench.contracts import Segmenter
from oodbench.errors import ModelError
from oodbench.executors.ray.packing import Packer, ReceivedFiles
from oodbench.planning.adapters import split_options
from oodbench.planning.live_objects import OBJECT
from oodbench.planning.plan import Plan
from oodbench.planning.records import SegmenterRecord
from oodbench.planning.resolve import ModelSource
from oodbench.registry import Registry
from oodbench.segmenters.onnx_weight_files import find_weight_files
from oodbench.user_code.sources import find_sources


class SentNetwork(ABC):
    """A network as workers receive it."""

    @abstractmethod
    def open(self, files: ReceivedFiles) -> Segmenter:
        """Return the network.

        Raises:
            OodbenchError: It can't be opened, or is another network than the driver's.
        """


@dataclass(frozen=True)
class NetworkObject(SentNetwork):
    """A network that was passed as an object and is sent as one."""

    network: Segmenter

    @override
    def open(self, files: ReceivedFiles) -> Segmenter:
        return self.network


@dataclass(frozen=True)
class NetworkFiles(SentNetwork):
    """A network that is opened from its files, which are read by path or sent.

    Attributes:
        record: The record of the network.
        plugins: The plugin files of the run, one of which may contain the adapter.
        digests: Maps the path of each file that exists on the driver's machine to its digest.
    """

    record: SegmenterRecord
    plugins: tuple[str, ...]
    digests: Mapping[str, str]

    @override
    def open(self, files: ReceivedFiles) -> Segmenter:
        locate = files.find_together(self.digests)
        path, options = split_options(self.record.source)
        is_file = any(Path(file).is_relative_to(path) for file in self.digests)
        source = ModelSource(
            (locate(path) if is_file else path) + options,
            self.record.card and locate(self.record.card),
            self.record.checkpoint and locate(self.record.checkpoint),
        )
        device = cast(Literal["cpu", "cuda"], self.record.device)
        network = source.open(Registry([Path(locate(plugin)) for plugin in self.plugins]), device)
        if network.digest != self.record.digest:
            raise ModelError(
                f"{self.record.name}: weights, model card or code on a worker are not those of the driver",
                "Install the same versions on all machines. If the network reads other files, copy them there, too.",
            )
        return network


def describe_network(plan: Plan, name: str, packer: Packer) -> SentNetwork:
    """Return a network of a plan as workers receive it."""
    record = plan.record.network(name)
    if record.source.endswith(OBJECT):
        return NetworkObject(plan.networks[name])
    path = Path(split_options(record.source)[0])
    roots = [path, *(Path(file) for file in (record.card, record.checkpoint) if file), *plan.record.plugins]
    files = {file.absolute() for root in roots for file in _find_files(root)}
    digests = {str(file): packer.digest(file) for file in sorted(files)}
    return NetworkFiles(record, tuple(map(str, plan.record.plugins)), digests)


def _find_files(path: Path) -> Iterator[Path]:
    """Yield the files of a network or a plugin: the file, those next to it with its name, and those that it names."""
    if path.is_dir():
        yield from _only_files(path.rglob("*"))
    if not path.is_file():
        return
    yield from _only_files([path, *path.parent.glob(f"{escape(path.stem)}.*")])
    if path.suffix == ".py":
        yield from (source.path for source in find_sources(path).values())
    if path.suffix == ".onnx":
        yield from find_weight_files(path)


def _only_files(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in paths if path.is_file())
