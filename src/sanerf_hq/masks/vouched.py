"""Vouched: points in space that the user vouches for, where each view sees them, and which went astray."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.geometry import Camera
from sanerf_hq.masks.candidates import share_answered
from sanerf_hq.prompts import Cloud, Marks, sightings
from sanerf_hq.radiance import RadianceField

SPREADS = 3.0  # of the depth of a mask's middle half, behind it, from which a click went astray
LEAST = 0.05  # of the depth, the same at least: of flat things the middle half has no spread


@final
class Vouched:
    """Points that the user vouches for, as some cameras see them.

    Attributes:
        cloud: The points, labelled 1 on the object and 0 beside it.
        xy: By camera, (n, 2): where it sees those that nothing hides from it, pixels.
        labels: By camera, (n,): of these.
    """

    def __init__(self, field: RadianceField, cameras: Sequence[Camera]) -> None:
        self._field, self._cameras = field, list(cameras)
        self._begin()

    def _begin(self) -> None:
        self.cloud = Cloud.join([])
        self.xy = [torch.zeros(0, 2) for _ in self._cameras]
        self.labels = [torch.zeros(0, dtype=torch.int64) for _ in self._cameras]

    @property
    def on_object(self) -> Float[Tensor, "n 3"]:
        """Those on the object."""
        return self.cloud.points[self.cloud.labels == 1]

    def add(self, cloud: Cloud) -> Bool[Tensor, "views points"]:
        """Take in more; which views see them."""
        self.cloud = Cloud.join([self.cloud, cloud])
        seen = sightings(self._field, self._cameras, cloud.points)
        for number, (xy, visible) in enumerate(zip(seen.xy, seen.visible, strict=True)):
            self.xy[number] = torch.cat([self.xy[number], xy[visible]])
            self.labels[number] = torch.cat([self.labels[number], cloud.labels[visible]])
        return seen.visible

    def correct(
        self, cloud: Cloud, number: int | None, marks: Marks | None
    ) -> Callable[[int, Bool[Tensor, "h w"]], float]:
        """Take in points of clicks, which their own camera sees where they were made.

        Args:
            cloud: The points.
            number: Of the camera they were made in; None: it is none of these.
            marks: The clicks; None: they were given in space.

        Returns:
            How far a camera's mask answers these points, in [0, 1].
        """
        first = [len(labels) for labels in self.labels]
        self.add(cloud)
        if number is not None and marks is not None:
            self.xy[number] = torch.cat([self.xy[number][: first[number]], marks.xy])
            self.labels[number] = torch.cat([self.labels[number][: first[number]], marks.labels])
        new = [slice(start, len(labels)) for start, labels in zip(first, self.labels, strict=True)]

        def answered(camera: int, mask: Bool[Tensor, "h w"]) -> float:
            xy, labels = self.xy[camera][new[camera]], self.labels[camera][new[camera]]
            return share_answered(mask, xy, labels == 1)

        return answered

    def forget(self, points: Float[Tensor, "n 3"]) -> None:
        """Vouch no more for points that were taken in."""
        if not len(points):
            return
        kept = ~(self.cloud.points[:, None] == points).all(-1).any(1)
        cloud = Cloud(self.cloud.points[kept], self.cloud.labels[kept])
        self._begin()
        self.add(cloud)

    def most_seen(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "m 3"]:
        """The one that most views see, the first of these: a wrong depth shows in others. Of none, none."""
        seen = sightings(self._field, self._cameras, points).visible.sum(0)
        return points[seen.argmax()][None] if len(points) else points


def far_behind(depth: Float[Tensor, "n"]) -> float:
    """The depth from which on something lies far behind most of these; NaN are passed over."""
    known = depth[depth.isfinite()]
    if not len(known):
        return math.inf
    near, far = known.quantile(torch.tensor([0.25, 0.75])).tolist()
    return far + max(SPREADS * (far - near), LEAST * far)


def behind(
    field: RadianceField, marks: Marks, limit: float
) -> tuple[Float[Tensor, "m 2"], Float[Tensor, "m 3"]]:
    """Those of several clicks on an object that lie deeper than a limit, and the points that they show.

    A lone click is none of them: there is nothing else to know the object by. All clicks are lifted at once,
    as by ``lift``: points of rays that are computed beside others differ in the last bits.
    """
    depth = field.depth_at(marks.camera, marks.xy)
    points = marks.camera.unproject(marks.xy, depth)
    astray = (depth > limit) & (marks.labels == 1) & (len(marks.positive) > 1)
    return marks.xy[astray], points[astray]
