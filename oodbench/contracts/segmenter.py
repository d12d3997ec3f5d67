"""Networks, and the adapters that bring them in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from oodbench.contracts.head import Head
from oodbench.contracts.method import Needs
from oodbench.errors import ModelError
from oodbench.types import ClassSet, MapKind, RGBImage, SegmenterOutput

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Capabilities:
    """The outputs that a network can give.

    Attributes:
        class_maps: The kind of its class maps; None: it has none.
        features: The roles of its features.
        extras: The names of its extras.
        masks: Whether it is a mask classifier, with queries of a class and a mask each.
    """

    class_maps: MapKind | None
    features: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    masks: bool = False

    @property
    def logits(self) -> bool:
        """Whether its class maps are logits, or sums: the logarithms of these are."""
        return self.class_maps in ("logits", "sums")

    def lacks(self, needs: Needs) -> str | None:
        """Why a method with these needs can't run on the network, or None where it can."""
        if needs.class_maps and self.class_maps is None:
            return "it reads class maps, and this network gives none"
        if needs.logits and not self.logits:
            return f"it reads logits, and this network gives {self.class_maps or 'no class maps'}"
        missing = [role for role in needs.features if role not in self.features]
        if missing:
            given = ", ".join(self.features) or "none"
            return f"it reads the features '{missing[0]}', and this network declares {given}"
        lacking = [name for name in needs.extras if name not in self.extras]
        if lacking:
            return f"it reads '{lacking[0]}', which this network does not give" + (
                f": {needs.instead}" if needs.instead else ""
            )
        if needs.masks and not self.masks:
            return "it reads the masks of a mask classifier, and this network gives none"
        return None


@dataclass(frozen=True)
class LinearClassifier:
    """What a network makes its class maps of the features `penultimate` with: weight [C, D] and bias [C], float32.

    The classes stand in the order of the network's class set.
    """

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Expected:
    """What the network's card says of it on labelled in-distribution frames (fractions); None where it says nothing.

    A forgotten division by 255 halves AP in silence; these two numbers tell.
    """

    miou: float | None = None
    mean_confidence: float | None = None


class Segmenter(ABC):
    """A network with its preprocessing.

    Attributes:
        name: for tables.
        digest: of the weights and of everything in the card that bears on the output.
        classes: its class set, in the order of its class maps.
        capabilities: what it can give.
        expected: what its card says of it.
        device: where it runs.
        trained_on: name of the dataset it was trained on, where its card says so; else empty.
        reusable: Whether another process that builds the same network computes the same digest, so that stored results
            can be used again.
        not_reusable_because: The reason if it can't; else empty.
    """

    name: str
    digest: str
    classes: ClassSet
    capabilities: Capabilities
    expected: Expected
    device: str
    trained_on: str = ""
    reusable: bool = True
    not_reusable_because: str = ""

    @abstractmethod
    def prepare(self, image: RGBImage) -> Any:
        """What `forward` takes of one image: the network's input and whatever the adapter has to remember of it.

        Runs in worker threads.
        """

    @abstractmethod
    def forward(self, batch: Sequence[Any], needs: Needs) -> SegmenterOutput:
        """One forward pass over N prepared images; only what `needs` names has to be in the output.

        Every map spans the whole image: an adapter that pads or tiles its input takes that back.
        """

    def classifier(self) -> LinearClassifier | None:
        """The last layer, where it is linear in each pixel's features; by default None."""
        return None

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Everything a user may want to check: inputs, outputs, preprocessing, classes."""


@dataclass(frozen=True)
class AdapterCard:
    """The fact sheet of an adapter."""

    name: str
    title: str
    takes: str


class Adapter(ABC):
    """Brings in networks of one format."""

    card: ClassVar[AdapterCard]

    def __init__(self, find_head: Callable[[str, Mapping[str, Any]], Head] | None = None) -> None:
        """`find_head`: the registry's heads, by name and parameters, for weights that name theirs."""
        self._find_head = find_head

    def find_head(self, name: str, parameters: Mapping[str, Any]) -> Head:
        """The head of that name."""
        if self._find_head is None:
            raise ModelError(f"the head '{name}' is looked for in a registry", "Use Registry().adapter(source).")
        return self._find_head(name, parameters)

    @abstractmethod
    def accepts(self, source: str) -> bool:
        """Whether `--model SOURCE` is for this adapter."""

    def open_checkpoint(
        self, source: str, checkpoint: Path, card: Path | None, device: Literal["auto", "cpu", "cuda"]
    ) -> Segmenter:
        """As `open`, with the weights in a file of their own. By default an error: few formats keep them apart."""
        raise ModelError(
            f"--checkpoint {checkpoint}: --model {source} has its weights in itself", "Leave --checkpoint out."
        )

    @abstractmethod
    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        """Load the network. `card` is the file that describes it; None looks beside the network.

        Raises:
            ModelError: the file, its card or the device is not what it should be.
        """
