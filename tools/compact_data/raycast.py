"""Ray-caster in Warp: a mesh with textured materials, one lamp with soft shadow, sky light with occlusion."""

from __future__ import annotations

import typing
from dataclasses import dataclass

import numpy as np
import warp as wp

from sanerf_hq.kernels.runtime import MODULE_OPTIONS, start

start()
wp.set_module_options({**MODULE_OPTIONS, "fast_math": True})
REACH = 3  # pixels on each side that light is averaged over


@dataclass(frozen=True)
class Geometry:
    """Triangles as the kernel reads them.

    Attributes:
        vertices: (n, 3) positions.
        normals: (n, 3) of length 1.
        uv: (n, 2) texture coordinates.
        faces: (m, 3) indices.
        materials: (m,) row of the material table.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    materials: np.ndarray


@dataclass(frozen=True)
class Look:
    """Materials and light.

    Attributes:
        textures: (t, size, size, 3) uint8.
        table: (k, 8): texture, scale of uv, tint (3), gloss, sharpness of the gloss, share that mirrors.
        lamp: Direction towards the lamp (3), its spread, its colour (3).
        sky: Colour of light from above (3) and from below (3).
        reach: How far a neighbour takes away sky light.
    """

    textures: np.ndarray
    table: np.ndarray
    lamp: tuple[float, ...]
    sky: tuple[float, ...]
    reach: float


@dataclass(frozen=True)
class Camera:
    """A pinhole: centre, rotation (columns right, down, forward), focal length in pixels, size in pixels."""

    centre: np.ndarray
    axes: np.ndarray
    focal: float
    height: int
    width: int


@wp.struct
class Lights:
    lamp: wp.vec3
    spread: float
    lamp_colour: wp.vec3
    sky: wp.vec3
    ground: wp.vec3
    reach: float


@typing.no_type_check
@wp.func
def fetch(textures: wp.array4d(dtype=wp.uint8), index: int, u: float, v: float):
    size = textures.shape[1]
    x = (u - wp.floor(u)) * float(size)
    y = (v - wp.floor(v)) * float(size)
    x0 = int(x) % size
    y0 = int(y) % size
    x1 = (x0 + 1) % size
    y1 = (y0 + 1) % size
    fx = x - wp.floor(x)
    fy = y - wp.floor(y)
    total = wp.vec3(0.0, 0.0, 0.0)
    for c in range(3):
        top = float(textures[index, y0, x0, c]) * (1.0 - fx) + float(textures[index, y0, x1, c]) * fx
        low = float(textures[index, y1, x0, c]) * (1.0 - fx) + float(textures[index, y1, x1, c]) * fx
        total[c] = (top * (1.0 - fy) + low * fy) / 255.0
    return total


@typing.no_type_check
@wp.func
def around(axis: wp.vec3, spread: float, state: wp.uint32):
    a = wp.sample_unit_sphere(state)
    return wp.normalize(axis + a * spread)


@typing.no_type_check
@wp.kernel
def cast(
    mesh: wp.uint64,
    normals: wp.array(dtype=wp.vec3),
    uv: wp.array(dtype=wp.vec2),
    faces: wp.array2d(dtype=int),
    materials: wp.array(dtype=int),
    textures: wp.array4d(dtype=wp.uint8),
    table: wp.array2d(dtype=float),
    lights: Lights,
    centre: wp.vec3,
    axes: wp.mat33,
    focal: float,
    seed: int,
    paint: wp.array2d(dtype=wp.vec3),
    light: wp.array2d(dtype=wp.vec3),
    shine: wp.array2d(dtype=wp.vec3),
    slope: wp.array2d(dtype=wp.vec3),
    hit: wp.array2d(dtype=int),
    depth: wp.array2d(dtype=float),
):
    row, column = wp.tid()
    x = (float(column) + 0.5 - 0.5 * float(hit.shape[1])) / focal
    y = (float(row) + 0.5 - 0.5 * float(hit.shape[0])) / focal
    direction = wp.normalize(axes * wp.vec3(x, y, 1.0))
    state = wp.rand_init(seed, row * hit.shape[1] + column)
    found = wp.mesh_query_ray(mesh, centre, direction, 1.0e4)
    if not found.result:
        rise = 0.5 + 0.5 * direction[2]
        shine[row, column] = lights.sky * rise + lights.ground * (1.0 - rise)
        hit[row, column] = -1
        depth[row, column] = 1.0e4
        return
    i = faces[found.face, 0]
    j = faces[found.face, 1]
    k = faces[found.face, 2]
    w = 1.0 - found.u - found.v
    normal = wp.normalize(normals[i] * found.u + normals[j] * found.v + normals[k] * w)
    place = uv[i] * found.u + uv[j] * found.v + uv[k] * w
    flat = found.normal
    if wp.dot(flat, direction) > 0.0:
        flat = -flat
    if wp.dot(normal, flat) < 0.0:
        normal = -normal
    point = centre + direction * found.t + flat * (0.0005 * found.t)
    m = materials[found.face]
    scale = table[m, 1]
    albedo = fetch(textures, int(table[m, 0]), place[0] * scale, place[1] * scale)
    albedo = wp.cw_mul(albedo, albedo)  # textures are as seen, light is linear
    albedo = wp.cw_mul(albedo, wp.vec3(table[m, 2], table[m, 3], table[m, 4]))

    towards = around(lights.lamp, lights.spread, state)
    facing = wp.dot(normal, towards)
    lit = float(0.0)
    if facing > 0.0 and wp.dot(flat, towards) > 0.0:
        if not wp.mesh_query_ray_anyhit(mesh, point, towards, 1.0e4):
            lit = 1.0
    outward = wp.normalize(flat + wp.sample_unit_sphere_surface(state) * 0.98)
    openness = float(1.0)
    near = wp.mesh_query_ray(mesh, point, outward, lights.reach)
    if near.result:
        openness = 0.25 + 0.4 * near.t / lights.reach
    rise = 0.5 + 0.5 * normal[2]
    sky = (lights.sky * rise + lights.ground * (1.0 - rise)) * openness
    light[row, column] = lights.lamp_colour * (lit * wp.max(facing, 0.0)) + sky
    paint[row, column] = albedo * (1.0 - 0.6 * table[m, 7])

    mirror = direction - normal * (2.0 * wp.dot(direction, normal))
    spot = wp.pow(wp.max(wp.dot(mirror, lights.lamp), 0.0), table[m, 6]) * table[m, 5] * lit
    graze = wp.pow(1.0 - wp.max(-wp.dot(direction, normal), 0.0), 5.0)
    window = float(0.0)  # a bright window or two in what glossy things mirror
    if mirror[2] > 0.1 and wp.sin(mirror[0] * 7.0 + 1.0) * wp.sin(mirror[1] * 5.0) > 0.35:
        window = 1.5
    high = 0.5 + 0.5 * mirror[2]
    room = lights.sky * (high + window) + lights.ground * (1.0 - high)
    shine[row, column] = lights.lamp_colour * spot + room * (table[m, 7] * (0.5 + 0.5 * graze) * openness)
    slope[row, column] = normal
    hit[row, column] = found.face
    depth[row, column] = found.t


@typing.no_type_check
@wp.kernel
def blend(
    paint: wp.array2d(dtype=wp.vec3),
    light: wp.array2d(dtype=wp.vec3),
    shine: wp.array2d(dtype=wp.vec3),
    slope: wp.array2d(dtype=wp.vec3),
    hit: wp.array2d(dtype=int),
    materials: wp.array(dtype=int),
    depth: wp.array2d(dtype=float),
    colour: wp.array2d(dtype=wp.vec3),
):
    # One ray to the lamp and one to the sky are noise: average over neighbours on the same surface.
    row, column = wp.tid()
    face = hit[row, column]
    total = wp.vec3(0.0, 0.0, 0.0)
    weight = float(0.0)
    if face >= 0:
        normal = slope[row, column]
        here = depth[row, column]
        for y in range(wp.max(0, row - REACH), wp.min(hit.shape[0], row + REACH + 1)):
            for x in range(wp.max(0, column - REACH), wp.min(hit.shape[1], column + REACH + 1)):
                other = hit[y, x]
                if other >= 0:
                    alike = wp.dot(normal, slope[y, x])
                    if materials[other] == materials[face] and alike > 0.9:
                        if wp.abs(depth[y, x] - here) < 0.05 * here:
                            total += light[y, x]
                            weight += 1.0
        total = wp.cw_mul(paint[row, column], total / wp.max(weight, 1.0))
    colour[row, column] = total + shine[row, column]


@dataclass(frozen=True)
class Picture:
    """What the camera sees: linear colours (h, w, 3), face index or -1 (h, w), distance (h, w)."""

    colour: np.ndarray
    face: np.ndarray
    depth: np.ndarray


def render(geometry: Geometry, look: Look, camera: Camera, seed: int) -> Picture:
    """One ray a pixel, one to the lamp, one for the sky."""

    def send(values: np.ndarray, dtype: object) -> wp.array:
        return wp.array(np.ascontiguousarray(values), dtype=dtype, device="cpu")

    points = send(geometry.vertices.astype(np.float32), wp.vec3)
    mesh = wp.Mesh(points, send(geometry.faces.astype(np.int32).ravel(), int))
    lights = Lights()
    lights.lamp = wp.vec3(*look.lamp[:3])
    lights.spread = look.lamp[3]
    lights.lamp_colour = wp.vec3(*look.lamp[4:7])
    lights.sky = wp.vec3(*look.sky[:3])
    lights.ground = wp.vec3(*look.sky[3:6])
    lights.reach = look.reach
    size = (camera.height, camera.width)
    paint, light, shine, slope, colour = (wp.zeros(size, dtype=wp.vec3, device="cpu") for _ in range(5))
    hit = wp.zeros(size, dtype=int, device="cpu")
    depth = wp.zeros(size, dtype=float, device="cpu")
    materials = send(geometry.materials.astype(np.int32), int)
    inputs = [
        mesh.id,
        send(geometry.normals.astype(np.float32), wp.vec3),
        send(geometry.uv.astype(np.float32), wp.vec2),
        send(geometry.faces.astype(np.int32), int),
        materials,
        send(look.textures, wp.uint8),
        send(look.table.astype(np.float32), float),
        lights,
        wp.vec3(*camera.centre.astype(float)),
        wp.mat33(*camera.axes.astype(float).ravel()),
        camera.focal,
        seed,
    ]
    wp.launch(cast, dim=size, inputs=[*inputs, paint, light, shine, slope, hit, depth], device="cpu")
    wp.launch(
        blend, dim=size, inputs=[paint, light, shine, slope, hit, materials, depth, colour], device="cpu"
    )
    return Picture(colour.numpy(), hit.numpy(), depth.numpy())
