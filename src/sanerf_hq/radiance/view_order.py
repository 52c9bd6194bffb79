"""The order in which views are asked, so that any first few of them look from all sides."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.radiance.home import Home


def spread_order(home: Home, first: list[int], others: list[int], middle: Float[Tensor, "3"]) -> list[int]:
    """Views in such an order that any first few of them look at a place from all sides.

    Args:
        home: The training views.
        first: Those that come first in any case.
        others: Those to order.
        middle: The place, in the scene's coordinates.
    """
    towards = torch.stack([camera.center for camera in home.cameras]) - middle
    towards = torch.nn.functional.normalize(towards, dim=-1)
    order = list(first)
    waiting = [number for number in others if number not in first]
    if not order and waiting:
        order.append(waiting.pop(0))
    nearest = (towards @ towards[order].T).amax(-1) if order else torch.zeros(len(towards))
    while waiting:
        number = min(waiting, key=lambda one: float(nearest[one]))
        waiting.remove(number)
        order.append(number)
        nearest = torch.maximum(nearest, towards @ towards[number])
    return order
