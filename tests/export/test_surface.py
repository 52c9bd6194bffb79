"""Level sets, crumbs, decimation and mending, on shapes of known size."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from sanerf_hq.export.surface import Triangles, decimated, level_set, without_crumbs, without_pinches

RADIUS = 9.0


def ball_values(
    shape: tuple[int, int, int], centers: list[tuple[float, float, float]], radius: float
) -> np.ndarray:
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    depth = max(radius - np.linalg.norm(grid - np.array(center), axis=-1) for center in centers[:1])
    for center in centers[1:]:
        depth = np.maximum(depth, radius - np.linalg.norm(grid - np.array(center), axis=-1))
    return np.clip(0.5 + depth / 4, 0, 1).astype(np.float32)


def solid(mesh: Triangles) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def test_the_level_set_of_a_ball_is_a_ball_seen_from_outside():
    mesh = level_set(ball_values((30, 26, 24), [(13, 12, 11)], RADIUS))
    assert np.linalg.norm(mesh.vertices - [13, 12, 11], axis=1) == pytest.approx(RADIUS, abs=0.03)
    assert solid(mesh).is_watertight
    assert solid(mesh).volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.01)
    assert mesh.areas.sum(0) == pytest.approx(0, abs=1e-6)
    assert ((mesh.normals * (mesh.vertices - [13, 12, 11])).sum(1) / RADIUS).min() > 0.95


def test_it_is_closed_where_it_reaches_the_border_and_nothing_where_nothing_is():
    assert solid(level_set(np.ones((4, 5, 6), np.float32))).volume == pytest.approx(4 * 5 * 6, rel=0.1)
    assert len(level_set(np.zeros((4, 5, 6), np.float32)).faces) == 0


def test_small_parts_and_parts_that_no_ray_ends_on_are_crumbs():
    large = level_set(ball_values((40, 30, 30), [(15, 15, 15)], 10))
    medium = level_set(ball_values((40, 30, 30), [(33, 15, 15)], 4))
    small = level_set(ball_values((40, 30, 30), [(33, 4, 4)], 0.8))
    parts = [large, medium, small]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    mesh = Triangles(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)]),
    )
    assert len(without_crumbs(mesh).faces) == len(large.faces) + len(medium.faces)
    assert len(without_crumbs(mesh, np.array([[15.0, 15, 25]])).faces) == len(large.faces)
    assert len(without_crumbs(mesh, np.array([[15.0, 15, 25], [33, 15, 19.5]])).vertices) == starts[2]


def test_decimation_keeps_shape_and_number():
    mesh = level_set(ball_values((30, 26, 24), [(13, 12, 11)], RADIUS))
    few = decimated(mesh, 600)
    assert 500 < len(few.faces) <= 600
    assert solid(few).is_watertight
    assert solid(few).volume == pytest.approx(solid(mesh).volume, rel=0.02)
    assert decimated(mesh, 0) is mesh
    assert decimated(mesh, len(mesh.faces)) is mesh


def test_boxes_that_touch_in_an_edge_get_an_edge_each():
    one, other = trimesh.creation.box((1, 1, 1)), trimesh.creation.box((1, 1, 1)).apply_translation((1, 1, 0))
    both = trimesh.util.concatenate([one, other])
    both.merge_vertices()
    assert not both.is_watertight
    mended = without_pinches(Triangles(np.asarray(both.vertices), np.asarray(both.faces, np.int64)))
    assert solid(mended).is_watertight
    assert solid(mended).volume == pytest.approx(2)


def test_faces_back_to_back_are_left_out():
    box = trimesh.creation.box((1, 1, 1))
    flap = np.array([[0, 1, 8], [1, 0, 8]])
    mesh = Triangles(
        np.concatenate([box.vertices, [[3.0, 3, 3]]]), np.concatenate([box.faces, flap]).astype(np.int64)
    )
    assert solid(without_pinches(mesh)).is_watertight
    assert len(without_pinches(mesh).faces) == 12
