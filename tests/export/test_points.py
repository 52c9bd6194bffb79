"""Points of a ball, read back from their file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export.ply import PlyReader, open_ply
from sanerf_hq.export.points import export_points, make_points
from sanerf_hq.runs import Progress
from support.balls import CENTERS, COLOURS, RADIUS
from support.command import no_work
from support.hollow_balls import HollowField, ball_target, hollow_field


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> HollowField:
    return hollow_field(tmp_path_factory.mktemp("balls"))


def test_points_lie_on_the_ball_and_say_so_in_their_file(field: HollowField, tmp_path: Path):
    path = tmp_path / "ball.ply"
    cloud = export_points(ball_target(field, 2), path, 500)
    ply = open_ply(path)
    (rows,) = PlyReader(ply).rows(ply.elements[0])
    assert [p.name for p in ply.elements[0].properties] == [
        *("x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "probability")
    ]
    positions = np.stack([rows.numbers[axis] for axis in "xyz"], -1)
    normals = np.stack([rows.numbers[f"n{axis}"] for axis in "xyz"], -1)
    away = positions - CENTERS[1].numpy()
    assert len(positions) == 500
    assert len(cloud.positions) == len(positions)
    assert np.linalg.norm(away, axis=1) == pytest.approx(RADIUS, abs=1e-3)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-5)
    assert (normals * away / RADIUS).sum(1).min() > 0.8
    for name, value in zip(("red", "green", "blue"), COLOURS[2].tolist(), strict=True):
        assert np.abs(rows.numbers[name].astype(int) - value).max() <= 1
    assert rows.numbers["probability"].min() > 0.9
    # Evenly spread: on all sides that the ring of cameras sees, no two in the same place.
    assert np.abs(away.mean(0)).max() < 0.1
    assert len(np.unique(np.round(positions / 0.01), axis=0)) > 0.95 * len(positions)


@pytest.mark.parametrize("count", [1, 2, 17, 60])
def test_as_many_as_are_asked_for_have_normals_however_few(field: HollowField, count: int):
    cloud = make_points(ball_target(field, 1), count)
    away = (cloud.positions - CENTERS[0].numpy()) / RADIUS
    assert len(np.unique(cloud.positions, axis=0)) == count
    assert (cloud.normals * away).sum(1).min() > 0.8


def test_where_there_are_fewer_all_are_given(field: HollowField):
    few = make_points(ball_target(field, 1), 10**6)
    assert 500 < len(few.positions) < 10**6


def test_what_makes_no_sense_is_refused_and_stopping_leaves_nothing(field: HollowField, tmp_path: Path):
    target = ball_target(field, 1)
    with pytest.raises(InputError, match="count is 0"):
        make_points(target, 0)
    with pytest.raises(InputError, match=r"let it end with \.ply"):
        export_points(target, tmp_path / "ball.xyz")

    def stop(progress: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        export_points(target, tmp_path / "ball.ply", 100, stop)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused_before_the_work(field: HollowField, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"ball\.ply cannot be written"):
        export_points(ball_target(field, 1), tmp_path / "file" / "ball.ply", 500, no_work)
