"""Gaps: pixels where a field has nothing, though in its scene every ray ends somewhere.

No photo looked there. The colour of what is nearest in the picture harms the eye less than any one colour.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SOLID = 0.5  # opacity from which a pixel has a colour to lend


def nearest_solid(
    values: Float[Tensor, "h w channels"], solid: Bool[Tensor, "h w"]
) -> Float[Tensor, "h w channels"]:
    """The values of the nearest solid pixel, of which there is at least one."""
    from scipy.ndimage import distance_transform_edt

    if bool(solid.all()):
        return values
    rows, columns = distance_transform_edt(~solid.numpy(), return_distances=False, return_indices=True)  # pyright: ignore
    return values[torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]


def fill_gaps(
    rgb: Float[Tensor, "h w 3"], opacity: Float[Tensor, "h w"], otherwise: tuple[float, float, float]
) -> Float[Tensor, "h w 3"]:
    """The light that is missing in each pixel, in the colour of the nearest solid one.

    Args:
        rgb: Colours on black.
        opacity: In [0, 1].
        otherwise: The colour where no pixel is solid.
    """
    solid = opacity >= SOLID
    if not bool(solid.any()):
        return rgb + (1 - opacity[..., None]) * torch.tensor(otherwise)
    lent = nearest_solid(rgb / opacity.clamp_min(SOLID)[..., None], solid)
    return rgb + (1 - opacity[..., None]) * lent
