"""A prompt drawn over the image: what is like the clicked places, where clicks and box are.

SAM's decoder learns to find out such things by attention alone; given as maps, they are learnt much sooner.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

CODE = 32  # channels of the codes by which cells are compared
FAR = -6.0  # log-odds of kinship where there is no click, and the least there are
REACH = 2.5  # cells: how wide a click is drawn
N_MAPS = 5


class PromptMaps(nn.Module):
    """Prompts and an embedding to a map that is added to the embedding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.code = nn.Conv2d(width, CODE, 1)
        self.bias = nn.Parameter(torch.tensor(2.0))
        self.mix = nn.Sequential(nn.Conv2d(N_MAPS, CODE, 3, padding=1), nn.ReLU(), nn.Conv2d(CODE, width, 1))

    def kinship(
        self, codes: Float[Tensor, "n code cells"], chosen: Float[Tensor, "n chosen code"]
    ) -> Float[Tensor, "n chosen cells"]:
        """Log-odds that a cell is of the same thing as a chosen place: the less, the farther their codes."""
        dots = torch.bmm(chosen, codes)
        squares = chosen.square().sum(2)[:, :, None] + codes.square().sum(1)[:, None]
        return self.bias - (squares - 2 * dots)

    def forward(
        self,
        image: Float[Tensor, "b width g g"],
        points: Float[Tensor, "n points 2"] | None,
        labels: Int64[Tensor, "n points"] | None,
        boxes: Float[Tensor, "n 4"] | None,
    ) -> Float[Tensor, "n width g g"]:
        """Draw n prompts, n / b an image, given in cells of the embedding."""
        n = next((len(t) for t in (points, boxes) if t is not None), len(image))
        grid = image.shape[-1]
        near = image.new_full((n, 2, grid, grid), FAR)
        drawn = image.new_zeros((n, 3, grid, grid))
        centres = torch.arange(grid, device=image.device) + 0.5
        if points is not None and labels is not None:
            codes = self.code(image)
            chosen = sampled(codes, points * (2 / grid) - 1).reshape(len(image), -1, CODE)
            kin = self.kinship(codes.flatten(2), chosen).clamp(min=FAR).reshape(n, -1, grid * grid)
            away_x = (centres - points[..., :1]).square()[:, :, None, :]
            away_y = (centres - points[..., 1:]).square()[:, :, :, None]
            spots = torch.exp(-(away_x + away_y) / (2 * REACH**2))
            both = [(labels == label)[:, :, None, None] for label in (1, 0)]
            kin = kin.unflatten(2, (grid, grid))
            near = torch.stack([torch.where(of, kin, FAR).amax(1) for of in both], 1)
            drawn = torch.cat([torch.stack([(spots * of).amax(1) for of in both], 1), drawn[:, 2:]], 1)
        if boxes is not None:
            x0, y0, x1, y1 = (edge[:, None] for edge in boxes.unbind(1))
            # Soft at the edges, a cell wide, so that a box need not be of whole cells.
            across = (centres - x0 + 0.5).clamp(0, 1) * (x1 - centres + 0.5).clamp(0, 1)
            down = (centres - y0 + 0.5).clamp(0, 1) * (y1 - centres + 0.5).clamp(0, 1)
            drawn = torch.cat([drawn[:, :2], (down[:, :, None] * across[:, None])[:, None]], 1)
        maps = torch.cat([near / -FAR, drawn], 1)
        return self.mix(maps.contiguous(memory_format=torch.channels_last))


def sampled(
    maps: Float[Tensor, "b c h w"], where: Float[Tensor, "n points 2"]
) -> Float[Tensor, "n points c"]:
    """Maps at n / b sets of places each, in [-1, 1], bilinear; the border goes on for ever."""
    n, count, _ = where.shape
    places = where.reshape(len(maps), -1, 1, 2)
    found = F.grid_sample(maps, places, mode="bilinear", padding_mode="border", align_corners=False)
    return found[..., 0].transpose(1, 2).reshape(n, count, -1)
