"""Export of shapes: an object as a mesh or as a cloud of points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sanerf_hq.cli.opening import open_still
from sanerf_hq.cli.options import Device, TimeWords, check_at_least, check_device


@dataclass(frozen=True)
class ExportMesh:
    """An object's surface as a triangle mesh with colours, in the scene's own coordinates.

    Example: sanerf export mesh runs/cape --object cape --out cape.glb
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train and sanerf segment made."""
    object: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Which object: a segmentation, or one identity of it as SEGMENTATION/IDENTITY."""
    out: Annotated[Path, tyro.conf.arg(metavar="PATH")]
    """File to write: .glb, .ply or .obj; one that is there is replaced."""
    faces: Annotated[int, tyro.conf.arg(metavar="N")] = 100_000
    """Most triangles that the mesh may have; 0 keeps all."""
    resolution: Annotated[int, tyro.conf.arg(metavar="N")] = 192
    """Most cells along the object's longest side, 16 to 512; two a pixel of the photos if that is fewer."""
    closed: bool = False
    """Close the mesh where no training photo shows it, such as below what stands on a table."""
    time: TimeWords = None
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Export."""
        check_device(self.device)
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.export.mesh import MeshConfig, export_mesh
        from sanerf_hq.export.mesh_files import check_mesh_path
        from sanerf_hq.export.target import find_target

        check_mesh_path(self.out)
        config = MeshConfig(self.faces, self.resolution, self.closed)
        target = find_target(open_still(self.folder, self.device, self.time), self.object)
        with ConsoleProgress() as progress:
            mesh = export_mesh(target, self.out, config, progress)
        size = " x ".join(f"{side:.3g}" for side in mesh.vertices.max(0) - mesh.vertices.min(0))
        print(f"mesh of {target.name}: {len(mesh.faces)} triangles, {size} scene units: {self.out}")
        return 0


@dataclass(frozen=True)
class ExportPoints:
    """An object's surface as a cloud of points: PLY with positions, normals, colours and probabilities.

    Example: sanerf export points runs/cape --object cape --out cape.ply
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train and sanerf segment made."""
    object: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Which object: a segmentation, or one identity of it as SEGMENTATION/IDENTITY."""
    out: Annotated[Path, tyro.conf.arg(metavar="PATH.ply")]
    """File to write; one that is there is replaced."""
    count: Annotated[int, tyro.conf.arg(metavar="N")] = 100_000
    """How many points; fewer where the photos show the object small."""
    time: TimeWords = None
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Export."""
        check_at_least("--count", self.count, 1)
        check_device(self.device)
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.export.points import export_points
        from sanerf_hq.export.target import find_target

        target = find_target(open_still(self.folder, self.device, self.time), self.object)
        with ConsoleProgress() as progress:
            cloud = export_points(target, self.out, self.count, progress)
        print(f"points of {target.name}: {len(cloud.positions)}: {self.out}")
        return 0
