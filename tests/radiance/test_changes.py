from __future__ import annotations

import torch

from sanerf_hq.geometry import Camera, look_at
from sanerf_hq.radiance.changes import changed_pixels
from sanerf_hq.radiance.detail import chances
from sanerf_hq.scene import TrainingPixels

K = torch.tensor([[20.0, 0, 10], [0, 20.0, 8], [0, 0, 1]])
SIZE = (20, 16)
UP = torch.tensor([0.0, 0.0, 1.0])


def filmed(turning: bool) -> tuple[TrainingPixels, torch.Tensor]:
    """A bright spot that is elsewhere in each of five photos of a grey wall, and where it is."""
    photos, cameras = torch.full((5, SIZE[1], SIZE[0], 3), 90, dtype=torch.uint8), []
    photos += torch.randint(0, 8, photos.shape, dtype=torch.uint8)
    spots = torch.zeros(5, SIZE[1], SIZE[0], dtype=torch.bool)
    for number in range(5):
        spots[number, 4:8, 3 * number : 3 * number + 3] = True
        eye = torch.tensor([3.0, 0.1 * number if turning else 0.0, 0.0])
        pose = look_at(eye, torch.zeros(3), UP)
        cameras.append(Camera(K, pose, *SIZE, time=number / 4))
    photos[spots] = 200
    offsets = torch.arange(6) * SIZE[0] * SIZE[1]
    return TrainingPixels(photos.view(-1, 3), None, offsets, tuple(cameras), None), spots.flatten()


def test_what_passes_before_a_camera_that_stays_is_found():
    pixels, spots = filmed(turning=False)
    changed = changed_pixels(pixels)
    assert changed is not None
    assert torch.equal(changed, spots)


def test_nothing_is_known_of_a_camera_that_moves():
    assert changed_pixels(filmed(turning=True)[0]) is None


def test_moving_things_are_drawn_first():
    pixels, spots = filmed(turning=False)
    chance = chances(pixels, 0.25).float()
    assert bool((chance[spots] == 255).all())
    assert float(chance[~spots].max()) <= 0.1 * 255 + 1
