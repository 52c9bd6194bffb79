"""The wavefront: a segmenter prompted view by view, until every view that sees the object has a mask.

First come views that see the user's own points (design decision 6). What their masks agree on in space is
then shown to the views that see none of these points, a few at a time, and prompts them: with points inside,
with the box round it, and with the mask itself. In the same way views are asked again whose masks disagree.
Clicks that correct what is known prompt the views that contradict them, with what is known as a mask prompt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.masks.abreast import abreast
from sanerf_hq.masks.asking import Asking, held_by
from sanerf_hq.masks.candidates import Candidate
from sanerf_hq.masks.config import DecodeConfig
from sanerf_hq.masks.extent import diagonal
from sanerf_hq.masks.fence import Fence
from sanerf_hq.masks.guess import Guess
from sanerf_hq.masks.interior import interior, outposts
from sanerf_hq.masks.mask_set import Point, Segment
from sanerf_hq.masks.pictures import Pictures
from sanerf_hq.masks.pieces import iou
from sanerf_hq.masks.survey import Polls, Settled, Told, as_points
from sanerf_hq.masks.vouched import Vouched, behind, far_behind
from sanerf_hq.prompts import (
    Cloud,
    Marks,
    PointPrompt,
    Source,
    SpacePrompt,
    ViewPrompts,
    cloud_of,
    lost_clicks,
    marks_of,
    sightings,
    space_cloud,
)
from sanerf_hq.radiance import RadianceField, spread_order
from sanerf_hq.segmenters import Embedding

BOX_OUTPOSTS = 5  # points, up to the far ends of what a box holds, that stand for it in other views
MOST_PIXELS = 2000  # of a mask, that these are chosen from
NEAREST = 16  # pixels of a mask, one of which stands for a click that was lost
VIEWS_A_WAVE = 10
GROUP = 16  # views whose embeddings are held at a time: SAM's take some megabytes each
LEAST_ANSWERED = 0.5  # of the prompt, below which a mask is no answer
LEAST_KNOWN = 0.3  # of the largest guess: what a view must see of the object to be prompted in a wave
SPREADS = 1.5  # times the largest distance between clicks that an object reaches beyond them
POOR = 0.3  # weight below which a view is asked again
SPANNED = 0.25  # of what a picture's mask measures across, from which clicks say how far an object reaches
SETTLED = 0.9  # IoU with what is known from which a mask is not asked for again
LIKE_GUESS = 0.5  # IoU with what was known that an answer must have
Clicks = PointPrompt | SpacePrompt


@final
class Wavefront:
    """A :class:`~sanerf_hq.masks.survey.Survey` by a segmenter that is prompted.

    Attributes:
        is_corrected: Whether views were asked again because of later clicks.
    """

    def __init__(
        self,
        field: RadianceField,
        pictures: Pictures,
        polls: Polls,
        config: DecodeConfig,
        rivals: Float[Tensor, "n_rivals 3"] | None = None,
        fences: Sequence[Fence] = (),
    ) -> None:
        self._field, self._pictures, self._polls, self._config = field, pictures, polls, config
        self._home = field.at_home()
        self._cameras = list(self._home.cameras)
        self._asking = Asking(field, pictures, config, torch.zeros(0, 3) if rivals is None else rivals)
        self._user = Vouched(field, self._cameras)
        self._prompted: list[int] = []
        self._fences = fences
        self._least: int | None = None
        self._blind: set[int] = set()
        self._boxed = False
        self._spans = False
        self.is_corrected = False
        self._looked_at: set[int] = set()
        self._candidates: list[Candidate] = []
        self._settled: Settled | None = None

    def add_cloud(self, cloud: Cloud) -> Bool[Tensor, "views points"]:
        """Take in points that the user vouches for; which views see them."""
        return self._user.add(cloud)

    def add_space(self, prompt: SpacePrompt) -> None:
        """Take in points that the user gave in space, and what is demanded of views that see them."""
        self._spans |= len(prompt.positive) > 1
        visible = self._user.add(space_cloud(prompt))
        self._least = prompt.least_visible or self._least
        lacking = ~visible[:, list(prompt.crucial)].all(1)
        self._blind.update(lacking.nonzero()[:, 0].tolist())

    def add_marks(self, marks: Marks, beside: Float[Tensor, "n 3"]) -> None:
        """Decode the user's own prompt in its own picture; ``beside``: other pictures' points beside it."""
        if not len(marks.positive) and marks.box is None:
            return
        number = None if marks.view is None else self._home.index(marks.view)
        embedding = (
            self._pictures.of_camera(marks.camera)
            if number is None
            else self._pictures.of_view(self._home.views[number])
        )
        seen = sightings(self._field, [marks.camera], beside)
        every = marks.with_more(seen.xy[0][seen.visible[0]], 0)
        name = "" if marks.view is None else marks.view.name
        asked = [ViewPrompts(name, every.xy, every.labels, marks.box)]
        row = -1 if number is None else number
        found = [held_by(one, marks.box) for one in self._asking.answers(row, embedding, asked, every)]
        found = [one for one in found if one.answered >= LEAST_ANSWERED]
        if not found:
            return
        best = max(found, key=lambda one: one.answered * one.predicted)
        across = min(diagonal(one.mask.nonzero().float()) for one in found)
        self._spans |= diagonal(marks.positive) >= SPANNED * across
        found = self._with_near(found)
        self._stand_in(best, marks)
        if number is not None:
            self._prompted.append(number)
            self._looked_at.add(number)
            self._candidates += found
            self._settled = None

    def _marked(self, prompt: Clicks) -> tuple[Marks | None, int | None]:
        """Clicks in their picture, and its number among the training views; of points in space neither."""
        if isinstance(prompt, SpacePrompt):
            return None, None
        marks = marks_of(self._field, prompt)
        return marks, None if marks.view is None else self._home.index(marks.view)

    def _shown_by(self, prompt: Clicks, marks: Marks | None) -> Cloud:
        """Points of clicks, but for those on the object that lie far behind what is known of it.

        A click on a part that is too thin for the field shows what lies behind it; it counts in its own
        picture alone, and in none where that is no training view.
        """
        cloud = cloud_of(self._field, prompt)
        if marks is None:
            return cloud
        chosen = [self._settle().chosen(number) for number in sorted(self._looked_at)]
        known = [self._polls.points(one.number, one.mask) for one in chosen if one is not None]
        depth = marks.camera.project(torch.cat([torch.zeros(0, 3), *known])).depth
        limit = far_behind(depth[depth > 0])
        near = (marks.camera.project(cloud.points).depth <= limit) | (cloud.labels == 0)
        return Cloud(cloud.points[near], cloud.labels[near])

    def _stand_in(self, best: Candidate, marks: Marks) -> None:
        """Points surely inside a picture's mask stand in other views for its box, and for clicks lost there.

        A click on a part too thin for the field has no point in space, or one that lies far behind nearly all
        that its mask shows; the mask knows what it is part of.
        """
        sure = interior(best.mask)
        if best.core is not None:
            sure &= best.core
        xy = (sure if bool(sure.any()) else best.mask).nonzero().flip(-1).float() + 0.5
        xy = xy[:: 1 + len(xy) // MOST_PIXELS]
        depth = self._field.depth_at(marks.camera, xy)
        limit = far_behind(depth)
        astray, points = behind(self._field, marks, limit)
        self._user.forget(points)
        lost = torch.cat([lost_clicks(self._field, marks), astray]).unique(dim=0)
        if marks.box is None and not len(lost):
            return
        if marks.box is not None:
            self._boxed, limit = True, math.inf
            chosen = outposts(xy, BOX_OUTPOSTS)
            xy, depth = xy[chosen], depth[chosen]
        points = marks.camera.unproject(xy, depth)
        near = points.isfinite().all(-1) & self._near_clicks(points) & (depth <= limit)
        xy, points = xy[near], points[near]
        if marks.box is None:
            nearest = [points[(xy - one).norm(dim=-1).argsort()[:NEAREST]] for one in lost]
            points = torch.cat([self._user.most_seen(few) for few in nearest])
        self._user.add(Cloud(points, torch.ones(len(points), dtype=torch.int64)))

    def correct(self, prompt: Clicks, told: Told) -> float:
        """Take in clicks that correct what is known, and ask the views looked at that contradict them.

        Returns:
            How much of what was known stays: the mean IoU of views' masks before and after; 1 of none.
        """
        marks, own = self._marked(prompt)
        asked_anew = {own} if own is not None and prompt.positive else set[int]()
        looked_at = sorted(self._looked_at | asked_anew)
        settled, guesses = self._settle(), self._guesses(looked_at)
        answered = self._user.correct(self._shown_by(prompt, marks), own, marks)
        self._prompted += asked_anew
        self._candidates = [
            replace(one, answered=one.answered * answered(one.number, one.mask)) for one in self._candidates
        ]
        asked: list[tuple[int, Guess | None]] = []
        for number, guess in zip(looked_at, guesses, strict=True):
            chosen = settled.chosen(number)
            if (number in asked_anew and chosen is None) or (chosen and answered(number, chosen.mask) < 1):
                asked.append((number, guess))
        total = len(self._cameras)
        self._look(asked, "corrected", lambda _: told(len(self._looked_at), total))
        self.is_corrected |= bool(asked)
        pairs = [(settled.chosen(number), self._settle().chosen(number)) for number in looked_at]
        stays = [0.0 if new is None else iou(old.mask, new.mask) for old, new in pairs if old is not None]
        return sum(stays) / len(stays) if stays else 1.0

    def decode(self, most: int | None, told: Told) -> None:
        total = len(self._cameras)

        def seen(_: int) -> None:
            told(len(self._looked_at), total)

        on_object = self._user.on_object
        middle = on_object.mean(0) if len(on_object) else torch.zeros(3)
        order = spread_order(self._home, self._prompted, self._seeing(), middle)
        order = [number for number in order if number not in self._looked_at]
        if most is not None:
            order = order[: max(0, most - len(self._looked_at))]
        size = 1 if self._boxed else VIEWS_A_WAVE if self.is_corrected else len(order)
        while order:  # a box and corrections say little of other views: the first tell the next
            wave = order[:size]
            told_more = self._boxed or self.is_corrected
            known = self._guesses(wave) if told_more else [None] * len(wave)
            self._look(list(zip(wave, known, strict=True)), "projected", seen)
            order, size = order[size:], min(2 * size, VIEWS_A_WAVE)
        while self._config.spread and (most is None or len(self._looked_at) < most):
            spread = self._next_wave()
            if not spread:
                break
            self._look(spread, "spread", seen)
        if most is None:
            told(total, total)

    def repeat(self, told: Told) -> None:
        for _ in range(self._config.rounds):
            if not self._ask_again(POOR, told):
                break
        for _ in range(self._config.again):
            self._ask_again(math.inf, told)

    def _ask_again(self, below: float, told: Told) -> int:
        """Prompt the views whose masks weigh less from what all say; how many there were."""
        settled = self._settle()
        may = [n for n in range(len(self._cameras)) if self._config.spread or n in self._looked_at]
        doubted = [n for n in may if settled.weight(n) < below]
        guesses = self._shaped_guesses(doubted) if self._config.creases else self._guesses(doubted)
        asked = [
            (n, guess)
            for n, guess in zip(doubted, guesses, strict=True)
            if guess is not None and not self._agreed(n, guess)
        ]
        self._look(asked, "repeated", lambda done: told(done, len(asked)), by_mask=below == math.inf)
        return len(asked)

    def _agreed(self, number: int, guess: Guess) -> bool:
        """Whether a view's mask shows what is known already."""
        chosen = self._settle().chosen(number)
        return chosen is not None and guess.likeness(chosen.mask) >= SETTLED

    def segments(self, identity: int = 1) -> tuple[Segment, ...]:
        return self._settle().segments(self._home, identity)

    def seeds(self) -> tuple[Point, ...]:
        return as_points(self._user.on_object)

    def _seeing(self) -> list[int]:
        """Views that see enough of the user's points."""
        seeing = []
        clicked = len(self._user.on_object)
        for number, labels in enumerate(self._user.labels):
            few = 2 if self._config.choose and clicked > 1 else 1  # one of several clicks says little
            enough = int((labels == 1).sum()) >= few
            if self._config.visible == "most":
                least = self._least or int(0.8 * len(self._user.cloud)) + 1
                enough = len(labels) >= least and number not in self._blind
            if enough:
                seeing.append(number)
        return seeing

    def _next_wave(self) -> list[tuple[int, Guess | None]]:
        """The views that see most of what is known of the object, among those not looked at."""
        waiting = [number for number in range(len(self._cameras)) if number not in self._looked_at]
        guesses = zip(waiting, self._guesses(waiting), strict=True)
        found = [(number, guess) for number, guess in guesses if guess is not None]
        found.sort(key=lambda pair: -pair[1].area)
        return [(n, one) for n, one in found[:VIEWS_A_WAVE] if one.area >= LEAST_KNOWN * found[0][1].area]

    def _look(
        self,
        asked: Sequence[tuple[int, Guess | None]],
        source: Source,
        done: Callable[[int], None],
        by_mask: bool = False,
    ) -> None:
        """Ask for the object in views, of each of which something may be known.

        ``by_mask``: Only with what is known as a mask prompt, if it can be.
        """
        count = 0
        for start in range(0, len(asked), GROUP):
            group = asked[start : start + GROUP]
            looks = [(n, guess, self._pictures.of_view(self._home.views[n])) for n, guess in group]
            found = abreast(
                lambda look: self._found_in(*look, source, by_mask), looks, self._pictures.threads
            )
            for (number, _), candidates in zip(group, found, strict=True):
                self._looked_at.add(number)
                self._candidates += candidates
                count += 1
                done(count)
        self._settled = None

    def _found_in(
        self, number: int, guess: Guess | None, embedding: Embedding, source: Source, by_mask: bool
    ) -> list[Candidate]:
        """What a view answers; other threads ask other views meanwhile."""
        view, camera = self._home.views[number], self._cameras[number]
        seen = Marks(camera, view, self._user.xy[number], self._user.labels[number], None)
        projected = ViewPrompts(view.name, seen.xy, seen.labels, source=source)
        asking = self._asking
        if guess is None:
            asked = asking.by_clicks(projected, number) if len(seen.positive) else []
        elif source == "corrected":
            asked = [asking.with_mask(projected, guess, embedding)]
        else:
            asked = [asking.by_guess(projected, guess, number)]
            if source == "repeated":
                asked = [*([] if by_mask else asked), asking.with_mask(asked[0], guess, embedding)]
        found = asking.answers(number, embedding, asked, seen)
        lacking = source == "corrected" and guess is not None and all(one.answered < 1 for one in found)
        if lacking and len(seen.positive):
            found += asking.answers(number, embedding, asking.by_clicks(projected, number), seen)
        found = [
            one
            for one in found
            if one.answered >= LEAST_ANSWERED
            and (guess is None or source != "repeated" or guess.likeness(one.mask) >= LIKE_GUESS)
        ]
        return self._with_near(found)

    def _with_near(self, found: list[Candidate]) -> list[Candidate]:
        return [one if one.number < 0 else replace(one, near=self._share_near(one)) for one in found]

    def _share_near(self, one: Candidate) -> float:
        """Share of what a mask shows that is beside no box of the user's, and not far off the clicks.

        That is, no farther than some times their own spread. Several clicks are spread over an object: what
        is much larger is a wall or a table behind it. Clicks close together say nothing of that kind.
        """
        shown = self._polls.points(one.number, one.mask)
        return float(self._near_clicks(shown).float().mean()) if len(shown) else 1.0

    def _near_clicks(self, points: Float[Tensor, "n 3"]) -> Bool[Tensor, "n"]:
        clicks = self._user.on_object
        if self._boxed or not self._spans or len(clicks) < 2:
            near = torch.ones(len(points), dtype=torch.bool)
            for fence in self._fences:
                near &= ~fence.beside(points)
            return near
        reach = SPREADS * float(torch.cdist(clicks, clicks).max())
        return torch.cdist(points, clicks).amin(1) <= reach

    def _settle(self) -> Settled:
        if self._settled is None:
            anchored = {
                number for number, labels in enumerate(self._user.labels) if bool((labels == 1).any())
            }
            self._settled = self._polls.settle(self._candidates, anchored | set(self._prompted), self._config)
        return self._settled

    def _guesses(self, numbers: list[int]) -> list[Guess | None]:
        """What is known of the object in views."""
        settled = self._settle()
        return list(
            abreast(lambda number: self._polls.guess(settled, number), numbers, self._pictures.threads)
        )

    def _shaped_guesses(self, numbers: list[int]) -> list[Guess | None]:
        """The same, where what all views say is evened out by the shape of what they say it of."""
        every = self._polls.shaped_guesses(self._settle()) if numbers else []
        return [every[number] for number in numbers]
