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
        class_maps: The kind of the class maps (one map per class): `logits`, `posteriors` or `sums` (unnormalised class
            scores). None: the network has no class maps.
        features: Names of the features that the network provides; `penultimate` is the input of the last layer.
        extras: Names of additional outputs that only some network heads have.
        masks: Whether the network is a mask classifier, whose queries predict a class and a mask each.

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
        """Whether the class maps are logits, or unnormalised class scores, whose logarithms are logits."""
        return self.class_maps in ("logits", "sums")

    def lacks(self, needs: Needs) -> str | None:
        """Return the reason why a method can't run on the network, or None if it can.

        Args:
            needs: The outputs that the method needs.

        Returns:
            The reason as a part of a sentence; None if the network provides all of these outputs.
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
    """The last layer of a network, if it is linear: logits = weight * features + bias at each pixel.

    The features are the input of this layer, `penultimate`. The network outputs these logits, or their softmax.

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
    """The segmentation quality that a network is expected to reach on labelled in-distribution frames, as fractions.

    A run measures these numbers and warns if they differ much from the expected ones. Wrong preprocessing causes no
    error, but it changes these numbers: a forgotten division by 255 can halve AP. None means that no value is known.

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
    """A network with its preprocessing: images in, class maps (one map per class) and features out.

    Attributes:
        name: The name in tables.
        digest: A SHA-256 in hexadecimal of the weights and of everything else that changes the output. Runs store
            results under it.
        classes: The classes, in the order of the class maps.
        capabilities: The outputs that the network provides.
        expected: The expected segmentation quality.
        device: The device on which the network runs.
        trained_on: The name of the dataset on which the network was trained; empty if it is not known.
        reusable: Whether another process that builds the same network computes the same digest, so that stored results
            can be used again.
        not_reusable_because: The reason why stored results can't be used again; empty if `reusable` is True.

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
        """Return one element of the batch that `forward` takes, made from one image. Runs in worker threads.

        Args:
            image: uint8 [H, W, 3], red first.

        Returns:
            Anything that `forward` of the same segmenter accepts, for example a preprocessed array.
        """

    @abstractmethod
    def forward(self, batch: Sequence[Any], needs: Needs) -> SegmenterOutput:
        """Run one forward pass over N prepared images.

        Every returned map covers the whole image. If `forward` pads or tiles images, it must remove the padding and
        join the tiles.

        Args:
            batch: N outputs of `prepare`.
            needs: The parts that the output must have; `SegmenterOutput.select` drops other parts.

        Returns:
            The requested parts; features and class maps are float32.

        Raises:
            ModelError: The output is not as declared, for example another number of classes.
        """

    def classifier(self) -> LinearClassifier | None:
        """Return the last layer if it is linear in each pixel's features, otherwise None. The default is None."""
        return None

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Return everything that a user may want to check: inputs, outputs, preprocessing, classes."""


@dataclass(frozen=True)
class AdapterCard:
    """The fact sheet of an adapter, a loader of networks of one format.

    Attributes:
        name: The name in lists and messages.
        title: A short description.
        takes: The values of `--model` that the adapter accepts, as a text for help and error messages.
        data_only: Whether the files of these networks contain only data, so that opening them runs no code in them.
            Other networks of a stored run are opened only with `--trust`.

    Examples:
        >>> from oodbench.contracts import AdapterCard
        >>> AdapterCard("torchscript", "TorchScript", "a file NAME.ts").takes
        'a file NAME.ts'
    """

    name: str
    title: str
    takes: str
    data_only: bool = False


class Adapter(ABC):
    """Base class of a loader for networks of one format, such as ONNX. Override `card`, `accepts` and `open`.

    Args:
        find_head: Function from a name and parameters to a `Head`, for weights whose file names their head (last
            layers). None: the adapter loads no such weights.

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
        """Create an adapter.

        Args:
            find_head: Function from a name and parameters to a `Head`, for weights whose file names their head.
        """
        self._find_head = find_head

    def find_head(self, name: str, parameters: Mapping[str, Any]) -> Head:
        """Return a head (the last layers of a network) by its name.

        Args:
            name: Name of the head.
            parameters: Parameters of the head.

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
        """Return whether this adapter loads a network. The first adapter that returns True loads it.

        Args:
            source: The value of `--model`, such as a file name.
        """

    def needs_card(self, source: str) -> bool:
        """Return whether a network has no model card yet, so that it can't be loaded without `--model-card`.

        If a command has fewer model cards than networks, these networks get them. The default is False.

        Args:
            source: The value of `--model`, such as a file name.
        """
        return False

    def open_checkpoint(
        self, source: str, checkpoint: Path, card: Path | None, device: Literal["auto", "cpu", "cuda"]
    ) -> Segmenter:
        """Load a network whose weights are in a separate file. The default raises, because few formats have such files.

        Args:
            source: The value of `--model`, such as a file name.
            checkpoint: The file of the weights.
            card: The model card, a TOML file that describes the network. None: the adapter looks for it next to the
                network's file.
            device: The device on which the network runs.

        Raises:
            ModelError: The format has no separate weights, or a file, the model card or the device is not valid.
        """
        raise ModelError(f"--checkpoint {checkpoint}: --model {source} contains its weights", "Omit --checkpoint.")

    @abstractmethod
    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        """Load a network.

        Args:
            source: The value of `--model`, such as a file name.
            card: The model card, a TOML file that describes the network. None: the adapter looks for it next to the
                network's file.
            device: The device on which the network runs.

        Returns:
            The network on the device, in evaluation mode.

        Raises:
            ModelError: The network's file, the model card or the device is not valid.
        """
