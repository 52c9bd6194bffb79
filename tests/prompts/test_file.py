"""Prompts files: what was written is read, and what means nothing is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.prompts import BoxPrompt, PointPrompt, Prompt, SpacePrompt, read_prompts, write_prompts


def file_of(folder: Path, value: object) -> Path:
    path = folder / "prompts.json"
    path.write_text(json.dumps(value))
    return path


def test_prompts_are_read_back_as_they_were(tmp_path: Path):
    prompts: dict[str, list[Prompt]] = {
        "mug": [PointPrompt("07", [(3, 4), (5.5, 6)], [(1, 1)]), BoxPrompt("08", (1, 2, 30, 40))],
        "left box": [SpacePrompt([(0.5, 1, -2)], [(0, 0, 0)])],
        "vase": [SpacePrompt([(0, 0, 1), (0, 1, 1)], least_visible=2, crucial=[1])],
    }
    assert read_prompts(file_of(tmp_path, {"objects": write_prompts(prompts)})) == prompts


def test_points_in_space_keep_their_time_or_have_the_files(tmp_path: Path):
    asked = SpacePrompt([(0, 0, 1)], time=0.25)
    written = write_prompts({"ball": [asked], "mug": [SpacePrompt([(1, 0, 1)]), PointPrompt("07", [(3, 4)])]})
    found = read_prompts(file_of(tmp_path, {"time": 0.5, "objects": written}))
    assert found["ball"] == [asked]
    assert found["mug"] == [SpacePrompt([(1, 0, 1)], time=0.5), PointPrompt("07", [(3, 4)])]


def test_a_scenes_own_objects_are_prompts(tmp_path: Path):
    entry = {"id": 4, "name": "mug", "box": [1, 2, 30, 40], "prompts": {"view": "07", "positive": [[3, 4]]}}
    found = read_prompts(file_of(tmp_path, {"name": "desk", "objects": [entry]}))
    assert found == {"mug": [BoxPrompt("07", (1, 2, 30, 40), [(3, 4)])]}
    entry["prompts"] = [entry["prompts"]]
    assert read_prompts(file_of(tmp_path, {"objects": [entry]})) == found


def test_a_camera_has_no_place_in_a_file():
    camera = Camera(torch.eye(3), torch.eye(4), 4, 3)
    written = write_prompts({"mug": [PointPrompt(camera, [(1, 1)]), PointPrompt("07", [(2, 2)])]})
    assert written == [{"name": "mug", "prompts": [{"view": "07", "positive": [[2, 2]], "negative": []}]}]


def test_nor_has_an_object_that_is_prompted_in_cameras_alone(tmp_path: Path):
    camera = Camera(torch.eye(3), torch.eye(4), 4, 3)
    written = write_prompts({"cup": [PointPrompt(camera, [(1, 1)])], "mug": [PointPrompt("07", [(2, 2)])]})
    assert list(read_prompts(file_of(tmp_path, {"objects": written}))) == ["mug"]


def one(**prompt: object) -> object:
    return beside(prompts=prompt)


def beside(**said: object) -> object:
    return {"objects": [{"name": "mug", **said}]}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({}, "there is no object"),
        ({"objects": []}, "there is no object"),
        ({"objects": 3}, "objects is 3"),
        ({"objects": [{"prompts": []}]}, "object 0: name is missing"),
        ({"objects": [{"name": "mug"}]}, r"object 0 \(mug\): prompts is missing"),
        ({"objects": [{"name": "mug", "prompts": []}]}, "prompts is missing"),
        (one(positive=[[1, 2]]), "view is missing"),
        (one(view="07"), "no click"),
        (one(view="07", positive=[[1]]), "positive is no list of points of 2 numbers"),
        (one(view="07", positive=[[1, "x"]]), "positive is no list of points"),
        (one(view="07", positive=3), "positive is 3"),
        (one(view="07", positive=[3]), "positive is no list of points"),
        (one(view="07", box=[9, 9, 3, 20]), "is empty"),
        (one(view="07", box=[9, 9]), "box is not four numbers"),
        (one(view="07", clicks=[[1, 2]]), "there is no 'clicks' in a prompt"),
        (one(view="07", positive3d=[[1, 2, 3]]), "write two prompts"),
        (one(positive3d=[[1, 2, 3]], least_visible=1.5), "least_visible is 1.5; write a whole number"),
        (one(positive3d=[[1, 2, 3]], least_visible=2), "least_visible is 2 of 1 points"),
        (one(positive3d=[[1, 2, 3]], crucial=[1]), r"crucial has \[1\]"),
        (
            one(positive3d=[[1, 2, 3]], box=[1, 2, 30, 40]),
            "positive3d is said of points in space, box of a view",
        ),
        (one(view="07", positive=[[1, 2]], time=0.5), "time is said of points in space, positive of a view"),
        (one(view="07", positive=[[1, 2]], crucial=[0]), "crucial is said of points in space"),
        (one(view="07", positive=[[1, 2]], least_visible=1), "least_visible is said of points in space"),
        (
            beside(box=[1, 2, 30, 40], prompts=[{"view": "07", "positive": [[1, 2]]}] * 2),
            "box stands beside prompts",
        ),
        (beside(view="07", prompts={"view": "07", "positive": [[1, 2]]}), "view stands beside prompts"),
        (beside(box=[1, 2, 30, 40], prompts={"positive3d": [[1, 2, 3]]}), "write two prompts"),
        (one(positive3d=[[1e300, 2, 3]]), "beyond any scene"),
        (one(positive3d=[[1, 2, 3]], crucial=["a"]), "crucial is no list of indices"),
        ([], "where a JSON object"),
    ],
)
def test_what_means_nothing_is_named(tmp_path: Path, value: object, sentence: str):
    path = file_of(tmp_path, value)
    with pytest.raises(InputError, match=sentence) as caught:
        read_prompts(path)
    assert str(caught.value).count(str(path)) == 1


def test_two_objects_of_one_name_are_refused(tmp_path: Path):
    entry = {"name": "mug", "prompts": {"view": "07", "positive": [[3, 4]]}}
    with pytest.raises(InputError, match="two objects are named 'mug'"):
        read_prompts(file_of(tmp_path, {"objects": [entry, entry]}))
    with pytest.raises(InputError, match="cannot be read"):
        read_prompts(tmp_path / "none.json")
