"""Segmenters, and the adapters that load them."""

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
    """The outputs that a network provides.

    Attributes:
        class_maps: The kind of its class maps; None: it has none.
        features: The roles of its features.
        extras: The names of its extras.
        masks: Whether it is a mask classifier, with queries of a class and a mask each.

    Examples:
        >>> from oodbench.contracts import Capabilities, Needs
        >>> Capabilities("posteriors").lacks(Needs(logits=True))
        'it reads logits, and this network provides posteriors'
    """

    class_maps: MapKind | None
    features: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    masks: bool = False

    @property
    def logits(self) -> bool:
        """Whether its class maps are logits, or unnormalised class scores, whose logarithms are logits."""
        return self.class_maps in ("logits", "sums")

    def lacks(self, needs: Needs) -> str | None:
        """Return the reason why a method can't run on the network.

        Args:
            needs: The needs of the method.

        Returns:
            The reason as a clause; None if the method can run.
        """
        if needs.class_maps and self.class_maps is None:
            return "it reads class maps, and this network provides none"
        if needs.logits and not self.logits:
            return f"it reads logits, and this network provides {self.class_maps or 'no class maps'}"
        missing = [role for role in needs.features if role not in self.features]
        if missing:
            declared = ", ".join(self.features) or "none"
            return f"it reads the features '{missing[0]}', and this network declares {declared}"
        lacking = [name for name in needs.extras if name not in self.extras]
        if lacking:
            return f"it reads '{lacking[0]}', which this network does not provide" + (
                f": {needs.instead}" if needs.instead else ""
            )
        if needs.masks and not self.masks:
            return "it reads the masks of a mask classifier, and this network provides none"
        return None


@dataclass(frozen=True)
class LinearClassifier:
    """The last layer of a network, if it is linear: logits = weight x features `penultimate` + bias, per pixel.

    The logits are the class maps, or the class maps are their softmax if the network outputs posteriors.

    Attributes:
        weight: float32 [C, D], the classes in the order of the network's class set.
        bias: float32 [C].

    Examples:
        >>> import torch
        >>> from oodbench.contracts import LinearClassifier
        >>> layer = LinearClassifier(weight=torch.ones(19, 8), bias=torch.zeros(19))
        >>> features = torch.ones(1, 8, 4, 6)
        >>> logits = torch.einsum("cd,ndhw->nchw", layer.weight, features) + layer.bias[:, None, None]
        >>> list(logits.shape), logits[0, 0, 0, 0].item()
        ([1, 19, 4, 6], 8.0)
    """

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Expected:
    """The quality on labelled in-distribution frames that a network's card states, as fractions; None: not stated.

    A forgotten division by 255 can halve AP without any error; these two numbers show it.

    Attributes:
        miou: Mean intersection over union, in [0, 1].
        mean_confidence: Mean of the largest posterior, in (0, 1].

    Examples:
        >>> import oodbench
        >>> expected = oodbench.load_segmenter("streets-softmax", device="cpu").expected
        >>> 0 < expected.miou < 1, 0 < expected.mean_confidence < 1
        (True, True)
    """

    miou: float | None = None
    mean_confidence: float | None = None


class Segmenter(ABC):
    """A network with its preprocessing.

    Attributes:
        name: The name in tables.
        digest: The digest of the weights and of everything in the card that changes the output.
        classes: The class set, in the order of the class maps.
        capabilities: The outputs that it provides.
        expected: The quality that its card states.
        device: The device on which it runs.
        trained_on: The name of the dataset that it was trained on, if its card states it; otherwise empty.
        reusable: Whether another process that builds the same network computes the same digest, so that stored results
            can be used again.
        not_reusable_because: The reason if they can't be used again; otherwise empty.

    Examples:
        >>> import numpy as np
        >>> import oodbench
        >>> from oodbench.contracts import Needs
        >>> segmenter = oodbench.load_segmenter("streets-softmax", device="cpu")
        >>> batch = [segmenter.prepare(np.zeros((64, 128, 3), np.uint8))]
        >>> output = segmenter.forward(batch, Needs(logits=True))
        >>> output.class_maps.kind, output.class_maps.values.shape[:2] == (1, len(segmenter.classes))
        ('logits', True)
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
        """Return the input of `forward` for one image, with the facts about the image that the adapter needs later.

        Runs in worker threads.

        Args:
            image: uint8 [H, W, 3], red first.

        Returns:
            Anything that `forward` of the same segmenter accepts, for example a preprocessed array.
        """

    @abstractmethod
    def forward(self, batch: Sequence[Any], needs: Needs) -> SegmenterOutput:
        """Run one forward pass over N prepared images.

        Every map spans the whole image: an adapter that pads or tiles its input undoes that.

        Args:
            batch: N results of `prepare`.
            needs: The parts that the output must have; `SegmenterOutput.select` drops the others.

        Returns:
            The requested parts; features and class maps are float32.

        Raises:
            ModelError: The output is not what the network's card declares.
        """

    def classifier(self) -> LinearClassifier | None:
        """Return the last layer if it is linear in each pixel's features; by default None."""
        return None

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Return everything that a user may want to check: inputs, outputs, preprocessing, classes."""


@dataclass(frozen=True)
class AdapterCard:
    """The fact sheet of an adapter.

    Attributes:
        name: The public name.
        title: A short description.
        takes: The sources that it accepts, as `oodbench list models` and error messages show them.

    Examples:
        >>> from oodbench.contracts import AdapterCard
        >>> AdapterCard("torchscript", "TorchScript", "a file NAME.ts").takes
        'a file NAME.ts'
    """

    name: str
    title: str
    takes: str


class Adapter(ABC):
    """A loader of networks of one format; the base class of a plugin.

    Args:
        find_head: Function from name and parameters to a head of the registry, for weights that name their head.

    Attributes:
        card: The fact sheet.

    Examples:
        >>> import oodbench
        >>> from oodbench.contracts import Adapter, AdapterCard
        >>> from torch import nn
        >>> class Random(Adapter):
        ...     card = AdapterCard("random", "Random weights", "random:NAME")
        ...
        ...     def accepts(self, source):
        ...         return source.startswith("random:")
        ...
        ...     def open(self, source, card, device):
        ...         return oodbench.TorchSegmenter(nn.Conv2d(3, 19, 1), name=source, device=device)
        >>> Random().accepts("network.onnx"), Random().open("random:net", None, "cpu").name
        (False, 'random:net')
    """

    card: ClassVar[AdapterCard]

    def __init__(self, find_head: Callable[[str, Mapping[str, Any]], Head] | None = None) -> None:
        """Make an adapter.

        Args:
            find_head: Function from name and parameters to a head of the registry, for weights that name their head.
        """
        self._find_head = find_head

    def find_head(self, name: str, parameters: Mapping[str, Any]) -> Head:
        """Return a head of the registry.

        Args:
            name: Public name of the head.
            parameters: Its parameters.

        Raises:
            ModelError: The adapter was created without `find_head`.
            UnknownNameError: There is no head, or no parameter, of that name.
        """
        if self._find_head is None:
            raise ModelError(
                f"the head '{name}' is needed, and this adapter has no registry", "Use Registry().adapter(source)."
            )
        return self._find_head(name, parameters)

    @abstractmethod
    def accepts(self, source: str) -> bool:
        """Tell whether this adapter loads a source. The first adapter that accepts a source gets it.

        Args:
            source: The text after `--model`.
        """

    def open_checkpoint(
        self, source: str, checkpoint: Path, card: Path | None, device: Literal["auto", "cpu", "cuda"]
    ) -> Segmenter:
        """Load a network with its weights in a separate file. The default raises, because few formats separate them.

        Args:
            source: The text after `--model`.
            checkpoint: The file of the weights.
            card: The file that describes the network; None: the adapter looks for it next to the network.
            device: The device on which the network runs.

        Raises:
            ModelError: The format does not separate weights, or the file, its card or the device is not valid.
        """
        raise ModelError(f"--checkpoint {checkpoint}: --model {source} contains its weights", "Omit --checkpoint.")

    @abstractmethod
    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        """Load a network.

        Args:
            source: The text after `--model`.
            card: The file that describes the network; None: the adapter looks for it next to the network.
            device: The device on which the network runs.

        Returns:
            The network on the device, in evaluation mode.

        Raises:
            ModelError: The file, its card or the device is not valid.
        """
