"""The wavefront: masks accepted in some views prompt the views beside them (design decision 6).

Points inside accepted masks are lifted and projected into all views that have no mask yet. The view that sees
most of them is next: it is prompted with a few of these points, with the user's own where they are seen, and
with the box round all of them. Its mask is accepted if it agrees with what is known in 3D.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.masks.interior import interior, representatives
from sanerf_hq.masks.mask_set import Segment
from sanerf_hq.masks.pictures import Pictures
from sanerf_hq.masks.rle import encode
from sanerf_hq.prompts import Cloud, Marks, ViewPrompts, sightings
from sanerf_hq.radiance import RadianceField, ViewSamples
from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks

POINTS_A_MASK = 64  # points inside a mask that are projected into other views
POINTS_A_PROMPT = 5
POINTS_FOR_A_BOX = 8
POINTS_A_BOX = 8  # points that stand for a box in other views
BOX_MARGIN = 0.06  # of the box's sides: the points lie inside the object
REACH = 1.0  # how far an object may go beyond what is accepted of it, in the longest extent of that
TAIL = 0.05  # share of the accepted points at each end that may lie on what is behind
LEAST_NEAR = 0.8  # share of a mask that must lie within reach
LEAST_AGREEMENT = 0.5
CLICK_FIRST = 10_000  # a view that sees the user's own points comes before any that does not


@dataclass(frozen=True)
class Accepted:
    """A mask that counts.

    Attributes:
        mask: Its pixels.
        score: How far it is trusted, in [0, 1].
        source: Who prompted it.
        cloud: Points inside it, in the scene's coordinates.
    """

    mask: Bool[Tensor, "h w"]
    score: float
    source: str
    cloud: Float[Tensor, "n 3"]


class Wavefront:
    """Which views have masks so far, and what prompts the next."""

    def __init__(self, field: RadianceField, pictures: Pictures, samples: ViewSamples) -> None:
        self._field, self._pictures, self._samples = field, pictures, samples
        self._home = field.at_home()
        self._cameras = list(self._home.cameras)
        self._waiting = list(range(len(self._cameras)))
        self._accepted: dict[int, Accepted] = {}
        self._user = Cloud.join([])
        self._user_seen: list[tuple[Tensor, Tensor]] = [(torch.zeros(0, 2), torch.zeros(0).long())] * len(
            self._cameras
        )
        self._spread_seen = [torch.zeros(0, 2)] * len(self._cameras)
        self._cloud = torch.zeros(0, 3)
        self._reach: tuple[Tensor, Tensor] | None = None

    @property
    def n_done(self) -> int:
        """Views that were prompted."""
        return len(self._cameras) - len(self._waiting)

    def segments(self) -> tuple[Segment, ...]:
        """The accepted masks, in the order of the views."""
        return tuple(
            Segment(self._home.views[number].name, encode(found.mask), 1, found.score, found.source)
            for number, found in sorted(self._accepted.items())
        )

    def add_cloud(self, cloud: Cloud) -> None:
        """Take in points that the user vouches for."""
        if not len(cloud):
            return
        self._user = Cloud.join([self._user, cloud])
        seen = sightings(self._field, self._cameras, cloud.points)
        for number, (xy, visible) in enumerate(zip(seen.xy, seen.visible, strict=True)):
            before_xy, before_labels = self._user_seen[number]
            labels = torch.cat([before_labels, cloud.labels[visible]])
            self._user_seen[number] = torch.cat([before_xy, xy[visible]]), labels

    def decode_marks(self, marks: Marks) -> None:
        """Decode the user's own prompt in its own picture."""
        number = None if marks.view is None else self._home.index(marks.view)
        prompt = DecoderPrompt(marks.xy, marks.labels, marks.box)
        if not len(marks.positive) and marks.box is None:
            return
        embedding = (
            self._pictures.of_camera(marks.camera)
            if number is None
            else self._pictures.of_view(self._home.views[number])
        )
        candidates = [
            (_fit(logits > 0, marks) * iou, iou, logits > 0)
            for logits, iou in _candidates(self._decode(embedding, prompt))
        ]
        fit, score, mask = max(candidates, key=lambda candidate: candidate[0])
        if fit == 0:
            return
        cloud = self._points_in(mask, marks, number)
        if number is not None:
            self._waiting = [other for other in self._waiting if other != number]
            self._accepted[number] = Accepted(mask, score, "user", cloud)
        if not len(marks.positive):  # points inside the mask stand for the box
            few = cloud[representatives(cloud, POINTS_A_BOX)]
            self.add_cloud(Cloud(few, torch.ones(len(few), dtype=torch.int64)))
        self._spread(cloud)

    def decode_next(self, most: bool, spread: bool) -> bool:
        """Decode the view that sees most of what is known; False when none is left that sees enough.

        Args:
            most: Ask for floor(0.8 n) + 1 of the user's n points instead of for one positive point.
            spread: Whether points inside other views' masks count.
        """
        number = self._next(most, spread)
        if number is None:
            return False
        self._waiting.remove(number)
        asked = self._prompts(number, spread)
        embedding = self._pictures.of_view(self._home.views[number])
        masks = self._decode(embedding, DecoderPrompt(asked.points, asked.labels, asked.box))
        known = self._visible_known(number, spread)
        negative = asked.points[asked.labels == 0]
        best: tuple[float, Tensor] | None = None
        for logits, iou in _candidates(masks):
            mask = logits > 0
            near = self._near(number, mask)
            agreement = _hit(mask, known) * (1 - _hit(mask, negative)) * near
            if (
                near >= LEAST_NEAR
                and agreement >= LEAST_AGREEMENT
                and (best is None or agreement * iou > best[0])
            ):
                best = agreement * iou, mask
        if best is not None:
            score, mask = best
            cloud = self._points_in(mask, None, number)
            self._accepted[number] = Accepted(mask, min(1.0, max(0.0, score)), asked.source, cloud)
            if spread:
                self._spread(cloud)
        return True

    def _next(self, most: bool, spread: bool) -> int | None:
        best: tuple[int, int] | None = None
        for number in self._waiting:
            _, labels = self._user_seen[number]
            enough = len(labels) >= int(0.8 * len(self._user)) + 1 if most else bool((labels == 1).any())
            clicked = int((labels == 1).sum()) if enough else 0
            count = CLICK_FIRST * clicked + (len(self._spread_seen[number]) if spread else 0)
            if count and (best is None or count > best[0]):
                best = count, number
        return None if best is None else best[1]

    def _visible_known(self, number: int, spread: bool) -> Float[Tensor, "n 2"]:
        xy, labels = self._user_seen[number]
        return torch.cat([xy[labels == 1], self._spread_seen[number]]) if spread else xy[labels == 1]

    def _prompts(self, number: int, spread: bool) -> ViewPrompts:
        xy, labels = self._user_seen[number]
        source = "projected" if bool((labels == 1).any()) else "spread"
        known = self._visible_known(number, spread)
        box = None
        if len(known) >= POINTS_FOR_A_BOX or (not spread and len(known) > 1):
            camera = self._cameras[number]
            low, high = known.amin(0), known.amax(0)
            margin = BOX_MARGIN * (high - low) + 1
            size = torch.tensor([camera.width, camera.height]).float()
            box = torch.cat([(low - margin).clamp_min(0), torch.minimum(high + margin, size)])
        missing = POINTS_A_PROMPT - int((labels == 1).sum())
        if missing > 0 and spread and len(self._spread_seen[number]):
            extra = self._spread_seen[number]
            extra = extra[representatives(extra, missing)]
            xy = torch.cat([xy, extra])
            labels = torch.cat([labels, torch.ones(len(extra), dtype=torch.int64)])
        return ViewPrompts(self._home.views[number].name, xy, labels, box, source=source)

    def _decode(self, embedding: Embedding, prompt: DecoderPrompt) -> Masks:
        return self._pictures.segmenter.decode(embedding, [prompt])[0]

    def _spread(self, cloud: Float[Tensor, "n 3"]) -> None:
        """Let points inside an accepted mask prompt the views that wait."""
        cloud = cloud[self._within_reach(cloud)]
        self._cloud = torch.cat([self._cloud, cloud])
        if len(self._cloud) >= POINTS_FOR_A_BOX:
            low, high = torch.quantile(self._cloud, torch.tensor([TAIL, 1 - TAIL]), dim=0)
            margin = REACH * (high - low).max()
            self._reach = low - margin, high + margin
        seen = sightings(self._field, [self._cameras[number] for number in self._waiting], cloud)
        for number, xy, visible in zip(self._waiting, seen.xy, seen.visible, strict=True):
            self._spread_seen[number] = torch.cat([self._spread_seen[number], xy[visible]])

    def _points_in(
        self, mask: Bool[Tensor, "h w"], marks: Marks | None, number: int | None
    ) -> Float[Tensor, "n 3"]:
        """Some surface points inside a mask of a training view, or of a picture of the user's own."""
        inner = interior(mask)
        if number is None:
            assert marks is not None
            xy = inner.nonzero().flip(-1).float() + 0.5
            xy = xy[representatives(xy[:: max(1, len(xy) // 2048)], POINTS_A_MASK) * max(1, len(xy) // 2048)]
            points = marks.camera.unproject(xy, self._field.depth_at(marks.camera, xy))
            return points[points.isfinite().all(-1)]
        inside = self._view_points(number, inner)
        return inside[representatives(inside, POINTS_A_MASK)]

    def _view_points(self, number: int, mask: Bool[Tensor, "h w"]) -> Float[Tensor, "n 3"]:
        """The surface points of a view's cached pixels that a mask covers."""
        rays = self._samples.of_view(number)
        first = int(self._home.pixel_rays.offsets[number])
        points = self._samples.points[rays][mask.flatten()[self._samples.pixels[rays] - first]]
        return points[points.isfinite().all(-1)]

    def _near(self, number: int, mask: Bool[Tensor, "h w"]) -> float:
        """Share of a mask that lies where the object may reach, by what is known of it."""
        points = self._view_points(number, mask)
        if not len(points) or not len(self._accepted):
            return 1.0 if bool(mask.any()) else 0.0
        return float(self._within_reach(points).float().mean())

    def _within_reach(self, points: Float[Tensor, "n 3"]) -> Bool[Tensor, "n"]:
        """Points that lie where the object may reach, as far as accepted masks tell."""
        if self._reach is None:
            return torch.ones(len(points), dtype=torch.bool)
        low, high = self._reach
        return ((points >= low) & (points <= high)).all(-1)


def _candidates(masks: Masks) -> list[tuple[Tensor, float]]:
    return list(zip(masks.mask_logits, masks.iou_predictions.clamp(0, 1).tolist(), strict=True))


def _fit(mask: Bool[Tensor, "h w"], marks: Marks) -> float:
    """How well a mask answers the user's own prompt: clicks in and out, and no more than the box."""
    fit = 1 - _hit(mask, marks.xy[marks.labels == 0])
    if len(marks.positive):
        fit *= _hit(mask, marks.positive)
    if marks.box is not None:
        x0, y0, x1, y1 = (round(value) for value in marks.box.tolist())
        fit *= int(mask[y0:y1, x0:x1].sum()) / max(1, int(mask.sum()))
    return fit


def _hit(mask: Bool[Tensor, "h w"], xy: Float[Tensor, "n 2"]) -> float:
    """Share of points that lie in a mask; 1 of none at all would be praise, so it is 0 of negatives."""
    if not len(xy):
        return 0.0
    height, width = mask.shape
    x, y = xy.long().unbind(-1)
    return float(mask[y.clamp(0, height - 1), x.clamp(0, width - 1)].float().mean())
