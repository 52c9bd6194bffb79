"""Placement: where an object stands, how large it is and which way is up, for cameras that go round it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.export.target import MovingTarget, Target
from sanerf_hq.geometry import Camera, up_direction
from sanerf_hq.objects.composite import is_solid
from sanerf_hq.radiance import ViewSamples, load_view_samples
from sanerf_hq.runs import ProgressCallback, quiet

OUTLYING = 0.03  # share of an object's points, at each end of each axis, that its box leaves out
FAR = 0.05  # share that its sphere leaves out: rays along its outline end between it and what is behind
SMALLEST = 1e-6  # radius, field units


@dataclass(frozen=True)
class Placement:
    """An object in the scene's coordinates.

    Attributes:
        center: Middle of the box round what the photos show of it.
        radius: Of the sphere round the same, > 0.
        up: Unit vector that points up, as the scene's cameras were held.
    """

    center: Float[Tensor, "3"]
    radius: float
    up: Float[Tensor, "3"]


def find_placement(target: Target, progress: ProgressCallback = quiet) -> Placement:
    """Where an object stands, by the surface samples of the training views.

    Args:
        target: The object; its field is at home.
        progress: Told where the samples have to be computed first; may raise Cancelled.

    Raises:
        InputError: No training view shows the object.
    """
    return _placed(target, load_view_samples(target.radiance, progress))


def _placed(target: Target, pool: ViewSamples) -> Placement:
    logits = target.field.logits_of(pool.surfaces).cpu()
    on_object = torch.isin(logits.argmax(-1), torch.tensor(target.channels)) & is_solid(pool.surfaces).cpu()
    points = pool.points[on_object & pool.points.isfinite().all(-1)]
    if not len(points):
        raise InputError(f"no training view shows {target.name!r}; segment it again, with other prompts")
    low, high = (quantile(points, share) for share in (OUTLYING, 1 - OUTLYING))
    center = (low + high) / 2
    distances = (points - center).norm(dim=-1)
    radius = float(quantile(distances[:, None], 1 - FAR))
    least = SMALLEST / target.radiance.world.scale
    return Placement(center, max(radius, least), up_of(target.radiance.at_home().cameras))


def find_passage(target: MovingTarget, progress: ProgressCallback = quiet) -> Placement:
    """Where a thing that moves is in all its time: the sphere round its places at every moment.

    Raises:
        InputError: No training view shows it at any moment.
    """
    pool = load_view_samples(target.radiance, progress)
    stills = (target.at(moment) for moment in target.object.fields)
    placed: list[Placement] = []
    for still in stills:
        try:
            here = None if still is None else pool.of_moment(still.radiance.at_home())
            placed += [] if still is None or here is None else [_placed(still, here)]
        except InputError:  # it was not seen then
            continue
    if not placed:
        raise InputError(f"no training view shows {target.name!r}; segment it again, with other prompts")
    centers = torch.stack([one.center for one in placed])
    center = (centers.amin(0) + centers.amax(0)) / 2
    reach = max(float((one.center - center).norm()) + one.radius for one in placed)
    return Placement(center, reach, placed[0].up)


def quantile(values: Float[Tensor, "n d"], share: float) -> Float[Tensor, "d"]:
    """The value of each column that a share of the rows does not exceed; of any number of rows."""
    rank = min(int(share * len(values)), len(values) - 1)
    return values.sort(dim=0).values[rank]  # torch.quantile takes no more than 16 million


def up_of(cameras: Sequence[Camera]) -> Float[Tensor, "3"]:
    """Unit vector that points up, as cameras were held."""
    return up_direction(torch.stack([camera.camtoworld for camera in cameras]))
