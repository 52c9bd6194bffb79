"""Settle a mask's outline where the photo's colours change.

The model sees 384 pixels and answers with 192: it knows which thing is meant, less well where it ends. A
round of GrabCut in a band along its outline, at the photo's own detail, decides that.
``benchmarks/promptable.py --as-decoded`` prints scores with and without it.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.segmenters.colour_cut import cut, signed_distance
from sanerf_hq.segmenters.letterbox import resized
from sanerf_hq.segmenters.protocol import DecoderPrompt, Masks
from sanerf_hq.segmenters.trimap import Bools, along_outline, extent, window

BAND = 0.1  # half the width of the band in which colours decide, in extents of the mask
BAND_IN_BOX = 0.15  # the same where a box keeps it from leaking
SURE = 6.0  # logits beyond this stand
SURROUNDINGS = 0.25  # how far round the band the background is learnt from, in its extents
MOVED = 0.1  # logits of pixels that changed sides
LONGEST = 240  # pixels: longer windows are cut at less detail


def settled(photo: UInt8[Tensor, "rows columns 3"], masks: Masks, prompt: DecoderPrompt) -> Masks:
    """The same candidates with outlines where colours change, the best first; low-resolution logits stay.

    The predicted IoU is the one to expect of a settled mask m if the decoder's probabilities p are right,
    Σ p m / Σ (p + m - p m): the model's own guess knows nothing of how outlines were moved. Of several
    candidates it is the geometric mean of both, for the model has learnt which reading of a click is meant.

    Args:
        photo: A thumbnail of the photo the masks are of.
        masks: A model's answer to ``prompt``.
        prompt: Its clicks are kept to, and nothing leaves its box.
    """
    small = photo.cpu().numpy()
    pairs = zip(masks.mask_logits, masks.iou_predictions.tolist(), strict=True)
    logits, expected = zip(*[_settled(small, one, iou, prompt) for one, iou in pairs], strict=True)
    ious = torch.tensor(expected)
    if len(ious) > 1:
        ious = (ious * masks.iou_predictions).sqrt()
    order = ious.argsort(descending=True, stable=True)
    return Masks(torch.stack(logits)[order], ious[order], masks.low_res_logits[order])


def _settled(
    photo: np.ndarray, logits: Float[Tensor, "h w"], iou: float, prompt: DecoderPrompt
) -> tuple[Float[Tensor, "h w"], float]:
    """A mask's logits and IoU after it was settled; as they were where there is nothing to settle."""
    import cv2

    height, width = logits.shape
    scale = min(1.0, _scale(logits.numpy() > 0, photo.shape[0] / height))
    rows, columns = max(1, round(photo.shape[0] * scale)), max(1, round(photo.shape[1] * scale))
    if scale < 1:
        photo = cv2.resize(photo, (columns, rows), interpolation=cv2.INTER_AREA)
    guess = resized(logits.numpy(), rows, columns)
    if not (guess > 0).any():
        return logits, iou
    band = BAND if prompt.box is None else BAND_IN_BOX
    labels = along_outline(guess, band, SURE, prompt, (columns / width, rows / height))
    mask = cut(photo, labels, window(labels, SURROUNDINGS), 1)
    if not mask.any():
        return logits, iou
    inside = torch.from_numpy(resized(signed_distance(mask), height, width)) > 0
    sided = torch.where(inside, logits.clamp_min(MOVED), logits.clamp_max(-MOVED))
    return sided, _expected_iou(guess, mask)


def _expected_iou(logits: np.ndarray, mask: Bools) -> float:
    chance = 1 / (1 + np.exp(-logits.clip(-30, 30)))
    both = float(chance[mask].sum())
    return both / (float(chance.sum()) + int(mask.sum()) - both)


def _scale(mask: Bools, per_pixel: float) -> float:
    """How much to shrink the thumbnail so that the window round a mask is not too long."""
    longest = extent(mask) * per_pixel * (1 + 2 * BAND) * (1 + 2 * SURROUNDINGS)
    return LONGEST / max(longest, 1.0)
