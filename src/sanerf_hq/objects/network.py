"""The object network: identity vectors of points (Eq. 7), from a hash grid and frozen geometry features."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sanerf_hq.kernels import HashGridLayout, hash_grid, hash_grid_layout
from sanerf_hq.objects.config import ObjectConfig


class ObjectNetwork(nn.Module):
    """m(x) in R^(n+1): channel 0 is background."""

    def __init__(self, config: ObjectConfig, n_geometry: int, n_objects: int) -> None:
        super().__init__()
        grid = config.grid
        self.layout: HashGridLayout = hash_grid_layout(
            3, grid.n_levels, grid.n_features, grid.log2_table, grid.coarsest, grid.finest
        )
        self.table = nn.Parameter(torch.zeros(self.layout.n_entries, grid.n_features))
        inputs = self.layout.n_outputs + n_geometry
        widths = [inputs] + [config.hidden + inputs] * (config.layers - 1)
        outs = [config.hidden] * (config.layers - 1) + [n_objects + 1]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, outs, strict=True))

    def initialise(self, generator: torch.Generator, silent: bool = False) -> None:
        """Draw all parameters; the table starts near zero. ``silent``: identities start as 0 everywhere."""
        with torch.no_grad():
            self.table.uniform_(-1e-4, 1e-4, generator=generator)
            for layer in self.layers:
                assert isinstance(layer, nn.Linear)
                bound = (3.0 / layer.in_features) ** 0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()
            last = self.layers[-1]
            if silent and isinstance(last, nn.Linear):
                last.weight.zero_()

    def encode(self, unit_points: Float[Tensor, "n_points 3"]) -> Float[Tensor, "n_points n_encoding"]:
        """The hash grid's features of points in [0, 1]³."""
        return hash_grid(unit_points, self.table, self.layout)

    def identities(
        self, encoding: Float[Tensor, "n_points n_encoding"], geometry: Float[Tensor, "n_points n_geometry"]
    ) -> Float[Tensor, "n_points n_logits"]:
        """Identity vectors from the grid's and the geometry's features."""
        inputs = torch.cat([encoding, geometry.to(encoding.dtype)], -1)
        hidden = inputs
        for number, layer in enumerate(self.layers):
            if number:
                hidden = torch.cat([torch.relu(hidden), inputs], -1)
            hidden = layer(hidden)
        return hidden.float()
