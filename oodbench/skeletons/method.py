"""My method: what it scores, in one sentence.

    s(x) = max_c l_c(x) - l_k(x)   (write your equation here)

Authors, "Title", venue and year. State here what is not reproduced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from oodbench.contracts import ClassMapBand, MethodCard, Parameters, PixelMethod

if TYPE_CHECKING:
    from torch import Tensor

# Read without running this file: public name -> (class, description in one line).
PLUGINS = {
    "methods": {
        "my-method": ("MyMethod", "what it scores"),
    },
}


def score(logits: Tensor) -> Tensor:
    """Compute the score map. This pure function can be tested without the harness.

    Args:
        logits: float32 [C, h, w], one map per class, unnormalised.

    Returns:
        float32 [h, w], higher = more anomalous.
    """
    # Change this. The template returns the negative maximum logit.
    return -logits.amax(dim=0)


class MyMethod(PixelMethod):
    """A score that is computed from one pixel's logits at a time.

    For a score on features, derive from GridMethod. A method that is fitted defines begin_fit, fitted, load, and
    frame_states and merge or update (see docs/how-to/add-a-method.md).
    """

    class Params(Parameters):
        """Parameters that the user may set: `--method NAME:key=value`. Each needs a default and a description.

        Example: `scale: float = Field(1.0, gt=0, description="scale of the score")`, with Field from pydantic. Its
        value is self.params.scale below; `params: Params` in the class tells type checkers its type.
        """

    card = MethodCard(
        name="my-method",
        title="My method",  # the name in tables
        paper="Authors: Title. Venue and year",
        url="https://example.org",
        version=1,  # increase it whenever the scores change, so that stored scores are not reused
    )

    @override
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        """Return the score of a band of rows; a pixel's score must not depend on other pixels."""
        # band.summary has the largest logit, the sum over the others and the predicted class, computed once per band.
        return score(band.logits)
