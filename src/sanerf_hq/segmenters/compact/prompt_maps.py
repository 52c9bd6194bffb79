"""A prompt drawn over the image: what is like the clicked places, like the inside and the outside of a box.

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
N_MAPS = 8
ALONG = 6  # places on each side of a box
OUTSIDE = 0.75  # cells: how far beyond the box these are
INSIDE = (0.25, 0.5, 0.75)  # rows and columns of places in a box


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
        with torch.autocast(codes.device.type, enabled=False):  # the difference of large numbers
            chosen, codes = chosen.float(), codes.float()
            dots = torch.bmm(chosen, codes)
            squares = chosen.square().sum(2)[:, :, None] + codes.square().sum(1)[:, None]
            return self.bias - (squares - 2 * dots)

    def forward(
        self,
        image: Float[Tensor, "b width g g"],
        points: Float[Tensor, "n points 2"] | None,
        labels: Int64[Tensor, "n points"] | None,
        boxes: Float[Tensor, "n 4"] | None,
        colours: Float[Tensor, "n 1 g g"],
    ) -> Float[Tensor, "n width g g"]:
        """Draw n prompts, n / b an image, given in cells of the embedding, and what their colours tell."""
        n = len(colours)
        grid = image.shape[-1]
        alike = image.new_full((n, 4, grid, grid), FAR)
        drawn = image.new_zeros((n, 3, grid, grid))
        codes = self.code(image)
        if points is not None and labels is not None:
            of = [(labels == label)[:, :, None, None] for label in (1, 0)]
            kin, spots = self._kin(codes, points), _spots(points, grid)
            clicked = torch.stack([torch.where(one, kin, FAR).amax(1) for one in of], 1)
            alike = torch.cat([clicked, alike[:, 2:]], 1)
            drawn = torch.cat([torch.stack([(spots * one).amax(1) for one in of], 1), drawn[:, 2:]], 1)
        if boxes is not None:
            inner, outer = _places(boxes)
            there = ((outer > 0) & (outer < grid)).all(-1)[
                :, :, None, None
            ]  # beyond the image nothing is known
            within = self._kin(codes, inner).mean(1)
            beyond = torch.where(there, self._kin(codes, outer), FAR).amax(1)
            alike = torch.cat([alike[:, :2], torch.stack([within, beyond], 1)], 1)
            drawn = torch.cat([drawn[:, :2], _filled(boxes, grid)[:, None]], 1)
        maps = torch.cat([alike[:, :2] / -FAR, drawn, alike[:, 2:] / -FAR, colours], 1)
        return self.mix(maps.contiguous(memory_format=torch.channels_last))

    def _kin(
        self, codes: Float[Tensor, "b code g g"], places: Float[Tensor, "n places 2"]
    ) -> Float[Tensor, "n places g g"]:
        """Kinship with places, given in cells."""
        b, _, grid, _ = codes.shape
        chosen = sampled(codes, places * (2 / grid) - 1).reshape(b, -1, CODE)
        kin = self.kinship(codes.flatten(2), chosen).clamp(min=FAR)
        return kin.reshape(len(places), -1, grid, grid)


def _centres(grid: int, like: Tensor) -> Float[Tensor, "g"]:
    return torch.arange(grid, device=like.device) + 0.5


def _spots(points: Float[Tensor, "n points 2"], grid: int) -> Float[Tensor, "n points g g"]:
    """A soft spot at each point."""
    centres = _centres(grid, points)
    across = torch.exp(-(centres - points[..., :1]).square() / (2 * REACH**2))
    down = torch.exp(-(centres - points[..., 1:]).square() / (2 * REACH**2))
    return down[..., None] * across[..., None, :]


def _filled(boxes: Float[Tensor, "n 4"], grid: int) -> Float[Tensor, "n g g"]:
    """1 inside a box, soft at its edges, so that it need not be of whole cells."""
    centres = _centres(grid, boxes)
    x0, y0, x1, y1 = (edge[:, None] for edge in boxes.unbind(1))
    across = (centres - x0 + 0.5).clamp(0, 1) * (x1 - centres + 0.5).clamp(0, 1)
    down = (centres - y0 + 0.5).clamp(0, 1) * (y1 - centres + 0.5).clamp(0, 1)
    return down[:, :, None] * across[:, None]


def _places(boxes: Float[Tensor, "n 4"]) -> tuple[Float[Tensor, "n inner 2"], Float[Tensor, "n outer 2"]]:
    """Places spread over the inside of boxes, and just outside all along their edges."""
    low, size = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None]
    inside = torch.tensor(INSIDE, device=boxes.device)
    inner = low + size * torch.cartesian_prod(inside, inside)
    along = (torch.arange(ALONG, device=boxes.device) + 0.5) / ALONG
    x, y = low[..., :1] + size[..., :1] * along[:, None], low[..., 1:] + size[..., 1:] * along[:, None]
    left, top = (low - OUTSIDE).expand(-1, ALONG, -1).split(1, -1)
    right, bottom = (low + size + OUTSIDE).expand(-1, ALONG, -1).split(1, -1)
    sides = [torch.cat(pair, -1) for pair in ((x, top), (x, bottom), (left, y), (right, y))]
    return inner, torch.cat(sides, 1)


def sampled(
    maps: Float[Tensor, "b c h w"], where: Float[Tensor, "n points 2"]
) -> Float[Tensor, "n points c"]:
    """Maps at n / b sets of places each, in [-1, 1], bilinear; the border goes on for ever."""
    n, count, _ = where.shape
    places = where.reshape(len(maps), -1, 1, 2)
    found = F.grid_sample(maps, places, mode="bilinear", padding_mode="border", align_corners=False)
    return found[..., 0].transpose(1, 2).reshape(n, count, -1)
