"""Winding numbers of open surfaces against closed forms, and where an object on a table ends."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from sanerf_hq.export.closing import VisibleSurface, owned, scattered, winding

SHAPE = (44, 40, 36)
CENTER = np.array([21.5, 19.5, 17.5])


def ball(radius: float, lowest: float = -2.0) -> tuple[np.ndarray, np.ndarray]:
    """Middles and areas of a sphere's faces, of those above a height (in radii) alone."""
    mesh = trimesh.creation.icosphere(5, radius)
    above = mesh.triangles_center[:, 2] >= lowest * radius
    places = mesh.triangles_center + CENTER
    return places[above], (mesh.face_normals * mesh.area_faces[:, None])[above]


def test_it_is_one_inside_a_closed_surface_and_nothing_outside():
    result = winding(SHAPE, *ball(12))
    away = np.linalg.norm(np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1) - CENTER, axis=-1)
    assert result[away < 10] == pytest.approx(1, abs=0.03)
    assert result[away > 14] == pytest.approx(0, abs=0.03)


def test_a_hemisphere_covers_the_solid_angle_that_geometry_says():
    result = winding(SHAPE, *ball(12, 0.0))
    # On the axis at depth h below the rim's plane the hemisphere covers 2π (1 - h / √(h² + R²)).
    for z in (5, 10, 17):
        h = CENTER[2] - z
        exact = (1 - h / np.hypot(h, 12)) / 2
        assert result[21:23, 19:21, z].mean() == pytest.approx(exact, abs=0.02)
    assert result[21, 19, 22] > 0.6


def test_values_are_divided_among_voxels_and_none_is_lost():
    grid = scattered((4, 4, 4), np.array([[1.25, 2.0, 0.5], [3.0, 3.0, 3.0]]), np.array([8.0, 1.0]))
    assert grid.sum() == pytest.approx(9)
    assert grid[1, 2, 0] == pytest.approx(3)
    assert grid[2, 2, 1] == pytest.approx(1)
    assert grid[3, 3, 3] == pytest.approx(1)


def test_what_stands_on_a_table_ends_at_the_table():
    size, top = 20, 30
    inside, outside = [], []
    for i in range(8, 8 + size):
        for j in range(8, 8 + size):
            inside.append(((i, j, top), (0, 0, 1)))
        for k in range(10, top):
            inside += [((7.5, i, k), (-1, 0, 0)), ((7.5 + size, i, k), (1, 0, 0))]
            inside += [((i, 7.5, k), (0, -1, 0)), ((i, 7.5 + size, k), (0, 1, 0))]
    for i in range(36):
        for j in range(36):
            if not (7 < i < 28 and 7 < j < 28):
                outside.append(((i, j, 9.5), (0, 0, 1)))
    places, areas = (np.array([item[part] for item in inside + outside], float) for part in range(2))
    surface = VisibleSurface(places, areas, np.arange(len(places)) < len(inside))
    own, away = owned((36, 36, 36), surface)
    middle = own[12:24, 12:24]
    assert middle[..., 13:29].min() > 0.9
    assert middle[..., :7].max() < 0.1
    crossing = (middle > 0.5).sum(-1)  # voxels from the table to the top, and those above that are nobody's
    assert np.ptp((middle[..., :20] > 0.5).sum(-1)) <= 1
    assert abs(20 - (middle[..., :20] > 0.5).sum(-1).mean() - 9.5) < 1.5
    assert crossing.min() > 18
    assert away[17, 17, top] == 0
    assert away[17, 17, 10] > 8
