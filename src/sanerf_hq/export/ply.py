"""PLY: any file of that format, by its rows' own bytes, so that what is not understood stays as it is.

Read are all three encodings (binary little and big endian, ASCII), elements of numbers and of lists, in any
order. Nothing is loaded whole: a file larger than the memory can be gone through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float64, Shaped, UInt8

from sanerf_hq.errors import InputError
from sanerf_hq.runs.ply import WORDS

TYPES = {word: kind for kind, *words in WORDS for word in words}
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
MOST_HEADER_BYTES = 1 << 20
ROWS_A_CHUNK = 1 << 17  # of a binary file, which stay bytes
LINES_A_CHUNK = 1 << 13  # of an ASCII file, which are an object each
BYTES_A_READ = 1 << 20
ROWS_AHEAD = 64  # that are compared where lists have just changed their length


@dataclass(frozen=True)
class PlyProperty:
    """One column.

    Attributes:
        name: Unique in its element.
        kind: Numpy's code of the number's type, without byte order, such as ``f4``.
        count: That of the number that says how long each list is; None for a single number.
    """

    name: str
    kind: str
    count: str | None = None


@dataclass(frozen=True)
class PlyElement:
    """One table.

    Attributes:
        name: ``vertex``, ``face`` or any other.
        n_rows: Its rows.
        properties: Its columns.
    """

    name: str
    n_rows: int
    properties: tuple[PlyProperty, ...]

    @property
    def has_lists(self) -> bool:
        return any(p.count is not None for p in self.properties)

    def least_bytes(self, encoding: str) -> int:
        """Bytes that its rows have at least: lists are empty, and ASCII numbers have one digit each."""
        numbers = [p.kind if p.count is None else p.count for p in self.properties]
        if encoding == "ascii":
            return 2 * self.n_rows * len(numbers)
        return self.n_rows * sum(np.dtype(kind).itemsize for kind in numbers)

    def row(self, order: str) -> np.dtype:
        """A row of an element without lists, as numpy has it."""
        return np.dtype([(p.name, order + p.kind) for p in self.properties])


@dataclass(frozen=True)
class PlyFile:
    """A file's header and where its data begin.

    Attributes:
        path: The file.
        encoding: ``ascii``, ``binary_little_endian`` or ``binary_big_endian``.
        lines: The header's lines as they stand, without line ends.
        newline: Its line end.
        elements: Its tables, in the file's order.
        start: Offset of the data.
    """

    path: Path
    encoding: str
    lines: tuple[str, ...]
    newline: bytes
    elements: tuple[PlyElement, ...]
    start: int

    @property
    def order(self) -> str:
        return ORDERS[self.encoding]

    def too_short(self) -> InputError:
        """What is said where rows are missing."""
        return InputError(f"{self.path} ends before all its rows; export or copy it again")

    def element(self, name: str) -> PlyElement | None:
        """A table by its name."""
        return next((element for element in self.elements if element.name == name), None)


def open_ply(path: Path) -> PlyFile:
    """Read a file's header.

    Raises:
        InputError: The file is missing, no PLY, its header is damaged, or it is too short for its rows.
    """
    try:
        with path.open("rb") as file:
            head = file.read(MOST_HEADER_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path") from error
    if not head.startswith((b"ply\n", b"ply\r")):
        raise InputError(f"{path} is no PLY file; give one that begins with the line ply")
    newline = b"\r\n" if head.startswith(b"ply\r\n") else head[3:4]
    last = re.search(newline + rb"end_header[ \t]*" + newline, head)
    if last is None:
        raise InputError(f"{path} has no end_header; export it again")
    lines = head[: last.start()].decode("latin-1").split(newline.decode())
    try:
        encoding, elements = _parse(lines)
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(f"{path} has a header that cannot be read ({error}); export it again") from error
    ply = PlyFile(path, encoding, tuple(lines), newline, elements, last.end())
    unended = encoding == "ascii"  # the last line may lack its end
    if last.end() + sum(element.least_bytes(encoding) for element in elements) > size + unended:
        raise ply.too_short()
    return ply


def _parse(lines: list[str]) -> tuple[str, tuple[PlyElement, ...]]:
    encoding = ""
    elements: list[PlyElement] = []
    for line in lines[1:]:
        words = line.split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        if words[0] == "format":
            encoding = words[1]
        elif words[0] == "element":
            elements.append(PlyElement(words[1], int(words[2]), ()))
        elif words[0] == "property" and elements:
            listed = words[1] == "list"
            kind, name = words[-2:]
            new = PlyProperty(name, TYPES[kind], TYPES[words[2]] if listed else None)
            last = elements[-1]
            if any(p.name == new.name for p in last.properties):
                raise ValueError(f"property {name} stands twice in {last.name}")
            elements[-1] = PlyElement(last.name, last.n_rows, (*last.properties, new))
        else:
            raise ValueError(f"line {line!r}")
    if encoding not in ORDERS:
        raise ValueError(f"format {encoding!r}")
    if any(element.n_rows < 0 for element in elements):
        raise ValueError("a negative number of rows")
    return encoding, tuple(elements)


def header_bytes(ply: PlyFile, n_rows: dict[str, int], added: dict[str, list[str]]) -> bytes:
    """The header with other numbers of rows and with further properties; all other lines as they stand.

    Args:
        ply: Whose.
        n_rows: By element; those not named keep theirs.
        added: Lines to put behind an element's last property.
    """
    lines: list[str] = []
    current: str | None = None
    for line in ply.lines:
        words = line.split()
        if words[:1] == ["element"]:
            lines += added.get(current or "", [])
            current = words[1]
            if current in n_rows:
                line = f"element {current} {n_rows[current]}"
        lines.append(line)
    lines += added.get(current or "", [])
    return b"".join(line.encode("latin-1") + ply.newline for line in (*lines, "end_header"))


@dataclass(frozen=True)
class Rows:
    """Some rows of an element, as bytes and as numbers, of the same memory.

    Attributes:
        content: Bytes of each row.
        numbers: The same by property name; a list, of the same length in all of them, has an axis of its own.
    """

    content: UInt8[np.ndarray, "n_rows row_bytes"]
    numbers: Shaped[np.ndarray, "n_rows"]


class PlyReader:
    """A file's tables one after the other; each must be gone through before the next."""

    def __init__(self, ply: PlyFile) -> None:
        self._ply = ply
        self._at = ply.start
        self._size = ply.path.stat().st_size

    def columns(
        self, element: PlyElement, names: Sequence[str]
    ) -> Iterator[Float64[np.ndarray, "n_rows n_names"]]:
        """Some columns of the next table, which has no lists, in chunks.

        Raises:
            InputError: The file ends before all rows, or a row of an ASCII one does not fit its header.
        """
        if self._ply.encoding != "ascii":
            for rows in self.rows(element):
                yield np.stack([rows.numbers[name].astype(np.float64) for name in names], -1)
            return
        places = [[p.name for p in element.properties].index(name) for name in names]
        for chunk in self.lines(element):
            try:
                words = [_words_at(line, places, len(element.properties)) for line in chunk]
                yield np.array(words, dtype="S").astype(np.float64)
            except ValueError as error:
                raise InputError(
                    f"{self._ply.path} has rows of {element.name} that do not fit its header; export it again"
                ) from error

    def rows(self, element: PlyElement) -> Iterator[Rows]:
        """The next table of a binary file, which has no lists, in chunks."""
        row = element.row(self._ply.order)
        for first in range(0, element.n_rows, ROWS_A_CHUNK):
            n = min(ROWS_A_CHUNK, element.n_rows - first)
            content = self._bytes(n * row.itemsize)
            yield Rows(content.reshape(n, row.itemsize), content.view(row))

    def lines(self, element: PlyElement) -> Iterator[list[bytes]]:
        """The next table of an ASCII file in chunks: its lines as they stand, without ends and empty ones."""
        left = element.n_rows
        with self._ply.path.open("rb") as file:
            file.seek(self._at)
            while left:
                chunk: list[bytes] = []
                while len(chunk) < min(left, LINES_A_CHUNK):
                    line = _read_line(file, self._ply.newline)
                    if not line:
                        raise self._ply.too_short()
                    if line.strip():
                        chunk.append(line.rstrip(b"\r\n"))
                left -= len(chunk)
                self._at = file.tell()
                yield chunk

    def runs(self, element: PlyElement) -> Iterator[Rows]:
        """The next table of a binary file, which has lists, in runs of rows whose lists are equally long."""
        left, ahead = element.n_rows, ROWS_AHEAD
        known: dict[tuple[int, ...], np.dtype] = {}
        block = memoryview(b"")
        with self._ply.path.open("rb") as file:
            while left:
                lengths = self._lengths(element, block)
                row = None if lengths is None else known.setdefault(lengths, self._row(element, lengths))
                if row is None or row.itemsize > len(block):
                    block = self._more(file, len(block))
                    continue
                n = min(ahead, left, len(block) // row.itemsize)
                numbers = np.frombuffer(block, row, n)
                same = np.ones(n, dtype=bool)
                for p, length in zip(_lists(element), lengths or (), strict=True):
                    same &= numbers[_length_of(p)] == length
                n_same = n if same.all() else int(same.argmin())
                n_bytes = n_same * row.itemsize
                content = np.frombuffer(block, np.uint8, n_bytes).reshape(n_same, row.itemsize)
                block = block[n_bytes:]
                self._at += n_bytes
                left -= n_same
                ahead = min(2 * ahead, ROWS_A_CHUNK) if n_same == n else ROWS_AHEAD
                yield Rows(content, numbers[:n_same])

    def _lengths(self, element: PlyElement, block: memoryview) -> tuple[int, ...] | None:
        """How long the lists of a block's first row are; None where the block ends before it says so."""
        at = 0
        found: list[int] = []
        for p in element.properties:
            size = np.dtype(p.kind).itemsize
            if p.count is None:
                at += size
                continue
            counter = np.dtype(self._ply.order + p.count)
            if at + counter.itemsize > len(block):
                return None
            length = int(np.frombuffer(block, counter, 1, at)[0])
            if length < 0:
                raise InputError(f"{self._ply.path} holds a list of length {length}; export it again")
            at += counter.itemsize + length * size
            if self._at + at > self._size:
                raise self._ply.too_short()
            found.append(length)
        return tuple(found)

    def _row(self, element: PlyElement, lengths: tuple[int, ...]) -> np.dtype:
        """A row whose lists are so long, as numpy has it."""
        order = self._ply.order
        left = list(lengths)
        fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
        for p in element.properties:
            if p.count is None:
                fields.append((p.name, order + p.kind))
            else:
                fields.append((_length_of(p), order + p.count))
                fields.append((p.name, order + p.kind, (left.pop(0),)))
        return np.dtype(fields)

    def _more(self, file: BinaryIO, n_known: int) -> memoryview:
        """What comes next in the file, more of it than is known."""
        file.seek(self._at)
        block = file.read(max(BYTES_A_READ, 2 * n_known))
        if len(block) <= n_known:
            raise self._ply.too_short()
        return memoryview(block)

    def rest(self, into: BinaryIO) -> None:
        """All that is left, copied."""
        with self._ply.path.open("rb") as file:
            file.seek(self._at)
            while block := file.read(1 << 20):
                into.write(block)
        self._at = self._size

    def _bytes(self, n: int) -> np.ndarray:
        if self._at + n > self._size:
            raise self._ply.too_short()
        mapped = np.memmap(self._ply.path, np.uint8, "r", self._at, (n,)) if n else np.zeros(0, np.uint8)
        self._at += n
        return np.asarray(mapped)


def _lists(element: PlyElement) -> list[PlyProperty]:
    return [p for p in element.properties if p.count is not None]


def _length_of(p: PlyProperty) -> str:
    """The field that says how long a list is; properties' names have no spaces."""
    return f"length of {p.name}"


def _words_at(line: bytes, places: Sequence[int], n_words: int) -> list[bytes]:
    """Some words of a row, which must have so many.

    Raises:
        ValueError: It has more or fewer.
    """
    words = line.split()
    if len(words) != n_words:
        raise ValueError(f"{len(words)} words")
    return [words[place] for place in places]


def _read_line(file: BufferedReader, newline: bytes) -> bytes:
    """A line with its end; empty at the file's end."""
    if newline != b"\r":
        return file.readline()
    parts: list[bytes] = []
    while block := file.peek():
        end = block.find(newline) + 1
        parts.append(file.read(end or len(block)))
        if end:
            break
    return b"".join(parts)
