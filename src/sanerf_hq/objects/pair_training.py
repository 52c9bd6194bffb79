"""The ray-pair loss in training: error maps kept up to date, sets of rays drawn on them, pairs compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.objects.composite import composite_identities
from sanerf_hq.objects.config import ObjectConfig
from sanerf_hq.objects.labels import LabelledRays
from sanerf_hq.objects.network import ObjectNetwork
from sanerf_hq.objects.pair_rays import PairRays, PairSource
from sanerf_hq.objects.ray_pairs import draw_references, error_of, ray_pair_loss
from sanerf_hq.objects.region import Region
from sanerf_hq.objects.reprojection import RaySets
from sanerf_hq.objects.start import Start
from sanerf_hq.radiance import SurfaceSamples
from sanerf_hq.runs import Key

RAYS_A_LOOK = 1 << 15


@dataclass
class PairState:
    """What later steps' pairs depend on.

    Attributes:
        errors: The error maps (Eq. 12), as :class:`~sanerf_hq.objects.error_maps.ErrorMaps` has their pixels.
        sets: Sets of rays, as last drawn.
        marched: What these meet; None: not marched yet.
    """

    errors: Float[Tensor, "n_rays"]
    sets: RaySets
    marched: PairRays | None = None

    @staticmethod
    def new(n_rays: int, device: torch.device | str) -> PairState:
        """No error known, nothing drawn."""
        return PairState(torch.zeros(n_rays, device=device), RaySets.none())

    def tensors(self) -> dict[str, Tensor]:
        """All of it that cannot be found again."""
        return {"errors": self.errors, **vars(self.sets)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Fill in what :meth:`tensors` gave."""
        self.errors.copy_(tensors["errors"])
        sets = RaySets(tensors["pixels"], tensors["counts"], tensors["widths"])
        self.sets, self.marched = sets, None


@dataclass(frozen=True)
class PairBatch:
    """A step's rays of the loss.

    Attributes:
        surfaces: Their samples, start attached.
        colours: C of each.
        counts: Rays of each set.
        places: Where each ends, as :class:`~sanerf_hq.objects.pair_rays.PairRays` has it.
    """

    surfaces: SurfaceSamples
    colours: Float[Tensor, "n_rays 3"]
    counts: Int64[Tensor, "n_sets"]
    places: Float[Tensor, "n_rays 3"] | None


@dataclass(frozen=True)
class PairTraining:
    """The loss over a training's rays.

    Attributes:
        source: Where sets of rays come from.
        data: The labelled rays; those of the pool are the error maps' pixels.
        surfaces: Their samples, start attached.
        region: Where the objects may lie.
        start: What identities start from.
        config: Of the training.
    """

    source: PairSource
    data: LabelledRays
    surfaces: SurfaceSamples
    region: Region
    start: Start
    config: ObjectConfig

    def prepare(self, state: PairState, network: ObjectNetwork, key: Key) -> PairBatch | None:
        """A step's rays; None during warm-up, and where nothing is in error."""
        pairs, steps = self.config.pairs, self.config.steps
        warm_up, refresh = round(pairs.warm_up * steps), max(1, round(pairs.refresh * steps))
        if key.step < warm_up:
            return None
        if key.step == warm_up or key.step % refresh == 0:
            self._look(state, network)
        if (key.step - warm_up) % pairs.draw_every == 0:
            state.sets, state.marched = self.source.draw(state.errors, key), None
        if not len(state.sets.counts):
            return None
        if state.marched is None:
            marched = self.source.march(state.sets)
            state.marched = replace(marched, surfaces=self.start.attached(marched.surfaces))
        order = torch.randperm(len(state.sets.counts), generator=key.fold("sets").generator())
        chosen = order[: pairs.sets] if pairs.sets else order
        rays = state.sets.rays_of(chosen).to(state.errors.device)
        counts = state.sets.counts[chosen]
        places = None if state.marched.places is None else state.marched.places[rays]
        return PairBatch(state.marched.surfaces.take(rays), state.marched.colours[rays], counts, places)

    def loss(self, logits: Float[Tensor, "n_rays n_logits"], batch: PairBatch, key: Key) -> Float[Tensor, ""]:
        """λ Σ_p L_RGB(R_p) (Eq. 14)."""
        pairs, device = self.config.pairs, logits.device
        references = draw_references(batch.counts, pairs.references, key.fold("references").generator())
        found = ray_pair_loss(
            logits.softmax(-1),
            batch.colours,
            batch.counts.to(device),
            references.to(device),
            pairs.tau,
            pairs.alpha,
            pairs.epsilon,
            batch.places,
        )
        return pairs.weight * found

    def note(self, state: PairState, rays: Int64[Tensor, "n"], logits: Float[Tensor, "n n_logits"]) -> None:
        """Enter the errors of some of the pool's rays; of one that comes twice, the first."""
        pairs = self.config.pairs
        possible = self.data.possible[rays]
        errors = error_of(logits.detach().softmax(-1), possible, pairs.alpha, pairs.epsilon)
        errors = errors * self.data.trust[rays]
        # Written twice, a pixel would keep the one or the other as threads happen to run.
        ascending, order = rays.sort(stable=True)
        once = torch.ones_like(ascending, dtype=torch.bool)
        once[1:] = ascending[1:] != ascending[:-1]
        state.errors[ascending[once]] = errors[order[once]]

    @torch.no_grad()
    def _look(self, state: PairState, network: ObjectNetwork) -> None:
        """Compute the error maps in whole."""
        for rays in torch.arange(self.data.n_pool, device=state.errors.device).split(RAYS_A_LOOK):
            part = self.surfaces.take(rays)
            encoding = network.encode(self.region.to_unit(part.unit_points))
            self.note(state, rays, composite_identities(self.start.identities(network, encoding, part), part))
