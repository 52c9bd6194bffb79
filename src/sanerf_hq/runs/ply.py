"""PLY of our own making: one table of numbers, binary."""

from __future__ import annotations

import numpy as np

WORDS = (  # each number's type, its word, and another that some write
    ("i1", "char", "int8"),
    ("u1", "uchar", "uint8"),
    ("i2", "short", "int16"),
    ("u2", "ushort", "uint16"),
    ("i4", "int", "int32"),
    ("u4", "uint", "uint32"),
    ("f4", "float", "float32"),
    ("f8", "double", "float64"),
)


def ply_bytes(element: str, columns: dict[str, np.ndarray]) -> bytes:
    """A binary little-endian file of one table of numbers.

    Args:
        element: Its name.
        columns: Equally long arrays of one axis, by property name.
    """
    kinds = {name: values.dtype.newbyteorder("<") for name, values in columns.items()}
    words = {np.dtype(kind): word for kind, word, _ in WORDS}
    rows = np.empty(len(next(iter(columns.values()))), np.dtype(list(kinds.items())))
    for name, values in columns.items():
        rows[name] = values
    lines = ["ply", "format binary_little_endian 1.0", f"element {element} {len(rows)}"]
    lines += [f"property {words[values.dtype]} {name}" for name, values in columns.items()]
    return ("\n".join([*lines, "end_header"]) + "\n").encode() + rows.tobytes()
