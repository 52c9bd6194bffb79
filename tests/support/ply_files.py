"""PLY files made by hand, row by row, as an independent writer would."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

SPLAT = (
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"),
    *(f"f_rest_{i}" for i in range(9)),
    *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)


def splat_rows(positions: np.ndarray, seed: int = 0) -> np.ndarray:
    """Splats at positions, all their other properties drawn at random."""
    rows = np.random.default_rng(seed).normal(size=(len(positions), len(SPLAT))).astype("<f4")
    rows[:, :3] = positions
    return rows


def write_splats(path: Path, rows: np.ndarray) -> Path:
    """A file as 3DGS writes it."""
    lines = ["ply", "format binary_little_endian 1.0", "comment of a trainer", f"element vertex {len(rows)}"]
    lines += [f"property float {name}" for name in SPLAT]
    path.write_bytes(("\n".join([*lines, "end_header"]) + "\n").encode() + rows.astype("<f4").tobytes())
    return path


def write_solid(path: Path, encoding: str, points: np.ndarray, faces: list[list[int]]) -> Path:
    """A mesh with odd properties before, among and behind the usual ones, and a table nobody knows."""
    lines = [
        *("ply", f"format {encoding} 1.0", "obj_info made by hand", f"element vertex {len(points)}"),
        *("property uchar mark", "property double x", "property double y", "property double z"),
        *("property short id", f"element face {len(faces)}", "property uchar flag"),
        *("property list uchar int vertex_indices", "property float area"),
        *("element extra 2", "property list ushort double values"),
    ]
    head = ("\n".join([*lines, "end_header"]) + "\n").encode()
    rows = [(i % 251, *map(float, point), -i) for i, point in enumerate(points)]
    extra = [[0.5], [1.5, 2.5, 3.5]]
    if encoding == "ascii":
        texts = [" ".join(map(repr, row)) for row in rows]
        texts += [" ".join(map(str, (i % 7, len(f), *f, i / 4))) for i, f in enumerate(faces)]
        texts += [" ".join(map(str, (len(values), *values))) for values in extra]
        path.write_bytes(head + "".join(text + "\n" for text in texts).encode())
        return path
    order = "<" if "little" in encoding else ">"
    body = b"".join(struct.pack(order + "B3dh", *row) for row in rows)
    body += b"".join(
        struct.pack(f"{order}BB{len(f)}if", i % 7, len(f), *f, i / 4) for i, f in enumerate(faces)
    )
    body += b"".join(struct.pack(f"{order}H{len(values)}d", len(values), *values) for values in extra)
    path.write_bytes(head + body)
    return path
