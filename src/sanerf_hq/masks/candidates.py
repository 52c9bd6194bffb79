"""Candidates: masks that an object may have in a view, and how far each is trusted."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.segmenters import Masks

UNSURE = 4  # one in so many of a mask's pixels is left out of its core
STEADY = 1.0  # logits that a mask must not depend on


@dataclass(frozen=True)
class Candidate:
    """A mask that an object may have in a training view.

    Attributes:
        number: The view's number among the training views.
        mask: Its pixels.
        source: Who prompted it: user, projected, spread, repeated, corrected, labels or altered.
        predicted: The segmenter's own guess of its IoU, in [0, 1].
        stability: IoU of the masks at a little less and a little more than the usual threshold.
        answered: Share of the visible prompt that it answers: positive points in, negative ones out.
        near: Share of what it shows that is not far off the clicks, measured by how far they lie apart.
        core: Of an answer to the user's own prompt, its pixels but the fourth part that the segmenter is
            least sure of; None of others, of which nothing is carried on.
    """

    number: int
    mask: Bool[Tensor, "h w"]
    source: str
    predicted: float = 1.0
    stability: float = 1.0
    answered: float = 1.0
    near: float = 1.0
    core: Bool[Tensor, "h w"] | None = None


def candidates_of(
    number: int,
    masks: Masks,
    points: Float[Tensor, "n 2"],
    on_object: Bool[Tensor, "n"],
    source: str,
) -> list[Candidate]:
    """A segmenter's answers; an empty mask is none."""
    found = []
    for logits, predicted in zip(masks.mask_logits, masks.iou_predictions.clamp(0, 1).tolist(), strict=True):
        mask = logits > 0
        if bool(mask.any()):
            answered = share_answered(mask, points, on_object)
            core = _core(logits) if source == "user" else None
            found.append(Candidate(number, mask, source, predicted, stability(logits), answered, core=core))
    return found


def _core(logits: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    inside = logits[logits > 0]
    return logits >= inside.kthvalue(1 + len(inside) // UNSURE).values


def stability(logits: Float[Tensor, "h w"]) -> float:
    """IoU of the masks at thresholds one below and one above 0."""
    wide = int((logits > -STEADY).sum())
    return int((logits > STEADY).sum()) / wide if wide else 1.0


def share_answered(
    mask: Bool[Tensor, "h w"], points: Float[Tensor, "n 2"], on_object: Bool[Tensor, "n"]
) -> float:
    """Share of positive points inside times share of negative ones outside; 1 where there are none."""
    inside = at(mask, points)
    share = 1.0
    if bool(on_object.any()):
        share *= float(inside[on_object].float().mean())
    if not bool(on_object.all()):
        share *= 1 - float(inside[~on_object].float().mean())
    return share


def at(plane: Tensor, xy: Float[Tensor, "n 2"]) -> Tensor:
    """Values of a picture's pixels at coordinates; those outside take the nearest pixel's."""
    x, y = xy.long().unbind(-1)
    return plane[y.clamp(0, plane.shape[0] - 1), x.clamp(0, plane.shape[1] - 1)]
