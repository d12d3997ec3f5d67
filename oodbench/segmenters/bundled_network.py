"""The small network of the bundled models: a residual encoder to stride 16 and a top-down decoder to stride 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from oodbench.contracts import HeadOutput

if TYPE_CHECKING:
    from torch import Tensor

CHANNELS = 64
"""Number of channels of the decoder's features."""
STRIDE = 4
"""Stride of the decoder's features, in pixels."""

# Mean and standard deviation of the grey levels of all channels in the first 200 frames of streets-train, rounded.
_MEAN, _DEVIATION = 98.0, 56.0


def _make_unit(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut connection."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = _make_unit(channels, channels, dilation=dilation)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False), nn.BatchNorm2d(channels)
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class CompactDecoder(nn.Module):
    """The encoder and decoder: images float32 [N, 3, H, W] in 0..255 to features [N, 64, H / 4, W / 4].

    H and W must be multiples of 16.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_make_unit(4, 16, stride=2), _make_unit(16, 32, stride=2))
        self.middle = nn.Sequential(_make_unit(32, 64, stride=2), _Residual(64))
        self.deep = nn.Sequential(
            _make_unit(64, 96, stride=2), _Residual(96), _Residual(96, dilation=2), _Residual(96, dilation=4)
        )
        self.from_deep = nn.Conv2d(96, CHANNELS, 1)
        self.from_middle = nn.Conv2d(64, CHANNELS, 1)
        self.from_stem = nn.Conv2d(32, CHANNELS, 1)
        # Depthwise separable: on the finest grid, a full 3x3 convolution would cost as much as all other layers.
        self.smooth = nn.Sequential(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS, bias=False),
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False),
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(inplace=True),
        )

    @override
    def forward(self, images: Tensor) -> Tensor:
        fine = self.stem(_append_height((images - _MEAN) / _DEVIATION))  # [N, 32, H / 4, W / 4]
        middle = self.middle(fine)  # [N, 64, H / 8, W / 8]
        deep = self.deep(middle)  # [N, 96, H / 16, W / 16]
        x = _upsample(self.from_deep(deep)) + self.from_middle(middle)
        features: Tensor = self.smooth(_upsample(x) + self.from_stem(fine))
        return features


def _append_height(images: Tensor) -> Tensor:
    """Append a channel with the height of each row, from 1 (top) to -1 (bottom), so that classes can depend on it."""
    rows = torch.linspace(1, -1, images.shape[2], dtype=images.dtype, device=images.device)
    height = rows[None, None, :, None].expand(len(images), 1, -1, images.shape[3])
    return torch.cat([images, height], dim=1)


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class CompactNetwork(nn.Module):
    """The decoder followed by a head."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.decoder = CompactDecoder()
        self.head = head

    @override
    def forward(self, images: Tensor) -> HeadOutput:
        output: HeadOutput = self.head(self.decoder(images))
        return output
