from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from sanerf_hq.geometry import Camera
from sanerf_hq.scene import OWN_SIZE, PhotoSize, Scene, View, fitting_size
from sanerf_hq.scene.scene import Split

Size = tuple[int, int]
K = torch.tensor([[400.0, 0, 300], [0, 500, 200], [0, 0, 1]])


def camera_of(size: Size) -> Camera:
    return Camera(K, torch.eye(4), *size)


def scene_of(train: Sequence[Size], test: Sequence[Size] = ()) -> Scene:
    words: list[tuple[Size, Split]] = [(size, "train") for size in train]
    words += [(size, "test") for size in test]
    views = [View(str(i), camera_of(size), Path("photo"), word) for i, (size, word) in enumerate(words)]
    return Scene(Path(), "s", tuple(views))


def sizes_in(size: PhotoSize, cameras: Sequence[Size]) -> list[Size]:
    sized = [size.sized(camera_of(camera)) for camera in cameras]
    return [(camera.width, camera.height) for camera in sized]


@pytest.mark.parametrize(
    ("sizes", "width"),
    [
        ([(640, 480)] * 3, None),
        ([(1600, 1200)], None),
        ([(900, 1600)] * 3, None),
        ([(4000, 3000)] * 2, 1600),
        ([(3000, 4000)], 1200),
        ([(2160, 3840)], 900),
        ([(1600, 1200)] * 200, 1000),
        ([(1200, 1600)] * 200, 750),
    ],
)
def test_photos_of_one_size_are_reduced_to_one_width(sizes: list[Size], width: int | None):
    assert fitting_size(scene_of(sizes)) == PhotoSize(width)


@pytest.mark.parametrize(
    ("sizes", "reduced"),
    [
        ([(1600, 1200)] * 30 + [(1200, 1600)], [(1600, 1200)] * 30 + [(1200, 1600)]),
        ([(1600, 1200)] * 30 + [(200, 1600)], [(1600, 1200)] * 30 + [(200, 1600)]),
        ([(1600, 1200), (1000, 2000)], [(1600, 1200), (800, 1600)]),
        ([(4000, 3000)] * 3 + [(800, 600)], [(1600, 1200)] * 3 + [(800, 600)]),
        ([(4000, 3000), (3000, 4000)], [(1600, 1200), (1200, 1600)]),
    ],
)
def test_each_photo_is_reduced_by_its_own_longer_side(sizes: list[Size], reduced: list[Size]):
    size = fitting_size(scene_of(sizes))
    assert sizes_in(size, sizes) == reduced


def test_of_too_many_photos_the_largest_are_reduced_further():
    sizes = [(1600, 1200)] * 100 + [(1200, 1600)] * 100 + [(400, 300)] * 10
    reduced = sizes_in(fitting_size(scene_of(sizes)), sizes)
    assert reduced[200:] == sizes[200:]
    assert reduced[0] == reduced[100][::-1]
    assert 149_000_000 < sum(width * height for width, height in reduced) <= 150_000_000


def test_test_photos_are_neither_enlarged_nor_counted():
    train = [(4000, 3000)] * 2
    assert fitting_size(scene_of(train, [(4000, 3000)] * 500)) == PhotoSize(1600)
    size = fitting_size(scene_of(train, [(800, 600), (3000, 4000)]))
    assert sizes_in(size, [(800, 600), (3000, 4000)]) == [(800, 600), (1200, 1600)]


def test_a_strip_keeps_a_pixel():
    size = fitting_size(scene_of([(2, 9000), (9000, 2)]))
    assert sizes_in(size, [(2, 9000), (9000, 2)]) == [(1, 4500), (1600, 1)]


def test_cameras_are_scaled_with_the_photos():
    small = PhotoSize(longest=300).sized(camera_of((600, 400)))
    assert (small.width, small.height) == (300, 200)
    assert torch.allclose(small.K, K * torch.tensor([[0.5], [0.5], [1.0]]))
    assert torch.equal(OWN_SIZE.sized(camera_of((600, 400))).K, K)


@pytest.mark.parametrize("size", [OWN_SIZE, PhotoSize(480), PhotoSize(longest=1600)])
def test_a_size_comes_back_out_of_settings(size: PhotoSize):
    assert PhotoSize.from_settings(size.settings()) == size


def test_settings_of_one_width_are_those_of_earlier_runs():
    assert PhotoSize(480).settings() == {"width": 480}
    assert OWN_SIZE.settings() == {"width": None}
