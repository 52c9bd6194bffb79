"""Labels that the user brings (``masks:DIR``, ``truth``): they only need to be told which object is meant."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sanerf_hq.errors import NothingHit
from sanerf_hq.masks.candidates import Candidate, at, share_answered
from sanerf_hq.masks.config import DecodeConfig
from sanerf_hq.masks.interior import interior, representatives
from sanerf_hq.masks.mask_set import Point, Segment
from sanerf_hq.masks.survey import Polls, Told, as_points
from sanerf_hq.prompts import (
    Cloud,
    Marks,
    Prompt,
    lift,
    marks_by_view,
    sightings,
    space_cloud,
    split_prompts,
)
from sanerf_hq.radiance import RadianceField, spread_order
from sanerf_hq.segmenters import MaskFolder

LEAST_CONFIRMED = 0.25  # share of the masks where a point is seen that must agree with it
POINTS_A_BOX = 8  # points that stand for a box in other views
MOST_PIXELS = 2000  # of a mask, that these are chosen from
MOST_OTHERWISE = 0.2  # of the views may call what was clicked otherwise: they may see something before it
LOG = logging.getLogger(__name__)


@final
class Labelled:
    """A :class:`~sanerf_hq.masks.survey.Survey` of labels."""

    def __init__(
        self,
        field: RadianceField,
        folder: MaskFolder,
        prompts: Sequence[Prompt],
        polls: Polls,
        config: DecodeConfig,
    ) -> None:
        """Tell which object is meant.

        Raises:
            InputError: The prompts hit no label.
        """
        self._home, self._folder, self._polls, self._config = field.at_home(), folder, polls, config
        pictured, space = split_prompts(list(prompts))
        marks = marks_by_view(field, pictured)
        identity = self._pictured_identity(marks)
        clouds = [self._lifted(field, one, identity) for one in marks]
        cloud = Cloud.join([*clouds, *map(space_cloud, space)])
        views = [None if one.view is None else self._home.index(one.view) for one in marks]
        lifted_in = [view for one, view in zip(clouds, views, strict=True) for _ in range(len(one))]
        self._lifted_in = lifted_in + [None] * (len(cloud) - len(lifted_in))
        self._seen = sightings(field, list(self._home.cameras), cloud.points)
        self._points, self._on_object = cloud.points, cloud.labels == 1
        self.identity = self._space_identity() if identity is None else identity
        first = [number for number in views if number is not None]
        middle = cloud.points[self._on_object].mean(0) if bool(self._on_object.any()) else torch.zeros(3)
        seeing = self._seeing()
        self._waiting = spread_order(self._home, first[:1], seeing, middle)
        self._waiting += [n for n in range(len(self._home.views)) if n not in self._waiting]
        self._total = len(self._waiting)
        self._masks: dict[int, Bool[Tensor, "h w"]] = {}
        self._otherwise = 0

    def decode(self, most: int | None, told: Told) -> None:
        while self._waiting and (most is None or self._total - len(self._waiting) < most):
            number = self._waiting.pop(0)
            camera = self._home.cameras[number]
            mask = self._folder.mask(self._home.views[number], self.identity)
            if mask is not None:
                self._masks[number] = resized_labels(mask.long(), camera.height, camera.width) > 0
                self._otherwise += not bool(mask.any()) and self._is_called_otherwise(number)
            told(self._total - len(self._waiting), self._total)
            if not self._waiting:
                self._warn_of_others()

    def _warn_of_others(self) -> None:
        seeing = len(self._masks.keys() & set(self._seeing()))
        if self._otherwise > MOST_OTHERWISE * seeing:
            LOG.warning(
                "segmenter %s: %d of %d views that see the prompts have no identity %d, but another there; "
                "give an object the same value in all views",
                *(self._folder.name, self._otherwise, seeing, self.identity),
            )

    def _is_called_otherwise(self, number: int) -> bool:
        """Whether a view has only other identities where it sees the positive points."""
        labels, camera = self._folder.labels(self._home.views[number]), self._home.cameras[number]
        assert labels is not None
        labels = resized_labels(labels, camera.height, camera.width)
        seen = at(labels, self._seen.xy[number][self._seen.visible[number] & self._on_object])
        return bool((seen > 0).any())

    def repeat(self, told: Told) -> None:
        """Nothing: labels do not answer."""

    def segments(self, identity: int = 1) -> tuple[Segment, ...]:
        relied = self._relied_on()
        source = "labels" if self._folder.answer is None else "altered"
        candidates = []
        for number, mask in self._masks.items():
            visible = self._seen.visible[number] & relied
            answered = share_answered(mask, self._seen.xy[number][visible], self._on_object[visible])
            candidates.append(Candidate(number, mask, source, answered=answered))
        settled = self._polls.settle(candidates, set(self._seeing()), self._config)
        return settled.segments(self._home, identity)

    def seeds(self) -> tuple[Point, ...]:
        return as_points(self._points[self._relied_on() & self._on_object])

    def _relied_on(self) -> Bool[Tensor, "n_points"]:
        """Points on what was clicked: where the field has a hole, a click is lifted to what lies behind.

        Of such a click the mask of its own view says that it is right, and most others that it is not.
        """
        asked, right = torch.zeros(len(self._on_object)), torch.zeros(len(self._on_object))
        own = torch.zeros(len(self._on_object), dtype=torch.bool)
        for number, mask in self._masks.items():
            visible = self._seen.visible[number]
            fits = at(mask, self._seen.xy[number]) == self._on_object
            asked += visible
            right += visible & fits
            own |= fits & torch.tensor([view == number for view in self._lifted_in], dtype=torch.bool)
        return ~own | (right >= LEAST_CONFIRMED * asked)

    def _seeing(self) -> list[int]:
        """Views in which a positive point is visible."""
        return self._seen.visible[:, self._on_object].any(-1).nonzero()[:, 0].tolist()

    def _lifted(self, field: RadianceField, marks: Marks, identity: int | None) -> Cloud:
        """A prompt's points in space; for a box without clicks, points inside the label that it means."""
        if identity is None:
            return lift(field, _inside_box(marks))
        xy, labels = marks.xy, marks.labels
        if not len(marks.positive) and marks.view is not None and marks.view.name in self._folder.paths:
            mask = self._folder.labels(marks.view)
            assert mask is not None
            inner = interior(resized_labels(mask, marks.camera.height, marks.camera.width) == identity)
            inside = inner.nonzero().flip(-1).float() + 0.5
            inside = inside[:: 1 + len(inside) // MOST_PIXELS]
            inside = inside[representatives(inside, POINTS_A_BOX)]
            xy, labels = torch.cat([xy, inside]), torch.cat([labels, torch.ones(len(inside)).long()])
        depth = field.depth_at(marks.camera, xy)
        solid = depth.isfinite()
        return Cloud(marks.camera.unproject(xy, depth)[solid], labels[solid])

    def _pictured_identity(self, marks: list[Marks]) -> int | None:
        """The label that the first of the views means whose prompts hit any; None where no view can say.

        Raises:
            NothingHit: All of them hit background.
        """
        missed: NothingHit | None = None
        for one in marks:
            view = one.view
            if (
                view is None
                or view.name not in self._folder.paths
                or not (len(one.positive) or one.box is not None)
            ):
                continue
            scale = torch.tensor(
                [view.camera.width / one.camera.width, view.camera.height / one.camera.height]
            )
            box = None if one.box is None else one.box * scale.repeat(2)
            try:
                return self._folder.identify(view, one.positive * scale, box)
            except NothingHit as error:
                missed = missed or error
        if missed is not None:
            raise missed
        return None

    def _space_identity(self) -> int:
        """The label that most sightings of the positive points hit."""
        hits: list[Tensor] = []
        for number, view in enumerate(self._home.views):
            visible = self._seen.visible[number] & self._on_object
            labels = self._folder.labels(view) if bool(visible.any()) else None
            if labels is not None:
                camera = self._home.cameras[number]
                labels = resized_labels(labels, camera.height, camera.width)
                hits.append(at(labels, self._seen.xy[number][visible]))
        hit = torch.cat(hits) if hits else torch.zeros(0, dtype=torch.int64)
        hit = hit[hit > 0]
        if not len(hit):
            raise NothingHit(
                f"segmenter {self._folder.name} labels nothing where the points are seen; "
                "prompt on an object that is masked"
            )
        return int(torch.bincount(hit).argmax())


def _inside_box(marks: Marks) -> Marks:
    """Marks of a box without clicks, with a click in its middle."""
    if marks.box is None or len(marks.positive):
        return marks
    middle = ((marks.box[:2] + marks.box[2:]) / 2)[None]
    labels = torch.cat([marks.labels, torch.ones(1, dtype=torch.int64)])
    return replace(marks, xy=torch.cat([marks.xy, middle]), labels=labels)


def resized_labels(labels: Int64[Tensor, "_ _"], height: int, width: int) -> Int64[Tensor, "h w"]:
    """Labels at another size: each pixel takes the label at its middle."""
    if tuple(labels.shape) == (height, width):
        return labels
    rows = ((torch.arange(height) + 0.5) * labels.shape[0] / height).long()
    columns = ((torch.arange(width) + 0.5) * labels.shape[1] / width).long()
    return labels[rows][:, columns]
