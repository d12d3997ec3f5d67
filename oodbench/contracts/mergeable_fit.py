"""Fits of methods that are computed frame by frame, on any number of machines, and then merged."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from oodbench.contracts.method import Method
from oodbench.types import SegmenterOutput, SemanticLabels

State = TypeVar("State")


class MergeableFit(Method, Generic[State]):
    """A method whose fit can be distributed over processes.

    Derive from this class and from `PixelMethod` or `GridMethod`, and define `frame_states` and `merge` instead of
    `update`. In each pass over the frames, `frame_states` reduces each frame to a state, and `merge` is called with the
    states of all frames, in the order of the frames. A fit in one process does the same, so that it gives the same
    bits.

    Other processes create the method themselves, with the same parameters, and call `begin_fit`. Before a second or
    later pass, they get a copy of the method after `end_pass`, which is made with `pickle`.

    Examples:
        >>> import torch
        >>> from oodbench.contracts import Fit, GridMethod, MergeableFit, MethodCard, Needs, Parameters
        >>> class Norm(MergeableFit[float], GridMethod):
        ...     card = MethodCard("norm", "Norm, divided by the largest one of the fit", "none", "")
        ...
        ...     def needs(self):
        ...         return Needs(features=("penultimate",), fit=True)
        ...
        ...     def begin_fit(self, classes, seed):
        ...         self._largest = 0.0
        ...
        ...     def frame_states(self, output, labels, frames):
        ...         return [features.norm(dim=0).max().item() for features in output.features["penultimate"]]
        ...
        ...     def merge(self, state):
        ...         self._largest = max(self._largest, state)
        ...
        ...     def fitted(self):
        ...         return Fit({"largest": torch.tensor(self._largest)}, {})
        ...
        ...     def load(self, fit):
        ...         self._scale = fit.tensors["largest"]
        ...
        ...     def grid_score(self, output):
        ...         return output.features["penultimate"].norm(dim=1) / self._scale
        >>> method = Norm(Parameters())
        >>> method.begin_fit(None, seed=0)
        >>> for state in (3.0, 5.0):
        ...     method.merge(state)
        >>> method.fitted().tensors["largest"].item()
        5.0
    """

    @abstractmethod
    def frame_states(
        self, output: SegmenterOutput, labels: Sequence[SemanticLabels], frames: Sequence[str]
    ) -> Sequence[State]:
        """Return one state per frame of a batch.

        A state must not depend on other frames. Compute it without changing the method, from the arguments, the
        parameters, and the values that `begin_fit` or the last `end_pass` has set.

        Args:
            output: The network's output for N frames, with the parts that `needs` requests.
            labels: The labels of the N frames, each at the full resolution of the frame.
            frames: The ids of the N frames. Derive random choices from the seed and the frame's id.

        Returns:
            N states: small objects that can be pickled, such as numpy arrays.
        """

    @abstractmethod
    def merge(self, state: State) -> None:
        """Add the state of one frame. The calls are in the order of the frames.

        Args:
            state: A state that `frame_states` returned, in this or another process.
        """
