"""Eval: an existing run and its segmentations against the scene's truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from sanerf_hq.cli.options import Device, check_device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sanerf_hq.evaluate import RunScores


@dataclass(frozen=True)
class Eval:
    """Score a run in its test views: PSNR, and what segmentations hold of the objects of scene.json, by name.

    An object that several segmentations hold is scored once: in the one that has its name, if there is one.
    A segmentation that cannot be read is named and skipped.
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
        from sanerf_hq.runs import check_writable, write_json

        field = load_radiance_field(self.folder, self.device)
        run = field.at_home().run
        metrics, page = run.scores / "metrics.json", run.scores / "report.html"
        check_writable(metrics)
        check_writable(page)
        with ConsoleProgress() as progress:
            scores = score_run(field, progress)
        preset = "as trained"
        result = BenchResult(
            scores.segmenters,
            preset,
            run.seed,
            None,
            commit(),
            version("sanerf-hq"),
            self.device,
            (scores.scene.result,),
        )
        write_json(metrics, result.to_json())
        notes = tuple(_notes(scores, run.segmentation_names()))
        write_report(page, result, scores.scene.objects, [scores.scene.scene], run=self.folder, notes=notes)
        print_table(result)
        for one in notes:
            print(one)
        print(f"report: {page}")
        return 0


def _notes(scores: RunScores, segmentations: Iterable[str]) -> Iterator[str]:
    """What was scored under another name than its own, and what was not."""
    by_name = {one.target.name: one.segmentation for one in scores.scored}
    for name, segmentation in by_name.items():
        if name != segmentation:
            yield f"{name!r} is scored as segmentation {segmentation!r} holds it"
    for one in scores.others:
        name = one.target.name
        yield f"{name!r} of segmentation {one.segmentation!r} is not scored: that of {by_name[name]!r} is"
    for segmentation, reason in scores.unread.items():
        yield f"segmentation {segmentation!r} is skipped: {reason}"
    told = {one.segmentation for one in (*scores.scored, *scores.others)} | scores.unread.keys()
    for segmentation in segmentations:
        if segmentation not in told:
            yield (
                f"segmentation {segmentation!r} is not scored: nothing in it has the name of an object "
                "that the scene has truth of"
            )
