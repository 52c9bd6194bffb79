"""The radiance network: a hash grid, a density network over it, and a colour network.

    [log σ, g] = density(grid(x, t)),   c = colour(g, SH(d))

The time t in [0, 1] is there only if the scene moves.
Densities are per unit of *contracted* length, so that fog, before anything is learnt, is as thick near the
cameras as in the distance: per unit of true length the distance would be opaque from the start.

``shading="ray"`` composites g along the ray and calls the colour network once (the release's way);
``shading="sample"`` calls it for every sample and composites colours (Eq. 1 to the letter).
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor, nn

from sanerf_hq.kernels import HashGridLayout, hash_grid, hash_grid_layout, lit_densities
from sanerf_hq.radiance.config import RadianceConfig
from sanerf_hq.radiance.harmonics import SH_CHANNELS, spherical_harmonics
from sanerf_hq.radiance.moments import ARENA_SIDE

LOG_DENSITY_MAX = 8.0


class RadianceNetwork(nn.Module):
    """Density, geometry features and colour at contracted points, and moments if the scene moves.

    Attributes:
        layout: The hash grid's shape; it has four dimensions if the scene moves.
        n_geometry: Geometry features.
        matte: Whether colours are the same from every direction.
        arena: Cells of the contracted cube in which things may move; elsewhere it is always time 0.
    """

    arena: Bool[Tensor, "side side side"]

    def __init__(self, config: RadianceConfig, time_cells: int = 0, matte: bool = False) -> None:
        """``time_cells``: cells of the hash grid along time; 0 for a scene that stands still."""
        super().__init__()
        grid = config.grid
        self.layout: HashGridLayout = hash_grid_layout(
            4 if time_cells else 3,
            grid.n_levels,
            grid.n_features,
            grid.log2_table,
            grid.coarsest,
            grid.finest,
            max(1, time_cells),
        )
        self.n_geometry = config.geometry_features
        self.matte = matte
        self.register_buffer("arena", torch.ones((ARENA_SIDE if time_cells else 1,) * 3, dtype=torch.bool))
        self.table = nn.Parameter(torch.empty(self.layout.n_entries, grid.n_features))
        self.density = nn.Sequential(
            nn.Linear(self.layout.n_outputs, config.hidden, bias=False),
            nn.ReLU(),
            nn.Linear(config.hidden, 1 + config.geometry_features, bias=False),
        )
        self.colour = nn.Sequential(
            nn.Linear(config.geometry_features + SH_CHANNELS, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, 3),
        )

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all parameters; the table starts near zero, as a smooth field."""
        with torch.no_grad():
            self.table.uniform_(-1e-4, 1e-4, generator=generator)
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    bound = (6.0 / module.in_features) ** 0.5
                    module.weight.uniform_(-bound, bound, generator=generator)
                    if module.bias is not None:
                        module.bias.zero_()

    def digest(self) -> str:
        """32 hexadecimal digits that stand for what was learnt: no two trainings end at the same layers."""
        digest = hashlib.blake2b(digest_size=16)
        for layers in (self.density, self.colour):
            for parameter in layers.parameters():
                digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def moves(self) -> bool:
        """Whether the scene moves, so that each point has a time."""
        return self.layout.n_dims == 4

    def places(
        self, unit_points: Float[Tensor, "n 3"], times: Float[Tensor, "n"] | None
    ) -> Float[Tensor, "n n_dims"]:
        """Where the hash grid is asked: points, and their times if the scene moves."""
        if not self.moves:
            return unit_points
        assert times is not None, "the scene moves: a point without a time is nowhere"
        side = self.arena.shape[0]
        i, j, k = (unit_points.detach() * side).long().clamp_(0, side - 1).unbind(-1)
        return torch.cat([unit_points, torch.where(self.arena[i, j, k], times, 0.0)[:, None]], -1)

    def encode(
        self, unit_points: Float[Tensor, "n 3"], times: Float[Tensor, "n"] | None = None
    ) -> Float[Tensor, "n n_encoding"]:
        """The hash grid's features of contracted points in [0, 1]³, at times in [0, 1] if the scene moves."""
        return hash_grid(self.places(unit_points, times), self.table, self.layout)

    def geometry(
        self, encoding: Float[Tensor, "n_points n_encoding"]
    ) -> tuple[Float[Tensor, "n_points"], Float[Tensor, "n_points n_geometry"]]:
        """Density (per unit of contracted length) and geometry features from the grid's features."""
        out = self.density(encoding)
        return bounded_exp(out[:, 0].float()), out[:, 1:]

    @torch.no_grad()
    def lit_densities(
        self,
        unit_points: Float[Tensor, "n_samples 3"],
        deltas: Float[Tensor, "n_samples"],
        packed_info: Int32[Tensor, "n_rays 2"],
        hidden: float,
        times: Float[Tensor, "n_samples"] | None = None,
    ) -> tuple[Float[Tensor, "n_samples"], Float[Tensor, "n_samples"]]:
        """Densities along rays as far as light gets, and the light that gets to each sample.

        Args:
            unit_points: Contracted points in [0, 1]³.
            deltas: Contracted lengths that they stand for.
            packed_info: First sample and number of samples of each ray.
            hidden: Optical thickness behind which nothing is looked at and densities are 0.
            times: In [0, 1], if the scene moves.
        """
        layer, head = (self.density.get_parameter(f"{i}.weight").detach() for i in (0, 2))
        grid = self.table.detach(), self.layout
        places = self.places(unit_points, times)
        return lit_densities(
            places, deltas, packed_info, *grid, layer, head[0].contiguous(), LOG_DENSITY_MAX, hidden
        )

    def shade(
        self, geometry: Float[Tensor, "n geometry"], directions: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n 3"]:
        """Colour in [0, 1] of geometry features seen along unit ``directions``."""
        seen_from = spherical_harmonics(directions).to(geometry.dtype)
        inputs = torch.cat([geometry, torch.zeros_like(seen_from) if self.matte else seen_from], -1)
        return torch.sigmoid(self.colour(inputs).float())


class _BoundedExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # pyright: ignore[reportMissingParameterType]
        ctx.save_for_backward(x)
        return torch.exp(x.clamp(max=LOG_DENSITY_MAX))

    @staticmethod
    def backward(ctx, *grads: Tensor) -> Tensor:  # pyright: ignore[reportMissingParameterType]
        (x,) = ctx.saved_tensors
        return grads[0] * torch.exp(x.clamp(-15.0, LOG_DENSITY_MAX))


def bounded_exp(x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """exp(x), with a gradient that neither overflows nor dies."""
    return _BoundedExp.apply(x)  # pyright: ignore[reportReturnType]
