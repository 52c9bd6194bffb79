"""Export-scene: poses and intrinsics of a run or a scene, in another program's format."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from sanerf_hq.cli.options import SceneWords
from sanerf_hq.cli.telling import counted
from sanerf_hq.errors import InputError


@dataclass(frozen=True)
class ExportScene:
    """Write the poses and intrinsics of a run's scene, or of a scene folder, in another format.

    Writes a new folder with the photos in images/ and transforms.json (nerfstudio), sparse/0 (colmap) or
    poses_bounds.npy (llff), in the scene's own coordinates. colmap and llff have no place for a split:
    test_views.txt lists the test views, for --split list:FILE. A run also gives points on the surfaces
    that its field found, which splats are trained from (nerfstudio, colmap).

    Example: sanerf export-scene runs/cape --format colmap --out cape-colmap
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|SCENE")]
    """Run folder that sanerf train made, or a scene folder."""
    format: Literal["nerfstudio", "colmap", "llff"]
    """What is written."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """New folder to write."""
    undistort: bool = False
    """Straighten the photos: no lens distortion, one focal length, the principal point in the middle."""
    scene: SceneWords = field(default_factory=SceneWords)

    def run(self) -> int:
        """Open, write, say where."""
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.export.scene_formats import export_scene
        from sanerf_hq.radiance import load_radiance_field
        from sanerf_hq.runs.manifest import MANIFEST_FILE
        from sanerf_hq.scene import load_scene

        field = None
        if (self.source / MANIFEST_FILE).is_file():
            if self.scene != SceneWords():
                raise InputError(
                    f"{self.source} is a run, which remembers how its scene is read; leave --scene.* out"
                )
            field = load_radiance_field(self.source)
            scene = field.at_home().scene
        else:
            scene = load_scene(self.source, self.scene.options())
        with ConsoleProgress() as progress:
            export_scene(scene, self.out, self.format, self.undistort, field, progress)
        if self.format == "llff" and field is None and any(view.bounds is None for view in scene.views):
            print("near and far are guesses from where the cameras look; export a run to measure them")
        n_test = len(scene.test_views)
        print(f"{counted(len(scene.views), 'view')}, {n_test} of them for testing: {self.out}")
        return 0
