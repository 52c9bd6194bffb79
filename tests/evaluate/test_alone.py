"""The segmenter alone in test views: a prompt's points projected, or the box round what its box holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sanerf_hq.evaluate import masks_alone
from sanerf_hq.masks import decode_masks
from sanerf_hq.masks.rle import decode
from sanerf_hq.prompts import BoxPrompt, PointPrompt, SpacePrompt
from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks, load_segmenter
from support.balls import CENTERS, RADIUS, BallField, ball_camera, ball_field, box_of, center_pixel


@dataclass
class Recorder:
    """Answers a box with its pixels, points with everything; remembers what it was asked."""

    name: str = "recorder"
    identity: str = "recorder"
    asked: list[DecoderPrompt] = field(default_factory=list)

    def embed(self, image: Tensor, view: str = "") -> Embedding:
        return Embedding({"image": image}, image.shape[0], image.shape[1], view)

    def mask_prompt(self, embedding: Embedding, logits: Tensor) -> Tensor:
        return logits

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        self.asked += prompts
        logits = torch.full((1, *embedding.tensors["image"].shape[:2]), -4.0)
        for prompt in prompts:
            if prompt.box is None:
                logits[:] = 4.0
            else:
                x0, y0, x1, y1 = (round(value) for value in prompt.box.tolist())
                logits[:, y0:y1, x0:x1] = 4.0
        return [Masks(logits, torch.ones(1), logits)]


@pytest.fixture
def balls(tmp_path: Path) -> BallField:
    return ball_field(tmp_path)


def test_clicks_are_projected(balls: BallField):
    recorder = Recorder()
    prompt = PointPrompt("4", [center_pixel(4, 1)])
    alone, seen = masks_alone(balls, recorder, prompt, None)
    assert seen == {"images/5.png"}
    assert bool(decode(alone["images/5.png"]).all())
    point = recorder.asked[0].point_coords
    surface = CENTERS[0] + RADIUS * torch.nn.functional.normalize(ball_camera(4).center - CENTERS[0], dim=0)
    assert torch.allclose(point, ball_camera(5).project(surface[None]).xy, atol=1.0)


def test_a_box_is_carried_on_as_the_box_round_what_it_holds(balls: BallField):
    recorder = Recorder()
    prompt = BoxPrompt("4", box_of(4, 1))
    truth = decode_masks(balls, load_segmenter("truth", balls.at_home().scene), prompt, "red")
    _, seen = masks_alone(balls, recorder, prompt, truth)
    assert seen == {"images/5.png"}
    asked = recorder.asked[0]
    assert asked.box is not None
    assert not len(asked.point_coords), "as the user gave it: a box alone"
    x0, y0, x1, y1 = asked.box.tolist()
    a0, b0, a1, b1 = box_of(5, 1)
    width, height = min(x1, a1) - max(x0, a0), min(y1, b1) - max(y0, b0)
    union = (x1 - x0) * (y1 - y0) + (a1 - a0) * (b1 - b0) - width * height
    assert width * height / union > 0.7


def test_what_is_not_seen_has_an_empty_mask(balls: BallField):
    recorder = Recorder()
    hidden = CENTERS[0]  # inside the ball: no view sees it
    alone, seen = masks_alone(balls, recorder, SpacePrompt([tuple(hidden.tolist())]), None)
    assert not seen
    assert not recorder.asked
    assert not bool(decode(alone["images/5.png"]).any())


@pytest.mark.parametrize("prompt", [PointPrompt("3", [(1, 1)]), PointPrompt("3", [(640, 480)])])
def test_a_click_on_nothing_has_empty_masks(tmp_path: Path, prompt: PointPrompt):
    balls, recorder = ball_field(tmp_path, shell=False), Recorder()
    alone, seen = masks_alone(balls, recorder, prompt, None)
    assert not seen
    assert not recorder.asked
    assert not bool(decode(alone["images/5.png"]).any())
