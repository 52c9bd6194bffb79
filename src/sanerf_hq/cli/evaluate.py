"""Eval: an existing run and its segmentations against the scene's truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sanerf_hq.cli.options import Device, check_device


@dataclass(frozen=True)
class Eval:
    """Score a run in its test views: PSNR, and each segmentation named like an object of scene.json.

    Writes RUN/eval/metrics.json and RUN/eval/report.html. Nothing is trained.

    Example: sanerf eval runs/cape
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train and sanerf segment made."""
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Score and report."""
        check_device(self.device)
        from importlib.metadata import version

        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.evaluate import BenchResult, print_table, score_run, write_report
        from sanerf_hq.evaluate.commit import commit
        from sanerf_hq.radiance import load_radiance_field
        from sanerf_hq.runs import write_json

        field = load_radiance_field(self.folder, self.device)
        run = field.at_home().run
        with ConsoleProgress() as progress:
            scene, segmenters = score_run(field, progress)
        preset = "as trained"
        result = BenchResult(
            segmenters, preset, run.seed, None, commit(), version("sanerf-hq"), self.device, (scene.result,)
        )
        folder = self.folder / "eval"
        write_json(folder / "metrics.json", result.to_json())
        write_report(folder / "report.html", result, scene.objects, [scene.scene])
        print_table(result)
        objects = {item.name for item in field.at_home().scene.objects}
        for name in run.segmentation_names():
            if name not in objects:
                print(f"segmentation {name!r} is not scored: the scene has no object of that name")
        print(f"report: {folder / 'report.html'}")
        return 0
