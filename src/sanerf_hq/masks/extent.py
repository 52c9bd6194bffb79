"""Extent: how far points reach in a picture."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Camera
from sanerf_hq.prompts import ViewPrompts

HULL = 0.3  # room round the box of the user's points, in its sides: points lie inside the object
HULL_LEAST = 0.1  # the same at each end, in its longest side


def diagonal(points: Float[Tensor, "n 2"]) -> float:
    """Of the box round points."""
    return float((points.amax(0) - points.amin(0)).norm()) if len(points) else 0.0


def in_hull(prompts: ViewPrompts, camera: Camera) -> list[ViewPrompts]:
    """Prompts with the box round the positive points and some room; nothing where these span no box."""
    positive = prompts.points[prompts.labels == 1]
    if len(positive) < 2:
        return []
    low, high = positive.amin(0), positive.amax(0)
    margin = HULL / 2 * (high - low) + HULL_LEAST * (high - low).max() + 1
    size = torch.tensor([camera.width, camera.height]).float()
    box = torch.cat([(low - margin).clamp_min(0), torch.minimum(high + margin, size)])
    return [replace(prompts, box=box)]
