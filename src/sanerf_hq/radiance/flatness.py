"""Flatness: where a photo shows one colour, what it shows is taken to be flat.

On bare walls and tables photos agree with many a surface, and descent settles on clouds before them. Of a
plane 1 / z is an affine function of the pixel, so for three pixels at equal distances in a line

    bend = (1/z_1 - 2/z_2 + 1/z_3) · z_2,   loss = Σ a · bend² / (bend² + CORE²)

is 0 on it; a is near 1 where the three have one colour and 0 where they differ. Large bends, as at the edge
of a thing before its like, hardly count any more. That depth be smooth is asked by RegNeRF (2022), in patches
of views that nobody took.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sanerf_hq.geometry import PixelRays
from sanerf_hq.radiance.render import OPAQUE

SHARE = 0.3  # of a step's rays that come in threes
FARTHEST = 0.3  # of a picture's width, between neighbours
ONE_COLOUR = 0.06  # difference in colour at which neighbours are hardly taken for one surface
CORE = 0.03  # bend from which on a line counts as broken, not as bent
FROM = 0.1  # share of the steps in which it comes to its full weight


def lines_among(n_rays: int) -> int:
    """How many lines there are among so many rays."""
    return int(SHARE * n_rays / 3)


def threes(
    pixel_rays: PixelRays,
    pixels: Int64[Tensor, "n_rays"],
    n: int,
    usable: Bool[Tensor, "n_pixels"] | None,
    generator: torch.Generator,
) -> Int64[Tensor, "n_rays"]:
    """Let the first rays be lines of three pixels: n first ends, then n middles, then n second ends.

    Args:
        pixel_rays: The pixels of all cameras.
        pixels: Drawn at random from those that may be used; the first n are the lines' middles.
        n: Lines.
        usable: Which may be; all if None. A line through others shrinks to a point.
        generator: Draws how far apart neighbours are, and whether side by side or one above the other.
    """
    device = pixels.device
    middles = pixels[:n]
    reach = FARTHEST * pixel_rays.widths[pixel_rays.cameras_of(middles)]
    apart = 1 + (torch.rand(n, generator=generator, device=device) * reach).long()
    upright = torch.rand(n, generator=generator, device=device) < 0.5
    lines = torch.stack(
        pixel_rays.lines(middles, torch.where(upright, 0, apart), torch.where(upright, apart, 0))
    )
    if usable is not None:
        lines = torch.where(usable[lines].all(0), lines, middles)
    return torch.cat([lines.flatten(), pixels[3 * n :]])


def bent(
    distances: Float[Tensor, "n_rays"],
    opacity: Float[Tensor, "n_rays"],
    cosines: Float[Tensor, "n_rays"],
    rgb: Float[Tensor, "n_rays 3"],
    n: int,
) -> Float[Tensor, ""]:
    """The loss, in the mean over the lines; 0 if there are none.

    Args:
        distances: Σ w t of each ray, of which the first are lines as :func:`threes` orders them.
        opacity: Σ w of each.
        cosines: z-depth of a point at distance 1 along each.
        rgb: What the photos show.
        n: Lines of three.
    """
    first, middle, last = (1 / (distances / opacity.clamp_min(1e-3) * cosines).clamp_min(1e-3))[: 3 * n].view(
        3, n
    )
    bend = (first - 2 * middle + last) / middle.detach()
    colours = rgb[: 3 * n].view(3, n, 3)
    differ = (colours[::2] - colours[1]).abs().amax((0, 2))
    alike = torch.exp(-(differ / ONE_COLOUR).square())
    solid = (opacity[: 3 * n].detach().view(3, n) > OPAQUE).all(0)
    broken = bend.square() / (bend.square() + CORE**2)
    return (alike * solid * broken).sum() / max(n, 1)
