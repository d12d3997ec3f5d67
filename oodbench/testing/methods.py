"""The contract test of methods, which runs on a small network with a planted anomaly."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import torch

from oodbench.contracts import Fit, GridMethod, MergeableFit, Method, PixelMethod
from oodbench.numerics import iter_row_bands
from oodbench.storage.fits import decode_fit, encode_fit
from oodbench.testing.fake_network import (
    PATCH,
    SIZE,
    fake_network,
    learn,
    learn_distributed,
    ready,
    scores,
    stack_outputs,
)
from oodbench.testing.plugin import PluginContract, assert_filled
from oodbench.types import ClassMaps, SegmenterOutput

_UPSAMPLE: tuple[Literal["logits", "score"], ...] = ("logits", "score")

# A fit may take seconds, and most tests can share one. Maps class and specification to the fit.
_FITS: dict[tuple[type[Method], str], Fit] = {}


class MethodContract(PluginContract):
    """The tests that a `Method` must pass; pytest runs them from a subclass in your tests.

    The subclass sets `name`, and `plugin` to your file. The tests use a small synthetic network output. In some of its
    frames, a rectangle is a planted anomaly: its logits are low and equal, and its features are far from every class.

    Attributes:
        spec: The method with parameters, as the option `--method` takes it; by default the name alone.
        finds_planted: Whether the planted anomaly must score higher than the rest of the frame. Set it to False for a
            method that detects something else, and state the reason in a comment.

    Examples:
        >>> from oodbench.testing import MethodContract
        >>> class TestEnergy(MethodContract):
        ...     name = "energy"
        >>> TestEnergy().test_its_needs_are_declared()  # pytest runs all tests of the class
    """

    kind = "methods"
    spec: str = ""
    finds_planted: bool = True

    def method(self) -> Method:
        """Return a new instance of the method, which has not learned anything."""
        return self.registry().method(self.spec or self.name)

    def ready(self) -> Method:
        """Return a new instance of the method; if the method learns, it has learned from synthetic frames."""
        method = self.method()
        if method.needs().fit:
            key = (type(method), self.spec)
            if key not in _FITS:
                _FITS[key] = learn(self.method())
            method.load(_FITS[key])
        return method

    def frame(self, seed: int, planted: bool = False) -> SegmenterOutput:
        """Return the network's output for one synthetic frame, with only the parts that the method's `needs` request.

        Args:
            seed: Seed of the random numbers.
            planted: Whether the frame contains the planted anomaly.
        """
        needs = self.method().needs()
        output, _ = fake_network(seed, planted, roles=needs.features, extras=needs.extras, masks=needs.masks)
        return output.select(needs)

    def test_its_card_and_parameters_are_described(self) -> None:
        """Check that the card and the parameters have what `oodbench info method NAME` shows."""
        method = self.method()
        assert_filled(method.card, "title", "paper", "url")
        for key, field in method.Params.model_fields.items():
            assert field.description, (
                f"{self.name}: the parameter {key} has no description; expected Field(..., description=...)"
            )

    def test_its_needs_are_declared(self) -> None:
        """Check that `needs` requests at least one output of the network; a `PixelMethod` must request class maps."""
        method = self.method()
        needs = method.needs()
        maps = needs.class_maps or needs.logits
        if isinstance(method, PixelMethod):
            assert maps, f"{self.name}: a PixelMethod scores class maps, and its needs() asks for none"
        assert maps or needs.features or needs.extras or needs.masks, (
            f"{self.name}: needs() asks for neither class maps nor features nor extras nor masks"
        )

    def test_scores_are_finite_float32_maps_of_the_label_size(self) -> None:
        """Check the score maps of class maps that are resized before scoring, and of those that are not."""
        method, frame = self.ready(), self.frame(10, planted=True)
        for upsample in _UPSAMPLE:
            score = scores(method, frame, upsample)
            assert score.shape == (1, *SIZE), f"{self.name}: a map of shape {score.shape[1:]}; expected {SIZE}"
            assert score.dtype == np.float32, f"{self.name}: a map of {score.dtype}; expected float32"
            assert np.isfinite(score).all(), f"{self.name}: scores that are NaN or infinite (--upsample {upsample})"

    def test_scores_are_finite_at_the_extremes(self) -> None:
        """Check that scores are finite for logits that are all equal, or that differ by about a hundred."""
        method, frame = self.ready(), self.frame(10)
        if frame.class_maps is None:
            return
        for what, factor in (("logits a hundred apart", 20.0), ("equal logits", 0.0)):
            maps = ClassMaps(frame.class_maps.values * factor, frame.class_maps.kind)
            score = scores(method, dataclasses.replace(frame, class_maps=maps), "score")
            assert np.isfinite(score).all(), f"{self.name}: scores that are NaN or infinite for {what}"

    def test_posteriors_are_scored_as_their_logarithms(self) -> None:
        """Check that class scores and, if accepted, posteriors get the same scores as the logits that they are from."""
        method, frame = self.ready(), self.frame(10)
        if frame.class_maps is None:
            return
        logits = frame.class_maps.values
        kinds: list[tuple[str, ClassMaps]] = [("sums", ClassMaps(logits.exp(), "sums"))]
        if not method.needs().logits:
            kinds.append(("posteriors", ClassMaps(logits.softmax(dim=1), "posteriors")))
        for what, maps in kinds:
            got = scores(method, dataclasses.replace(frame, class_maps=maps), "score")
            _assert_close(self.name, got, scores(method, frame, "score"), f"of {what} and of the logits that make them")

    def test_higher_is_more_anomalous(self) -> None:
        """Check that the planted anomaly scores higher than the rest of the frame; see `finds_planted`."""
        if not self.finds_planted:
            return
        method, frame = self.ready(), self.frame(10, planted=True)
        inside = np.zeros(SIZE, bool)
        rows, columns = PATCH
        inside[2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop] = True
        for upsample in _UPSAMPLE:
            score = scores(method, frame, upsample)[0]
            anomalous, common = np.median(score[inside]), np.quantile(score[~inside], 0.95)
            assert anomalous > common, (
                f"{self.name}: the median score of the planted anomaly is {anomalous:.4g}, and 95% of the other "
                f"pixels reach {common:.4g}; expected it to be higher: higher scores are more anomalous "
                f"(--upsample {upsample})"
            )

    def test_scores_do_not_depend_on_the_batch_size(self) -> None:
        """Check that a frame's scores do not depend on the other frames of its batch."""
        method = self.ready()
        outputs = [self.frame(seed, planted=seed == 11) for seed in (10, 11, 12)]
        together = scores(method, stack_outputs(*outputs))
        for index, output in enumerate(outputs):
            _assert_close(self.name, together[index], scores(method, output)[0], "alone and in a batch of three")

    def test_scores_do_not_depend_on_the_bands(self) -> None:
        """Check that the score of a pixel does not depend on which rows of the frame are scored together."""
        maps = self.frame(10, planted=True).class_maps
        if maps is None or not isinstance(self.method(), PixelMethod):
            return
        method = self.ready()
        assert isinstance(method, PixelMethod), "checked above"
        (whole,) = (method.pixel_score(band) for band in iter_row_bands(maps.values[0], SIZE))
        parts = [method.pixel_score(band) for band in iter_row_bands(maps.values[0], SIZE, rows=7)]
        _assert_close(self.name, torch.cat(parts).numpy(), whole.numpy(), "in bands of 7 rows and of 48")

    def test_the_same_fit_and_frame_give_the_same_scores(self) -> None:
        """Check that every random choice is derived from the seed."""
        frame = self.frame(10)
        methods = [ready(self.method(), seed=3) for _ in range(2)]
        first, second, again = (scores(method, frame) for method in (*methods, methods[0]))
        assert np.array_equal(first, second), f"{self.name}: two fits of one seed give different scores"
        assert np.array_equal(first, again), f"{self.name}: one frame, scored twice, has different scores"

    def test_a_loaded_fit_gives_the_same_scores(self) -> None:
        """Check that a new instance that loads the stored result of `fitted` gives the same scores."""
        method = self.method()
        if not method.needs().fit:
            assert method.fitted() == Fit({}, {}), f"{self.name}: fitted() returns a fit, and needs() asks for no fit"
            return
        fit, fresh = learn(method), self.method()
        method.load(fit)
        fresh.load(decode_fit(encode_fit(fit), self.name))
        frame = self.frame(10)
        assert np.array_equal(scores(method, frame), scores(fresh, frame)), (
            f"{self.name}: a new instance that loads the stored fit gives other scores; expected the tensors of "
            "fitted() to hold everything that scoring needs"
        )

    def test_a_distributed_fit_equals_the_fit_in_one_process(self) -> None:
        """Check that a mergeable fit depends neither on the batches nor on who computes them, and in which order."""
        if not isinstance(self.method(), MergeableFit):
            return
        expected = learn(self.method(), seed=3)
        for sizes, order in (((1, 1, 1), (2, 0, 1)), ((1, 2), (1, 0)), ((3,), (0,))):
            fit = learn_distributed(self.method, order, sizes, seed=3)
            assert encode_fit(fit) == encode_fit(expected), (
                f"{self.name}: the states of batches of {sizes} frames, computed in the order {order}, give another "
                "fit; expected the same bits: frame_states() must not depend on other frames"
            )

    def test_its_inputs_are_not_changed(self) -> None:
        """Check that scoring does not change its inputs, because other methods read the same tensors."""
        method, frame = self.ready(), self.frame(10)
        if isinstance(method, GridMethod):
            before = [tensor.clone() for tensor in _tensors(frame)]
            method.grid_score(frame)
            same = all(map(torch.equal, before, _tensors(frame)))
        else:
            assert frame.class_maps is not None, f"{self.name}: a PixelMethod scores class maps"
            assert isinstance(method, PixelMethod), "the registry accepts only these two kinds"
            (band,) = iter_row_bands(frame.class_maps.values[0], SIZE)
            parts = [band.logits, band.summary.best, band.summary.others, band.summary.shortfall]
            before = [tensor.clone() for tensor in parts]
            method.pixel_score(band)
            same = all(map(torch.equal, before, parts))
        assert same, f"{self.name}: scoring changed the tensors that it was given; expected new ones"


def _tensors(output: SegmenterOutput) -> list[torch.Tensor]:
    maps = [] if output.class_maps is None else [output.class_maps.values]
    if output.masks is not None:
        maps += [output.masks.class_logits, output.masks.mask_logits]
        maps += [] if output.masks.queries is None else [output.masks.queries]
    return [*maps, *output.features.values(), *output.extras.values()]


def _assert_close(name: str, got: np.ndarray, expected: np.ndarray, what: str) -> None:
    difference, largest = np.abs(got - expected).max(), np.abs(expected).max()
    assert difference <= 1e-5 * max(1.0, largest), (
        f"{name}: scores {what} differ by {difference:.3g}; expected equal scores up to rounding"
    )
