"""Run-length masks: COCO's uncompressed counts, column by column, beginning with a run of zeros."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor


@dataclass(frozen=True)
class RLE:
    """A binary mask in little memory.

    Attributes:
        height: Pixels.
        width: Pixels.
        counts: Lengths of runs of 0, 1, 0, ... down the columns, the left one first; the first may be 0.

    Raises:
        ValueError: A count is negative, or they do not add up to ``height * width``.
    """

    height: int
    width: int
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if min(self.height, self.width, *self.counts) < 0:
            raise ValueError("a run-length mask has a negative size or count")
        if sum(self.counts) != self.height * self.width:
            raise ValueError(
                f"counts of a run-length mask add up to {sum(self.counts)}, not {self.height}x{self.width}"
            )

    @property
    def area(self) -> int:
        """Pixels that are set."""
        return sum(self.counts[1::2])


def encode(mask: Bool[Tensor, "h w"]) -> RLE:
    """A mask as runs; the inverse of :func:`decode`."""
    height, width = mask.shape
    flat = mask.cpu().T.flatten()
    values, counts = torch.unique_consecutive(flat, return_counts=True)
    runs = counts.tolist()
    if len(values) and bool(values[0]):
        runs = [0, *runs]
    return RLE(height, width, tuple(runs))


def decode(rle: RLE) -> Bool[Tensor, "h w"]:
    """Runs as a mask, on the CPU."""
    values = torch.arange(len(rle.counts)) % 2 == 1
    flat = values.repeat_interleave(torch.tensor(rle.counts, dtype=torch.int64))
    return flat.reshape(rle.width, rle.height).T.contiguous()
