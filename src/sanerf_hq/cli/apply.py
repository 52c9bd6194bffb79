"""Apply: an object of a run to the user's own splats, point cloud or mesh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from sanerf_hq.cli.opening import open_still
from sanerf_hq.cli.options import Device, TimeWords, check_device
from sanerf_hq.errors import InputError


@dataclass(frozen=True)
class Apply:
    """Label or cut your own Gaussian splats, point cloud or mesh (PLY) by an object of a run.

    The file is in the coordinates of the scene's cameras, unless --frame says otherwise. All its other
    properties stay as they are, byte by byte.

    Example: sanerf apply runs/cape --object cape splats.ply --mode keep --out cape-splats.ply
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train and sanerf segment made."""
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """PLY file of 3DGS, nerfstudio or gsplat, a point cloud or a mesh."""
    object: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Which object: a segmentation, or one identity of it as SEGMENTATION/IDENTITY."""
    out: Annotated[Path, tyro.conf.arg(metavar="PATH.ply")]
    """File to write; one that is there is replaced."""
    mode: Literal["label", "keep", "remove", "split"] = "label"
    """label adds a property with the object's probability; keep keeps the object alone, remove all but the
    object; split writes the object to PATH and the rest to PATH with .rest before its suffix."""
    threshold: Annotated[float, tyro.conf.arg(metavar="P")] = 0.5
    """Probability from which on a splat, point or vertex is the object's."""
    property: Annotated[str | None, tyro.conf.arg(metavar="WORD")] = None
    """Name of the property that label adds; object_probability if not given."""
    frame: Annotated[Path | None, tyro.conf.arg(metavar="JSON")] = None
    """nerfstudio's dataparser_transforms.json, for files that it exported in its own frame. What the scene's
    transforms.json says of itself (applied_transform, applied_scale) is taken into account."""
    time: TimeWords = None
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Apply."""
        check_device(self.device)
        if self.mode != "label" and self.property is not None:
            raise InputError(
                f"--property names what label adds, and --mode {self.mode} adds nothing; leave it out"
            )
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.export.apply import PROPERTY, apply_object
        from sanerf_hq.export.file_frame import read_file_frame
        from sanerf_hq.export.target import find_target

        field = open_still(self.folder, self.device, self.time)
        frame = None if self.frame is None else read_file_frame(self.frame, field.at_home().scene)
        target = find_target(field, self.object)
        with ConsoleProgress() as progress:
            name = self.property or PROPERTY
            done = apply_object(target, self.file, self.out, self.mode, self.threshold, frame, name, progress)
        print(f"{target.name}: {done.n_object} of {done.n_rows} are the object's")
        for path in done.files:
            print(f"{self.mode}: {path}")
        if not done.n_object:
            print(
                "none is the object's: are they in the coordinates of the scene's cameras? Files in "
                "nerfstudio's own frame need --frame, and that of the training that they are from"
            )
        return 0
