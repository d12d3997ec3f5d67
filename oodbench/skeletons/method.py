"""My method: what it scores, in one sentence.

    s(x) = max_c l_c(x) - l_k(x)   (write your equation here)

Authors, "Title", venue and year. Say here what is not reproduced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oodbench.contracts import ClassMapBand, MethodCard, Parameters, PixelMethod

if TYPE_CHECKING:
    from torch import Tensor

# Read without running this file: public name -> (class, one line).
PLUGINS = {
    "methods": {
        "my-method": ("MyMethod", "what it scores"),
    },
}


def score(logits: Tensor) -> Tensor:
    """The equation, by itself: it can be tested without the harness.

    Args:
        logits: float32 [C, h, w], one map a class.

    Returns:
        float32 [h, w], higher = more anomalous.
    """
    # Change this. As it stands: minus the largest logit.
    return -logits.amax(dim=0)


class MyMethod(PixelMethod):
    """A score of one pixel's logits at a time.

    A score on features is a GridMethod; one that learns has begin_fit, update, end_pass, fitted and load
    (docs/plugins.md says more).
    """

    class Params(Parameters):
        """What the user may set: `--method NAME:key=value`. Each needs a default and a description.

        For example: scale: float = Field(1.0, gt=0, description="what it does"), with Field from pydantic. It is then
        self.params.scale below, and `params: Params` in the class tells type checkers so.
        """

    card = MethodCard(
        name="my-method",
        title="My method",  # as tables show it
        paper="Authors: Title. Venue and year",
        url="https://example.org",
        version=1,  # raise it whenever the scores change, so that stored ones are not used again
    )

    def pixel_score(self, band: ClassMapBand) -> Tensor:
        """Frames come in bands of rows: a pixel's score must not depend on other pixels."""
        # band.summary has the largest logit, the sum over the others and the predicted class, computed once for all.
        return score(band.logits)
