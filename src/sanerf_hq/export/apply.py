"""Apply: an object's probability to the user's own Gaussian splats, point clouds and meshes (PLY).

Rows are labelled by an added property, or kept and left out; every other byte of a row stays as it was, and
so does every line of the header but the numbers of rows. Rows are gone through in chunks: of each only its
probability is kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from sanerf_hq.errors import InputError
from sanerf_hq.export.aside import file_aside
from sanerf_hq.export.file_frame import FileFrame
from sanerf_hq.export.ply import PlyElement, PlyFile, PlyReader, header_bytes, open_ply
from sanerf_hq.export.target import Target
from sanerf_hq.runs import Progress, ProgressCallback, check_writable, quiet

STAGE = "apply"
Mode = Literal["label", "keep", "remove", "split"]
PROPERTY = "object_probability"
CORNERS = ("vertex_indices", "vertex_index")


@dataclass(frozen=True)
class Applied:
    """What was done to a file.

    Attributes:
        n_rows: Its splats, points or vertices.
        n_object: Those that are the object's.
        files: What was written.
    """

    n_rows: int
    n_object: int
    files: tuple[Path, ...]


def apply_object(
    target: Target,
    source: Path,
    out: Path,
    mode: Mode = "label",
    threshold: float = 0.5,
    frame: FileFrame | None = None,
    name: str = PROPERTY,
    progress: ProgressCallback = quiet,
) -> Applied:
    """Label or cut a PLY file by the object's probability at each row's position.

    Args:
        target: The object.
        source: Splats (of 3DGS, nerfstudio, gsplat), a point cloud or a mesh.
        out: File to write; one that is there is replaced. ``split`` writes the rest beside it, as
            ``<stem>.rest.ply``.
        mode: ``label`` adds a property, ``keep`` keeps the object alone, ``remove`` all but the object,
            ``split`` both, in two files.
        threshold: Probability from which on a row is the object's, in [0, 1].
        frame: Of the file's coordinates; None where they are the scene's.
        name: Of the property that ``label`` adds.
        progress: Told of the progress; may raise Cancelled.

    Raises:
        InputError: The file is no PLY or has no positions, it has the property already, or ``out`` is the
            source or cannot be written.
        Cancelled: The callback asked for it; nothing is written.
    """
    ply = open_ply(source)
    vertices = _check(ply, out, mode, threshold, name)
    probability = _probabilities(target, ply, vertices, frame or FileFrame.same(), progress)
    on = probability >= threshold
    n_object = int(on.sum())
    if mode == "label":
        files = [out]
        _write_labelled(ply, vertices, probability, name, out)
    elif mode == "split":
        files = [out, _rest(out)]
        _write_cut(ply, vertices, on, files[0])
        _write_cut(ply, vertices, ~on, files[1])
    else:
        files = [out]
        _write_cut(ply, vertices, on if mode == "keep" else ~on, out)
    return Applied(len(on), n_object, tuple(files))


def _rest(out: Path) -> Path:
    return out.with_name(f"{out.stem}.rest{out.suffix}")


def _check(ply: PlyFile, out: Path, mode: Mode, threshold: float, name: str) -> PlyElement:
    """The element with the positions."""
    if out.suffix.lower() != ".ply":
        raise InputError(f"{out} is no PLY file's name; let it end with .ply")
    for file in (out, _rest(out)) if mode == "split" else (out,):
        if file.exists() and file.samefile(ply.path):
            raise InputError(f"{file} is the file that is read; choose another name for what is written")
        check_writable(file)
    if not 0 <= threshold <= 1:
        raise InputError(f"the threshold is {threshold}; give a probability from 0 to 1")
    vertices = ply.element("vertex")
    columns = {} if vertices is None else {p.name: p for p in vertices.properties}
    if vertices is None or any(axis not in columns for axis in "xyz"):
        raise InputError(f"{ply.path} has no vertices with x, y and z; give an uncompressed PLY")
    if vertices.has_lists:
        raise InputError(f"{ply.path} has lists among its vertices, which cannot be labelled; export without")
    if mode == "label" and (not name.isascii() or not name.isidentifier()):
        raise InputError(f"the property name {name!r} is no word; give letters, digits and _")
    if mode == "label" and name in columns:
        raise InputError(f"{ply.path} has a property {name} already; give the new one another name")
    return vertices


def _probabilities(
    target: Target, ply: PlyFile, vertices: PlyElement, frame: FileFrame, progress: ProgressCallback
) -> Float[np.ndarray, "n"]:
    reader = PlyReader(ply)
    for element in ply.elements:
        if element is vertices:
            break
        _skip(ply, reader, element)
    result = np.zeros(vertices.n_rows, np.float32)
    done = 0
    progress(Progress(STAGE, 0, max(vertices.n_rows, 1)))
    for rows in reader.rows(vertices):
        points = np.stack([rows.numbers[axis].astype(np.float64) for axis in "xyz"], -1)
        good = np.isfinite(points).all(-1)
        scene = frame.to_scene(torch.from_numpy(points[good]))
        result[done : done + len(points)][good] = target.probability(scene).cpu().numpy()
        done += len(points)
        progress(Progress(STAGE, done, vertices.n_rows))
    return result


def _write_labelled(
    ply: PlyFile, vertices: PlyElement, probability: Float[np.ndarray, "n"], name: str, out: Path
) -> None:
    reader = PlyReader(ply)
    with file_aside(out) as temporary, temporary.open("wb") as file:
        file.write(header_bytes(ply, {}, {"vertex": [f"property float {name}"]}))
        for element in ply.elements:
            if element is not vertices:
                for block in _blocks(ply, reader, element):
                    file.write(block)
                continue
            done = 0
            if ply.encoding == "ascii":
                for lines in reader.lines(element):
                    values = probability[done : done + len(lines)]
                    pairs = zip(lines, values.tolist(), strict=True)
                    file.writelines(b"%s %.6g%s" % (line, value, ply.newline) for line, value in pairs)
                    done += len(lines)
                continue
            for rows in reader.rows(element):
                values = probability[done : done + len(rows.content)].astype(ply.order + "f4")
                label = values[:, None].view(np.uint8)
                file.write(np.concatenate([rows.content, label], 1).tobytes())
                done += len(values)
        reader.rest(file)


def _write_cut(ply: PlyFile, vertices: PlyElement, kept: Bool[np.ndarray, "n"], out: Path) -> None:
    numbers = np.cumsum(kept) - 1
    faces = ply.element("face")
    corners = None if faces is None else next((p.name for p in faces.properties if p.name in CORNERS), None)
    counts = {"vertex": int(kept.sum())}
    if faces is not None and corners is not None:
        counts["face"] = sum(1 for _ in _faces(ply, _reader_at(ply, faces), faces, corners, kept, numbers))
    reader = PlyReader(ply)
    with file_aside(out) as temporary, temporary.open("wb") as file:
        file.write(header_bytes(ply, counts, {}))
        for element in ply.elements:
            if element is vertices:
                _write_kept(ply, reader, element, kept, file)
            elif element is faces and corners is not None:
                file.writelines(_faces(ply, reader, element, corners, kept, numbers))
            else:
                file.writelines(_blocks(ply, reader, element))
        reader.rest(file)


def _write_kept(
    ply: PlyFile, reader: PlyReader, element: PlyElement, kept: Bool[np.ndarray, "n"], file: BinaryIO
) -> None:
    done = 0
    if ply.encoding == "ascii":
        for lines in reader.lines(element):
            here = kept[done : done + len(lines)]
            file.writelines(line + ply.newline for line, on in zip(lines, here, strict=True) if on)
            done += len(lines)
        return
    for rows in reader.rows(element):
        file.write(rows.content[kept[done : done + len(rows.content)]].tobytes())
        done += len(rows.content)


def _faces(
    ply: PlyFile,
    reader: PlyReader,
    faces: PlyElement,
    corners: str,
    kept: Bool[np.ndarray, "n"],
    numbers: Int64[np.ndarray, "n"],
) -> Iterator[bytes]:
    """The faces of which all corners are kept, as rows with the corners' new numbers."""
    if ply.encoding == "ascii":
        for lines in reader.lines(faces):
            for line in lines:
                words = line.split()
                first, last = _place(ply, faces, corners, words)
                index = _valid(ply, np.array(words[first:last], dtype=np.int64), kept)
                if kept[index].all():
                    words[first:last] = [b"%d" % number for number in numbers[index]]
                    yield b" ".join(words) + ply.newline
        return
    for row, values in reader.lists(faces):
        index = _valid(ply, values[corners].astype(np.int64), kept)
        if kept[index].all():
            new = numbers[index].astype(values[corners].dtype).tobytes()
            at = _offset(faces, corners, values)
            yield row[:at] + new + row[at + len(new) :]


def _valid(
    ply: PlyFile, index: Int64[np.ndarray, "n_corners"], kept: Bool[np.ndarray, "n"]
) -> Int64[np.ndarray, "n_corners"]:
    if len(index) and (index.min() < 0 or index.max() >= len(kept)):
        raise InputError(f"{ply.path} has a face with a corner that is no vertex; export it again")
    return index


def _offset(faces: PlyElement, corners: str, values: dict[str, np.ndarray]) -> int:
    """Where in a row's bytes the corners stand."""
    at = 0
    for p in faces.properties:
        at += 0 if p.count is None else np.dtype(p.count).itemsize
        if p.name == corners:
            break
        at += values[p.name].nbytes
    return at


def _place(ply: PlyFile, faces: PlyElement, corners: str, words: list[bytes]) -> tuple[int, int]:
    """Which of an ASCII row's words are the corners."""
    at = 0
    try:
        for p in faces.properties:
            count = 1
            if p.count is not None:
                count, at = int(words[at]), at + 1
            if p.name == corners and at + count <= len(words):
                return at, at + count
            at += count
    except (ValueError, IndexError):
        pass
    raise InputError(f"{ply.path} has rows of face that do not fit its header; export it again")


def _reader_at(ply: PlyFile, wanted: PlyElement) -> PlyReader:
    """A reader at the beginning of an element."""
    reader = PlyReader(ply)
    for element in ply.elements:
        if element is wanted:
            break
        _skip(ply, reader, element)
    return reader


def _skip(ply: PlyFile, reader: PlyReader, element: PlyElement) -> None:
    for _ in _blocks(ply, reader, element):
        pass


def _blocks(ply: PlyFile, reader: PlyReader, element: PlyElement) -> Iterator[bytes]:
    """An element's rows as they stand."""
    if ply.encoding == "ascii":
        for lines in reader.lines(element):
            yield b"".join(line + ply.newline for line in lines)
    elif element.has_lists:
        for row, _ in reader.lists(element):
            yield row
    else:
        for rows in reader.rows(element):
            yield rows.content.tobytes()
