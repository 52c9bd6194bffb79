"""Apply: an object's probability to the user's own Gaussian splats, point clouds and meshes (PLY).

Rows are labelled by an added property, or kept and left out; every other byte of a row stays as it was, and
so does every line of the header but the numbers of rows. Rows are gone through in chunks: of each only its
probability is kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
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
CUT = "cut"
CORNERS = (("vertex_indices",), ("vertex_index",))
ENDS = ("vertex1", "vertex2")


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
        InputError: The file is no PLY or has no positions, it has the property already or cannot be cut, or
            ``out`` is the source or cannot be written.
        Cancelled: The callback asked for it; nothing is written.
    """
    ply = open_ply(source)
    vertices = _check(ply, out, mode, threshold, name)
    links = {} if mode == "label" else _links(ply)
    probability = _probabilities(target, ply, vertices, frame or FileFrame.same(), progress)
    on = probability >= threshold
    n_object = int(on.sum())
    if mode == "label":
        with file_aside(out) as file:
            _write_labelled(ply, vertices, probability, name, file)
        return Applied(len(on), n_object, (out,))
    parts = {out: ~on if mode == "remove" else on} | ({_rest(out): ~on} if mode == "split" else {})
    with ExitStack() as asides:
        files = [asides.enter_context(file_aside(path)) for path in parts]
        for file, kept in zip(files, parts.values(), strict=True):
            _write_cut(ply, vertices, links, kept, file, progress)
    return Applied(len(on), n_object, tuple(parts))


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
    for points in reader.columns(vertices, "xyz"):
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
    with out.open("wb") as file:
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


def _links(ply: PlyFile) -> dict[str, tuple[str, ...]]:
    """The properties that number vertices, by element: corners of faces and ends of edges.

    Raises:
        InputError: Others do so, too, in a way that is not known.
    """
    found: dict[str, tuple[str, ...]] = {}
    for element in ply.elements:
        names = {p.name for p in element.properties}
        lists = tuple(p.name for p in element.properties if p.count and p.name.startswith("vertex_ind"))
        if element.name == "face" and lists in CORNERS:
            found["face"] = lists
        elif lists or (names >= set(ENDS) and element.has_lists):
            raise InputError(
                f"{ply.path} has rows of {element.name} that number vertices, which only --mode label leaves "
                "right; export plain faces"
            )
        elif names >= set(ENDS):
            found[element.name] = ENDS
    return found


def _write_cut(
    ply: PlyFile,
    vertices: PlyElement,
    links: dict[str, tuple[str, ...]],
    kept: Bool[np.ndarray, "n"],
    out: Path,
    progress: ProgressCallback,
) -> None:
    linked = [element for element in ply.elements if element.name in links]
    total = 2 * sum(element.n_rows for element in linked)  # they are gone through to be counted, then written
    done = 0

    def cut(reader: PlyReader, element: PlyElement) -> Iterator[tuple[int, bytes]]:
        nonlocal done
        for n_before, n, content in _linked(ply, reader, element, links[element.name], kept):
            done += n_before
            progress(Progress(CUT, done, total))
            yield n, content

    counts = {"vertex": int(kept.sum())}
    for element in linked:
        counts[element.name] = sum(n for n, _ in cut(_reader_at(ply, element), element))
    reader = PlyReader(ply)
    with out.open("wb") as file:
        file.write(header_bytes(ply, counts, {}))
        for element in ply.elements:
            if element is vertices:
                _write_kept(ply, reader, element, kept, file)
            elif element in linked:
                file.writelines(content for _, content in cut(reader, element))
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


def _linked(
    ply: PlyFile,
    reader: PlyReader,
    element: PlyElement,
    columns: tuple[str, ...],
    kept: Bool[np.ndarray, "n"],
) -> Iterator[tuple[int, int, bytes]]:
    """In parts the rows of which all vertices are kept, with the vertices' new numbers.

    Of each part: how many rows there were, how many are left, and these.
    """
    numbers = np.cumsum(kept) - 1
    if ply.encoding == "ascii":
        for lines in reader.lines(element):
            left = [new for line in lines if (new := _renumbered(ply, element, columns, line, kept, numbers))]
            yield len(lines), len(left), b"".join(left)
        return
    for rows in reader.runs(element) if element.has_lists else reader.rows(element):
        index = {name: rows.numbers[name].astype(np.int64).reshape(len(rows.content), -1) for name in columns}
        on = np.ones(len(rows.content), dtype=bool)
        for corners in index.values():
            on &= kept[_valid(ply, element, corners, kept)].all(1)
        content = rows.content[on]
        table = content.reshape(-1).view(rows.numbers.dtype)
        for name, corners in index.items():
            table[name] = numbers[corners[on]].reshape(table[name].shape)
        yield len(on), len(content), content.tobytes()


def _renumbered(
    ply: PlyFile,
    element: PlyElement,
    columns: tuple[str, ...],
    line: bytes,
    kept: Bool[np.ndarray, "n"],
    numbers: Int64[np.ndarray, "n"],
) -> bytes | None:
    """An ASCII row with its vertices' new numbers; None where one of them is not kept."""
    words = line.split()
    for name in columns:
        first, last = _place(ply, element, name, words)
        try:
            corners = np.array(words[first:last], dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise _misfit(ply, element) from error
        if not kept[_valid(ply, element, corners, kept)].all():
            return None
        words[first:last] = [b"%d" % number for number in numbers[corners]]
    return b" ".join(words) + ply.newline


def _valid(
    ply: PlyFile, element: PlyElement, index: Int64[np.ndarray, "*n"], kept: Bool[np.ndarray, "n_vertices"]
) -> Int64[np.ndarray, "*n"]:
    if index.size and (index.min() < 0 or index.max() >= len(kept)):
        raise InputError(
            f"{ply.path} has a row of {element.name} that numbers a vertex that is not there; export it again"
        )
    return index


def _misfit(ply: PlyFile, element: PlyElement) -> InputError:
    return InputError(f"{ply.path} has rows of {element.name} that do not fit its header; export it again")


def _place(ply: PlyFile, element: PlyElement, name: str, words: list[bytes]) -> tuple[int, int]:
    """Which of an ASCII row's words are a property's."""
    at = 0
    try:
        for p in element.properties:
            count = 1
            if p.count is not None:
                count, at = int(words[at]), at + 1
            if p.name == name and at + count <= len(words):
                return at, at + count
            at += count
    except (ValueError, IndexError):
        pass
    raise _misfit(ply, element)


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
        for rows in reader.runs(element):
            yield rows.content.tobytes()
    else:
        for rows in reader.rows(element):
            yield rows.content.tobytes()
