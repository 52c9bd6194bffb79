"""Export: take an object out of a run, as one of several kinds of file; each kind is a verb of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from sanerf_hq.cli.export_pictures import ExportDataset, ExportMasks, ExportVideo
from sanerf_hq.cli.export_shapes import ExportMesh, ExportPoints

Kind = (
    Annotated[ExportMesh, tyro.conf.subcommand("mesh")]
    | Annotated[ExportPoints, tyro.conf.subcommand("points")]
    | Annotated[ExportMasks, tyro.conf.subcommand("masks")]
    | Annotated[ExportVideo, tyro.conf.subcommand("video")]
    | Annotated[ExportDataset, tyro.conf.subcommand("dataset")]
)


@dataclass(frozen=True)
class Export:
    """Take an object out of a run, in the coordinates of the scene's own cameras.

    Example: sanerf export mesh runs/cape --object cape --out cape.glb
    """

    kind: Annotated[Kind, tyro.conf.arg(name="")]
    """What to make of the object; each has a --help of its own."""

    def run(self) -> int:
        """Export."""
        return self.kind.run()
