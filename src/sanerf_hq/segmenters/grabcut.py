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
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.segmenters.colour_cut import LONGEST_SIDE, Bools, cut, signed_distance, thumbnail
from sanerf_hq.segmenters.letterbox import resized
from sanerf_hq.segmenters.protocol import DecoderPrompt, Embedding, Masks
from sanerf_hq.segmenters.trimap import trimap, window

IMAGE = "image"
ROUNDS = 5
SURROUNDINGS = (0.2, 0.35, 0.6)  # each cut learns the background from as much, in extents of the object
EDGE = 10.0  # a difference in CIELAB that counts as a change of colour


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
        height, width, _ = image.shape
        return Embedding({IMAGE: thumbnail(image)}, height, width, view)

    def mask_prompt(
        self, embedding: Embedding, logits: Float[Tensor, "rows columns"]
    ) -> Float[Tensor, "low_h low_w"]:
        rows, columns, _ = embedding.tensors[IMAGE].shape
        return torch.from_numpy(resized(logits.cpu().numpy(), rows, columns))

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
    cuts = list(pool.map(lambda share: cut(photo, labels, window(labels, share), ROUNDS), SURROUNDINGS))
    mask = np.sum(cuts, 0) * 2 > len(cuts)
    agreement = float(np.mean([_iou(one, other) for one, other in combinations(cuts, 2)]))
    low_res = torch.from_numpy(signed_distance(mask))[None]
    logits = torch.nn.functional.interpolate(low_res[None], size, mode="bilinear", align_corners=False)[0]
    return Masks(logits, torch.tensor([agreement * _outlined(photo, mask)]), low_res)


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
