"""Start: what identities are before anything is learnt; looked up once, it travels with a sample."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.objects.network import ObjectNetwork
from sanerf_hq.objects.votes import VoteGrid
from sanerf_hq.radiance import SurfaceSamples


@dataclass(frozen=True)
class Start:
    """Where identity vectors start.

    Attributes:
        votes: The objects in closed form; None: they start from nothing.
        n_geometry: Features of the frozen density network.
    """

    votes: VoteGrid | None
    n_geometry: int

    def attached(self, surfaces: SurfaceSamples) -> SurfaceSamples:
        """Samples with what they start from behind their features."""
        if self.votes is None:
            return surfaces
        start = self.votes.logits(surfaces.unit_points).half()
        return replace(surfaces, geometry=torch.cat([surfaces.geometry, start], -1))

    def identities(
        self,
        network: ObjectNetwork,
        encoding: Float[Tensor, "n_samples n_encoding"],
        attached: SurfaceSamples,
    ) -> Float[Tensor, "n_samples n_logits"]:
        """Identity vectors of samples that have their start attached."""
        learnt = network.identities(encoding, attached.geometry[:, : self.n_geometry])
        return learnt if self.votes is None else learnt + attached.geometry[:, self.n_geometry :].float()
