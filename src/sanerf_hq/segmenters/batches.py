"""Batches of prompts for a SAM decoder: only prompts of one form share a call.

Padding the shorter prompts would be simpler, but padded points still take part in the decoder's attention:
a prompt's masks would depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.segmenters.protocol import DecoderPrompt, Masks

PROMPTS_AT_ONCE = 16  # about 60 MB each in a decoder of full size


@runtime_checkable
class Place(Protocol):
    """How a photo lies in a model's square input; coordinates are continuous on both sides."""

    def to_square(self, xy: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Photo coordinates to the square's."""
        ...

    def to_photo(self, low_res: Float[Tensor, "k low low"]) -> Float[Tensor, "k h w"]:
        """Logits over the whole square, of any resolution, to the photo's pixels; on the CPU."""
        ...


@dataclass(frozen=True)
class PromptBatch:
    """Prompts of one form, as the models of transformers want them.

    Without mask prompts the batch is 1 image x n prompts; a mask prompt belongs to an image, so with them
    it is n images x 1 prompt.

    Attributes:
        input_points: Points as indices of the square's pixels (the model adds 0.5 itself), or None.
        input_labels: 1 on the object, 0 beside it.
        input_boxes: Boxes in the same coordinates, or None.
        input_masks: Mask prompts, or None.
        n_images: How often the image's embedding is to be repeated.
    """

    input_points: Float[Tensor, "images prompts points 2"] | None
    input_labels: Int64[Tensor, "images prompts points"] | None
    input_boxes: Float[Tensor, "images prompts 4"] | None
    input_masks: Float[Tensor, "images 1 low low"] | None
    n_images: int


@dataclass(frozen=True)
class LowResMasks:
    """A decoder's answer to a :class:`PromptBatch`, prompts in order.

    Attributes:
        logits: Candidates over the whole square.
        scores: Predicted IoU of each, as the model gives it.
    """

    logits: Float[Tensor, "prompts k low low"]
    scores: Float[Tensor, "prompts k"]


def decode_in_batches(
    prompts: list[DecoderPrompt],
    place: Place,
    low: int,
    device: torch.device,
    decoder: Callable[[PromptBatch], LowResMasks],
) -> list[Masks]:
    """Decode each prompt as if it were alone, several in a call.

    Args:
        prompts: What to decode, in photo coordinates.
        place: Where the photo lies in the square.
        low: Side of the decoder's masks.
        device: Where the decoder computes.
        decoder: Answers one batch.

    Returns:
        Masks of each prompt on the CPU, candidates in descending order of score.
    """
    forms: dict[tuple[int, bool, bool], list[int]] = {}
    for index, prompt in enumerate(prompts):
        _check(prompt, low)
        form = (len(prompt.point_labels), prompt.box is not None, prompt.mask_logits is not None)
        forms.setdefault(form, []).append(index)
    answers: dict[int, Masks] = {}
    for members in forms.values():
        for start in range(0, len(members), PROMPTS_AT_ONCE):
            some = members[start : start + PROMPTS_AT_ONCE]
            answer = decoder(_batch([prompts[index] for index in some], place, device))
            for row, index in enumerate(some):
                answers[index] = _masks(answer.logits[row], answer.scores[row], place)
    return [answers[index] for index in range(len(prompts))]


def _check(prompt: DecoderPrompt, low: int) -> None:
    if not len(prompt.point_labels) and prompt.box is None and prompt.mask_logits is None:
        raise ValueError("a prompt needs a point, a box or a mask")
    if prompt.mask_logits is not None and tuple(prompt.mask_logits.shape) != (low, low):
        raise ValueError(
            f"a mask prompt is {low}x{low} for this model, got {tuple(prompt.mask_logits.shape)}"
        )


def _batch(prompts: list[DecoderPrompt], place: Place, device: torch.device) -> PromptBatch:
    first = prompts[0]
    masks = None
    lead = (1, len(prompts))
    if first.mask_logits is not None:
        lead = (len(prompts), 1)
        masks = torch.stack([p.mask_logits for p in prompts if p.mask_logits is not None])[:, None]
    points = labels = boxes = None
    if len(first.point_labels):
        points = place.to_square(torch.stack([p.point_coords for p in prompts])) - 0.5
        points = points.reshape(*lead, -1, 2).to(device)
        labels = torch.stack([p.point_labels for p in prompts]).reshape(*lead, -1).to(device)
    if first.box is not None:
        corners = torch.stack([p.box.reshape(2, 2) for p in prompts if p.box is not None])
        boxes = (place.to_square(corners) - 0.5).reshape(*lead, 4).to(device)
    return PromptBatch(points, labels, boxes, None if masks is None else masks.to(device), lead[0])


def _masks(logits: Float[Tensor, "k low low"], scores: Float[Tensor, "k"], place: Place) -> Masks:
    order = scores.argsort(descending=True, stable=True)
    low_res = logits[order]
    return Masks(
        mask_logits=place.to_photo(low_res),
        iou_predictions=scores[order].clamp(0, 1).cpu(),  # the head is linear and may leave [0, 1]
        low_res_logits=low_res.cpu(),
    )
