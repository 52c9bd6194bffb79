"""Meshes, points and splat labels of a run's objects against the scene's truth.

    python benchmarks/export_mesh.py runs/desk --out benchmarks/results/export_mesh
    python benchmarks/export_mesh.py runs/desk --objects "bench mug" --splats 200000 --rows 5000000

A segmentation counts as the object of scene.json that it is called after, with or without "bench " before. Of
each the test views give: IoU of the mesh's silhouette, less what the scene's depth hides, with the truth
(pooled over the views); the mean distance of the depth truth's surface points from the mesh, in percent of
the object's size; the share of splats laid on the depth truth of the whole scene, all objects and their
surroundings, whose label is right, and of the object's own among them. Depth is the exact one where a view
has it, else the field's. ``--rows`` times labelling a file of so many splats. ``--picture`` shows of each
object a photo, the mesh's shape and colours, the points, and the splats as they are labelled.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from harness import environment
from sanerf_hq.export.apply import apply_object
from sanerf_hq.export.mesh import MeshConfig, ObjectMesh, export_mesh
from sanerf_hq.export.points import ObjectPoints, make_points
from sanerf_hq.export.target import Target, find_target
from sanerf_hq.radiance import RadianceField, load_radiance_field
from sanerf_hq.runs import peak_memory_mb, reset_peak_memory
from sanerf_hq.scene import Scene, SceneObject, View, instance_mask, read_depth, read_image, read_instances
from silhouette import draw, draw_points

HIDDEN = 0.05  # of the object's size: what lies farther behind the scene's surface is hidden by it
SPLAT_PROPERTIES = (
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"),
    *(f"f_rest_{i}" for i in range(45)),
    *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)
ROWS_A_PART = 100_000
PICTURE_WIDTH = 1000
MARKS = np.array(
    [[190, 196, 204], [230, 110, 20]], np.uint8
)  # of splats that are not the object's, and that are


def write_splats(path: Path, positions: np.ndarray) -> None:
    """A file as 3DGS writes it: 62 floats a row, all but the position drawn at random."""
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(positions)}"]
    head += [f"property float {name}" for name in SPLAT_PROPERTIES]
    generator = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(("\n".join([*head, "end_header"]) + "\n").encode())
        for first in range(0, len(positions), ROWS_A_PART):
            part = positions[first : first + ROWS_A_PART]
            rows = generator.random((len(part), len(SPLAT_PROPERTIES)), np.float32)
            rows[:, :3] = part
            file.write(rows.tobytes())


def surface_truth(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Points of the depth truth of all test views that have one, and the object ids there."""
    points, ids = [np.zeros((0, 3), np.float32)], [np.zeros(0, np.int64)]
    for view in scene.test_views:
        if view.depth_path is None:
            continue
        depth = read_depth(view).flatten()
        seen = depth > 0
        points.append(view.camera.unproject(view.camera.pixel_grid()[seen], depth[seen]).numpy())
        ids.append(read_instances(view).flatten()[seen].numpy())
    return np.concatenate(points), np.concatenate(ids)


def depth_of(field: RadianceField, view: View, known: dict[str, torch.Tensor]) -> np.ndarray:
    """z-depth of what a test view shows; infinity where that is nothing."""
    if view.name not in known:
        depth = read_depth(view) if view.depth_path else field.render(view.camera).depth
        known[view.name] = torch.where(depth.isfinite() & (depth > 0), depth, torch.inf)
    return known[view.name].numpy()


def silhouette_iou(
    field: RadianceField, mesh: ObjectMesh, item: SceneObject, known: dict[str, torch.Tensor]
) -> float:
    """Pooled over the test views."""
    size = float(np.ptp(mesh.vertices, axis=0).max())
    common = either = 0
    for view in field.at_home().scene.test_views:
        drawn = draw(mesh.vertices, mesh.faces, view.camera)
        shown = drawn.depth <= depth_of(field, view, known) + HIDDEN * size
        shown &= np.isfinite(drawn.depth)
        truth = instance_mask(view, item.id).numpy()
        common += int((shown & truth).sum())
        either += int((shown | truth).sum())
    return common / max(either, 1)


def distance_percent(mesh: ObjectMesh, truth: np.ndarray) -> float | None:
    """Mean distance of surface points from a mesh, in percent of their extent; None without points."""
    if not len(truth):
        return None
    import trimesh
    from scipy.spatial import cKDTree

    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    strewn, _ = trimesh.sample.sample_surface(surface, 400_000, seed=0)
    distance, _ = cKDTree(strewn).query(truth)
    return 100 * float(np.mean(distance)) / float(np.ptp(truth, axis=0).max())


@dataclass(frozen=True)
class Splats:
    """Splats laid on the depth truth.

    Attributes:
        positions: (n, 3).
        on: Whether they are the object's by the truth.
        label: Whether they are by ``sanerf apply``.
    """

    positions: np.ndarray
    on: np.ndarray
    label: np.ndarray


def labelled_splats(
    target: Target, points: np.ndarray, on: np.ndarray, count: int, folder: Path
) -> Splats | None:
    """So many splats strewn on surface points, labelled; None without points."""
    if not len(points):
        return None
    generator = np.random.default_rng(0)
    pick = generator.integers(len(points), size=count)
    source, out = folder / "splats.ply", folder / "labelled.ply"
    write_splats(source, points[pick])
    apply_object(target, source, out)
    raw, old = out.read_bytes(), source.read_bytes()
    width = 4 * len(SPLAT_PROPERTIES)
    table = np.frombuffer(raw[-count * (width + 4) :], np.uint8).reshape(count, width + 4)
    if table[:, :-4].tobytes() != old[-count * width :]:
        raise AssertionError("labelling altered other properties")
    return Splats(points[pick], on[pick], table[:, -4:].copy().view("<f4")[:, 0] >= 0.5)


def measure(
    target: Target, item: SceneObject, args: argparse.Namespace, known: dict[str, torch.Tensor], folder: Path
) -> tuple[dict[str, Any], np.ndarray]:
    """All figures of one object, and its picture."""
    field = target.radiance
    points, ids = surface_truth(field.at_home().scene)
    on = ids == item.id
    reset_peak_memory()
    before = peak_memory_mb()
    wall, processor = time.perf_counter(), time.process_time()
    path = (args.out or folder) / f"{item.name}.glb"
    mesh = export_mesh(target, path, MeshConfig(closed=args.closed))
    seconds, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = peak_memory_mb()
    cloud = make_points(target)
    import trimesh

    read = trimesh.load(path, force="mesh", process=False)
    assert isinstance(read, trimesh.Trimesh)
    assert read.visual.kind == "vertex"
    splats = labelled_splats(target, points, on, args.splats, folder)
    right = None if splats is None else splats.label == splats.on
    figures = {
        "object": item.name,
        "silhouette_iou": silhouette_iou(field, mesh, item, known),
        "distance_percent": distance_percent(mesh, points[on]),
        "splats_right": None if right is None else float(right.mean()),
        "object_splats_right": None if splats is None or right is None else float(right[splats.on].mean()),
        "faces": len(mesh.faces),
        "watertight": bool(read.is_watertight),
        "points": len(cloud.positions),
        "seconds": seconds,
        "processor_seconds": processor,
        "memory_mb": None if peak is None or before is None else peak - before,
    }
    return figures, picture(mesh, cloud, splats, item, field.at_home().scene)


def label_many(target: Target, n_rows: int, folder: Path) -> dict[str, Any]:
    """Time and memory of labelling a large file."""
    low = torch.tensor(target.radiance.world.center) - 1
    write_splats(
        folder / "many.ply", np.random.default_rng(0).random((n_rows, 3), np.float32) * 2 + low.numpy()
    )
    reset_peak_memory()
    before, start = peak_memory_mb(), time.perf_counter()
    apply_object(target, folder / "many.ply", folder / "labelled.ply")
    peak = peak_memory_mb()
    return {
        "rows": n_rows,
        "megabytes": (folder / "many.ply").stat().st_size / 1e6,
        "seconds": time.perf_counter() - start,
        "memory_mb": None if peak is None or before is None else peak - before,
    }


def picture(
    mesh: ObjectMesh, cloud: ObjectPoints, splats: Splats | None, item: SceneObject, scene: Scene
) -> np.ndarray:
    """The test photo that shows the object largest, cut to it; beside it what was taken out, seen from there.

    That is the mesh's shape and its colours, the points, and the splats, the object's marked.
    """
    view = max(scene.test_views, key=lambda view: int(instance_mask(view, item.id).sum()))
    drawn = draw(mesh.vertices, mesh.faces, view.camera)
    corners = mesh.vertices[mesh.faces[drawn.face]]
    across = np.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])
    normals = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
    light = np.clip(0.15 - 0.85 * (normals @ view.camera.forward.numpy()), 0, 1)
    shape = np.repeat((255 * light[..., None]).astype(np.uint8), 3, -1)
    colours = mesh.colours[mesh.faces[drawn.face]].mean(-2).astype(np.uint8)
    nothing = (drawn.face < 0)[..., None]
    rows, columns = np.nonzero(instance_mask(view, item.id).numpy() | ~nothing[..., 0])
    part = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    empty = np.full(3, 255, np.uint8)
    tiles = [read_image(view).numpy(), np.where(nothing, empty, shape), np.where(nothing, empty, colours)]
    tiles.append(draw_points(cloud.positions, cloud.colours, view.camera))
    if splats is not None:
        tiles.append(draw_points(splats.positions, MARKS[splats.label.astype(int)], view.camera))
    return np.concatenate([tile[part] for tile in tiles], 1)


def save_pictures(pictures: list[np.ndarray], path: Path) -> None:
    """All objects below each other, at one width."""
    images = [Image.fromarray(one) for one in pictures]
    images = [one.resize((PICTURE_WIDTH, PICTURE_WIDTH * one.height // one.width)) for one in images]
    sheet = Image.new("RGB", (PICTURE_WIDTH, sum(one.height for one in images)))
    top = 0
    for one in images:
        sheet.paste(one, (0, top))
        top += one.height
    sheet.save(path, quality=88)


def show(rows: list[dict[str, Any]]) -> None:
    """The figures as a table."""
    names = {
        "object": "object",
        "silhouette_iou": "silhouette IoU",
        "distance_percent": "distance %",
        "splats_right": "splats right",
        "object_splats_right": "of the object's",
        "faces": "faces",
        "points": "points",
        "seconds": "s",
        "processor_seconds": "processor s",
        "memory_mb": "MB more",
    }
    table = Table(*names.values())
    for row in rows:
        values = [row[name] for name in names]
        table.add_row(*("-" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v) for v in values))
    Console().print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--objects", nargs="*", help="segmentations; all that scene.json knows if not given")
    parser.add_argument("--splats", type=int, default=200_000)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--closed", action="store_true")
    parser.add_argument("--picture", type=Path, help="JPEG or PNG to write")
    parser.add_argument("--out", type=Path, help="folder for meshes and results.json")
    args = parser.parse_args()
    field = load_radiance_field(args.run)
    items = {item.name: item for item in field.at_home().scene.objects}
    known: dict[str, torch.Tensor] = {}
    rows: list[dict[str, Any]] = []
    pictures: list[np.ndarray] = []
    many: dict[str, Any] | None = None
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in args.objects or field.at_home().run.segmentation_names():
            item = items.get(name.removeprefix("bench "))
            if item is None:
                continue
            target = find_target(field, name)
            figures, shown = measure(target, item, args, known, folder)
            rows.append(figures)
            pictures.append(shown)
            print(json.dumps(rows[-1]), flush=True)
            if args.rows and many is None:
                many = label_many(target, args.rows, folder)
                print(json.dumps(many), flush=True)
    show(rows)
    if args.picture:
        save_pictures(pictures, args.picture)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        result = {"environment": environment(torch.device("cpu")), "objects": rows, "labelling": many}
        (args.out / "results.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
