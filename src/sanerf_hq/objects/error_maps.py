"""Error maps: where the field differs from the labels, a number for each of the pool's pixels (Eq. 12).

The pool holds a pixel of every 4x4 block of each view, so these are maps of the views at a quarter of their
size. Only rays that meet the objects' region are on them: elsewhere nothing can be in error.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class ErrorMaps:
    """The pixels of all labelled views' maps.

    Attributes:
        views: The training view that each is of, ascending.
        points: Where in the scene its ray ends.
    """

    views: Int64[Tensor, "n_rays"]
    points: Float[Tensor, "n_rays 3"]

    @property
    def numbers(self) -> Int64[Tensor, "n_views"]:
        """The views that have a map."""
        return self.views.unique()

    def draw(
        self, errors: Float[Tensor, "n_rays"], maps: int, generator: torch.Generator
    ) -> Int64[Tensor, "n"]:
        """A pixel of each of some maps, with a probability in proportion to its error (appendix A).

        Args:
            errors: Of each pixel, ≥ 0; 0 is never drawn.
            maps: How many maps, by lot, in turns if there are fewer; 0: every one.
            generator: Draws.
        """
        numbers = self.numbers
        counts = torch.bincount(torch.searchsorted(numbers, self.views), minlength=len(numbers))
        ends = counts.cumsum(0)
        upto = torch.cat([torch.zeros(1, dtype=torch.float64), errors.double().cumsum(0)])
        low, high = upto[ends - counts], upto[ends]
        chosen = torch.arange(len(numbers))
        if maps:
            rounds = -(-maps // max(1, len(numbers)))
            order = [torch.randperm(len(numbers), generator=generator) for _ in range(rounds)]
            chosen = torch.cat([chosen[:0], *order])[:maps]
        chosen = chosen[high[chosen] > low[chosen]]
        lot = torch.rand(len(chosen), dtype=torch.float64, generator=generator)
        at = low[chosen] + lot * (high - low)[chosen]
        found = torch.searchsorted(upto[1:], at, right=True)
        # Rounding may carry a lot past the end of its map.
        return torch.minimum(torch.maximum(found, (ends - counts)[chosen]), ends[chosen] - 1)
