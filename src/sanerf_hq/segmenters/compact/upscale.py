"""From the decoder's cells to masks of four times their resolution, with the encoder's skips.

Doubling by a transposed convolution of 2 x 2 is a product that gives every cell four children. All that
follows is done child by child, so children stay beside their parents in memory, (cell, child, grandchild),
until only masks are left to be laid out.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

CHILDREN = 4


class Upscale(nn.Module):
    """Cells and skips to features of the masks' pixels; kernels times these are masks."""

    def __init__(self, width: int, fine: int, finest: int) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        self.grow = nn.Linear(width, CHILDREN * half, bias=False)
        self.from_fine = nn.Linear(fine + 1, half)
        self.norm = nn.LayerNorm(half, eps=1e-5)
        self.regrow = nn.Linear(half, CHILDREN * quarter, bias=False)
        self.from_finest = nn.Linear(finest + 1, quarter)

    def forward(
        self,
        cells: Float[Tensor, "n cells width"],
        fine: Float[Tensor, "b fine g2 g2"],
        finest: Float[Tensor, "b finest g4 g4"],
        colours: Float[Tensor, "n 1 g4 g4"],
        kernels: Float[Tensor, "n k quarter"],
    ) -> Float[Tensor, "n k g4 g4"]:
        """Masks as logits; skips are of b images, n / b prompts each; ``colours`` is each prompt's own."""
        grid = fine.shape[-1] // 2
        each = len(cells) // len(fine)
        coarse = F.avg_pool2d(colours, 2)
        beside = [
            torch.cat([_by_cell(skip, grid).repeat_interleave(each, 0), _by_cell(own, grid)], 2)
            for skip, own in ((fine, coarse), (finest, colours))
        ]
        children = _grown(cells, self.grow, beside[0], self.from_fine)
        pixels = _grown(F.relu(self.norm(children)), self.regrow, beside[1], self.from_finest)
        return _laid_out(pixels.relu_() @ kernels.transpose(1, 2), grid)


def _grown(
    parents: Float[Tensor, "n parents before"],
    grow: nn.Linear,
    skip: Float[Tensor, "n children c"],
    from_skip: nn.Linear,
) -> Float[Tensor, "n children after"]:
    """What every parent gives its four children, and what these have of their own, in one product."""
    n, count, _ = parents.shape
    beside = skip.reshape(n, count, -1)
    weight = torch.cat([grow.weight.t(), torch.block_diag(*[from_skip.weight.t()] * CHILDREN)])
    both = torch.cat([parents, beside], 2).flatten(0, 1)
    rows = torch.addmm(from_skip.bias.repeat(CHILDREN), both, weight)
    return rows.reshape(n, CHILDREN * count, -1)


def _by_cell(x: Float[Tensor, "n c h w"], grid: int) -> Float[Tensor, "n pixels c"]:
    """A map of 2 or 4 times the grid, in the order cell, child (, grandchild)."""
    levels = 2 if x.shape[-1] == 4 * grid else 1
    split = x.unflatten(3, (grid, *[2] * levels)).unflatten(2, (grid, *[2] * levels))
    rows = [2 + i for i in range(levels + 1)]
    columns = [3 + levels + i for i in range(levels + 1)]
    paired = [axis for pair in zip(rows, columns, strict=True) for axis in pair]
    return split.permute(0, *paired, 1).flatten(1, -2)


def _laid_out(x: Float[Tensor, "n pixels k"], grid: int) -> Float[Tensor, "n k g4 g4"]:
    """Pixels in the order cell, child, grandchild as an image."""
    split = x.unflatten(1, (grid, grid, 2, 2, 2, 2))
    return split.permute(0, 7, 1, 3, 5, 2, 4, 6).flatten(5, 7).flatten(2, 4)
