"""The contract test of adapters and of the networks that they load, which runs on a small network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from oodbench.contracts import Adapter, Needs, Segmenter
from oodbench.errors import ModelError
from oodbench.testing.plugin import PluginContract, assert_filled, raised
from oodbench.types import MapKind, RGBImage, SegmenterOutput


class AdapterContract(PluginContract):
    """The tests that an `Adapter` and the networks that it loads must pass; pytest runs them from a subclass.

    The subclass sets `name`, and `plugin` to your file. It defines `make(folder)`, which writes a small network.

    Attributes:
        tolerance: Largest allowed difference between the output for a batch and the outputs for its single images, as a
            share of the largest value.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.testing import AdapterContract
        >>> class TestBundled(AdapterContract):
        ...     name = "bundled"
        ...
        ...     def make(self, folder):
        ...         return "streets-softmax"
        >>> TestBundled().test_it_accepts_only_its_own_sources(Path())  # pytest runs all tests of the class
    """

    kind = "models"
    tolerance: float = 1e-4

    def make(self, folder: Path) -> str:
        """Write a small network into a folder, with its model card (description) next to it.

        Args:
            folder: An empty folder.

        Returns:
            The value of the option `--model` for this network, usually its path.
        """
        raise NotImplementedError(f"{type(self).__name__}: define make(folder), which writes a small network")

    def adapter(self) -> Adapter:
        """Return a new instance of the adapter."""
        adapter: Adapter = self.load()(self.registry().head)
        return adapter

    def network(self, folder: Path) -> Segmenter:
        """Return the small network, which `make` writes, on the CPU.

        Args:
            folder: An empty folder.
        """
        return self.adapter().open(self.make(folder), None, "cpu")

    def test_its_card_is_complete(self) -> None:
        """Check that the card has a title and the text for `oodbench list models` on what the adapter accepts."""
        assert_filled(self.load().card, "title", "takes")

    def test_it_accepts_only_its_own_sources(self, tmp_path: Path) -> None:
        """Check that the adapter accepts only its own networks, because the first adapter that accepts one loads it."""
        source = self.make(tmp_path)
        assert self.adapter().accepts(source), f"{self.name}: does not accept {source}"
        assert not self.adapter().accepts("network.of-no-known-format"), (
            f"{self.name}: accepts 'network.of-no-known-format'; expected its own sources alone"
        )
        first = self.registry().adapter(source).card.name
        assert first == self.name, f"{self.name}: {source} goes to the adapter '{first}'"

    def test_a_missing_file_is_an_error(self, tmp_path: Path) -> None:
        """Check that a missing file raises a `ModelError`, which commands print without a traceback."""
        source = Path(self.make(tmp_path))
        if not source.is_file():
            return
        absent = source.with_stem("absent")
        error = raised(lambda: self.adapter().open(str(absent), None, "cpu"))
        assert isinstance(error, ModelError), f"{self.name}: opening an absent file gave {error!r}; expected ModelError"

    def test_a_network_describes_itself(self, tmp_path: Path) -> None:
        """Check the name, classes, device and digest (hash), and that a second load gives the same digest."""
        network = self.network(tmp_path)
        for field in ("name", "digest", "classes", "device"):
            assert getattr(network, field), f"{self.name}: the network's {field} is empty"
        assert re.fullmatch("[0-9a-f]{64}", network.digest), (
            f"{self.name}: the network's digest is {network.digest!r}; expected a SHA-256 in hexadecimal"
        )
        assert network.describe(), f"{self.name}: describe() is empty"
        kinds = (None, *get_args(MapKind))
        assert network.capabilities.class_maps in kinds, (
            f"{self.name}: class maps are '{network.capabilities.class_maps}'; expected one of {kinds}"
        )
        assert network.digest == self.network(tmp_path).digest, f"{self.name}: opened twice, its digests differ"

    def test_outputs_match_the_capabilities(self, tmp_path: Path) -> None:
        """Check that all declared outputs are finite float32 maps of the right shape, requested together or separately.

        If `classifier` returns a layer, this layer must compute the class maps from the features.
        """
        network = self.network(tmp_path)
        batch = [network.prepare(image) for image in _images()]
        for needs in _each(network):
            output = network.forward(batch, needs)
            self._check_class_maps(network, output, needs, len(batch))
            self._check_classifier(network, output)
            for role in needs.features:
                assert role in output.features, f"{self.name}: no features '{role}', which its capabilities name"
                self._check_maps(output.features[role], f"features '{role}'", len(batch))
            for name in needs.extras:
                assert name in output.extras, f"{self.name}: no extra '{name}', which its capabilities name"
                self._check_maps(output.extras[name], f"extra '{name}'", len(batch))
            self._check_masks(network, output, needs, len(batch))

    def test_a_batch_gives_the_outputs_of_single_images(self, tmp_path: Path) -> None:
        """Check that a batch gives the outputs of single images, prepared in worker threads as in a run."""
        network = self.network(tmp_path)
        needs = _all(network)
        with ThreadPoolExecutor(2) as pool:
            together = network.forward(list(pool.map(network.prepare, _images())), needs)
        for index, image in enumerate(_images()):
            alone = network.forward([network.prepare(image)], needs)
            for whole, single in zip(_tensors(together, needs), _tensors(alone, needs), strict=True):
                difference = float((whole[index] - single[0]).abs().max())
                assert difference <= self.tolerance * max(1.0, float(single.abs().max())), (
                    f"{self.name}: an image's output alone and in a batch differs by {difference:.3g}; expected equal "
                    "outputs up to rounding"
                )

    def test_the_output_depends_on_the_image(self, tmp_path: Path) -> None:
        """Check that different images give different outputs, and that the same image gives the same output twice."""
        network = self.network(tmp_path)
        needs = _all(network)
        first, second = _images()
        outputs = [
            _tensors(network.forward([network.prepare(image)], needs), needs) for image in (first, first, second)
        ]
        assert all(torch.allclose(*pair) for pair in zip(*outputs[:2], strict=True)), (
            f"{self.name}: one image gives two outputs; expected a network in evaluation mode"
        )
        assert not all(torch.equal(*pair) for pair in zip(outputs[0], outputs[2], strict=True)), (
            f"{self.name}: two images give one output"
        )

    def _check_class_maps(self, network: Segmenter, output: SegmenterOutput, needs: Needs, count: int) -> None:
        kind = network.capabilities.class_maps
        if not needs.class_maps or kind is None:
            return
        maps = output.class_maps
        assert maps is not None, f"{self.name}: no class maps, and its capabilities say {kind}"
        assert maps.kind == kind, f"{self.name}: class maps are {maps.kind}, and its capabilities say {kind}"
        self._check_maps(maps.values, "class maps", count)
        assert maps.values.shape[1] == len(network.classes), (
            f"{self.name}: {maps.values.shape[1]} class maps for the {len(network.classes)} classes of "
            f"{network.classes.name}"
        )
        if kind == "posteriors":
            total = maps.values.sum(dim=1)
            assert torch.allclose(total, torch.ones_like(total), atol=1e-3), (
                f"{self.name}: posteriors add up to {float(total.min()):.3g}..{float(total.max()):.3g}; expected 1"
            )
        elif kind == "sums":
            least = float(maps.values.min())
            assert least >= 0, f"{self.name}: the least class score is {least:.3g}; expected 0 or more"

    def _check_masks(self, network: Segmenter, output: SegmenterOutput, needs: Needs, count: int) -> None:
        if not needs.masks:
            return
        outputs = [output] if output.windows is None else [part.output for part in output.windows.parts]
        assert output.windows is None or output.masks is None, (
            f"{self.name}: masks of windows are in the windows, and the whole has none"
        )
        for part in outputs:
            masks = part.masks
            assert masks is not None, f"{self.name}: no masks, and its capabilities say that there are"
            shape = tuple(masks.class_logits.shape)
            queries = masks.mask_logits.shape[1]
            expected = (count, queries, len(network.classes) + 1)
            assert shape == expected, (
                f"{self.name}: class logits of queries have the shape {shape}; expected {expected}: a mask for each "
                "query, and for each query the classes and no-object"
            )
            self._check_maps(masks.mask_logits, "mask logits", count)
            for what, values in (("class logits", masks.class_logits), ("queries", masks.queries)):
                if values is not None:
                    assert values.dtype == torch.float32, f"{self.name}: {what} are {values.dtype}; expected float32"
                    assert bool(torch.isfinite(values).all()), f"{self.name}: {what} are NaN or infinite"
            if masks.queries is not None:
                assert masks.queries.shape[:2] == (count, queries), (
                    f"{self.name}: query embeddings have the shape {tuple(masks.queries.shape)}; expected "
                    f"({count}, {queries}, D)"
                )

    def _check_classifier(self, network: Segmenter, output: SegmenterOutput) -> None:
        layer, maps = network.classifier(), output.class_maps
        if layer is None or maps is None or "penultimate" not in output.features:
            return
        features = output.features["penultimate"]
        assert layer.weight.shape == (len(network.classes), features.shape[1]), (
            f"{self.name}: its classifier has the weight {tuple(layer.weight.shape)} for {features.shape[1]} features; "
            f"expected ({len(network.classes)}, {features.shape[1]})"
        )
        if features.shape[2:] != maps.values.shape[2:]:
            return  # the network resizes its maps
        computed = torch.einsum("cd,ndhw->nchw", layer.weight, features) + layer.bias[:, None, None]
        computed = computed.softmax(dim=1) if maps.kind == "posteriors" else computed
        difference = float((computed - maps.values).abs().max())
        assert difference <= self.tolerance * max(1.0, float(maps.values.abs().max())), (
            f"{self.name}: its classifier and the features 'penultimate' give other class maps, by {difference:.3g}"
        )

    def _check_maps(self, maps: torch.Tensor, what: str, count: int) -> None:
        assert maps.dtype == torch.float32, f"{self.name}: {what} are {maps.dtype}; expected float32"
        assert maps.ndim == 4, f"{self.name}: {what} have the shape {tuple(maps.shape)}; expected [N, channels, h, w]"
        assert len(maps) == count, f"{self.name}: {what} of {len(maps)} images; expected {count}"
        assert bool(torch.isfinite(maps).all()), f"{self.name}: {what} are NaN or infinite"


def _images() -> list[RGBImage]:
    """Return two images of one size: a ramp of each colour, with noise."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, 96)[None, :, None] * np.array([[[1.0, 0.6, 0.3]], [[0.2, 0.9, 0.5]]])[:, None]
    noise = rng.integers(0, 56, (2, 48, 96, 3))
    return list((ramp + noise).astype(np.uint8))


def _all(network: Segmenter) -> Needs:
    """Return the needs for all outputs that the network declares."""
    can = network.capabilities
    return Needs(
        class_maps=can.class_maps is not None,
        logits=can.logits,
        features=can.features,
        extras=can.extras,
        masks=can.masks,
    )


def _each(network: Segmenter) -> Sequence[Needs]:
    """Return the needs for all outputs, and for each output separately."""
    everything = _all(network)
    alone = [Needs(features=(role,)) for role in everything.features]
    alone += [Needs(extras=(name,)) for name in everything.extras]
    alone += [Needs(masks=True)] if everything.masks else []
    if everything.class_maps:
        alone.append(Needs(class_maps=True, logits=everything.logits))
    return [everything, *alone]


def _tensors(output: SegmenterOutput, needs: Needs) -> list[torch.Tensor]:
    maps = [output.class_maps.values] if output.class_maps is not None and needs.class_maps else []
    features = [output.features[role] for role in needs.features]
    masks = [output.masks.class_logits, output.masks.mask_logits] if needs.masks and output.masks else []
    return [*maps, *features, *(output.extras[name] for name in needs.extras), *masks]
