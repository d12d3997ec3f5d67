"""Method on the masks of a mask classifier, as a third party could write it."""

from __future__ import annotations

import torch

from oodbench.contracts import GridMethod, MethodCard, Needs
from oodbench.types import SegmenterOutput

PLUGINS = {"methods": {"unclaimed": ("Unclaimed", "minus the largest mask probability")}}


class Unclaimed(GridMethod):
    """Method whose score is minus the largest mask probability."""

    card = MethodCard("unclaimed", "Unclaimed", "nobody", "https://example.org")

    def needs(self) -> Needs:
        return Needs(masks=True)

    def grid_score(self, output: SegmenterOutput) -> torch.Tensor:
        assert output.class_maps is None
        assert output.masks is not None
        return -output.masks.mask_logits.sigmoid().amax(dim=1)
