"""Meshes of a ball whose density is nonsense inside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export.glb import to_linear
from sanerf_hq.export.mesh import MeshConfig, ObjectMesh, export_mesh, make_mesh
from sanerf_hq.export.target import Target
from sanerf_hq.objects.region import Region
from sanerf_hq.runs import Progress
from support.balls import CENTERS, COLOURS, RADIUS
from support.command import no_work
from support.hollow_balls import HollowField, ball_objects, ball_target, hollow_field

CONFIG = MeshConfig(faces=4000, resolution=56, closed=True)
VOLUME = 4 / 3 * np.pi * RADIUS**3


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> HollowField:
    return hollow_field(tmp_path_factory.mktemp("balls"))


@pytest.fixture(scope="module")
def mesh(field: HollowField) -> ObjectMesh:
    return make_mesh(ball_target(field, 1), CONFIG)


def as_trimesh(mesh: ObjectMesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def test_it_lies_on_the_ball_in_the_scenes_coordinates(mesh: ObjectMesh):
    away = mesh.vertices - CENTERS[0].numpy()
    radius = np.linalg.norm(away, axis=1)
    assert abs(np.median(radius) - RADIUS) < 0.01
    assert abs(radius - RADIUS).max() < 0.06
    assert np.abs((mesh.vertices.max(0) + mesh.vertices.min(0)) / 2 - CENTERS[0].numpy()).max() < 0.02


def test_closed_it_is_solid_with_normals_outwards(mesh: ObjectMesh):
    solid = as_trimesh(mesh)
    assert solid.is_watertight
    assert solid.body_count == 1
    assert solid.volume == pytest.approx(VOLUME, rel=0.05)
    outward = (mesh.normals * (mesh.vertices - CENTERS[0].numpy())).sum(1) / RADIUS
    assert (outward > 0.5).mean() > 0.99  # few triangles may be folded
    assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1.0, abs=1e-6)


def test_it_has_the_balls_colour_and_at_most_so_many_faces(mesh: ObjectMesh):
    assert np.abs(mesh.colours.astype(int) - COLOURS[1].numpy()).max() <= 2
    assert len(mesh.faces) <= CONFIG.faces


def test_two_identities_together_are_two_balls(field: HollowField):
    both = make_mesh(Target.whole(ball_objects(field)), replace(CONFIG, faces=0))
    assert len(both.faces) > CONFIG.faces
    assert as_trimesh(both).body_count == 2
    assert as_trimesh(both).volume == pytest.approx(2 * VOLUME, rel=0.06)
    left = both.vertices[:, 0] < 0
    assert np.array_equal(np.unique(both.colours[left], axis=0), COLOURS[1:2].numpy())
    assert np.array_equal(np.unique(both.colours[~left], axis=0), COLOURS[2:3].numpy())


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".obj"])
def test_files_open_with_place_size_and_colours(
    field: HollowField, mesh: ObjectMesh, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sanerf_hq.export.mesh.make_mesh", lambda *_: mesh)
    path = tmp_path / f"ball{suffix}"
    export_mesh(ball_target(field, 1), path, CONFIG)
    read = trimesh.load(path, force="mesh", process=False, skip_materials=True)
    assert isinstance(read, trimesh.Trimesh)
    assert read.bounds == pytest.approx(as_trimesh(mesh).bounds, abs=1e-6)
    assert len(read.faces) == len(mesh.faces)
    colours = np.asarray(read.visual.vertex_colors)[:, :3]  # pyright: ignore[reportAttributeAccessIssue]
    written = (
        255 * to_linear(COLOURS[1:2].numpy().astype(np.uint8))[0] if suffix == ".glb" else COLOURS[1].numpy()
    )
    assert np.abs(colours.astype(int).mean(0) - written).max() < 2
    assert read.volume == pytest.approx(as_trimesh(mesh).volume, rel=1e-4)


def test_what_cannot_be_exported_is_refused(field: HollowField, tmp_path: Path):
    target = ball_target(field, 1)
    with pytest.raises(InputError, match=r"let it end with \.glb, \.ply or \.obj"):
        export_mesh(target, tmp_path / "ball.stl")
    nowhere = torch.zeros(8, 8, 8, dtype=torch.bool)
    nowhere[0, 0, 0] = True
    absent = replace(target, field=replace(target.field, region=Region.of(nowhere)))
    with pytest.raises(InputError, match="no training view shows 'red'"):
        export_mesh(absent, tmp_path / "ball.ply")
    with pytest.raises(InputError, match="resolution is 4"):
        MeshConfig(resolution=4)
    assert list(tmp_path.iterdir()) == []


def test_so_few_triangles_that_none_is_left_are_refused(field: HollowField, tmp_path: Path):
    with pytest.raises(InputError, match="no mesh of 'red' has 3 triangles or fewer; give more --faces"):
        export_mesh(ball_target(field, 1), tmp_path / "ball.ply", MeshConfig(faces=3, resolution=24))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused_before_the_work(field: HollowField, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"ball\.ply cannot be written"):
        export_mesh(ball_target(field, 1), tmp_path / "file" / "ball.ply", CONFIG, no_work)


@pytest.mark.parametrize("stage", ["look", "density", "colours"])
def test_it_can_be_stopped_anywhere_and_leaves_nothing(field: HollowField, tmp_path: Path, stage: str):
    def stop(progress: Progress) -> None:
        if progress.stage == stage:
            raise Cancelled

    with pytest.raises(Cancelled):
        export_mesh(ball_target(field, 2), tmp_path / "ball.glb", replace(CONFIG, resolution=32), stop)
    assert list(tmp_path.iterdir()) == []
