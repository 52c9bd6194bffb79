"""Image encoder of the compact model: a pyramid of convolutions, its levels merged at stride 8."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int16
from torch import Tensor, nn
from torch.nn import functional as F

from sanerf_hq.segmenters.compact.colours import colour_bins
from sanerf_hq.segmenters.compact.config import CompactConfig


@dataclass(frozen=True)
class Features:
    """An encoded batch of images.

    Attributes:
        image: The embedding, a cell each 8 pixels.
        fine: Features for sharp edges, a cell each 4 pixels.
        finest: The same, a cell each 2 pixels: the resolution of masks.
        colours: Each such cell's colour, as a number.
    """

    image: Float[Tensor, "b width g g"]
    fine: Float[Tensor, "b fine g2 g2"]
    finest: Float[Tensor, "b finest g4 g4"]
    colours: Int16[Tensor, "b g4 g4"]


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel."""

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Residual: a wide depthwise convolution, then a perceptron on each pixel."""

    def __init__(self, dim: int, kernel: int, widen: int = 2) -> None:
        super().__init__()
        self.spread = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, widen * dim)
        self.down = nn.Linear(widen * dim, dim)
        self.scale = nn.Parameter(torch.full((dim,), 0.1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        y = self.norm(self.spread(x).permute(0, 2, 3, 1))
        y = self.down(F.relu(self.up(y))) * self.scale
        return x + y.permute(0, 3, 1, 2)


def _stage(before: int, dim: int, depth: int, kernel: int) -> nn.Sequential:
    """Halve the resolution, then some blocks."""
    halve = nn.Conv2d(before, dim, 3, stride=2, padding=1)
    return nn.Sequential(halve, ChannelNorm(dim), *(Block(dim, kernel) for _ in range(depth)))


class Encoder(nn.Module):
    """Normalised images to :class:`Features`."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        stem, quarter, eighth, sixteenth, last = config.dims
        one, two, three, four = config.depths
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, stride=2, padding=1), ChannelNorm(stem), nn.ReLU())
        self.quarter = _stage(stem, quarter, one, 5)
        self.eighth = _stage(quarter, eighth, two, 5)
        self.sixteenth = _stage(eighth, sixteenth, three, 7)
        self.last = _stage(sixteenth, last, four, 7)
        self.from_last = nn.Conv2d(last, sixteenth, 1)
        self.merge_sixteenth = nn.Sequential(ChannelNorm(sixteenth), Block(sixteenth, 5))
        self.from_sixteenth = nn.Conv2d(sixteenth, eighth, 1)
        self.merge_eighth = nn.Sequential(ChannelNorm(eighth), Block(eighth, 5))
        self.to_image = nn.Sequential(nn.Conv2d(eighth, config.width, 1), ChannelNorm(config.width))
        self.from_eighth = nn.Conv2d(eighth, quarter, 1)
        self.to_fine = nn.Sequential(ChannelNorm(quarter), nn.Conv2d(quarter, config.fine, 3, padding=1))
        self.to_finest = nn.Conv2d(stem, config.finest, 3, padding=1)

    def forward(self, pixels: Float[Tensor, "b 3 side side"]) -> Features:
        half = self.stem(pixels.to(memory_format=torch.channels_last))
        quarter = self.quarter(half)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        last = self.last(sixteenth)
        sixteenth = self.merge_sixteenth(sixteenth + _doubled(self.from_last(last)))
        eighth = self.merge_eighth(eighth + _doubled(self.from_sixteenth(sixteenth)))
        fine = self.to_fine(quarter + _doubled(self.from_eighth(eighth)))
        return Features(self.to_image(eighth), fine, self.to_finest(half), colour_bins(pixels))


def _doubled(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
