from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera, WorldTransform, contract, look_at, to_unit
from sanerf_hq.radiance import load_radiance_field, nearest_moment, train_radiance_field
from sanerf_hq.radiance.field import load_field, save_field
from sanerf_hq.radiance.moments import arena, is_sparse, moments_of, n_sides, time_cells
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.view_samples import load_view_samples
from sanerf_hq.runs import Key
from sanerf_hq.scene import PhotoSize, load_scene
from support.ball_scene import TINY
from support.balls import CONFIG
from support.moving_balls import MOMENTS, N_CAMERAS, moving_camera, moving_field, write_moving_scene

K = torch.tensor([[50.0, 0, 25], [0, 50.0, 25], [0, 0, 1]])
UP = torch.tensor([0.0, 0.0, 1.0])


def cameras(eyes: list[tuple[float, float, float]], times: list[float | None]) -> list[Camera]:
    return [
        Camera(K, look_at(torch.tensor(eye), torch.zeros(3), UP), 50, 50, time=time)
        for eye, time in zip(eyes, times, strict=True)
    ]


def test_cells_lie_between_the_moments_of_several_cameras():
    eyes = [(3.0, 0.1 * n, 0.5) for n in range(6)]
    rig = [one for time in (0.0, 0.25, 0.5, 0.75, 1.0) for one in cameras(eyes, [time] * 6)]
    assert moments_of(rig) == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert time_cells(rig) == 4
    assert n_sides(rig) == 6


def test_where_each_photo_has_a_time_of_its_own_cells_hold_some():
    alone = cameras([(3.0, 0.1 * n, 0.5) for n in range(50)], [n / 49 for n in range(50)])
    assert time_cells(alone) == 10
    assert n_sides(alone) == 1


def test_without_times_or_with_one_the_scene_stands_still():
    eyes = [(3.0, 0.0, 0.5), (0.0, 3.0, 0.5)]
    for time in (None, 0.5):
        still = cameras(eyes, [time] * 2)
        assert (moments_of(still), time_cells(still)) == ((), 0)
        assert n_sides(still) == 2


def test_the_nearest_moment_of_two_as_near_is_the_earlier():
    assert nearest_moment((0.0, 0.5, 1.0), 0.25) == 0.0
    assert nearest_moment((0.0, 0.5, 1.0), 0.26) == 0.5
    assert nearest_moment((0.2, 0.5), 1.0) == 0.5


def test_things_move_where_many_cameras_look_and_not_on_the_walls():
    eyes = [(3.0, 0.0, 0.5), (0.0, 3.0, 0.5), (-3.0, 0.0, 0.5), (0.0, -3.0, 0.5)]
    rig = [one for time in (0.0, 1.0) for one in cameras(eyes, [time] * 4)]
    world = WorldTransform.from_cameras(rig)
    cells = arena(rig, world)
    side = cells.shape[0]

    def moves(point: tuple[float, float, float]) -> bool:
        unit = to_unit(contract(world.to_field(torch.tensor([point]))))[0]
        i, j, k = (unit * side).long().tolist()
        return bool(cells[i, j, k])

    assert moves((0.0, 0.0, 0.0))
    assert moves((0.3, 0.2, 0.1))
    assert not moves((-9.0, 0.0, 0.0)), "the wall that one camera has in view"
    assert not moves((0.0, 0.0, 9.0)), "the ceiling, which none has"


def test_outside_the_arena_time_changes_nothing():
    network = RadianceNetwork(CONFIG, 4)
    network.initialise(Key(0, "t", 0).generator())
    with torch.no_grad():
        network.table.mul_(1e4)
        network.arena[:32] = False
    points = torch.rand(200, 3)
    early, late = (network.encode(points, torch.full((200,), time)).detach() for time in (0.1, 0.9))
    still = (early == late).all(-1)
    assert torch.equal(still, points[:, 0] < 0.5)


def test_a_matte_surface_looks_the_same_from_everywhere():
    matte, glossy = (RadianceNetwork(CONFIG, matte=matte) for matte in (True, False))
    directions = torch.nn.functional.normalize(torch.randn(50, 3), dim=-1)
    geometry = torch.randn(1, CONFIG.geometry_features).expand(50, -1)
    for network, same in ((matte, True), (glossy, False)):
        network.initialise(Key(0, "t", 0).generator())
        colours = network.shade(geometry, directions).detach()
        assert bool((colours - colours[0]).abs().max() < 1e-6) == same


def test_a_field_at_a_moment_has_that_moments_views_and_samples(tmp_path: Path):
    field = moving_field(tmp_path)
    still = field.at(0.6)
    assert still.moment == 0.5
    home = still.at_home()
    assert [view.camera.time for view in home.views] == [0.5] * (N_CAMERAS - 1)
    whole = load_view_samples(field)
    part = load_view_samples(still)
    assert "pixel_rays" not in vars(home), "no camera is undistorted to number pixels"
    assert len(part.surfaces) * len(MOMENTS) == len(whole.surfaces)
    # A pixel's own ray goes through the point that is said to be seen there.
    for index, view in enumerate(home.views):
        here = part.of_view(index)
        xy = view.camera.project(part.points[here]).xy
        pixels = part.pixels[here] - home.pixel_rays.offsets[index]
        there = torch.stack([pixels % view.camera.width, pixels // view.camera.width], -1) + 0.5
        torch.testing.assert_close(xy, there.float(), atol=1e-2, rtol=0)


def test_a_moving_field_asks_when(tmp_path: Path):
    field = moving_field(tmp_path)
    with pytest.raises(InputError, match="say when"):
        field.encode(torch.rand(3, 3))
    assert field.at(1.0).encode(torch.rand(3, 3)).shape[0] == 3
    assert field.at(1.0).is_at(0.9) and not field.at(1.0).is_at(0.1)
    still = replace(field, moments=())
    with pytest.raises(InputError, match="stands still"):
        still.at(0.5)


def test_a_moving_field_is_read_as_it_was_written(tmp_path: Path):
    field = moving_field(tmp_path)
    field.network.arena[0] = False
    save_field(field, tmp_path / "field.safetensors")
    found = load_field(tmp_path / "field.safetensors")
    assert found.moments == MOMENTS
    assert found.network.layout == field.network.layout
    assert torch.equal(found.network.arena, field.network.arena)
    points, times = torch.rand(50, 3), torch.rand(50)
    assert torch.equal(found.network.encode(points, times), field.network.encode(points, times))


def test_few_sides_are_few_for_what_moves_sooner():
    for n, still, moving in ((7, True, True), (8, False, True), (11, False, True), (12, False, False)):
        eyes = [(3.0, 0.1 * number, 0.5) for number in range(n)]
        assert is_sparse(cameras(eyes, [None] * n)) == still
        assert is_sparse([one for time in (0.0, 1.0) for one in cameras(eyes, [time] * n)]) == moving


def test_cameras_that_stay_are_one_side_each():
    rig = [moving_camera(index, time) for time in MOMENTS for index in range(N_CAMERAS)]
    assert n_sides(rig) == N_CAMERAS


def test_a_test_view_between_moments_is_at_the_nearest(tmp_path: Path):
    home = moving_field(tmp_path).at_home()
    times = {0.0: 0.1, 0.5: 0.6, 1.0: 0.9}
    views = tuple(
        replace(view, camera=replace(view.camera, time=times[view.camera.time or 0.0]))
        if view.split == "test"
        else view
        for view in home.scene.views
    )
    home = replace(home, scene=replace(home.scene, views=views))
    for moment, time in times.items():
        here = home.at(moment)
        assert [view.camera.time for view in here.shown] == [moment] * (N_CAMERAS - 1) + [time]
        assert [view.camera.time for view in here.views] == [moment] * (N_CAMERAS - 1)


def test_a_field_that_is_read_knows_when_its_cameras_saw_nothing_near(tmp_path: Path):
    scene = load_scene(write_moving_scene(tmp_path / "balls"))
    field = train_radiance_field(scene, tmp_path / "run", replace(TINY, steps=1), size=PhotoSize(16))
    again = load_radiance_field(tmp_path / "run")
    times = [view.camera.time for view in scene.train_views]
    for one in (field, again):
        assert one.clearance.times is not None and one.clearance.times.tolist() == times
