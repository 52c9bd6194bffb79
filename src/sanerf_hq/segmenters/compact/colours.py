"""Colour models of one prompt: which colours are the object's, which its surroundings'.

The idea of GrabCut (Rother et al. 2004), cheap enough to be an input of the decoder: instead of mixtures and
a cut, two histograms and the log-ratio that they give every pixel. What is to be made of it, the decoder
learns.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int16, Int64
from torch import Tensor
from torch.nn import functional as F

from sanerf_hq.segmenters.letterbox import DEVIATION, MEAN

BINS = 16  # along each of lightness and two opponent colours
NO_PICTURE = BINS**3  # the bin of padding
CHROMA = 6.0  # how much finer than lightness greyish colours are told apart
ROUNDS = 3  # of a box's colours: within it are also pixels that are not the object's
RING = 0.4  # how far round a box its surroundings reach, in its sides
DISC = 0.008  # radius of what a click vouches for, in sides of the square: it may be at the rim
NEAR = 3  # cells round a mask prompt that are its surroundings
LEAST = 2e-3  # share of all pixels that every colour is credited with
FEWEST = 6.0  # pixels that tell of a colour model; fewer tell nothing
LARGEST = 4.0  # log-ratios are clamped to this


def colour_bins(pixels: Float[Tensor, "b 3 side side"]) -> Int16[Tensor, "b low low"]:
    """The colour of each 2 x 2 pixels as a number; pixels as the encoder gets them, padding zero."""
    padding = F.max_pool2d((pixels == 0).all(1, keepdim=True).float(), 2)[:, 0] > 0
    scale, shift = (pixels.new_tensor(v)[:, None, None] for v in (DEVIATION, MEAN))
    red, green, blue = (F.avg_pool2d(pixels.float(), 2) * scale + shift).unbind(1)
    light = (red + green + blue) / 3
    opponents = [F.softsign(CHROMA * c) for c in (red - green, (red + green) / 2 - blue)]
    axes = [light, *((c + 1) / 2 for c in opponents)]
    steps = [(axis * BINS).long().clamp(0, BINS - 1) for axis in axes]
    number = (steps[0] * BINS + steps[1]) * BINS + steps[2]
    return torch.where(padding, NO_PICTURE, number).short()


def evidence(
    bins: Int16[Tensor, "b low low"],
    points: Float[Tensor, "n points 2"] | None,
    labels: Int64[Tensor, "n points"] | None,
    boxes: Float[Tensor, "n 4"] | None,
    masks: Float[Tensor, "n 1 low low"] | None,
) -> Float[Tensor, "n 1 low low"]:
    """Log-odds, between -1 and 1 in units of ``LARGEST``, that pixels are the object's by their colour.

    Args:
        bins: Of b images; n / b prompts each. Prompts as :meth:`CompactModel.decode` takes them, but in
            pixels of ``bins``.
    """
    n = next(len(t) for t in (points, boxes, masks) if t is not None)
    low = bins.shape[-1]
    flat = bins.long().flatten(1).repeat_interleave(n // len(bins), 0)
    pictured = (flat != NO_PICTURE).float()
    on = beside = torch.zeros_like(pictured)
    if points is not None and labels is not None:
        discs = _discs(points, low)
        on, beside = ((discs * (labels == one)[..., None]).amax(1) for one in (1, 0))
    if masks is not None:
        inside = masks.float().sigmoid().flatten(1)
        around = _grown(inside, low) - inside
        maybe, rounds = inside, 1
        if boxes is not None:
            around = torch.maximum(around, _box(boxes, low, RING) - _box(boxes, low, 0))
    elif boxes is not None:
        inside = _box(boxes, low, 0)
        around = _box(boxes, low, RING) - inside
        maybe, rounds = inside, ROUNDS
    else:
        maybe, around, rounds = on, 1 - on, 1
    ratio = torch.zeros_like(pictured)
    for number in range(rounds):
        share = maybe if number == 0 else maybe * torch.sigmoid(ratio)
        ours = torch.maximum(share, on) * (1 - beside) * pictured
        theirs = torch.maximum(around, maybe - share) * (1 - on) * pictured
        theirs = theirs + beside * pictured * (
            theirs.sum(1, keepdim=True) / 4 / beside.sum(1, keepdim=True).clamp(min=1)
        )
        ratio = _ratio(flat, ours, theirs)
    return (ratio * pictured / LARGEST).reshape(n, 1, low, low)


def _ratio(
    bins: Int64[Tensor, "n pixels"], ours: Float[Tensor, "n pixels"], theirs: Float[Tensor, "n pixels"]
) -> Float[Tensor, "n pixels"]:
    """Log-ratio of two weighted histograms at every pixel's bin."""
    logs = []
    for weights in (ours, theirs):
        counts = weights.new_zeros(len(bins), NO_PICTURE + 1).scatter_add_(1, bins, weights)
        cube = counts[:, :-1].reshape(-1, 1, BINS, BINS, BINS)
        taps = weights.new_tensor([0.2, 0.6, 0.2])
        for shape in ((3, 1, 1), (1, 3, 1), (1, 1, 3)):
            pad = [int(s == 3) for s in shape]
            cube = F.conv3d(cube, taps.reshape(1, 1, *shape), padding=pad)
        total = counts.sum(1, keepdim=True)
        logs.append(((cube.flatten(1) / total.clamp(min=1)) + LEAST).log() * (total > FEWEST))
    table = F.pad(logs[0] - logs[1], (0, 1)).clamp(-LARGEST, LARGEST)
    known = ((ours.sum(1, keepdim=True) > FEWEST) & (theirs.sum(1, keepdim=True) > FEWEST)).float()
    return table.gather(1, bins) * known


def _discs(points: Float[Tensor, "n points 2"], low: int) -> Float[Tensor, "n points pixels"]:
    """1 within ``DISC`` of each point."""
    centres = torch.arange(low, device=points.device) + 0.5
    across = (centres - points[..., :1]).square()
    down = (centres - points[..., 1:]).square()
    near = down[..., None] + across[..., None, :] <= max(1.5, DISC * low) ** 2
    return near.flatten(2).float()


def _box(boxes: Float[Tensor, "n 4"], low: int, wider: float) -> Float[Tensor, "n pixels"]:
    """1 in boxes, made wider by a share of their sides at each end."""
    centres = torch.arange(low, device=boxes.device) + 0.5
    more = wider * (boxes[:, 2:] - boxes[:, :2])
    x0, y0 = (boxes[:, :2] - more).unbind(1)
    x1, y1 = (boxes[:, 2:] + more).unbind(1)
    across = (centres >= x0[:, None]) & (centres < x1[:, None])
    down = (centres >= y0[:, None]) & (centres < y1[:, None])
    return (down[:, :, None] & across[:, None]).flatten(1).float()


def _grown(inside: Float[Tensor, "n pixels"], low: int) -> Float[Tensor, "n pixels"]:
    """What is within some cells of a mask."""
    cells = F.max_pool2d(inside.reshape(-1, 1, low, low), 4)
    cells = F.max_pool2d(cells, 2 * NEAR + 1, stride=1, padding=NEAR)
    return F.interpolate(cells, scale_factor=4.0, mode="nearest").flatten(1)
