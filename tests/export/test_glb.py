"""GLB files, read by hand as glTF 2.0 says and by another reader."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pytest
import trimesh

from sanerf_hq.export.glb import glb_bytes, to_linear

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, -3.5]])
FACES = np.array([[0, 1, 2], [0, 3, 1]])
NORMALS = np.array([[0, 0, 1], [0, 0, 1], [1, 0, 0], [0, 1, 0.0]])
COLOURS = np.array([[0, 10, 255], [128, 188, 1], [0, 0, 0], [255, 255, 255]], np.uint8)


def parsed(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON and the data of a file of two chunks."""
    magic, version, length, n_json, kind = struct.unpack_from("<4sIII4s", content)
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    n_data, kind = struct.unpack_from("<I4s", content, 20 + n_json)
    assert (kind, n_json % 4, n_data % 4, len(content)) == (b"BIN\0", 0, 0, 28 + n_json + n_data)
    return json.loads(content[20 : 20 + n_json]), content[28 + n_json :]


def table(content: dict[str, Any], data: bytes, number: int) -> np.ndarray:
    accessor = content["accessors"][number]
    view = content["bufferViews"][accessor["bufferView"]]
    kind = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
    values = np.frombuffer(data, kind, view["byteLength"] // 4, view["byteOffset"])
    return values.reshape(accessor["count"], {"SCALAR": 1, "VEC3": 3}[accessor["type"]])


def test_a_mesh_is_written_as_gltf_says():
    content, data = parsed(glb_bytes(VERTICES, FACES, NORMALS, COLOURS))
    assert content["buffers"] == [{"byteLength": len(data)}]
    (primitive,) = content["meshes"][content["nodes"][content["scenes"][0]["nodes"][0]]["mesh"]]["primitives"]
    found = {name: table(content, data, number) for name, number in primitive["attributes"].items()}
    assert np.array_equal(found["POSITION"], VERTICES)
    assert np.array_equal(found["NORMAL"], NORMALS)
    assert np.array_equal(table(content, data, primitive["indices"]).reshape(-1, 3), FACES)
    place = content["accessors"][primitive["attributes"]["POSITION"]]
    assert (place["min"], place["max"]) == ([0, 0, -3.5], [1, 2, 0])
    material = content["materials"][primitive["material"]]
    assert material["doubleSided"] is True
    assert material["pbrMetallicRoughness"] == {"metallicFactor": 0, "roughnessFactor": 1}
    shown = np.array([[srgb(value) for value in row] for row in found["COLOR_0"].tolist()])
    assert np.abs(255 * shown - COLOURS).max() < 1e-3


def srgb(linear: float) -> float:
    """What a viewer shows of a linear share."""
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def test_middle_grey_is_a_fifth_of_the_light():
    assert to_linear(np.full((1, 3), 119, np.uint8)) == pytest.approx(0.184, abs=2e-3)


def test_another_reader_agrees():
    content = io.BytesIO(glb_bytes(VERTICES, FACES, NORMALS, COLOURS))
    (read,) = trimesh.load_scene(content, "glb", process=False).geometry.values()
    assert isinstance(read, trimesh.Trimesh)
    assert np.array_equal(read.vertices, VERTICES)
    assert np.array_equal(read.faces, FACES)
    assert np.allclose(read.vertex_normals, NORMALS)
    visual: Any = read.visual
    assert np.allclose(visual.vertex_attributes["color"], to_linear(COLOURS))
    assert visual.material.doubleSided
