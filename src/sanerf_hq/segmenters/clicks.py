"""Clicks that correct: some beside the object, where others are on it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sanerf_hq.segmenters.protocol import DecoderPrompt, Masks


def is_corrected(prompt: DecoderPrompt) -> bool:
    """Whether a prompt is of clicks alone, on the object and beside it."""
    return prompt.box is None and prompt.mask_logits is None and set(prompt.point_labels.tolist()) == {0, 1}


def on_object(prompt: DecoderPrompt) -> DecoderPrompt:
    """The clicks on the object alone."""
    on = prompt.point_labels == 1
    return DecoderPrompt(prompt.point_coords[on], prompt.point_labels[on])


def joined(answers: Sequence[Masks]) -> Masks:
    """Candidates of several answers to one prompt, the best first."""
    ious = torch.cat([one.iou_predictions for one in answers])
    order = ious.argsort(descending=True, stable=True)
    return Masks(
        torch.cat([one.mask_logits for one in answers])[order],
        ious[order],
        torch.cat([one.low_res_logits for one in answers])[order],
    )
