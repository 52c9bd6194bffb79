"""Run-length masks against a slow loop."""

from __future__ import annotations

import pytest
import torch

from sanerf_hq.masks.rle import RLE, decode, encode

MASKS = [torch.rand(7, 5, generator=torch.Generator().manual_seed(i)) < 0.2 * i for i in range(6)]


def slow_counts(mask: torch.Tensor) -> tuple[int, ...]:
    counts, value = [0], False
    for x in range(mask.shape[1]):
        for y in range(mask.shape[0]):
            if bool(mask[y, x]) != value:
                counts.append(0)
                value = not value
            counts[-1] += 1
    return tuple(counts)


@pytest.mark.parametrize("mask", MASKS)
def test_runs_are_those_of_a_slow_loop_and_come_back(mask: torch.Tensor):
    rle = encode(mask)
    assert rle.counts == slow_counts(mask)
    assert rle.area == int(mask.sum())
    assert torch.equal(decode(rle), mask)


def test_columns_come_first():
    mask = torch.zeros(2, 3, dtype=torch.bool)
    mask[:, 1] = True
    assert encode(mask).counts == (2, 2, 2)


@pytest.mark.parametrize("size", [(0, 0), (0, 4), (3, 0)])
def test_an_empty_image_comes_back(size: tuple[int, int]):
    mask = torch.zeros(size, dtype=torch.bool)
    assert decode(encode(mask)).shape == size


@pytest.mark.parametrize("counts", [(5,), (7,), (8, -2), ()])
def test_counts_that_do_not_fit_are_refused(counts: tuple[int, ...]):
    with pytest.raises(ValueError, match="run-length mask"):
        RLE(2, 3, counts)
