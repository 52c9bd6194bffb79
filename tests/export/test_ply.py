"""PLY files of every encoding, read back as they were written."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sanerf_hq.errors import InputError
from sanerf_hq.export import ply as ply_module
from sanerf_hq.export.ply import PlyElement, PlyReader, header_bytes, open_ply
from sanerf_hq.runs.ply import ply_bytes
from support.ply_files import splat_rows, write_solid, write_splats

POINTS = np.arange(30, dtype=float).reshape(10, 3) / 8
FACES = [[0, 1, 2], [2, 3, 4, 5], [7, 8, 9]]
ENCODINGS = ("ascii", "binary_little_endian", "binary_big_endian")


@pytest.mark.parametrize("encoding", ENCODINGS[1:])
@pytest.mark.parametrize("chunk", [3, 100])
def test_numbers_of_every_type_are_read(
    tmp_path: Path, encoding: str, chunk: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ply_module, "ROWS_A_CHUNK", chunk)
    ply = open_ply(write_solid(tmp_path / "solid.ply", encoding, POINTS, FACES))
    assert [element.name for element in ply.elements] == ["vertex", "face", "extra"]
    vertices = ply.element("vertex")
    assert vertices is not None
    parts = [rows.numbers.copy() for rows in PlyReader(ply).rows(vertices)]
    assert [len(part) for part in parts] == ([3, 3, 3, 1] if chunk == 3 else [10])
    numbers = np.concatenate(parts)
    assert np.array_equal(np.stack([numbers[axis] for axis in "xyz"], -1), POINTS)
    assert numbers["mark"].tolist() == list(range(10))
    assert numbers["id"].tolist() == [-i for i in range(10)]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("chunk", [3, 100])
def test_some_columns_are_read_in_any_order(
    tmp_path: Path, encoding: str, chunk: int, monkeypatch: pytest.MonkeyPatch
):
    for name in ("ROWS_A_CHUNK", "LINES_A_CHUNK"):
        monkeypatch.setattr(ply_module, name, chunk)
    ply = open_ply(write_solid(tmp_path / "solid.ply", encoding, POINTS, FACES))
    parts = list(PlyReader(ply).columns(ply.elements[0], ("id", "z", "x")))
    assert [len(part) for part in parts] == ([3, 3, 3, 1] if chunk == 3 else [10])
    expected = np.stack([-np.arange(10.0), POINTS[:, 2], POINTS[:, 0]], -1)
    assert np.array_equal(np.concatenate(parts), expected)


def test_of_a_long_ascii_table_little_is_held_at_a_time(tmp_path: Path):
    """30,000 lines of 600 bytes: all lines at once are 19 MB, and as much again their words."""
    n, names = 30_000, [f"p{i}" for i in range(10)]
    lines = ["ply", "format ascii 1.0", f"element vertex {n}", *(f"property float {name}" for name in names)]
    row = " ".join(["0." + 58 * "1"] * 9) + "\n"
    path = tmp_path / "splats.ply"
    path.write_text("\n".join([*lines, "end_header\n"]) + "".join(f"{i} {row}" for i in range(n)))
    ply = open_ply(path)
    tracemalloc.start()
    total = 0.0
    for part in PlyReader(ply).columns(ply.elements[0], ("p0", "p9")):
        total += part[:, 0].sum()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == n * (n - 1) / 2
    assert most < 15e6


@pytest.mark.parametrize("row", [b"10 20", b"1 2 3 4", b"1 2 three"])
def test_ascii_rows_that_do_not_fit_the_header_are_refused(tmp_path: Path, row: bytes):
    lines = [
        b"ply",
        b"format ascii 1.0",
        b"element vertex 2",
        *(b"property float %c" % axis for axis in b"xyz"),
    ]
    path = tmp_path / "a.ply"
    path.write_bytes(b"\n".join([*lines, b"end_header", b"1 2 3", row, b""]))
    ply = open_ply(path)
    with pytest.raises(InputError, match=r"a\.ply has rows of vertex that do not fit its header"):
        list(PlyReader(ply).columns(ply.elements[0], "xyz"))


@pytest.mark.parametrize("encoding", ENCODINGS[1:])
def test_lists_of_any_length_are_read_row_by_row(tmp_path: Path, encoding: str):
    ply = open_ply(write_solid(tmp_path / "solid.ply", encoding, POINTS, FACES))
    vertices, faces, extra = ply.elements
    reader = PlyReader(ply)
    for _ in reader.rows(vertices):
        pass
    assert listed(reader, faces, "vertex_indices") == FACES
    assert listed(reader, extra, "values") == [[0.5], [1.5, 2.5, 3.5]]


@pytest.mark.parametrize("encoding", ENCODINGS[1:])
def test_rows_of_lists_come_in_runs_as_they_stand(
    tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ply_module, "BYTES_A_READ", 64)
    faces = [[1, 2, 3]] * 100 + [[], [1], [], [4] * 200] + [[5, 6, 7, 8]] * 100
    path = write_solid(tmp_path / "solid.ply", encoding, POINTS, faces)
    ply = open_ply(path)
    reader = PlyReader(ply)
    before = b"".join(rows.content.tobytes() for rows in reader.rows(ply.elements[0]))
    runs = list(reader.runs(ply.elements[1]))
    assert [row.tolist() for rows in runs for row in rows.numbers["vertex_indices"]] == faces
    assert np.concatenate([rows.numbers["area"] for rows in runs]).tolist() == [
        i / 4 for i in range(len(faces))
    ]
    between = b"".join(rows.content.tobytes() for rows in runs)
    assert path.read_bytes()[ply.start :].startswith(before + between)
    assert listed(reader, ply.elements[2], "values") == [[0.5], [1.5, 2.5, 3.5]]
    path.write_bytes(path.read_bytes()[:-1])
    cut = PlyReader(ply)
    for element in ply.elements[:2]:
        for _ in cut.runs(element) if element.has_lists else cut.rows(element):
            pass
    with pytest.raises(InputError, match="ends before all its rows"):
        list(cut.runs(ply.elements[2]))


def listed(reader: PlyReader, element: PlyElement, name: str) -> list[list[float]]:
    """The lists of a table."""
    return [row.tolist() for rows in reader.runs(element) for row in rows.numbers[name]]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("end", [b"", b" \t"])
def test_lines_may_end_in_any_way_and_be_empty(tmp_path: Path, newline: bytes, end: bytes):
    lines = [b"ply", b"format ascii 1.0", b"element vertex 3", b"property float x", b"end_header" + end]
    path = tmp_path / "a.ply"
    path.write_bytes(newline.join([*lines, b"1.5", b"", b"-2", b" ", b"3"]))
    ply = open_ply(path)
    (column,) = PlyReader(ply).columns(ply.elements[0], "x")
    assert column.tolist() == [[1.5], [-2], [3]]
    with pytest.raises(InputError, match="ends before all its rows"):
        list(PlyReader(replace(ply, start=path.stat().st_size)).columns(ply.elements[0], "x"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_more_rows_than_the_file_can_hold_are_refused_at_once(tmp_path: Path, encoding: str):
    path = write_solid(tmp_path / "solid.ply", encoding, POINTS, FACES)
    for element in (b"vertex 10", b"face 3"):
        path.write_bytes(path.read_bytes().replace(element, element + b"0" * 14))
        with pytest.raises(InputError, match="ends before all its rows"):
            open_ply(path)


def test_the_header_keeps_its_lines_and_line_ends(tmp_path: Path):
    path = tmp_path / "dos.ply"
    head = "ply\r\nformat ascii 1.0\r\ncomment ä\r\nelement vertex 1\r\nproperty float x\r\nend_header\r\n"
    path.write_bytes(head.encode("latin-1") + b"1.0\r\n")
    ply = open_ply(path)
    assert header_bytes(ply, {}, {}) == head.encode("latin-1")
    changed = header_bytes(ply, {"vertex": 7}, {"vertex": ["property float p"]}).decode("latin-1")
    assert changed == head.replace("vertex 1", "vertex 7").replace("float x", "float x\r\nproperty float p")


def test_a_table_of_numbers_survives_its_file(tmp_path: Path):
    columns = {
        "x": np.array([1.5, -2], np.float32),
        "n": np.array([3, 255], np.uint8),
        "d": np.array([0.1, 2]),
    }
    path = tmp_path / "table.ply"
    path.write_bytes(ply_bytes("vertex", columns))
    ply = open_ply(path)
    (rows,) = PlyReader(ply).rows(ply.elements[0])
    for name, values in columns.items():
        assert rows.numbers[name].dtype == values.dtype
        assert np.array_equal(rows.numbers[name], values)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"solid of another format", "is no PLY file"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\n", "has no end_header"),
        (b"ply\nformat binary 1.0\nend_header\n", "has a header that cannot be read"),
        (b"ply\nformat ascii 1.0\nproperty float x\nend_header\n", "has a header that cannot be read"),
        (b"ply\nformat ascii 1.0\nelement vertex -1\nend_header\n", "has a header that cannot be read"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty real x\nend_header\n", "cannot be read"),
    ],
)
def test_a_broken_header_is_named(tmp_path: Path, content: bytes, sentence: str):
    path = tmp_path / "broken.ply"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        open_ply(path)


def test_a_file_that_is_cut_off_is_named(tmp_path: Path):
    path = write_splats(tmp_path / "splats.ply", splat_rows(POINTS))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="ends before all its rows"):
        open_ply(path)
