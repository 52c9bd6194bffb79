"""The simulated user: where it clicks, when it is content, and what is made of its answers."""

from __future__ import annotations

import sys

import pytest
import torch

from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks
from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from clicking import attempt, bounding_box, iou, next_click, rank_correlation


def rectangle(rows: slice, columns: slice) -> torch.Tensor:
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


TRUTH = rectangle(slice(10, 31), slice(20, 51))


def test_the_first_click_is_in_the_middle_of_the_object():
    (x, y), label = next_click(torch.zeros_like(TRUTH), TRUTH)
    assert label == 1
    assert y == 20.5
    assert 30 <= x <= 41


def test_it_clicks_the_larger_error_beside_or_on_the_object():
    half = rectangle(slice(10, 31), slice(20, 30))
    (x, y), label = next_click(half, TRUTH)
    assert label == 1
    assert TRUTH[int(y), int(x)]
    assert not half[int(y), int(x)]
    too_much = TRUTH | rectangle(slice(0, 40), slice(0, 12))
    (x, y), label = next_click(too_much, TRUTH)
    assert label == 0
    assert (x, y) == (6.5, 6.5) or x in (5.5, 6.5)


def test_without_an_error_it_clicks_the_object():
    (x, y), label = next_click(TRUTH, TRUTH)
    assert label == 1
    assert TRUTH[int(y), int(x)]


def test_the_box_is_tight():
    assert bounding_box(TRUTH).tolist() == [20, 10, 51, 31]


def test_iou():
    assert iou(TRUTH, TRUTH) == 1
    assert iou(torch.zeros_like(TRUTH), TRUTH) == 0
    assert iou(rectangle(slice(10, 31), slice(20, 41)), TRUTH) == pytest.approx(21 / 31)
    assert iou(torch.zeros_like(TRUTH), torch.zeros_like(TRUTH)) == 1


def test_rank_correlation():
    assert rank_correlation([1, 2, 3], [10, 20, 21]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1], [1, 2]) is None


class Growing:
    """Answers by ever more columns of the truth; the second candidate is all of it."""

    name = identity = "growing"

    def embed(self, image: torch.Tensor, view: str = "") -> Embedding:
        return Embedding({}, 40, 60)

    def mask_prompt(self, embedding: Embedding, logits: torch.Tensor) -> torch.Tensor:
        return logits

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        answers = []
        for prompt in prompts:
            columns = 8 * len(prompt.point_labels) if prompt.box is None else 25
            mask = TRUTH & rectangle(slice(0, 40), slice(0, 20 + columns))
            logits = torch.stack([mask, TRUTH]).float() - 0.5
            answers.append(Masks(logits, torch.tensor([0.9, 0.1]), logits))
        return answers


@pytest.mark.parametrize("feed_back", [False, True])
def test_it_goes_on_until_it_is_content(feed_back: bool):
    segmenter = Growing()
    found = attempt(segmenter, None, segmenter.embed(torch.empty(0)), TRUTH, (1, 3), feed_back)
    assert found.ious == pytest.approx([8 / 31, 16 / 31, 24 / 31, 1])
    assert found.clicks == 4
    assert found.best == [1, 1, 1, 1]
    assert found.box == pytest.approx(25 / 31)
    assert found.single is None
    assert [int(mask.sum()) for mask in found.shown] == [8 * 21, 24 * 21, 25 * 21]
