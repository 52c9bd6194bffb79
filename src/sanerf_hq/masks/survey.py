"""Surveys: the masks of one object, found a few views at a time and weighed together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.masks.ballots import Ballots, Booth, count_ballots
from sanerf_hq.masks.candidates import Candidate
from sanerf_hq.masks.config import DecodeConfig
from sanerf_hq.masks.consensus import Verdict, settle
from sanerf_hq.masks.creases import crust_round
from sanerf_hq.masks.follow import Surface
from sanerf_hq.masks.guess import OBJECT, Guess, guess_from, shares_in
from sanerf_hq.masks.mask_set import Point, Segment
from sanerf_hq.masks.rle import encode
from sanerf_hq.radiance import Home, ViewSamples
from sanerf_hq.scene import read_image

Told = Callable[[int, int], None]


@runtime_checkable
class Survey(Protocol):
    """Masks of one object, on their way."""

    def decode(self, most: int | None, told: Told) -> None:
        """Find masks of further views, until ``most`` views were looked at in all; None: of all.

        Args:
            most: Views; those that say most come first.
            told: Called with the views done and in all; may raise Cancelled.
        """
        ...

    def repeat(self, told: Told) -> None:
        """Ask again where masks disagree with the others, or there is none though the object is seen."""
        ...

    def segments(self, identity: int = 1) -> tuple[Segment, ...]:
        """The masks found so far that count, weighed, in the order of the views."""
        ...

    def seeds(self) -> tuple[Point, ...]:
        """Points on the object's surface that the user vouches for, in the scene's coordinates."""
        ...


@dataclass(frozen=True)
class Settled:
    """Masks weighed together.

    Attributes:
        candidates: All that were found.
        ballots: Their votes; None without any.
        verdict: What became of them; None without any.
    """

    candidates: tuple[Candidate, ...]
    ballots: Ballots | None
    verdict: Verdict | None

    def weight(self, number: int) -> float:
        """How far a view's chosen mask counts; 0 where there is none."""
        return max((w for c, w in self._weighed() if c.number == number), default=0.0)

    def chosen(self, number: int) -> Candidate | None:
        """A view's mask that counts."""
        return next((c for c, w in self._weighed() if c.number == number and w > 0), None)

    def segments(self, home: Home, identity: int) -> tuple[Segment, ...]:
        """The masks that count, in the order of the views."""
        found = [
            Segment(home.views[one.number].name, encode(one.mask), identity, min(1.0, weight), one.source)
            for one, weight in sorted(self._weighed(), key=lambda pair: pair[0].number)
            if weight > 0
        ]
        return tuple(found)

    def _weighed(self) -> Iterator[tuple[Candidate, float]]:
        if self.verdict is not None:
            yield from zip(self.candidates, self.verdict.weights.tolist(), strict=True)


class Polls:
    """Where masks of training views cast their votes; what a view's rays pass is found once."""

    def __init__(self, home: Home, pool: ViewSamples) -> None:
        self._home, self._pool = home, pool
        self._booths: dict[int, Booth] = {}

    def booth(self, number: int) -> Booth:
        """A training view's."""
        if number not in self._booths:
            self._booths[number] = Booth.of_view(self._pool, self._home.pixel_rays, number)
        return self._booths[number]

    def points(self, number: int, mask: Bool[Tensor, "h w"]) -> Float[Tensor, "n 3"]:
        """Points in space that a mask of a training view shows, those of the pool's pixels."""
        shown = self._pool.points[self._pool.of_view(number)].cpu()
        shown = shown[mask.flatten()[self.booth(number).pixels]]
        return shown[shown.isfinite().all(-1)]

    def surface(self) -> Surface:
        """All that the pool's pixels show, ray by ray; points are NaN where there is nothing."""
        return Surface(self._pool.points.cpu(), self._colours)

    def settle(self, candidates: list[Candidate], anchored: set[int], config: DecodeConfig) -> Settled:
        """Weigh masks together.

        Args:
            candidates: Of any views.
            anchored: Views in which a point of the user's own is visible.
            config: Which means are used.
        """
        if not candidates:
            return Settled((), None, None)
        booths = {one.number: self.booth(one.number) for one in candidates}
        ballots = count_ballots(booths, [(one.number, one.mask) for one in candidates])
        trust = torch.tensor([trust_in(one) for one in candidates])
        at_user = torch.tensor([one.number in anchored for one in candidates])
        verdict = settle(ballots, trust, at_user, config.weigh, config.reject, config.choose)
        return Settled(tuple(candidates), ballots, verdict)

    def guess(self, settled: Settled, number: int) -> Guess | None:
        """What is known of the object in a view; None where too little is."""
        if settled.ballots is None or settled.verdict is None:
            return None
        return self._guess(shares_in(settled.ballots, settled.verdict, self.booth(number)), number)

    def shaped_guesses(self, settled: Settled) -> list[Guess | None]:
        """What is known of the object in every view, votes evened out by the shape of what they are about."""
        numbers = range(len(self._home.views))
        if settled.ballots is None or settled.verdict is None:
            return [None for _ in numbers]
        shares = torch.cat([shares_in(settled.ballots, settled.verdict, self.booth(n)) for n in numbers])
        crust = crust_round(self._pool.points.cpu(), self._towards, self._colours, shares > OBJECT)
        if crust is not None:
            shares = crust.evened(shares)
        return [self._guess(shares[self._pool.of_view(number)], number) for number in numbers]

    def _guess(self, shares: Float[Tensor, "n_rays"], number: int) -> Guess | None:
        camera = self._home.cameras[number]
        return guess_from(shares, self.booth(number), camera.width, camera.height)

    @cached_property
    def _towards(self) -> Float[Tensor, "n_rays 3"]:
        """Unit vectors from the pool's points to the cameras that see them."""
        points, parts = self._pool.points.cpu(), []
        for number, camera in enumerate(self._home.cameras):
            parts.append(camera.center - points[self._pool.of_view(number)])
        return torch.nn.functional.normalize(torch.cat(parts), dim=-1)

    @cached_property
    def _colours(self) -> Float[Tensor, "n_rays 3"]:
        """Of the pool's pixels in the photos, RGB in [0, 1]."""
        parts = []
        for number, (view, camera) in enumerate(zip(self._home.views, self._home.cameras, strict=True)):
            photo = read_image(view, camera.width).flatten(0, 1)
            parts.append(photo[self.booth(number).pixels].float() / 255)
        return torch.cat(parts)


def as_points(points: Float[Tensor, "n 3"]) -> tuple[Point, ...]:
    """Rows of a tensor as points."""
    return tuple((x, y, z) for x, y, z in points.tolist())


def trust_in(one: Candidate) -> float:
    """What is thought of a mask before it is compared with others."""
    return one.predicted * one.stability * one.answered * one.near**2
