"""Coverage: few training views that together show most of a place, some from all round it first."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from sanerf_hq.prompts.lift import sightings
from sanerf_hq.radiance import RadianceField, spread_order
from sanerf_hq.runs import Key

THRICE = 3  # views that must show a point, so that one may err
POINTS_A_VIEW = 50  # that a place is known by
MOST_POINTS = 2000
COVERED = 0.5  # share of a place from which no more views are added
MOST_VIEWS = 32


def covering_views(field: RadianceField, n_views: int | None, least: int) -> list[int]:
    """Numbers of training views to look for things in.

    Of photos taken round a thing a few from all sides show most of it. A walk through a large place needs
    more: those are added that show most of what too few have shown.

    Args:
        field: A field at home in its run.
        n_views: How many; None: as many as it takes.
        least: How many in that case at least, as far as there are so many.
    """
    home = field.at_home()
    every = list(range(len(home.views)))
    chosen = spread_order(home, [], every, torch.tensor(field.world.center))
    chosen = chosen[: n_views or least]
    if n_views or len(chosen) == len(every):
        return chosen
    points = []
    for number, camera in enumerate(home.cameras):
        generator = Key(home.run.seed, "coverage", number).generator()
        size = torch.tensor([camera.width, camera.height])
        xy = torch.rand(min(POINTS_A_VIEW, 1 + MOST_POINTS // len(every)), 2, generator=generator) * size
        points.append(camera.unproject(xy, field.depth_at(camera, xy)))
    there = torch.cat(points)
    there = there[there.isfinite().all(-1)]
    return with_more(chosen, sightings(field, list(home.cameras), there).visible)


def with_more(chosen: list[int], seen: Bool[Tensor, "n_views n_points"]) -> list[int]:
    """Chosen views, and those that add most to them, until half of what three views see is seen by three.

    Args:
        chosen: Rows of ``seen`` to begin with.
        seen: Which views see which points.
    """
    can = seen[:, seen.sum(0) >= THRICE].float()
    chosen, found = list(chosen), can[chosen].sum(0)
    while len(chosen) < MOST_VIEWS and float((found >= THRICE).float().sum()) < COVERED * can.shape[1]:
        gain = (can * (found < THRICE)).sum(1)
        gain[chosen] = 0
        best = int(gain.argmax())
        if gain[best] == 0:
            break
        chosen.append(best)
        found = found + can[best]
    return chosen
