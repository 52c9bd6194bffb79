"""Pieces: what a grid of single clicks takes out of one picture, whatever it may be a part of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sanerf_hq.masks.candidates import stability
from sanerf_hq.runs import Key
from sanerf_hq.segmenters import DecoderPrompt, Embedding, Segmenter

LARGEST = 640  # pixels along the longer side, at most, at which masks are kept
ALONG = 14  # clicks along the picture's longer side
LEAST_PREDICTED = 0.5
LEAST_STABLE = 0.6
SIZES = (0.0008, 0.5)  # of the picture
ALIKE = 0.85  # IoU from which two masks are one
SURE = 0.75  # predicted IoU of masks in which no more than :data:`ENOUGH` clicks are tried
ENOUGH = 2


@dataclass(frozen=True)
class Piece:
    """A mask that a click came out with.

    Attributes:
        number: The view's number among the training views.
        mask: Its pixels, of large pictures every so many along rows and columns.
        step: How many.
        trust: Predicted IoU times stability.
    """

    number: int
    mask: Bool[Tensor, "rows columns"]
    step: int
    trust: float

    def holds(self, x: Int64[Tensor, "n"], y: Int64[Tensor, "n"]) -> Bool[Tensor, "n"]:
        """Whether pixels of the picture lie in it; those outside the picture do as the nearest in it."""
        rows, columns = self.mask.shape
        return self.mask[(y // self.step).clamp(0, rows - 1), (x // self.step).clamp(0, columns - 1)]


def pieces_of(segmenter: Segmenter, embedding: Embedding, number: int, key: Key) -> list[Piece]:
    """The masks of clicks all over a picture, each once.

    Clicks are tried in a random order, and hardly any where sure masks lie already: what a segmenter sees at
    once takes few clicks, the rest many.

    Args:
        segmenter: What is asked.
        embedding: The picture.
        number: The view's number, handed on.
        key: Of the order.
    """
    height, width = embedding.height, embedding.width
    apart = max(height, width) / ALONG
    y, x = torch.meshgrid(
        torch.arange(apart / 2, height, apart), torch.arange(apart / 2, width, apart), indexing="ij"
    )
    clicks = torch.stack([x, y], -1).flatten(0, 1)
    clicks = clicks[torch.randperm(len(clicks), generator=key.generator())]
    step = -(-max(height, width) // LARGEST)
    tried = torch.zeros(-(-height // step), -(-width // step), dtype=torch.int64)
    found: list[Piece] = []
    for click in clicks:
        column, row = click.long().tolist()
        if int(tried[row // step, column // step]) >= ENOUGH:
            continue
        (answer,) = segmenter.decode(embedding, [DecoderPrompt(click[None], torch.tensor([1]))])
        for whole, predicted in zip(answer.mask_logits, answer.iou_predictions.tolist(), strict=True):
            logits = whole[::step, ::step]
            mask = logits > 0
            steady = stability(logits)
            if predicted < LEAST_PREDICTED or steady < LEAST_STABLE:
                continue
            if not SIZES[0] <= float(mask.float().mean()) <= SIZES[1]:
                continue
            if predicted >= SURE:
                tried += mask
            _add(found, Piece(number, mask, step, predicted * steady))
    return found


def _add(found: list[Piece], new: Piece) -> None:
    """Take a piece in, unless one like it is there; of two alike the more trusted stays."""
    for index, old in enumerate(found):
        if iou(old.mask, new.mask) > ALIKE:
            if new.trust > old.trust:
                found[index] = new
            return
    found.append(new)


def iou(one: Bool[Tensor, "rows columns"], other: Bool[Tensor, "rows columns"]) -> float:
    """Intersection over union of two masks of a picture."""
    return int((one & other).sum()) / max(1, int((one | other).sum()))
