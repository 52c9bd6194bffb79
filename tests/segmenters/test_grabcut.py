"""GrabCut on pictures of which the object is known, and on prompts that make no sense."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sanerf_hq.segmenters import DecoderPrompt, GrabCut, Masks

HEIGHT, WIDTH = 90, 130
CENTER = (74, 41)


def picture(
    height: int = HEIGHT, width: int = WIDTH, scale: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """A red ellipse with a blue one beside it on noisy green; the image and the red one's mask."""
    y, x = np.mgrid[:height, :width] + 0.5
    chance = np.random.default_rng(0)
    image = np.full((height, width, 3), (70, 120, 60), np.float64)
    red = ((x / scale - CENTER[0]) / 25) ** 2 + ((y / scale - CENTER[1]) / 18) ** 2 < 1
    blue = ((x / scale - 22) / 14) ** 2 + ((y / scale - 60) / 14) ** 2 < 1
    image[red], image[blue] = (190, 50, 40), (40, 60, 180)
    image += chance.normal(0, 8, image.shape)
    return torch.from_numpy(image.clip(0, 255).astype(np.uint8)), torch.from_numpy(red)


def decode(image: torch.Tensor, prompt: DecoderPrompt) -> Masks:
    segmenter = GrabCut()
    (masks,) = segmenter.decode(segmenter.embed(image), [prompt])
    return masks


def iou(masks: Masks, truth: torch.Tensor) -> float:
    found = masks.mask_logits[0] > 0
    return float((found & truth).sum() / (found | truth).sum())


def clicks(*xy: tuple[float, float], labels: list[int] | None = None) -> DecoderPrompt:
    return DecoderPrompt(torch.tensor(xy, dtype=torch.float32), torch.tensor(labels or [1] * len(xy)))


BOX = torch.tensor([49.0, 23.0, 99.0, 59.0])
GOOD_PROMPTS = {
    "box": DecoderPrompt(box=BOX),
    "box and clicks": DecoderPrompt(torch.tensor([[74.5, 41.5], [30.5, 20.5]]), torch.tensor([1, 0]), BOX),
    "one click": clicks((70.5, 40.5)),
    "clicks": clicks((60.5, 40.5), (74.5, 52.5), (90.5, 38.5)),
    "clicks on and beside": clicks((60.5, 40.5), (88.5, 38.5), (22.5, 60.5), labels=[1, 1, 0]),
    "clicks and their bounding box": DecoderPrompt(
        torch.tensor([[60.5, 40.5], [74.5, 52.5], [90.5, 38.5]]),
        torch.tensor([1, 1, 1]),
        torch.tensor([60.0, 38.0, 91.0, 53.0]),
    ),
}


@pytest.mark.parametrize("name", GOOD_PROMPTS)
def test_finds_an_object_of_one_colour(name: str):
    image, truth = picture()
    masks = decode(image, GOOD_PROMPTS[name])
    assert masks.mask_logits.shape == (1, HEIGHT, WIDTH)
    assert iou(masks, truth) >= 0.95
    assert masks.iou_predictions[0] > 0.9


def test_a_click_on_another_object_finds_that_one():
    image, truth = picture()
    assert iou(decode(image, clicks((22.5, 60.5))), truth) < 0.05


def test_a_click_or_box_on_nothing_is_not_trusted():
    plain = torch.full((HEIGHT, WIDTH, 3), 120, dtype=torch.uint8)
    assert decode(plain, clicks((70.5, 40.5))).iou_predictions[0] < 0.1
    image, truth = picture()
    on_grass = decode(image, DecoderPrompt(box=torch.tensor([4.0, 3.0, 44.0, 33.0])))
    assert iou(on_grass, truth) == 0
    assert on_grass.iou_predictions[0] < 0.5


def test_a_large_photo_is_cut_small_and_answered_in_full():
    scale = 7.0
    image, truth = picture(int(HEIGHT * scale), int(WIDTH * scale), scale)
    segmenter = GrabCut()
    embedding = segmenter.embed(image)
    assert embedding.tensors["image"].shape == (354, 512, 3)
    (masks,) = segmenter.decode(embedding, [DecoderPrompt(box=BOX * scale)])
    assert masks.mask_logits.shape == (1, 630, 910)
    assert masks.low_res_logits.shape == (1, 354, 512)
    assert iou(masks, truth) >= 0.95


def test_logits_are_signed_distances():
    image, truth = picture()
    masks = decode(image, DecoderPrompt(box=BOX))
    logits = masks.mask_logits[0]
    assert logits[CENTER[1], CENTER[0]] == 8
    assert logits[0, 0] == -8
    assert torch.equal(masks.low_res_logits, masks.mask_logits)
    edge = logits[CENTER[1]][95:103]  # the outline crosses this row at x = 99
    assert (edge.diff() < 0).sum() >= 6
    assert ((logits > 0) == truth)[CENTER[1]].float().mean() > 0.97


def test_a_mask_prompt_is_refined():
    image, truth = picture()
    rough = torch.where(truth, 1.0, -1.0).roll((3, -4), (0, 1))  # the right size, a little off
    masks = decode(image, DecoderPrompt(mask_logits=rough))
    before = float(((rough > 0) & truth).sum() / ((rough > 0) | truth).sum())
    assert before < 0.75
    assert iou(masks, truth) >= 0.95


def test_the_same_prompt_gives_the_same_mask_alone_or_among_others():
    image, _ = picture()
    segmenter = GrabCut()
    embedding = segmenter.embed(image)
    prompts = list(GOOD_PROMPTS.values())
    together = segmenter.decode(embedding, prompts)
    for prompt, masks in zip(prompts, together, strict=True):
        (alone,) = segmenter.decode(embedding, [prompt])
        assert torch.equal(alone.mask_logits, masks.mask_logits)
        assert torch.equal(alone.iou_predictions, masks.iou_predictions)


def test_a_box_round_everything_takes_its_rim_for_background():
    image, red = picture()
    blue = (image[..., 2] > 140) & (torch.arange(WIDTH) < 40)
    masks = decode(image, DecoderPrompt(box=torch.tensor([0.0, 0.0, WIDTH, HEIGHT])))
    assert iou(masks, red | blue) >= 0.95


def test_a_surely_negative_click_is_never_object():
    image, _ = picture()
    masks = decode(image, DecoderPrompt(torch.tensor([[74.5, 41.5]]), torch.tensor([0]), BOX))
    assert masks.mask_logits[0, 41, 74] <= 0


@pytest.mark.parametrize(
    "prompt",
    [
        DecoderPrompt(box=torch.tensor([200.0, 10.0, 300.0, 50.0])),
        DecoderPrompt(box=torch.tensor([-50.0, -50.0, -10.0, -10.0])),
        DecoderPrompt(box=torch.tensor([60.0, 40.0, 60.0, 40.0])),
        DecoderPrompt(box=torch.tensor([90.0, 60.0, 40.0, 20.0])),
        clicks((-5.0, 20.0), (500.0, 3.0)),
        clicks((20.5, 20.5), labels=[0]),
        DecoderPrompt(mask_logits=torch.full((HEIGHT, WIDTH), -3.0)),
    ],
    ids=["right of it", "above it", "empty", "turned round", "clicks off it", "only beside", "empty mask"],
)
def test_a_prompt_that_names_nothing_gives_an_empty_mask_and_no_trust(prompt: DecoderPrompt):
    masks = decode(picture()[0], prompt)
    assert not (masks.mask_logits > 0).any()
    assert masks.iou_predictions.tolist() == [0.0]


def test_anything_at_all_can_be_prompted():
    chance = np.random.default_rng(0)
    for trial in range(60):
        height, width = (int(n) for n in chance.integers(1, 9 if trial % 2 else 30, 2))
        image = torch.from_numpy(chance.integers(0, 256, (height, width, 3)).astype(np.uint8))
        if trial % 3 == 0:
            image = torch.full_like(image, 7)
        n = int(chance.integers(1, 5))
        box = torch.tensor([0.0, 0.0, width, height])  # every other time the whole image
        if trial % 2:
            box = torch.from_numpy(chance.uniform(-9, 30, 4)).float()
        mask = torch.from_numpy(chance.normal(size=(height, width))).float()
        points = torch.from_numpy(chance.uniform(-5, 30, (n, 2))).float()
        labels = torch.from_numpy(chance.integers(0, 2, n))
        prompts = [
            DecoderPrompt(points, labels),
            DecoderPrompt(box=box),
            DecoderPrompt(points, labels, box, mask),
        ]
        segmenter = GrabCut()
        for masks in segmenter.decode(segmenter.embed(image), prompts):
            assert masks.mask_logits.shape == (1, height, width)
            assert masks.mask_logits.isfinite().all()
            assert 0 <= masks.iou_predictions[0] <= 1


def test_no_prompts_give_no_masks():
    segmenter = GrabCut()
    assert segmenter.decode(segmenter.embed(picture()[0]), []) == []


def test_a_prompt_must_say_something_and_fit():
    with pytest.raises(ValueError, match="a point, a box or a mask"):
        decode(picture()[0], DecoderPrompt())
    with pytest.raises(ValueError, match="90x130"):
        decode(picture()[0], DecoderPrompt(mask_logits=torch.zeros(64, 64)))
