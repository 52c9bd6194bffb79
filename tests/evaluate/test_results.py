from __future__ import annotations

import json
import math

import pytest

from sanerf_hq.evaluate.results import BenchResult, ObjectResult, SceneResult, mean

FULL = ObjectResult("mug", 0.9, 0.99, 0.8, 0.7, 0.85, 0.6, 0.65, 0.75, 0.5, 12.0)
EMPTY = ObjectResult("jug")


def bench(*scenes: SceneResult) -> BenchResult:
    return BenchResult("grabcut", "draft", 7, 3, "abc123", "0.1.0", "CPU, 2 threads", scenes)


RESULT = bench(
    SceneResult("desk", 28.5, 27.0, 300.25, 2048.0, (FULL, EMPTY)),
    SceneResult("fox", 24.0, None, 200.0, None),
)


def test_json_has_the_contract_s_shape() -> None:
    data = RESULT.to_json()
    head = ["segmenter", "preset", "seed", "clicks", "commit", "version", "device"]
    assert list(data) == [*head, "scenes", "miou", "macc", "mbiou"]
    scene, bare = data["scenes"]
    assert list(scene) == ["name", "psnr", "psnr_object", "train_seconds", "peak_memory_mb", "objects"]
    assert list(scene["objects"][0]) == [
        "name",
        "iou",
        "accuracy",
        "boundary_iou",
        "boundary_iou_3px",
        "mean_view_iou",
        "iou_2d",
        "iou_2d_prompted",
        "iou_preview",
        "seconds_preview",
        "seconds_refine",
    ]
    assert bare["objects"] == []


def test_what_was_not_measured_is_null() -> None:
    data = json.loads(json.dumps(RESULT.to_json(), allow_nan=False))
    unmeasured = data["scenes"][0]["objects"][1]
    assert unmeasured.pop("name") == "jug"
    assert set(unmeasured.values()) == {None} and len(unmeasured) == 10
    assert data["scenes"][1]["psnr_object"] is None


def test_means_are_over_objects_not_scenes() -> None:
    result = bench(
        SceneResult("a", objects=(ObjectResult("x", iou=1.0, accuracy=0.5, boundary_iou=0.2),)),
        SceneResult("b", objects=(ObjectResult("y", iou=0.4), ObjectResult("z", iou=0.1))),
    )
    assert result.miou == pytest.approx(0.5)
    assert (result.macc, result.mbiou) == (0.5, 0.2)  # of what was measured


def test_no_object_no_mean() -> None:
    for result in (bench(), bench(SceneResult("fox", 24.0)), bench(SceneResult("a", objects=(EMPTY,)))):
        data = result.to_json()
        assert (data["miou"], data["macc"], data["mbiou"]) == (None, None, None)
    assert mean([]) is None
    assert mean([0.0, None, 1.0]) == 0.5


def test_numbers_of_other_libraries_come_out_plain() -> None:
    import numpy as np

    value = ObjectResult("mug", iou=np.float64(0.25)).to_json()["iou"]
    assert type(value) is float and value == 0.25


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -0.1, 1.01])
def test_no_score_outside_its_range(wrong: float) -> None:
    with pytest.raises(ValueError, match="iou of 'mug'"):
        ObjectResult("mug", iou=wrong)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_no_infinite_psnr(wrong: float) -> None:
    with pytest.raises(ValueError, match="psnr of 'desk'"):
        SceneResult("desk", psnr=wrong)


def test_seconds_may_exceed_one_but_not_be_negative() -> None:
    assert ObjectResult("mug", seconds_refine=90.0).seconds_refine == 90.0
    with pytest.raises(ValueError, match="seconds_refine"):
        ObjectResult("mug", seconds_refine=-1.0)
