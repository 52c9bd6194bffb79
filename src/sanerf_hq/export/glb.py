"""GLB: one mesh with colours as glTF 2.0 has it, in one binary file.

glTF's colours of vertices are linear (3.7.2.1), where photos' are sRGB; and a mesh without a material is of
metal, seen from outside only (3.9), where an object that photos show is neither.
"""

from __future__ import annotations

import json
import struct

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

FLOAT, UINT = 5126, 5125
VERTICES, FACES = 34962, 34963  # what a stretch of the data is for
MATERIAL = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}, "doubleSided": True}


def glb_bytes(
    vertices: Float[np.ndarray, "n_vertices 3"],
    faces: Int64[np.ndarray, "n_faces 3"],
    normals: Float[np.ndarray, "n_vertices 3"],
    colours: UInt8[np.ndarray, "n_vertices 3"],
) -> bytes:
    """A file's content; axes and units stay as they are, coordinates become 32-bit numbers.

    Args:
        vertices: Places.
        faces: Vertex numbers, anticlockwise from outside.
        normals: Outward, of length 1.
        colours: Red, green, blue, as photos have them (sRGB).
    """
    places = vertices.astype("<f4")
    numbers = faces.astype("<u4").reshape(-1)
    parts = [places, normals.astype("<f4"), to_linear(colours).astype("<f4"), numbers]
    ends = np.cumsum([part.nbytes for part in parts]).tolist()
    views = [
        {"buffer": 0, "byteOffset": end - part.nbytes, "byteLength": part.nbytes, "target": VERTICES}
        for part, end in zip(parts, ends, strict=True)
    ]
    views[-1]["target"] = FACES
    primitive = {"attributes": {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}, "indices": 3, "material": 0}
    table = {"componentType": FLOAT, "count": len(places), "type": "VEC3"}
    bounds = {"min": places.min(0).tolist(), "max": places.max(0).tolist()}
    content = {
        "asset": {"version": "2.0", "generator": "sanerf"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [MATERIAL],
        "accessors": [
            {"bufferView": 0, **table, **bounds},
            {"bufferView": 1, **table},
            {"bufferView": 2, **table},
            {"bufferView": 3, "componentType": UINT, "count": len(numbers), "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": ends[-1]}],
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    data = b"".join(part.tobytes() for part in parts)
    chunks = _chunk(b"JSON", text + b" " * (-len(text) % 4)) + _chunk(b"BIN\0", data)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def to_linear(colours: UInt8[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    """sRGB bytes as linear shares in [0, 1] (IEC 61966-2-1)."""
    share = np.arange(256) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)[colours]


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk; its content's length is a multiple of four."""
    return struct.pack("<I4s", len(content), kind) + content
