"""The radiance network: a hash grid, a density network over it, and a colour network.

    [log σ, g] = density(grid(x)),   c = colour(g, SH(d))

Densities are per unit of *contracted* length, so that fog, before anything is learnt, is as thick near the
cameras as in the distance: per unit of true length the distance would be opaque from the start.

``shading="ray"`` composites g along the ray and calls the colour network once (the release's way);
``shading="sample"`` calls it for every sample and composites colours (Eq. 1 to the letter).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn

from sanerf_hq.kernels import HashGridLayout, hash_grid, hash_grid_layout, lit_densities
from sanerf_hq.radiance.config import RadianceConfig
from sanerf_hq.radiance.harmonics import SH_CHANNELS, spherical_harmonics

LOG_DENSITY_MAX = 8.0


class RadianceNetwork(nn.Module):
    """Density, geometry features and colour at contracted points."""

    def __init__(self, config: RadianceConfig) -> None:
        super().__init__()
        grid = config.grid
        self.layout: HashGridLayout = hash_grid_layout(
            3, grid.n_levels, grid.n_features, grid.log2_table, grid.coarsest, grid.finest
        )
        self.n_geometry = config.geometry_features
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

    def encode(self, unit_points: Float[Tensor, "n_points 3"]) -> Float[Tensor, "n_points n_encoding"]:
        """The hash grid's features of contracted points in [0, 1]³."""
        return hash_grid(unit_points, self.table, self.layout)

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
    ) -> tuple[Float[Tensor, "n_samples"], Float[Tensor, "n_samples"]]:
        """Densities along rays as far as light gets, and the light that gets to each sample.

        Args:
            unit_points: Contracted points in [0, 1]³.
            deltas: Contracted lengths that they stand for.
            packed_info: First sample and number of samples of each ray.
            hidden: Optical thickness behind which nothing is looked at and densities are 0.
        """
        layer, head = (self.density.get_parameter(f"{i}.weight").detach() for i in (0, 2))
        grid = self.table.detach(), self.layout
        return lit_densities(
            unit_points, deltas, packed_info, *grid, layer, head[0].contiguous(), LOG_DENSITY_MAX, hidden
        )

    def shade(
        self, geometry: Float[Tensor, "n geometry"], directions: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n 3"]:
        """Colour in [0, 1] of geometry features seen along unit ``directions``."""
        inputs = torch.cat([geometry, spherical_harmonics(directions).to(geometry.dtype)], -1)
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
