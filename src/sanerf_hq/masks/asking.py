"""Asking: what a view is prompted with, and the masks that it answers."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Camera
from sanerf_hq.masks.candidates import Candidate, at, candidates_of
from sanerf_hq.masks.config import DecodeConfig
from sanerf_hq.masks.extent import in_hull
from sanerf_hq.masks.guess import Guess
from sanerf_hq.masks.pictures import Pictures
from sanerf_hq.prompts import Marks, ViewPrompts, sightings
from sanerf_hq.radiance import RadianceField
from sanerf_hq.segmenters import Embedding

POINTS_A_PROMPT = 5
POINTS_A_BOX = 8  # of the user's points, from which on the box round them says where the object ends
RIVALLED = 0.5  # how far a mask is trusted that holds a point of another object


@final
class Asking:
    """A segmenter that is asked for one object in training views. Other threads may ask other views."""

    def __init__(
        self,
        field: RadianceField,
        pictures: Pictures,
        config: DecodeConfig,
        rivals: Float[Tensor, "n_rivals 3"],
    ) -> None:
        """Prepare; ``rivals`` lie on other objects."""
        self._pictures, self._config = pictures, config
        self._cameras = list(field.at_home().cameras)
        held = sightings(field, self._cameras, rivals)
        self._rivals_in = [xy[on] for xy, on in zip(held.xy, held.visible, strict=True)]

    def by_clicks(self, projected: ViewPrompts, number: int) -> list[ViewPrompts]:
        """The user's points as a view sees them; with their box, where they are many."""
        positive = projected.points[projected.labels == 1]
        if self._config.choose:
            many = len(positive) >= POINTS_A_BOX
            return (in_hull(projected, self._cameras[number]) if many else []) or [projected]
        if len(positive) >= POINTS_A_BOX or (not self._config.spread and len(positive) > 1):
            return [replace(projected, box=torch.cat([positive.amin(0), positive.amax(0)]))]
        return [projected]

    def by_guess(self, projected: ViewPrompts, guess: Guess, number: int) -> ViewPrompts:
        """The same, with points inside of what is known of the object, and the box round it."""
        camera: Camera = self._cameras[number]
        missing = max(1, POINTS_A_PROMPT - int((projected.labels == 1).sum()))
        extra = guess.points(missing)
        points = torch.cat([projected.points, extra])
        labels = torch.cat([projected.labels, torch.ones(len(extra), dtype=torch.int64)])
        return replace(projected, points=points, labels=labels, box=guess.box(camera.width, camera.height))

    def with_mask(self, asked: ViewPrompts, guess: Guess, embedding: Embedding) -> ViewPrompts:
        """The same, with what is known as a mask prompt."""
        return replace(asked, mask_logits=self._pictures.segmenter.mask_prompt(embedding, guess.logits()))

    def answers(
        self, number: int, embedding: Embedding, asked: list[ViewPrompts], marks: Marks
    ) -> list[Candidate]:
        """The masks that prompts are answered by.

        Args:
            number: Of the training view; -1: a picture that is none.
            embedding: The view's.
            asked: The prompts.
            marks: What masks are to answer: the user's points there.
        """
        found: list[Candidate] = []
        answers = self._pictures.segmenter.decode(embedding, [one.decoder for one in asked])
        rivals = self._rivals_in[number] if number >= 0 else torch.zeros(0, 2)
        for one, masks in zip(asked, answers, strict=True):
            first = candidates_of(number, masks, marks.xy, marks.labels == 1, one.source)
            held = [at(candidate.mask, rivals) for candidate in first]
            if any(bool(inside.any()) for inside in held):
                best = masks.low_res_logits[int(masks.iou_predictions.argmax())]
                again = _corrected(one, best, rivals[torch.stack(held).any(0)])
                first = self._without_rivals(embedding, again, first, rivals, marks)
            found += first
        return found

    def _without_rivals(
        self,
        embedding: Embedding,
        again: ViewPrompts,
        first: list[Candidate],
        rivals: Float[Tensor, "n 2"],
        marks: Marks,
    ) -> list[Candidate]:
        """Masks that hold no point of another object; if all do, they are trusted less."""
        answer = self._pictures.segmenter.decode(embedding, [again.decoder])[0]
        masks = first + candidates_of(first[0].number, answer, marks.xy, marks.labels == 1, again.source)
        free = [one for one in masks if not bool(at(one.mask, rivals).any())]
        return free or [replace(one, answered=one.answered * RIVALLED) for one in masks]


def _corrected(
    asked: ViewPrompts, mask: Float[Tensor, "low_h low_w"], beside: Float[Tensor, "n 2"]
) -> ViewPrompts:
    """Clicks beside the object more, which correct a mask, as segmenters are trained to have it."""
    labels = torch.cat([asked.labels, torch.zeros(len(beside), dtype=torch.int64)])
    return replace(asked, points=torch.cat([asked.points, beside]), labels=labels, mask_logits=mask)


def held_by(one: Candidate, box: Float[Tensor, "4"] | None) -> Candidate:
    """A candidate that is trusted as far as it stays in the user's box."""
    if box is None:
        return one
    x0, y0, x1, y1 = (round(value) for value in box.tolist())
    share = int(one.mask[y0:y1, x0:x1].sum()) / max(1, int(one.mask.sum()))
    return replace(one, answered=one.answered * share)
