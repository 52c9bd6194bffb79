from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sanerf_hq.geometry import Camera, Distortion, look_at
from sanerf_hq.geometry.cameras import UNDISTORTED_AT_ONCE

# x, y of the principal point far from the middle, focal lengths that differ, and some skew.
K = torch.tensor([[210.0, 0.0, 61.0], [0.0, 190.0, 97.0], [0.0, 0.0, 1.0]])
WIDTH, HEIGHT = 160, 120
LENS = Distortion(k1=-0.08, k2=0.02, p1=0.003, p2=-0.002)
LENSES = [Distortion(), LENS, Distortion(k1=0.12), Distortion(k1=-0.05, k3=0.01, k4=0.002)]


def posed(lens: Distortion = LENS, intrinsics: Tensor = K) -> Camera:
    pose = look_at(
        torch.tensor([1.0, -2.0, 3.0]), torch.tensor([0.2, 0.1, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    )
    return Camera(intrinsics, pose, WIDTH, HEIGHT, lens)


def cv2_coefficients(lens: Distortion) -> np.ndarray:
    return np.array([lens.k1, lens.k2, lens.p1, lens.p2, lens.k3])


def points_in_view(camera: Camera, count: int = 200) -> Tensor:
    xy = torch.rand(count, 2) * torch.tensor([camera.width, camera.height])
    return camera.unproject(xy, torch.rand(count) * 5 + 0.5)


@pytest.mark.parametrize("lens", LENSES[:3])
def test_project_agrees_with_opencv(lens: Distortion):
    camera = posed(lens)
    points = points_in_view(camera)
    rotation = camera.camtoworld[:3, :3].T.double().numpy()
    translation = -rotation @ camera.center.double().numpy()
    expected, _ = cv2.projectPoints(
        points.double().numpy(),
        cv2.Rodrigues(rotation)[0],
        translation,
        K.double().numpy(),
        cv2_coefficients(lens),
    )
    assert np.abs(camera.project(points).xy.numpy() - expected[:, 0]).max() < 2e-3


@pytest.mark.parametrize("lens", LENSES[:3])
def test_unproject_agrees_with_opencv(lens: Distortion):
    camera = replace(posed(lens), camtoworld=torch.eye(4))
    xy = camera.pixel_grid()[::37]
    ours = camera.unproject(xy, torch.ones(len(xy)))[:, :2].numpy()
    criteria = (cv2.TERM_CRITERIA_MAX_ITER | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
    expected = cv2.undistortPoints(
        xy.double().numpy()[:, None], K.double().numpy(), cv2_coefficients(lens), None, None, None, criteria
    )[:, 0]
    assert np.abs(ours - expected).max() < 1e-5


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("skew", [0.0, 12.0])
def test_pixels_to_points_and_back(lens: Distortion, skew: float):
    intrinsics = K.clone()
    intrinsics[0, 1] = skew
    camera = posed(lens, intrinsics)
    xy, depth = camera.pixel_grid(), torch.rand(WIDTH * HEIGHT) * 9 + 0.3
    back = camera.project(camera.unproject(xy, depth))
    assert torch.allclose(back.xy, xy, atol=2e-2)
    assert torch.allclose(back.depth, depth, atol=1e-4)
    assert back.on_screen.all()


def test_double_precision_is_kept():
    eye, target, up = (torch.tensor(point).double() for point in ([1, -2, 3], [0, 0, 0], [0, 0, 1]))
    camera = Camera(K.double(), look_at(eye, target, up), WIDTH, HEIGHT, LENS)
    xy = camera.pixel_grid().double()
    back = camera.project(camera.unproject(xy, torch.full((len(xy),), 3.0, dtype=torch.float64)))
    assert back.xy.dtype == torch.float64
    assert torch.allclose(back.xy, xy, atol=1e-6)


def test_the_principal_point_is_not_taken_for_the_middle():
    camera = Camera(K, torch.eye(4), WIDTH, HEIGHT)
    assert camera.project(torch.tensor([[0.0, 0.0, 2.0], [1.0, 0.0, 2.0], [0.0, 1.0, 2.0]])).xy.tolist() == [
        [61.0, 97.0],
        [61.0 + 105.0, 97.0],
        [61.0, 97.0 + 95.0],
    ]


def test_pixel_grid_has_centres_row_by_row():
    grid = Camera(K, torch.eye(4), width=3, height=2).pixel_grid()
    assert grid.tolist() == [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5], [0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]


def test_on_screen_at_the_borders():
    camera = Camera(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]), torch.eye(4), width=4, height=3)
    xy = torch.tensor([[0.0, 0.0], [3.99, 2.99], [4.0, 1.0], [1.0, 3.0], [-0.01, 1.0], [1.0, -0.01]])
    points = torch.cat([xy, torch.ones(6, 1)], -1)
    assert camera.project(points).on_screen.tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("lens", LENSES[:2])
def test_behind_the_camera_is_off_screen_and_finite(lens: Distortion):
    camera = posed(lens)
    points = camera.center + camera.forward * torch.tensor([[-2.0], [-1e-6], [0.0]])
    found = camera.project(points)
    assert not found.on_screen.any()
    assert torch.allclose(found.depth, torch.tensor([-2.0, 0.0, 0.0]), atol=1e-5)
    assert torch.isfinite(found.xy).all()


def test_a_point_seen_by_one_camera_is_behind_its_opposite():
    camera = posed()
    turned = camera.camtoworld @ torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))  # half a turn about y
    points = points_in_view(camera)
    assert camera.project(points).on_screen.all()
    opposite = replace(camera, camtoworld=turned).project(points)
    assert not opposite.on_screen.any() and (opposite.depth < 0).all()


@pytest.mark.parametrize("lens", LENSES)
def test_rays_are_of_unit_length_and_pass_through_their_pixels(lens: Distortion):
    camera = posed(lens)
    xy = camera.pixel_grid()
    rays = camera.rays(xy)
    assert torch.allclose(rays.directions.norm(dim=-1), torch.ones(len(xy)), atol=1e-6)
    assert torch.equal(rays.origins, camera.center.expand(len(xy), 3))
    distance = torch.rand(len(xy)) * 4 + 0.5
    found = camera.project(rays.origins + rays.directions * distance[:, None])
    assert torch.allclose(found.xy, xy, atol=2e-2)
    assert torch.allclose(found.depth, distance * rays.cosines, atol=1e-5)  # distance to z-depth
    assert (rays.cosines > 0).all() and (rays.cosines <= 1 + 1e-6).all()


def test_the_ray_through_the_principal_point_is_the_optical_axis():
    camera = posed(Distortion())
    rays = camera.rays(K[:2, 2][None])
    assert torch.allclose(rays.directions[0], camera.forward, atol=1e-6)
    assert rays.cosines.tolist() == pytest.approx([1.0])


def test_rays_carry_the_time():
    assert posed().rays(torch.zeros(2, 2)).times is None
    assert replace(posed(), time=0.25).rays(torch.zeros(2, 2)).times.tolist() == [0.25, 0.25]


def test_nothing_in_nothing_out():
    camera = posed()
    nothing = torch.zeros(0, 2)
    assert len(camera.rays(nothing)) == 0
    assert camera.unproject(nothing, torch.zeros(0)).shape == (0, 3)
    found = camera.project(torch.zeros(0, 3))
    assert found.xy.shape == (0, 2) and found.on_screen.shape == (0,)


def test_one_point_without_a_batch():
    camera = posed()
    point = camera.unproject(torch.tensor([10.5, 20.5]), torch.tensor(2.0))
    assert point.shape == (3,)
    assert torch.allclose(camera.project(point).xy, torch.tensor([10.5, 20.5]), atol=1e-3)


def test_a_resized_view_shows_the_same_points():
    camera = posed()
    points = points_in_view(camera)
    half = camera.resized(80)
    assert (half.width, half.height, half.distortion) == (80, 60, camera.distortion)
    assert torch.allclose(half.project(points).xy * 2, camera.project(points).xy, atol=1e-3)
    squeezed = camera.resized(40, 90)
    factors = torch.tensor([40 / 160, 90 / 120])
    assert torch.allclose(squeezed.project(points).xy, camera.project(points).xy * factors, atol=1e-3)
    assert torch.allclose(squeezed.resized(WIDTH, HEIGHT).K, camera.K)


def test_resizing_never_loses_the_last_row():
    assert Camera(K, torch.eye(4), width=1000, height=3).resized(10).height == 1


def test_focal_is_the_geometric_mean():
    assert posed().focal == pytest.approx((210.0 * 190.0) ** 0.5)


coefficients = st.floats(-0.05, 0.05)


@given(k1=coefficients, k2=coefficients, p1=st.floats(-0.01, 0.01), p2=st.floats(-0.01, 0.01))
def test_any_mild_lens_is_undone(k1: float, k2: float, p1: float, p2: float):
    lens = Distortion(k1, k2, p1, p2)
    side = torch.linspace(-0.9, 0.9, 13, dtype=torch.float64)
    xy = torch.cartesian_prod(side, side)
    assert torch.allclose(lens.remove(lens.apply(xy)), xy, atol=1e-9)


def test_no_lens_changes_nothing():
    xy = torch.rand(5, 2)
    assert Distortion().is_zero and not Distortion(k4=1e-3).is_zero
    assert Distortion().apply(xy) is xy and Distortion().remove(xy) is xy


def test_points_without_an_inverse_stay_finite():
    folding = Distortion(k1=-0.5)  # folds back at a radius of 0.82, where it reaches 0.54
    xy = torch.tensor([[0.9, 0.0], [5.0, 5.0], [0.0, 0.0]])
    assert folding.fold == pytest.approx(1.5**-0.5)
    found = folding.remove(xy)
    assert torch.isfinite(found).all()
    ends = torch.tensor([[folding.fold, 0.0], [folding.fold * 0.5**0.5] * 2, [0.0, 0.0]])
    assert torch.allclose(found, ends, atol=1e-5), "drawn back to the fold, each on its own side"


@pytest.mark.parametrize(
    "lens", [Distortion(k1=-0.3), Distortion(k1=-0.25, k2=0.09, k3=-0.02), Distortion(k1=-0.33, p1=0.001)]
)
def test_what_a_folding_lens_reaches_is_undone_and_the_rest_has_no_ray(lens: Distortion):
    intrinsics = torch.tensor([[160.0, 0, 160], [0, 160.0, 120], [0, 0, 1]])
    camera = Camera(intrinsics, torch.eye(4), 320, 240, lens)
    xy = camera.pixel_grid()
    away = xy - torch.tensor([160.0, 120.0])
    reach = 160 * float(lens.apply(torch.tensor([[lens.fold, 0.0]])).norm())
    has_ray = camera.has_ray(xy)
    assert has_ray[away.norm(dim=-1) < reach - 1.5].all()
    assert not has_ray[away.norm(dim=-1) > reach + 1.5].any()
    local = camera.local_directions(xy)
    back = camera.project(local).xy
    assert float((back - xy)[has_ray].norm(dim=-1).max()) < 0.5
    same_way = torch.nn.functional.cosine_similarity(local[:, :2], away, dim=-1)
    assert float(same_way[has_ray].min()) > 0.99
    assert float(same_way.min()) > 0.8, "no ray leads to the other side of the picture"


@pytest.mark.parametrize("lens", LENSES)
def test_a_lens_that_ends_beyond_the_picture_has_all_rays(lens: Distortion):
    camera = posed(lens)
    assert camera.has_ray(camera.pixel_grid()).all()


def test_undistorting_ends_when_it_is_done_and_needs_little_memory_at_once(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    apply = Distortion.apply

    def counted(lens: Distortion, xy: Tensor) -> Tensor:
        asked.append(xy.shape[0])
        return apply(lens, xy)

    xy = torch.rand(UNDISTORTED_AT_ONCE + 10, 2)
    alone = LENS.remove(xy[-1])
    monkeypatch.setattr(Distortion, "apply", counted)
    assert torch.equal(LENS.remove(xy)[-1], alone)
    assert set(asked) == {UNDISTORTED_AT_ONCE, 10}
    assert len(asked) <= 2 * 6


def test_where_a_polynomial_folds():
    assert Distortion().fold == Distortion(k1=0.1).fold == math.inf
    lens = Distortion(k1=0.1, k2=-0.2, k3=0.01, k4=-0.03)
    radii = torch.linspace(0, 3, 30001).double()
    reached = lens.apply(torch.stack([radii, torch.zeros_like(radii)], -1))[:, 0]
    assert float(radii[reached.argmax()]) == pytest.approx(lens.fold, abs=2e-4)


def test_what_lies_beyond_the_fold_is_not_on_screen():
    """At 60° the polynomial of a lens that ends at 40° leads back into the picture."""
    camera = Camera(
        torch.tensor([[50.0, 0, 40], [0, 50.0, 30], [0, 0, 1]]), torch.eye(4), 80, 60, Distortion(k1=-0.3)
    )
    tangents = torch.tensor([0.0, 0.5, 1.0, 1.73])
    seen = camera.project(torch.stack([tangents, torch.zeros(4), torch.ones(4)], -1))
    assert ((seen.xy[:, 0] >= 0) & (seen.xy[:, 0] < 80)).all()
    assert seen.on_screen.tolist() == [True, True, True, False]
