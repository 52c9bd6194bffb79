"""GrabCut (Rother et al. 2004) by OpenCV: the baseline that needs no weights.

Colour models of object and background, learnt from the prompt, and a cut where colours change. It knows
nothing of things: it does well where a box is tight and colours differ, and poorly from a single click.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import final

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from sanerf_hq.segmenters.protocol import DecoderPrompt, Embedding, Masks
from sanerf_hq.segmenters.trimap import LIKELY, SURELY, UNLIKELY, Bools, Labels, trimap, window

IMAGE = "image"
LONGEST_SIDE = 512
ROUNDS = 5
SURROUNDINGS = (0.2, 0.35, 0.6)  # each cut learns the background from as much, in extents of the object
COLOURS = 5  # components of each of OpenCV's colour models
ISLAND = 0.05  # parts smaller than this share of the largest are dropped, unless clicked
EDGE = 10.0  # a difference in CIELAB that counts as a change of colour
SATURATION = 8.0  # logits are signed distances to the outline, in pixels, up to this


@final
class GrabCut:
    """A :class:`~sanerf_hq.segmenters.protocol.Segmenter` without weights.

    The embedding is the photo itself, ``image`` (h, w, 3) in 8 bits, at most 512 pixels long; that is also
    the size of mask prompts. One candidate comes out: the majority of three cuts, which learn the background
    from nearer and wider surroundings. Its predicted IoU is what can be seen without the truth: the mean IoU
    of these cuts, times the share of the outline at which colours change.
    """

    @property
    def name(self) -> str:
        return "grabcut"

    @property
    def identity(self) -> str:
        return f"grabcut-{LONGEST_SIDE}"

    def embed(self, image: UInt8[Tensor, "h w 3"], view: str = "") -> Embedding:
        import cv2

        height, width, _ = image.shape
        shrink = min(1.0, LONGEST_SIDE / max(height, width))
        small = image.cpu().numpy().copy()
        if shrink < 1:
            size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
            small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
        return Embedding({IMAGE: torch.from_numpy(small)}, height, width, view)

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        photo = embedding.tensors[IMAGE].cpu().numpy()
        with ThreadPoolExecutor(len(SURROUNDINGS)) as pool:
            return [_decode(photo, (embedding.height, embedding.width), prompt, pool) for prompt in prompts]


def _decode(
    photo: np.ndarray, size: tuple[int, int], prompt: DecoderPrompt, pool: ThreadPoolExecutor
) -> Masks:
    height, width = photo.shape[:2]
    if prompt.mask_logits is not None and tuple(prompt.mask_logits.shape) != (height, width):
        raise ValueError(f"a mask prompt is {height}x{width} here, got {tuple(prompt.mask_logits.shape)}")
    if not len(prompt.point_labels) and prompt.box is None and prompt.mask_logits is None:
        raise ValueError("a prompt needs a point, a box or a mask")
    labels = trimap(prompt, height, width, (width / size[1], height / size[0]))
    cuts = list(pool.map(lambda share: _cut(photo, labels, window(labels, share)), SURROUNDINGS))
    mask = np.sum(cuts, 0) * 2 > len(cuts)
    agreement = float(np.mean([_iou(one, other) for one, other in combinations(cuts, 2)]))
    low_res = torch.from_numpy(_signed_distance(mask))[None]
    logits = torch.nn.functional.interpolate(low_res[None], size, mode="bilinear", align_corners=False)[0]
    return Masks(logits, torch.tensor([agreement * _outlined(photo, mask)]), low_res)


def _cut(photo: np.ndarray, labels: Labels, where: tuple[slice, slice]) -> Bools:
    """The object, by the colours inside a window."""
    import cv2

    mask = np.zeros(labels.shape, bool)
    state = labels[where].copy()
    started = (state == SURELY) | (state == LIKELY)
    if started.all() and started.size:  # a box round the whole image: let the rim teach the background
        rim = np.ones_like(started)
        rim[1:-1, 1:-1] = False
        state[rim & (state == LIKELY)] = UNLIKELY
        started = (state == SURELY) | (state == LIKELY)
    if started.all() or not started.any():
        mask[where] = started
        return mask
    bgr = np.ascontiguousarray(photo[where][..., ::-1])
    models = np.zeros((1, 13 * COLOURS)), np.zeros((1, 13 * COLOURS))
    cv2.setRNGSeed(0)  # this thread's: the colours are clustered by lot
    cv2.grabCut(bgr, state, (0, 0, 1, 1), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = (state == SURELY) | (state == LIKELY)
    mask[where] = _without_islands(found, labels[where] == SURELY)
    return mask


def _without_islands(mask: Bools, clicked: Bools) -> Bools:
    """Drop parts that are small beside the largest one and hold no click."""
    import cv2

    n, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    sizes = np.bincount(parts.ravel(), minlength=n)
    sizes[0] = 0
    kept = sizes >= ISLAND * sizes.max()
    kept[np.unique(parts[clicked])] = True
    kept[0] = False
    return kept[parts]


def _iou(one: Bools, other: Bools) -> float:
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


def _outlined(photo: np.ndarray, mask: Bools) -> float:
    """The share of a mask's outline at which colours change; 0 without an outline."""
    import cv2

    plane = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    plane = cv2.GaussianBlur(plane, (0, 0), 1.0)
    changes = np.zeros(mask.shape, np.float32)
    changes[:, 1:-1] = np.linalg.norm(plane[:, 2:] - plane[:, :-2], axis=-1)
    changes[1:-1] = np.maximum(changes[1:-1], np.linalg.norm(plane[2:] - plane[:-2], axis=-1))
    outline = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    return float((changes[outline] > EDGE).mean()) if outline.any() else 0.0


def _signed_distance(mask: Bools) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Distance of pixel centres to the outline, positive inside, saturated.

    OpenCV's exact distances differ in the last bit from call to call; those by a 5x5 mask, right to 2 %, are
    the same each time.
    """
    import cv2

    if mask.all() or not mask.any():
        return np.full(mask.shape, SATURATION if mask.any() else -SATURATION, np.float32)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.clip(np.where(mask, inside - 0.5, 0.5 - outside), -SATURATION, SATURATION).astype(np.float32)
