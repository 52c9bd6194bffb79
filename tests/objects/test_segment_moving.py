"""Objects followed through time; on two balls of which one flies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export import find_moving_target, find_target
from sanerf_hq.export.frames import moving_painter
from sanerf_hq.export.placement import find_passage
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import clicked_points
from sanerf_hq.masks.rle import RLE
from sanerf_hq.objects import (
    MovingObject,
    ObjectConfig,
    Preview,
    load_moving_masks,
    load_moving_object,
    load_object_field,
    segment_moving,
)
from sanerf_hq.prompts import BoxPrompt, Marks, PointPrompt, Prompt, SpacePrompt, marks_of
from sanerf_hq.radiance import GridConfig, RadianceField, view_samples
from sanerf_hq.runs import Progress, read_tensors
from sanerf_hq.scene import PhotoSize, View
from sanerf_hq.segmenters import MaskFolder, load_segmenter
from support.greedy import Greedy
from support.moving_balls import (
    MOMENTS,
    N_CAMERAS,
    PROMPTED,
    RADIUS,
    SIZE,
    TEST_CAMERA,
    MovingBallField,
    centers_at,
    moving_camera,
    moving_field,
    moving_truth,
    name_of,
    pixel_of,
)
from support.scene_files import write_image

CONFIG = ObjectConfig(
    grid=GridConfig(n_levels=4, n_features=2, log2_table=12, finest=64),
    steps=20,
    steps_where_exact=20,
    rays=1024,
    band_rays=3000,
)
RED, GREEN = (PointPrompt(name_of(PROMPTED, 0.5), [pixel_of(number)]) for number in (1, 2))


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> MovingBallField:
    return moving_field(tmp_path_factory.mktemp("moving"))


@pytest.fixture(scope="module")
def found(field: MovingBallField) -> MovingObject:
    truth = load_segmenter("truth", field.at_home().scene)
    return segment_moving(field, truth, {"red": RED, "green": GREEN}, "both", config=CONFIG).object


def iou(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("time", MOMENTS)
def test_prompted_at_one_moment_they_are_found_at_all(found: MovingObject, time: float):
    camera = moving_camera(TEST_CAMERA, time)
    seen = found.render(camera)
    assert seen.probabilities.shape == (camera.height, camera.width, 3)
    for number in (1, 2):
        assert iou(seen.labels == number, moving_truth(camera, number)) > 0.8
    elsewhere = moving_truth(replace(camera, time=1.0 - time), 1)
    if time != 0.5:
        assert iou(seen.labels == 1, elsewhere) < 0.1, "where the red ball is at another time"


def test_space_is_asked_at_a_time(found: MovingObject):
    for time in MOMENTS:
        still = found.at(time)
        assert still is not None
        towards = torch.nn.functional.normalize(moving_camera(0, time).center - centers_at(time)[0], dim=0)
        probability = still.probability((centers_at(time)[0] + RADIUS * towards)[None])[0]
        assert float(probability[1]) > 0.8
        other = still.probability((centers_at(1.0 - time)[0] + RADIUS * towards)[None])[0]
        assert time == 0.5 or float(other[1]) < 0.2


def test_a_camera_without_a_time_is_refused(found: MovingObject):
    with pytest.raises(InputError, match="no time"):
        found.render(replace(moving_camera(0, 0.0), time=None))


def test_what_was_made_is_read_again(field: MovingBallField, found: MovingObject):
    again = load_moving_object(field, "both")
    assert again.names == ("red", "green")
    camera = moving_camera(TEST_CAMERA, 1.0)
    assert torch.equal(again.render(camera).logits, found.render(camera).logits)
    masks = load_moving_masks(field, "both")
    assert tuple(masks) == MOMENTS
    assert {masks[1.0].segments[0].view} <= {view.name for view in field.at(1.0).at_home().views}


def test_an_object_is_exported_by_its_name_and_time(field: MovingBallField, found: MovingObject):
    target = find_moving_target(field, "green")
    camera = moving_camera(TEST_CAMERA, 0.0)
    now = target.at(0.0)
    assert now is not None
    seen = now.share(now.field.render(camera)) > 0.5
    assert iou(seen, moving_truth(camera, 2)) > 0.8
    still = find_target(field.at(0.0), "both/red")
    assert iou(still.share(still.field.render(camera)) > 0.5, moving_truth(camera, 1)) > 0.8
    with pytest.raises(InputError, match="no object 'blue'"):
        find_moving_target(field, "blue")
    with pytest.raises(InputError, match="has no segmentation 'nothing'"):
        load_moving_object(field, "nothing")


def test_its_passage_is_round_all_its_places(field: MovingBallField, found: MovingObject):
    passage = find_passage(find_moving_target(field, "both/red"))
    middle = (centers_at(0.0)[0] + centers_at(1.0)[0]) / 2
    assert float((passage.center - middle).norm()) < 0.2 * RADIUS
    reach = float((centers_at(1.0)[0] - centers_at(0.0)[0]).norm()) / 2 + RADIUS
    assert abs(passage.radius - reach) < 0.25 * RADIUS
    still = find_passage(find_moving_target(field, "both/green"))
    assert abs(still.radius - RADIUS) < 0.25 * RADIUS


def test_its_samples_are_read_once_for_all_moments(
    field: MovingBallField, found: MovingObject, monkeypatch: pytest.MonkeyPatch
):
    read: list[Path] = []
    monkeypatch.setattr(view_samples, "read_tensors", lambda path: read.append(path) or read_tensors(path))
    find_passage(find_moving_target(field, "both/red"))
    assert len(read) == 1


def test_where_it_is_lost_an_overlay_is_as_dark_as_elsewhere(field: MovingBallField, found: MovingObject):
    target = find_moving_target(field, "both/red")
    fields = {moment: one for moment, one in target.object.fields.items() if moment != 1.0}
    lost = replace(target, object=replace(target.object, fields=fields))
    camera = moving_camera(TEST_CAMERA, 1.0)
    here, gone = (moving_painter(one, "overlay")(camera) for one in (target, lost))
    beside = ~moving_truth(camera, 1)
    beside = torch.nn.functional.max_pool2d((~beside)[None].float(), 9, 1, 4)[0] == 0
    assert torch.equal(gone[beside], here[beside])
    assert float(gone.float().mean()) < 0.6 * float(moving_painter(lost, "colour")(camera).float().mean())


def test_the_cameras_that_see_it_are_those_of_its_moments(field: MovingBallField, found: MovingObject):
    target = find_moving_target(field, "both/red")
    seeing = target.cameras()
    assert {camera.time for camera in seeing} == set(MOMENTS)
    fields = {moment: one for moment, one in target.object.fields.items() if moment != 1.0}
    lost = replace(target, object=replace(target.object, fields=fields))
    assert {camera.time for camera in lost.cameras()} == {0.0, 0.5}


def test_the_preview_is_of_the_prompts_moment(field: MovingBallField):
    truth = load_segmenter("truth", field.at_home().scene)
    shown: list[Preview] = []
    made = segment_moving(field, truth, {"red": RED}, "previewed", config=CONFIG, on_preview=shown.append)
    camera = moving_camera(TEST_CAMERA, 0.5)
    assert len(shown) == 1
    assert iou(shown[0].render(camera).mask, moving_truth(camera, 1)) > 0.8
    assert made.preview is shown[0]


def test_points_in_space_are_meant_at_a_time(field: MovingBallField):
    truth = load_segmenter("truth", field.at_home().scene)
    camera = moving_camera(0, 1.0)
    towards = torch.nn.functional.normalize(camera.center - centers_at(1.0)[0], dim=0)
    x, y, z = (centers_at(1.0)[0] + RADIUS * towards).tolist()
    made = segment_moving(field, truth, {"red": SpacePrompt([(x, y, z)])}, "space", config=CONFIG, time=1.0)
    test = moving_camera(TEST_CAMERA, 0.0)
    assert iou(made.object.render(test).mask, moving_truth(test, 1)) > 0.8
    own = segment_moving(field, truth, {"red": SpacePrompt([(x, y, z)], time=1.0)}, "own time", config=CONFIG)
    assert own.masks == made.masks, "its own time goes before that of the call"


@pytest.mark.parametrize("times", [2, 3])
def test_where_photos_are_reduced_it_is_clicked_in_the_middles_of_their_pixels(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    field = moving_field(tmp_path)
    field = replace(field, home=replace(field.at_home(), size=PhotoSize(SIZE[0] // times)))
    asked: list[Marks] = []

    def note(still: RadianceField, prompts: list[Prompt]) -> torch.Tensor:
        asked.extend(marks_of(still, prompt) for prompt in prompts if isinstance(prompt, BoxPrompt))
        return clicked_points(still, prompts)

    monkeypatch.setattr("sanerf_hq.objects.through_time.clicked_points", note)
    truth = load_segmenter("truth", field.at_home().scene)
    segment_moving(field, truth, {"red": RED}, config=CONFIG)
    assert len(asked) > N_CAMERAS
    for marks in asked:
        assert marks.camera.width == SIZE[0] // times
        assert torch.allclose(marks.xy % 1, torch.tensor(0.5), atol=1e-3)


def test_what_is_lost_is_said_and_is_nowhere(
    field: MovingBallField, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("sanerf_hq.objects.through_time.LEAST_LIKENESS", 2.0)
    truth = load_segmenter("truth", field.at_home().scene)
    with caplog.at_level(logging.WARNING):
        made = segment_moving(field, truth, {"red": RED}, "lost", config=CONFIG)
    assert tuple(made.masks) == (0.5,)
    assert "red is lost at time 0" in caplog.text and "red is lost at time 1" in caplog.text
    assert not bool(made.object.render(moving_camera(TEST_CAMERA, 0.0)).mask.any())
    assert bool(made.object.render(moving_camera(TEST_CAMERA, 0.5)).mask.any())
    with pytest.raises(InputError, match="nothing of 'lost' was found at time 0"):
        load_object_field(field.at(0.0), "lost")


def test_further_objects_stand_beside_at_every_moment(field: MovingBallField):
    truth = load_segmenter("truth", field.at_home().scene)
    first = segment_moving(field, truth, {"red": RED}, "one", config=CONFIG)
    made = segment_moving(field, truth, {"green": GREEN}, "two", config=CONFIG, beside=first.masks)
    assert made.object.names == ("red", "green")
    camera = moving_camera(TEST_CAMERA, 1.0)
    labels = made.object.render(camera).labels
    assert iou(labels == 1, moving_truth(camera, 1)) > 0.8
    assert iou(labels == 2, moving_truth(camera, 2)) > 0.8
    with pytest.raises(InputError, match="already"):
        segment_moving(field, truth, {"red": RED}, "three", config=CONFIG, beside=first.masks)


def test_removing_it_forgets_every_moment(tmp_path: Path):
    field = moving_field(tmp_path)
    run = field.at_home().run
    truth = load_segmenter("truth", field.at_home().scene)
    segment_moving(field, truth, {"red": RED}, config=CONFIG)
    assert any(stage.startswith("segmentations/red/moments/") for stage in run.stages())
    run.remove_segmentation("red")
    assert not any(stage.startswith("segmentations/red") for stage in run.stages())
    assert run.segmentation_names() == []


def test_a_prompt_in_a_camera_counts_at_its_time(field: MovingBallField):
    truth = load_segmenter("truth", field.at_home().scene)
    camera: Camera = moving_camera(PROMPTED, 0.5)
    asked = PointPrompt(camera, [pixel_of(1)])
    made = segment_moving(field, truth, {"red": asked}, "camera", config=CONFIG)
    test = moving_camera(TEST_CAMERA, 1.0)
    assert iou(made.object.render(test).mask, moving_truth(test, 1)) > 0.8


def stop_at(stage: str) -> Callable[[Progress], None]:
    """A callback that stops a training at its beginning."""

    def told(progress: Progress) -> None:
        if progress.stage == stage:
            raise Cancelled

    return told


def test_a_stop_leaves_what_was_there_and_is_gone_on_from(field: MovingBallField):
    truth = load_segmenter("truth", field.at_home().scene)
    first = segment_moving(field, truth, {"red": RED}, "stopped", config=CONFIG)
    more = partial(
        segment_moving,
        field,
        truth,
        {"green": GREEN},
        "stopped",
        config=CONFIG,
        beside=first.masks,
        overwrite=True,
    )
    with pytest.raises(Cancelled):
        more(progress=stop_at("segmentations/stopped/moments/0001"))
    there = load_moving_object(field, "stopped")
    assert there.names == ("red",) and tuple(there.fields) == MOMENTS
    trained: list[str] = []
    more(progress=lambda progress: trained.append(progress.stage))
    there = load_moving_object(field, "stopped")
    assert there.names == ("red", "green") and tuple(there.fields) == MOMENTS
    assert "segmentations/stopped/moments/0000" not in trained, "that one was done before the stop"
    assert "segmentations/stopped/moments/0001" in trained


def test_one_that_is_not_finished_hinders_no_other_and_is_none(field: MovingBallField, found: MovingObject):
    truth = load_segmenter("truth", field.at_home().scene)
    with pytest.raises(Cancelled):
        segment_moving(
            field,
            truth,
            {"red": RED},
            "half",
            config=CONFIG,
            progress=stop_at("segmentations/half/moments/0001"),
        )
    assert "half" not in field.at_home().run.segmentation_names()
    for load in (load_moving_object, find_moving_target):
        with pytest.raises(InputError, match=r"segmentation 'half' of .* is not finished"):
            load(field, "half")
    with pytest.raises(InputError, match=r"segmentation 'half' of .* is not finished"):
        find_target(field.at(0.0), "half/red")
    assert find_moving_target(field, "both/green").identities == ("green",)
    made = segment_moving(field, truth, {"red": RED}, "half", config=CONFIG).object
    assert tuple(made.fields) == MOMENTS, "the name is not taken by it"


def test_nobody_else_writes_to_the_run_meanwhile(field: MovingBallField):
    truth = load_segmenter("truth", field.at_home().scene)
    refused: list[str] = []

    def write() -> None:
        try:
            field.at_home().run.mark("other", "running", {})
        except InputError as error:
            refused.append(str(error))

    def told(progress: Progress) -> None:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()

    segment_moving(field, truth, {"red": RED}, "alone", config=CONFIG, progress=told)
    assert refused and "other" not in field.at_home().run.stages()


def test_it_is_lost_where_nothing_of_it_is_left(
    field: MovingBallField, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    nowhere = torch.zeros(0, dtype=torch.int64)
    monkeypatch.setattr("sanerf_hq.objects.through_time.shifted_in", lambda *words: nowhere)
    truth = load_segmenter("truth", field.at_home().scene)
    asked = PointPrompt(name_of(PROMPTED, 0.0), [pixel_of(1, time=0.0)])
    made = segment_moving(field, truth, {"red": asked}, "vanished", config=CONFIG)
    assert tuple(made.masks) == (0.0,)
    assert "red is lost at time 0.5" in caplog.text and "red is lost at time 1" in caplog.text


@pytest.mark.parametrize("spec", ["truth", "masks"])
def test_it_is_lost_where_it_is_not_labelled(spec: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    field = moving_field(tmp_path)
    labels = tmp_path / "balls" / "instances"
    for camera in range(N_CAMERAS):
        path = labels / f"{camera}_{MOMENTS.index(1.0)}.png"
        if spec == "truth":
            write_image(path, np.zeros((120, 160), np.uint8))
        else:
            path.unlink()
    scene = field.at_home().scene
    segmenter = load_segmenter("truth" if spec == "truth" else f"masks:{labels}", scene)
    made = segment_moving(field, segmenter, {"red": RED}, config=CONFIG)
    assert tuple(made.masks) == (0.0, 0.5)
    assert "red is lost at time 1" in caplog.text


def test_a_prompt_that_finds_nothing_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Prompted at both ends, found at the first alone: the one in between is reached from there."""
    field = moving_field(tmp_path)
    truth = load_segmenter("truth", field.at_home().scene)
    answer = MaskFolder.mask

    def silent_at_the_end(folder: MaskFolder, view: View, identity: int) -> torch.Tensor | None:
        return None if view.camera.time == 1.0 else answer(folder, view, identity)

    monkeypatch.setattr(MaskFolder, "mask", silent_at_the_end)
    asked = [PointPrompt(name_of(PROMPTED, time), [pixel_of(1, time=time)]) for time in (0.0, 1.0)]
    made = segment_moving(field, truth, {"red": asked}, config=CONFIG)
    assert tuple(made.masks) == (0.0, 0.5)


def test_the_same_is_read_again_and_another_is_refused(field: MovingBallField):
    truth = load_segmenter("truth", field.at_home().scene)
    first = segment_moving(field, truth, {"red": RED}, "same", config=CONFIG)
    trained: list[str] = []
    again = segment_moving(
        field, truth, {"red": RED}, "same", config=CONFIG, progress=lambda one: trained.append(one.stage)
    )
    camera = moving_camera(TEST_CAMERA, 1.0)
    assert torch.equal(again.object.render(camera).logits, first.object.render(camera).logits)
    assert set(trained) == {"masks"}
    with pytest.raises(InputError, match="holds a segmentation of other masks or settings"):
        segment_moving(field, truth, {"green": GREEN}, "same", config=CONFIG)


def test_what_comes_out_does_not_depend_on_the_order_of_the_objects(field: MovingBallField):
    def masks_of(prompts: dict[str, PointPrompt], name: str) -> dict[tuple[float, str, str], RLE]:
        made = segment_moving(field, Greedy(), prompts, name, config=CONFIG)
        return {
            (time, masks.names[one.identity - 1], one.view): one.mask
            for time, masks in made.masks.items()
            for one in masks.segments
        }

    one = masks_of({"red": RED, "green": GREEN}, "red first")
    assert one == masks_of({"green": GREEN, "red": RED}, "green first")
    assert {time for time, _, _ in one} == set(MOMENTS)


def test_a_click_beside_it_at_another_time_counts_there(field: MovingBallField):
    beside = PointPrompt(name_of(PROMPTED, 0.0), [], [pixel_of(2, time=0.0)])
    clicked = PointPrompt(name_of(PROMPTED, 0.5), [pixel_of(1)], [pixel_of(2)])
    made = segment_moving(field, Greedy(), {"red": [clicked, beside]}, "beside", config=CONFIG)
    mask = made.masks[0.0].mask(name_of(PROMPTED, 0.0))
    assert mask is not None
    assert iou(mask, moving_truth(moving_camera(PROMPTED, 0.0), 1)) > 0.8
    truth = load_segmenter("truth", field.at_home().scene)
    labelled = segment_moving(field, truth, {"red": [beside, RED]}, "labelled", config=CONFIG)
    assert tuple(labelled.masks) == MOMENTS
    with pytest.raises(InputError, match="no prompt says where the object is"):
        segment_moving(field, truth, {"red": beside}, "nowhere", config=CONFIG)
