"""Bounds: how near and how far the content is that each view sees, which LLFF's format asks for."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sanerf_hq.geometry import focus_point
from sanerf_hq.radiance import RadianceField
from sanerf_hq.scene import View

GRID = 16  # rays along each side of a view
QUANTILES = (0.001, 0.999)  # LLFF's, of the points that a view sees
GUESS = (0.1, 10.0)  # of the distance to what the cameras look at


def depth_bounds(views: Sequence[View], field: RadianceField | None) -> list[tuple[float, float]]:
    """Near and far depth of each view: as a field shows it, else as its scene's files say, else a guess."""
    focus = focus_point([view.camera for view in views])
    found: list[tuple[float, float]] = []
    for view in views:
        known = view.bounds
        if field is not None:
            known = _measured(view, field) or known
        if known is None:
            away = max(float((view.camera.center - focus).norm()), 1e-6)
            known = (GUESS[0] * away, GUESS[1] * away)
        found.append(known)
    return found


def _measured(view: View, field: RadianceField) -> tuple[float, float] | None:
    """Near and far depth of the surfaces that a view sees; None where it sees none."""
    steps = (torch.arange(GRID) + 0.5) / GRID
    share = torch.cartesian_prod(steps, steps)
    depth = field.depth_at(view.camera, share * torch.tensor([view.camera.width, view.camera.height]))
    depth = depth[depth.isfinite() & (depth > 0)]
    if not len(depth):
        return None
    near, far = torch.quantile(depth.float(), depth.new_tensor(QUANTILES)).tolist()
    return (near, far)
