from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sanerf_hq.geometry import Camera, Distortion, PixelRays, look_at

K = torch.tensor([[50.0, 0.0, 17.0], [0.0, 60.0, 5.0], [0.0, 0.0, 1.0]])
UP = torch.tensor([0.0, 0.0, 1.0])


def cameras(time: float | None = None) -> list[Camera]:
    """Two through one lens, one through another of another size, and one that differs only in its lens."""
    first = Camera(K, look_at(torch.tensor([3.0, 0.0, 1.0]), torch.zeros(3), UP), 8, 6, time=time)
    second = replace(first, camtoworld=look_at(torch.tensor([0.0, 3.0, 1.0]), torch.zeros(3), UP))
    return [first, second, first.resized(4, 5), replace(second, distortion=Distortion(k1=-0.1, p1=0.01))]


@pytest.mark.parametrize("time", [None, 0.5])
def test_every_pixel_has_the_ray_of_its_camera(time: float | None):
    pixels = PixelRays.of(cameras(time))
    assert pixels.n_pixels == 48 + 48 + 20 + 48
    rays, start = pixels.rays(torch.arange(pixels.n_pixels)), 0
    for number, camera in enumerate(cameras(time)):
        own = camera.rays(camera.pixel_grid())
        part = rays[start : start + len(own)]
        assert torch.allclose(part.origins, own.origins)
        assert torch.allclose(part.directions, own.directions, atol=1e-6)
        assert torch.allclose(part.cosines, own.cosines, atol=1e-6)
        assert part.times is None if own.times is None else torch.equal(part.times, own.times)
        assert (pixels.cameras_of(torch.arange(start, start + len(own))) == number).all()
        start += len(own)


def test_one_lens_is_undistorted_once():
    assert PixelRays.of(cameras()).table.shape == (48 + 20 + 48, 2)
    assert PixelRays.of(cameras()[:2]).table.shape == (48, 2)


def test_nothing_in_nothing_out():
    assert len(PixelRays.of(cameras()).rays(torch.zeros(0, dtype=torch.int64))) == 0


def test_cameras_with_and_without_a_time_cannot_be_mixed():
    with pytest.raises(ValueError, match="time"):
        PixelRays.of([*cameras(), *cameras(0.5)])


def test_lines_stay_in_their_picture():
    pixels = PixelRays.of(cameras())
    every = torch.arange(pixels.n_pixels)
    for columns, rows in ((3, 0), (0, 2), (1, 1), (50, 0), (0, 50)):
        ends = pixels.lines(every, torch.full_like(every, columns), torch.full_like(every, rows))
        view = pixels.cameras_of(every)
        assert all(torch.equal(pixels.cameras_of(one), view) for one in ends)
        (x0, y0), (x1, y1), (x2, y2) = (
            (
                (one - pixels.offsets[view]) % pixels.widths[view],
                (one - pixels.offsets[view]) // pixels.widths[view],
            )
            for one in ends
        )
        assert torch.equal(x2 - x1, x1 - x0) and torch.equal(y2 - y1, y1 - y0)
        longest = (pixels.widths[view] - 1) // 2
        assert torch.equal(x1 - x0, torch.minimum(torch.tensor(columns), longest))
    # Where it fits, the pixel itself is in the middle: column 4, row 2 of the first camera.
    one = torch.tensor([2 * 8 + 4])
    first, middle, last = pixels.lines(one, torch.tensor([3]), torch.tensor([0]))
    assert [int(p) for p in (first, middle, last)] == [2 * 8 + 1, 2 * 8 + 4, 2 * 8 + 7]
