"""Exposure: photos of one scene that are brighter, darker, warmer or colder than each other.

A photo's colours are the field's times a gain for each channel. In sRGB, which is near to a power law, that
is just what a change of exposure or white balance does. Gains have a geometric mean of 1 over the photos, so
that the field, rendered without them, is of the usual brightness.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

DISPLAY_GAMMA = 2.2  # about sRGB's: light to colour value
PRIOR = 0.1  # weight of the mean squared log gain: what no photo asks for is not done


class Exposure(nn.Module):
    """Gains of the training photos; none are applied where the field is rendered."""

    def __init__(self, n_views: int) -> None:
        super().__init__()
        self.log_gains = nn.Parameter(torch.zeros(n_views, 3))

    def centred(self) -> Float[Tensor, "n_views 3"]:
        """Logarithms of the gains, 0 in the mean over the photos."""
        return self.log_gains - self.log_gains.mean(0)

    def forward(
        self, rgb: Float[Tensor, "n_rays 3"], views: Int64[Tensor, "n_rays"]
    ) -> Float[Tensor, "n_rays 3"]:
        """The field's colours as the photos with these numbers show them."""
        return rgb * self.centred()[views].exp()

    def prior(self) -> Float[Tensor, ""]:
        """What is added to the loss."""
        return PRIOR * self.log_gains.square().mean()

    def stops(self) -> list[float]:
        """How many stops brighter than the middle each photo is."""
        scale = DISPLAY_GAMMA / math.log(2)
        return [round(scale * value, 3) for value in self.centred().detach().mean(1).tolist()]


def spread_of(stops: Sequence[float]) -> float:
    """Standard deviation of the photos' exposures, in stops."""
    mean = sum(stops) / len(stops)
    return math.sqrt(sum((value - mean) ** 2 for value in stops) / len(stops))
