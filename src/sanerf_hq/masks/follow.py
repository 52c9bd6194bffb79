"""Following: where a thing is at the next moment, by its coloured surface in space.

Between two moments a thing may move farther than it is large; then the box round its mask, which the paper
hands on from frame to frame, holds nothing of it. Its surface in space has a shape and colours, and so has
all that the next moment shows: the shift that brings most of its colours onto the same ones there is looked
for among all shifts at once. It may turn meanwhile: what it turned to is found by its masks at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

CELLS = 12  # along a thing's longest side
REACH = 3.0  # times its longest side that it may move beyond what is expected
KINDS = 8  # of colour that are told apart
ALIKE = 0.2  # distance in RGB, each in [0, 1], up to which two colours are alike
NEXT_CELL = 0.5  # of a hit, what a colour in the next cell counts
CAUTION = 0.05  # of the likeness, that a shift must gain for each side's length off the expected place
ROOM = 0.25  # of the longest side, that a thing's few outermost points may lie outside the box of the others
OUTLIERS = 0.02  # share of the points on either side that do not count for a thing's size
RESOLVED = 1e-6  # of the largest coordinate, below which points of a thing are not told apart
MOST_POINTS = 4000
NEAR = 1.5  # cells from a moved point within which a point may be the same one
MOSTLY = 0.4  # share of what lies round a point that must be the thing for the point to be so, too


@dataclass(frozen=True)
class Surface:
    """Coloured points of surfaces.

    Attributes:
        points: In the scene's coordinates.
        colours: RGB in [0, 1].
    """

    points: Float[Tensor, "n 3"]
    colours: Float[Tensor, "n 3"]

    def __len__(self) -> int:
        return len(self.points)

    def of(self, chosen: Bool[Tensor, "n"] | Int64[Tensor, "m"]) -> Surface:
        """Some of the points."""
        return Surface(self.points[chosen], self.colours[chosen])

    def thinned(self, most: int) -> Surface:
        """At most so many of the points."""
        return self.of(torch.arange(0, len(self), 1 + len(self) // most))

    def side(self) -> float:
        """The longest side of the box round all but a few of at least one point."""
        low, high = self._box()
        resolved = RESOLVED * float(self.points.abs().max())
        return max(float((high - low).max()), resolved, torch.finfo(torch.float32).tiny)

    def body(self) -> Surface:
        """The points in that box, with some room round it: without those that lie astray."""
        low, high = self._box()
        room = ROOM * self.side()
        return self.of(((self.points >= low - room) & (self.points <= high + room)).all(-1))

    def _box(self) -> tuple[Tensor, Tensor]:
        some = self.thinned(MOST_POINTS).points
        return some.quantile(OUTLIERS, dim=0), some.quantile(1 - OUTLIERS, dim=0)


@dataclass(frozen=True)
class Shift:
    """How a thing moved.

    Attributes:
        offset: From where it was to where it is, scene units.
        likeness: Share of its surface that has its colours there, in [0, 1].
    """

    offset: Float[Tensor, "3"]
    likeness: float


def find_shift(thing: Surface, scene: Surface, expected: Float[Tensor, "3"]) -> Shift:
    """The shift of a thing from one moment to the next.

    Args:
        thing: Its surface at the one moment, at least one point.
        scene: All surfaces at the other moment.
        expected: The shift that is likely, such as the last one.
    """
    side = thing.side()
    thing = thing.body().thinned(MOST_POINTS)
    cell = side / CELLS
    reach = REACH * side + min(float(expected.norm()), REACH * side)
    low = thing.points.amin(0)
    sizes = ((thing.points.amax(0) - low) / cell).long() + 1
    margin = int(reach / cell) + 1
    shape = (sizes + 2 * margin).tolist()
    start = low - margin * cell
    kinds = _kinds(thing.colours)
    there = ((scene.points - start) / cell).floor().long()
    inside = ((there >= 0) & (there < torch.tensor(shape))).all(-1)
    there = there[inside]
    apart = torch.cdist(scene.colours[inside], kinds)
    kind_there = torch.where(apart.amin(1) <= ALIKE, apart.argmin(1), -1)
    here = ((thing.points - low) / cell).floor().long()
    kind_here = torch.cdist(thing.colours, kinds).argmin(1)
    likeness = torch.zeros(shape)
    total = 0.0
    for kind in range(len(kinds)):
        own, found = torch.zeros(shape), torch.zeros(shape)
        i, j, k = here[kind_here == kind].unbind(-1)
        own[i, j, k] = 1.0
        total += float(own.sum())
        i, j, k = there[kind_there == kind].unbind(-1)
        found[i, j, k] = 1.0
        near = torch.nn.functional.max_pool3d(found[None, None], 3, 1, 1)[0, 0]
        found = found + NEXT_CELL * (near - found)
        # Σ own(v) found(v + s) for all s at once, by the correlation theorem.
        spectrum = torch.fft.rfftn(own).conj() * torch.fft.rfftn(found)
        likeness += torch.fft.irfftn(spectrum, shape)
    last = 2 * margin
    likeness = (likeness / max(total, 1.0))[: last + 1, : last + 1, : last + 1]
    steps = (torch.arange(last + 1) - margin) * cell
    off = [(steps - along).square() for along in expected.tolist()]
    away = (off[0][:, None, None] + off[1][None, :, None] + off[2][None, None]).sqrt() / side
    best = int((likeness - CAUTION * away).argmax())
    place = [best // (last + 1) ** 2, best // (last + 1) % (last + 1), best % (last + 1)]
    return Shift(steps[place], float(likeness.flatten()[best]))


def shifted_in(thing: Surface, scene: Surface, offset: Float[Tensor, "3"]) -> Int64[Tensor, "n"]:
    """Points of a moment's surfaces that are a thing which moved there.

    Args:
        thing: Its surface at another moment.
        scene: All surfaces at this one; points without a place are nothing's.
        offset: Its shift in between.
    """
    reach = NEAR * thing.side() / CELLS
    thing = thing.body().thinned(MOST_POINTS)
    moved = thing.points + offset
    low, high = moved.amin(0) - 3 * reach, moved.amax(0) + 3 * reach
    near = ((scene.points >= low) & (scene.points <= high)).all(-1).nonzero()[:, 0]
    found = []
    for part in near.split(MOST_POINTS):
        close = torch.cdist(scene.points[part], moved) <= reach
        alike = torch.cdist(scene.colours[part], thing.colours) <= ALIKE
        found.append(part[(close & alike).any(1)])
    on = torch.cat([near[:0], *found])
    if not len(on):
        return on
    # What many others lie beside that are not the thing is its neighbour in like colours.
    shown = near[:: 1 + len(near) // MOST_POINTS]
    is_on = torch.isin(shown, on).float()
    kept = []
    for part in on.split(MOST_POINTS):
        beside = torch.cdist(scene.points[part], scene.points[shown]) <= 2 * reach
        kept.append(part[(beside.float() @ is_on) >= MOSTLY * beside.sum(1)])
    return torch.cat(kept)


def overlap(one: Surface, other: Surface) -> float:
    """How far two surfaces are the same, in [0, 1]: the lesser share of either that is near the other."""
    if not len(one) or not len(other):
        return 0.0
    reach = 2 * NEAR * one.side() / CELLS
    apart = torch.cdist(one.thinned(MOST_POINTS).points, other.thinned(MOST_POINTS).points)
    return min(float((apart.amin(axis) <= reach).float().mean()) for axis in (0, 1))


def _kinds(colours: Float[Tensor, "n 3"]) -> Float[Tensor, "k 3"]:
    """A few colours that stand for all: each the one farthest from those before, then moved to its share."""
    chosen = [colours.mean(0)]
    for _ in range(KINDS - 1):
        apart = torch.cdist(colours, torch.stack(chosen)).amin(1)
        if float(apart.max()) < ALIKE / 2:
            break
        chosen.append(colours[apart.argmax()])
    kinds = torch.stack(chosen)
    for _ in range(4):
        owner = torch.cdist(colours, kinds).argmin(1)
        sums = torch.zeros_like(kinds).index_add_(0, owner, colours)
        counts = torch.bincount(owner, minlength=len(kinds))[:, None]
        kinds = torch.where(counts > 0, sums / counts.clamp_min(1), kinds)
    return kinds
