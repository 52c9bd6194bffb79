"""A user who clicks where the mask is most wrong, and what is learnt of a segmenter from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks, Segmenter

MOST_CLICKS = 10
GOOD = 0.9  # the IoU at which the user is content
Mask = Bool[Tensor, "h w"]


@dataclass(frozen=True)
class Attempt:
    """One object in one view, clicked and boxed.

    Attributes:
        ious: Of the chosen mask after 1, 2, … clicks.
        predicted: What the segmenter said of these masks.
        best: IoU of the best candidate after each click.
        single: IoU of the single mask after one click; None where the segmenter has none.
        box: IoU with the box alone.
        clicks: Clicks until the IoU is :data:`GOOD`, one more than were made if it never was.
        shown: Masks after the numbers of clicks that were asked for, then with the box.
    """

    ious: list[float]
    predicted: list[float]
    best: list[float]
    single: float | None
    box: float
    clicks: int
    shown: list[Mask]


def iou(mask: Mask, truth: Mask) -> float:
    """Intersection over union; 1 if both are empty."""
    union = int((mask | truth).sum())
    return int((mask & truth).sum()) / union if union else 1.0


def next_click(mask: Mask, truth: Mask) -> tuple[tuple[float, float], int]:
    """The middle of the largest connected error, and whether it is on the object (1) or beside it (0).

    The middle is the pixel farthest from the error's outline; the image's edge counts as outline. Without an
    error it is the middle of the object.
    """
    import cv2

    largest, label = truth, 1
    most = 0
    for errors, kind in ((truth & ~mask, 1), (mask & ~truth, 0)):
        n, regions = cv2.connectedComponents(errors.numpy().astype(np.uint8), connectivity=8)
        sizes = np.bincount(regions.ravel(), minlength=n)[1:]
        if n > 1 and sizes.max() > most:
            most = int(sizes.max())
            largest, label = torch.from_numpy(regions == int(sizes.argmax()) + 1), kind
    padded = np.pad(largest.numpy(), 1).astype(np.uint8)
    away = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(away.argmax()), away.shape)
    return (float(column) + 0.5, float(row) + 0.5), label


def bounding_box(truth: Mask) -> Tensor:
    """x0, y0, x1, y1, the last two exclusive."""
    rows, columns = truth.any(1).nonzero()[:, 0], truth.any(0).nonzero()[:, 0]
    edges = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    return torch.stack(edges).float()


def attempt(
    segmenter: Segmenter,
    single: Segmenter | None,
    embedding: Embedding,
    truth: Mask,
    show: Sequence[int],
    feed_back: bool = False,
) -> Attempt:
    """Click until content, then try the box alone.

    Args:
        segmenter: What answers.
        single: The same, bound to give one mask for a lone click too; None where there is no such thing.
        embedding: Of the image.
        truth: The object's mask, at the image's size.
        show: Numbers of clicks after which the mask is to be kept.
        feed_back: Whether each answer goes along as a mask prompt with the next click.
    """
    mask = torch.zeros_like(truth)
    points: list[tuple[float, float]] = []
    labels: list[int] = []
    low: Tensor | None = None
    ious, predicted, best, shown = [], [], [], []
    alone = None
    while len(points) < MOST_CLICKS:
        point, label = next_click(mask, truth)
        points.append(point)
        labels.append(label)
        prompt = DecoderPrompt(torch.tensor(points), torch.tensor(labels), None, low if feed_back else None)
        answer = segmenter.decode(embedding, [prompt])[0]
        if len(points) == 1 and single is not None:
            alone = iou(_first(single.decode(embedding, [prompt])[0]), truth)
        mask, low = _first(answer), answer.low_res_logits[0]
        ious.append(iou(mask, truth))
        predicted.append(float(answer.iou_predictions[0]))
        best.append(max(iou(logits > 0, truth) for logits in answer.mask_logits))
        if len(points) in show:
            shown.append(mask)
        if ious[-1] >= GOOD and len(points) >= max(show):
            break
    boxed = _first(segmenter.decode(embedding, [DecoderPrompt(box=bounding_box(truth))])[0])
    content = next((n for n, value in enumerate(ious, 1) if value >= GOOD), MOST_CLICKS + 1)
    return Attempt(ious, predicted, best, alone, iou(boxed, truth), content, [*shown, boxed])


def _first(answer: Masks) -> Mask:
    return answer.mask_logits[0] > 0


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's; None where one of them does not vary."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (one, other)]
    if len(one) < 2 or any(np.ptp(values) == 0 for values in ranks):
        return None
    return float(np.corrcoef(*ranks)[0, 1])
