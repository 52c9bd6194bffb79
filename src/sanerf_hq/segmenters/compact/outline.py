"""Settle a mask's outline where the photo's colours change.

The model sees 384 pixels and answers with 192: it knows which thing is meant, less well where it ends. A
round of GrabCut in a band along its outline, at the photo's own detail, decides that.
``benchmarks/promptable.py --as-decoded`` prints scores with and without it.
"""

from __future__ import annotations

from dataclasses import replace

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
LONGEST = 300  # pixels: longer windows are cut at less detail


def settled(photo: UInt8[Tensor, "rows columns 3"], masks: Masks, prompt: DecoderPrompt) -> Masks:
    """The same candidates with outlines where colours change; low-resolution logits stay as they are.

    Args:
        photo: A thumbnail of the photo the masks are of.
        masks: A model's answer to ``prompt``.
        prompt: Its clicks are kept to, and nothing leaves its box.
    """
    small = photo.cpu().numpy()
    logits = [_settled(small, candidate, prompt) for candidate in masks.mask_logits]
    return replace(masks, mask_logits=torch.stack(logits))


def _settled(photo: np.ndarray, logits: Float[Tensor, "h w"], prompt: DecoderPrompt) -> Float[Tensor, "h w"]:
    import cv2

    height, width = logits.shape
    scale = min(1.0, _scale(logits.numpy() > 0, photo.shape[0] / height))
    rows, columns = max(1, round(photo.shape[0] * scale)), max(1, round(photo.shape[1] * scale))
    if scale < 1:
        photo = cv2.resize(photo, (columns, rows), interpolation=cv2.INTER_AREA)
    guess = resized(logits.numpy(), rows, columns)
    if not (guess > 0).any():
        return logits
    band = BAND if prompt.box is None else BAND_IN_BOX
    labels = along_outline(guess, band, SURE, prompt, (columns / width, rows / height))
    mask = cut(photo, labels, window(labels, SURROUNDINGS), 1)
    if not mask.any():
        return logits
    return torch.from_numpy(resized(signed_distance(mask), height, width))


def _scale(mask: Bools, per_pixel: float) -> float:
    """How much to shrink the thumbnail so that the window round a mask is not too long."""
    longest = extent(mask) * per_pixel * (1 + 2 * BAND) * (1 + 2 * SURROUNDINGS)
    return LONGEST / max(longest, 1.0)
