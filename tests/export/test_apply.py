"""The user's own files labelled and cut: what is the object's, and that nothing else changes."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export import ply as ply_module
from sanerf_hq.export.apply import _skip, apply_object
from sanerf_hq.export.file_frame import FileFrame, read_file_frame
from sanerf_hq.export.ply import PlyReader, open_ply
from sanerf_hq.export.target import Target
from sanerf_hq.runs import Progress
from sanerf_hq.scene import Scene
from support.command import no_work
from support.ply_files import SPLAT, splat_rows, write_solid, write_splats
from support.scene_files import write_json

ENCODINGS = ("ascii", "binary_little_endian", "binary_big_endian")
COLMAPS = Scene(Path("nowhere"), "desk", ())  # as read from a folder without a transforms.json
FACES = [[0, 1, 2], [2, 3, 4, 5], [7, 8, 9], [4, 5, 6]]


@dataclass(frozen=True)
class HalfSpace(Target):
    """All that lies beyond x = 1 is the object's, surely from x = 2 on."""

    def probability(self, points: torch.Tensor) -> torch.Tensor:
        return (points[:, 0] - 0.5).clamp(0, 1)


@pytest.fixture
def half_space(red: Target) -> HalfSpace:
    return HalfSpace(red.field, (1,), "half")


def splats_of(path: Path) -> np.ndarray:
    """Rows of a file as 3DGS writes them, after its header's last line."""
    content = path.read_bytes()
    return np.frombuffer(content[content.index(b"end_header\n") + 11 :], "<f4").reshape(-1, len(SPLAT))


@pytest.mark.parametrize("chunk", [7, 1000])
def test_labels_are_appended_and_all_else_is_the_same_byte_by_byte(
    tmp_path: Path, half_space: HalfSpace, chunk: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ply_module, "ROWS_A_CHUNK", chunk)
    rows = splat_rows(np.random.default_rng(1).uniform(-1, 3, (100, 3)))
    source = write_splats(tmp_path / "splats.ply", rows)
    before = source.read_bytes()
    done = apply_object(half_space, source, tmp_path / "labelled.ply", "label")
    content = (tmp_path / "labelled.ply").read_bytes()
    head, body = content.split(b"end_header\n", 1)
    assert head + b"end_header\n" + rows.tobytes() == before.replace(
        b"property float rot_3\n", b"property float rot_3\nproperty float object_probability\n"
    )
    table = np.frombuffer(body, np.uint8).reshape(100, -1)
    assert table[:, :-4].tobytes() == rows.tobytes()
    expected = (rows[:, 0] - 0.5).clip(0, 1)
    assert np.allclose(table[:, -4:].copy().view("<f4")[:, 0], expected, atol=1e-6)
    assert done.n_rows == 100
    assert done.n_object == int((rows[:, 0] >= 1).sum())
    assert source.read_bytes() == before


def test_keep_remove_and_split_divide_the_rows(tmp_path: Path, half_space: HalfSpace):
    rows = splat_rows(np.random.default_rng(2).uniform(-1, 3, (200, 3)))
    source = write_splats(tmp_path / "splats.ply", rows)
    on = rows[:, 0] >= 1
    for mode, expected in (("keep", rows[on]), ("remove", rows[~on])):
        apply_object(half_space, source, tmp_path / f"{mode}.ply", mode)
        assert splats_of(tmp_path / f"{mode}.ply").tobytes() == expected.tobytes()
    done = apply_object(half_space, source, tmp_path / "part.ply", "split")
    assert done.files == (tmp_path / "part.ply", tmp_path / "part.rest.ply")
    assert splats_of(done.files[0]).tobytes() == rows[on].tobytes()
    assert splats_of(done.files[1]).tobytes() == rows[~on].tobytes()
    apply_object(half_space, source, tmp_path / "few.ply", "keep", threshold=1.0)
    assert len(splats_of(tmp_path / "few.ply")) == int((rows[:, 0] >= 1.5).sum())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_cut_mesh_keeps_whole_faces_with_new_corner_numbers(
    tmp_path: Path, half_space: HalfSpace, encoding: str
):
    points = np.stack([np.arange(10) / 4, np.arange(10) * 0.0, np.arange(10) * 1.0], -1)  # object: 4 and on
    source = write_solid(tmp_path / "solid.ply", encoding, points, FACES)
    apply_object(half_space, source, tmp_path / "cut.ply", "keep")
    ply = open_ply(tmp_path / "cut.ply")
    vertices, faces, extra = ply.elements
    assert (vertices.n_rows, faces.n_rows, extra.n_rows) == (6, 2, 2)
    reader = PlyReader(ply)
    (marks,) = reader.columns(vertices, ("mark",))
    assert marks[:, 0].tolist() == [4, 5, 6, 7, 8, 9]
    if encoding == "ascii":
        lines = [line for lines in reader.lines(faces) for line in lines]
        assert lines == [b"2 3 3 4 5 0.5", b"3 3 0 1 2 0.75"]
        return
    (found,) = (rows.numbers for rows in reader.runs(faces))
    assert found["flag"].tolist() == [2, 3]
    assert found["vertex_indices"].tolist() == [[3, 4, 5], [0, 1, 2]]
    assert found["area"].tolist() == [0.5, 0.75]
    assert [v.tolist() for rows in reader.runs(extra) for v in rows.numbers["values"]] == [
        [0.5],
        [1.5, 2.5, 3.5],
    ]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_edges_are_cut_with_their_vertices(tmp_path: Path, half_space: HalfSpace, encoding: str):
    points = np.stack([np.arange(10) / 4, np.zeros(10), np.zeros(10)], -1)  # object: 4 and on
    source = write_solid(tmp_path / "solid.ply", encoding, points, FACES)
    edges = [(0, 4), (4, 9), (9, 5), (3, 2)]
    head, body = source.read_bytes().split(b"end_header\n")
    head += b"element edge 4\nproperty int vertex1\nproperty int vertex2\nproperty uchar sharp\n"
    if encoding == "ascii":
        added = b"".join(b"%d %d %d\n" % (*edge, i) for i, edge in enumerate(edges))
    else:
        sign = "<" if "little" in encoding else ">"
        added = b"".join(struct.pack(f"{sign}iiB", *edge, i) for i, edge in enumerate(edges))
    source.write_bytes(head + b"end_header\n" + body + added)
    apply_object(half_space, source, tmp_path / "part.ply", "split")
    for name, expected in (("part", [(0, 5, 1), (5, 1, 2)]), ("part.rest", [(3, 2, 3)])):
        ply = open_ply(tmp_path / f"{name}.ply")
        reader = PlyReader(ply)
        for element in ply.elements[:-1]:
            _skip(ply, reader, element)
        (found,) = reader.columns(ply.elements[-1], ("vertex1", "vertex2", "sharp"))
        assert [tuple(row) for row in found.tolist()] == expected


def test_what_numbers_vertices_in_another_way_is_only_labelled(tmp_path: Path, half_space: HalfSpace):
    source = tmp_path / "strip.ply"
    lines = ["ply", "format ascii 1.0", "element vertex 3", *(f"property float {axis}" for axis in "xyz")]
    lines += ["element tristrips 1", "property list int int vertex_indices", "end_header"]
    source.write_text("\n".join([*lines, "0 0 0", "2 0 0", "2 1 1", "3 0 1 2"]) + "\n")
    with pytest.raises(InputError, match="rows of tristrips that number vertices, which only --mode label"):
        apply_object(half_space, source, tmp_path / "out.ply", "keep", progress=no_work)
    assert apply_object(half_space, source, tmp_path / "out.ply").n_object == 2
    assert (tmp_path / "out.ply").read_text().endswith("2 1 1 1\n3 0 1 2\n")


def test_a_large_mesh_is_cut_quickly_and_says_how_far_it_is(tmp_path: Path, half_space: HalfSpace):
    n_faces = 300_000
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 2, (1000, 3)).astype("<f4")
    faces = np.zeros(n_faces, [("n", "u1"), ("corners", "<i4", 3)])
    faces["n"], faces["corners"] = 3, rng.integers(0, 1000, (n_faces, 3))
    lines = ["ply", "format binary_little_endian 1.0", "element vertex 1000"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {n_faces}", "property list uchar int vertex_indices", "end_header"]
    source = tmp_path / "large.ply"
    source.write_bytes(("\n".join(lines) + "\n").encode() + points.tobytes() + faces.tobytes())
    told: list[Progress] = []
    began = time.process_time()
    apply_object(half_space, source, tmp_path / "cut.ply", "keep", progress=told.append)
    assert time.process_time() - began < 3  # row by row it takes 10
    kept = (points[:, 0] >= 1)[faces["corners"]].all(1)
    assert open_ply(tmp_path / "cut.ply").elements[1].n_rows == int(kept.sum())
    cuts = [step for step in told if step.stage == "cut"]
    assert len(cuts) > 4 and (cuts[-1].done, cuts[-1].total) == (2 * n_faces, 2 * n_faces)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_corner_that_is_no_vertex_is_named_and_nothing_is_written(
    tmp_path: Path, half_space: HalfSpace, encoding: str
):
    source = write_solid(tmp_path / "solid.ply", encoding, np.zeros((10, 3)), [[0, 1, 10]])
    with pytest.raises(InputError, match="a row of face that numbers a vertex that is not there"):
        apply_object(half_space, source, tmp_path / "out.ply", "split")
    assert [path.name for path in tmp_path.iterdir()] == ["solid.ply"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_labelled_mesh_keeps_its_faces(tmp_path: Path, half_space: HalfSpace, encoding: str):
    points = np.stack([np.arange(10) / 4] * 3, -1)
    source = write_solid(tmp_path / "solid.ply", encoding, points, FACES)
    apply_object(half_space, source, tmp_path / "labelled.ply", name="p1")
    ply = open_ply(tmp_path / "labelled.ply")
    reader = PlyReader(ply)
    (labels,) = reader.columns(ply.elements[0], ("p1",))
    assert np.allclose(labels[:, 0], (points[:, 0] - 0.5).clip(0, 1), atol=1e-6)
    whole, old = (tmp_path / "labelled.ply").read_bytes(), source.read_bytes()
    tail = len(old) - reader._at + len(whole) - len(old)
    assert whole[-tail:] == old[-tail:]


def test_another_reader_agrees_about_a_cut_mesh(tmp_path: Path, half_space: HalfSpace):
    ball = trimesh.creation.icosphere(3).apply_translation([1.0, 0, 0])
    ball.export(tmp_path / "ball.ply")
    apply_object(half_space, tmp_path / "ball.ply", tmp_path / "half.ply", "keep")
    half = trimesh.load(tmp_path / "half.ply", process=False)
    assert isinstance(half, trimesh.Trimesh)
    whole = (ball.vertices[ball.faces][..., 0].astype(np.float32) >= 1).all(1)
    assert half.area == pytest.approx(ball.area_faces[whole].sum(), rel=1e-4)


def test_a_file_in_nerfstudios_frame_is_brought_back(tmp_path: Path, half_space: HalfSpace):
    (tmp_path / "dataparser_transforms.json").write_text(
        '{"transform": [[0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7]], "scale": 0.25}'
    )
    frame = read_file_frame(tmp_path / "dataparser_transforms.json", COLMAPS)
    scene = np.array([[0.0, 8, 9], [1.75, 8, 9], [1.25, -8, 9]])
    theirs = 0.25 * np.stack([5 - scene[:, 1], 6 + scene[:, 0], 7 + scene[:, 2]], -1)
    assert np.allclose(frame.to_scene(torch.from_numpy(theirs)).numpy(), scene, atol=1e-5)
    source = write_splats(tmp_path / "splats.ply", splat_rows(theirs))
    done = apply_object(half_space, source, tmp_path / "kept.ply", "keep", frame=frame)
    assert done.n_object == 2
    assert torch.equal(FileFrame.same().to_scene(torch.ones(1, 3)), torch.ones(1, 3))
    (tmp_path / "dataparser_transforms.json").write_text('{"transform": [[0, 0], [0, 0]], "scale": 1}')
    with pytest.raises(InputError, match="holds no transform"):
        read_file_frame(tmp_path / "dataparser_transforms.json", COLMAPS)


SAID = [[1, 0, 0, 2], [0, 0, 1, 3], [0, -1, 0, 4]]
OF_OLD = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0]]


@pytest.mark.parametrize(
    ("keys", "from_colmap", "applied", "applied_scale"),
    [
        ({}, False, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], 1.0),
        ({"applied_transform": SAID}, False, SAID, 1.0),
        ({"applied_transform": SAID, "applied_scale": 0.5}, True, SAID, 0.5),
        ({}, True, OF_OLD, 1.0),
    ],
)
def test_what_was_applied_to_a_scene_before_nerfstudio_trained_on_it_is_taken_out(
    tmp_path: Path, keys: dict[str, object], from_colmap: bool, applied: list[list[int]], applied_scale: float
):
    """nerfstudio multiplies both into what it writes, though its splats lie where transform and scale say."""
    scene = Scene(tmp_path, "desk", (), file=write_json(tmp_path / "transforms.json", keys))
    if from_colmap:
        (tmp_path / "colmap" / "sparse" / "0").mkdir(parents=True)
    transform = np.array([[0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1.0]])
    points = np.random.default_rng(0).normal(size=(5, 3))
    theirs = 0.25 * (points @ transform[:3, :3].T + transform[:3, 3])
    whole = (transform @ np.array([*applied, [0, 0, 0, 1]]))[:3].tolist()
    written = {"transform": whole, "scale": 0.25 * applied_scale}
    frame = read_file_frame(write_json(tmp_path / "dataparser_transforms.json", written), scene)
    assert np.allclose(frame.to_scene(torch.from_numpy(theirs)).numpy(), points, atol=1e-5)


@pytest.mark.parametrize("keys", [{"applied_transform": [[1, 0, 0, 0]] * 3}, {"applied_scale": 0}])
def test_what_was_applied_and_cannot_be_is_named(tmp_path: Path, keys: dict[str, object]):
    scene = Scene(tmp_path, "desk", (), file=write_json(tmp_path / "transforms.json", keys))
    written = {"transform": SAID, "scale": 1}
    with pytest.raises(InputError, match=r"transforms\.json has an applied_transform that is no invertible"):
        read_file_frame(write_json(tmp_path / "dataparser_transforms.json", written), scene)


def test_rows_that_are_nowhere_are_not_the_objects(tmp_path: Path, half_space: HalfSpace):
    source = write_splats(
        tmp_path / "splats.ply", splat_rows(np.array([[np.nan, 0, 0], [2, np.inf, 0], [2, 0, 0]]))
    )
    assert apply_object(half_space, source, tmp_path / "out.ply").n_object == 1


def test_an_empty_file_stays_empty(tmp_path: Path, half_space: HalfSpace):
    source = write_splats(tmp_path / "splats.ply", splat_rows(np.zeros((0, 3))))
    assert apply_object(half_space, source, tmp_path / "out.ply", "keep").n_rows == 0
    assert (tmp_path / "out.ply").read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda b: b.replace(b"property float x\n", b"property float u\n"), "no vertices with x, y and z"),
        (lambda b: b.replace(b"opacity", b"object_probability"), "has a property object_probability already"),
        (lambda b: b[:-5], "ends before all its rows"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_nothing_is_written(
    tmp_path: Path, half_space: HalfSpace, change: Callable[[bytes], bytes], sentence: str
):
    source = write_splats(tmp_path / "splats.ply", splat_rows(np.zeros((4, 3))))
    source.write_bytes(change(source.read_bytes()))
    with pytest.raises(InputError, match=sentence):
        apply_object(half_space, source, tmp_path / "out.ply")
    assert [path.name for path in tmp_path.iterdir()] == ["splats.ply"]


def test_the_file_that_is_read_is_never_written(tmp_path: Path, half_space: HalfSpace):
    source = write_splats(tmp_path / "a.rest.ply", splat_rows(np.zeros((4, 3))))
    with pytest.raises(InputError, match="is the file that is read"):
        apply_object(half_space, source, source)
    with pytest.raises(InputError, match="is the file that is read"):
        apply_object(half_space, source, tmp_path / "a.ply", "split")
    with pytest.raises(InputError, match=r"let it end with \.ply"):
        apply_object(half_space, source, tmp_path / "a.splat")


def test_stopping_leaves_no_half_file(tmp_path: Path, half_space: HalfSpace):
    source = write_splats(tmp_path / "splats.ply", splat_rows(np.zeros((4, 3))))

    def stop(progress: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        apply_object(half_space, source, tmp_path / "out.ply", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["splats.ply"]


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, half_space: HalfSpace):
    source = write_splats(tmp_path / "all.ply", splat_rows(np.zeros((1, 3))))
    with pytest.raises(InputError, match=r"out\.ply cannot be written"):
        apply_object(half_space, source, source / "out.ply", "keep", progress=no_work)
