"""Report: scores and pictures of a benchmark or run, one HTML page that opens from disk without a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sanerf_hq.evaluate.page import environment
from sanerf_hq.evaluate.pictures import ObjectPictures, ScenePictures
from sanerf_hq.evaluate.results import BenchResult, SceneResult, mean
from sanerf_hq.runs import write_bytes

TEMPLATE = "report.html"


def write_report(
    path: Path,
    result: BenchResult,
    pictures: Sequence[ObjectPictures],
    scene_pictures: Sequence[ScenePictures] = (),
    written: datetime | None = None,
    run: Path | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write the page; a page that is already there is replaced, whole or not at all.

    Args:
        path: The page's file; missing folders are made.
        result: The scores.
        pictures: Strips of objects, in the order they are to be shown.
        scene_pictures: Strips of photos beside renders, for scenes without objects or for all.
        written: The page's date; None: now.
        run: The run that was scored as it is; None: a benchmark, which prompted for what it scored.
        notes: What is to be known of the scores, a sentence each.

    Raises:
        InputError: The page cannot be written.
    """
    templates = environment()
    templates.globals |= {"scene_miou": _scene_miou}
    scores = {(scene.name, item.name): item for scene in result.scenes for item in scene.objects}
    page = templates.get_template(TEMPLATE).render(
        result=result,
        strips=[(item, scores.get((item.scene, item.name))) for item in pictures],
        scene_strips=scene_pictures,
        run=run,
        notes=notes,
        written=(written or datetime.now()).strftime("%Y-%m-%d %H:%M"),
        anchors={(item.scene, item.name): f"object-{index}" for index, item in enumerate(pictures)},
    )
    write_bytes(path, page.encode("utf-8", "replace"))  # a name out of JSON may hold half a surrogate pair


def _scene_miou(scene: SceneResult) -> float | None:
    return mean(item.iou for item in scene.objects)
