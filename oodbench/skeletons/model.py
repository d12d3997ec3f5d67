"""My model: its architecture and its source.

Authors, "Title", venue and year.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from typing_extensions import override

if TYPE_CHECKING:
    from torch import Tensor

# Read without running this file; docs/reference/models.md describes each field.
CARD = {
    "name": "My model",  # the name in tables
    "source": "https://example.org",
    "licence": "as its authors state it",
    # Conversion of an image uint8 [H, W, 3] to the network's input float32 [3, h, w].
    "input": {"channels": "rgb", "divide_by": 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    # "order": the class names in the order of the network's channels, if it differs from that of the class set.
    "classes": {"set": "cityscapes-19"},
    "outputs": {
        # "class_maps": the key or index of the class maps, if the network returns more than one tensor.
        # "features": {"encoder": "encoder"}: roles, and the layers whose outputs they are.
        "classifier": "classifier",  # a 1x1 convolution; its input has the role `penultimate`
    },
}


class MyModel(nn.Module):
    """The network, to be replaced: images float32 [N, 3, H, W] in, class maps float32 [N, 19, h, w] out."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 32, 3, stride=4, padding=1), nn.ReLU())
        self.classifier = nn.Conv2d(32, 19, 1)

    @override
    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        features = self.encoder(images)  # [N, 32, H / 4, W / 4]
        maps: Tensor = self.classifier(features)  # [N, 19, H / 4, W / 4]
        return maps


def build() -> nn.Module:
    """Return the network; `--checkpoint FILE` loads its weights."""
    return MyModel()
