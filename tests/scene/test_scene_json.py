from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sanerf_hq.errors import InputError
from sanerf_hq.scene import SceneObject, instance_mask, load_scene
from support.scene_files import write_json, write_scene

PROMPTS = {"view": "images/1.png", "positive": [[39, 29], [0, 0]], "negative": [[5, 6]]}
CUP = {"id": 2, "name": "red cup", "prompts": PROMPTS, "box": [0, 1, 40, 30]}


def objects(tmp_path: Path, *entries: object) -> tuple[SceneObject, ...]:
    write_scene(tmp_path)
    write_json(tmp_path / "scene.json", {"name": "x", "source": None, "objects": list(entries)})
    return load_scene(tmp_path).objects


def test_objects_are_read_as_they_stand(tmp_path: Path):
    found = objects(tmp_path, {**CUP, "radius": 0.5})
    expected = SceneObject(2, "red cup", "images/1.png", ((39, 29), (0, 0)), ((5, 6),), (0, 1, 40, 30))
    assert found == (expected,)


def test_a_view_may_be_called_by_its_stem_and_box_or_clicks_may_be_absent(tmp_path: Path):
    (clicked,) = objects(tmp_path, {"id": 1, "name": "a", "prompts": {"view": "2", "positive": [[1.0, 2]]}})
    assert (clicked.prompt_view, clicked.positive, clicked.negative, clicked.box) == (
        "images/2.png",
        ((1, 2),),
        (),
        None,
    )
    (boxed,) = objects(tmp_path, {"id": 1, "name": "a", "prompts": {"view": "2"}, "box": [1, 2, 3, 4]})
    assert (boxed.positive, boxed.box) == ((), (1, 2, 3, 4))


def test_prompts_may_be_a_list_as_in_a_prompts_file(tmp_path: Path):
    boxed, other = {"view": "1", "box": [1, 2, 3, 4]}, {"view": "2", "positive": [[1, 2]]}
    in_space = {"positive3d": [[0, 0, 1]]}
    (found,) = objects(tmp_path, {"id": 1, "name": "a", "prompts": [in_space, boxed, other]})
    assert found == SceneObject(1, "a", "images/1.png", (), (), (1, 2, 3, 4))


@pytest.mark.parametrize("prompts", [{}, {"prompts": None}, {"prompts": []}])
def test_an_object_may_lack_prompts(tmp_path: Path, prompts: dict[str, object]):
    assert objects(tmp_path, {"id": 1, "name": "a"} | prompts) == (SceneObject(1, "a", "", ()),)


def test_a_scene_may_have_no_objects(tmp_path: Path):
    assert objects(tmp_path) == ()
    write_json(tmp_path / "scene.json", {})
    assert load_scene(tmp_path).objects == ()
    (tmp_path / "scene.json").unlink()
    assert load_scene(tmp_path).objects == ()


def prompted(**prompts: object) -> dict[str, object]:
    return {**CUP, "prompts": {**PROMPTS, **prompts}}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([prompted(view="images/9.png")], "no view 'images/9.png'"),
        ([prompted(view=None)], "prompts: view is missing"),
        ([{**CUP, "prompts": None}], "box is given in no view"),
        ([{**CUP, "prompts": []}], "box is given in no view"),
        ([{**CUP, "prompts": "1"}], "write an object"),
        ([{**CUP, "prompts": [3]}], "prompt 0 is 3; write an object"),
        ([{**CUP, "prompts": [{"positive": [[1, 2]]}]}], "prompt 0: view is missing"),
        ([CUP, {**CUP, "name": "b"}], "two objects have id 2"),
        ([CUP, {**CUP, "id": 3}], "two objects are named 'red cup'"),
        ([{**CUP, "id": 0}], "id is 0"),
        ([{**CUP, "id": 65536}], "id is 65536"),
        ([{**CUP, "id": 1.5}], "whole number"),
        ([{**CUP, "id": None}], "id is None"),
        ([{**CUP, "name": None}], "name is missing"),
        ([{**CUP, "name": "  "}], "name is missing"),
        ([{**CUP, "name": "../cup"}], "slashes"),
        ([{**CUP, "name": "a\nb"}], "control signs"),
        ([prompted(positive=[[40, 3]])], "positive click 40,3 is off the image images/1.png, which is 40x30"),
        ([prompted(positive=[[3, 30]])], "click 3,30 is off"),
        ([prompted(negative=[[-1, 3]])], "negative click -1,3 is off"),
        ([prompted(positive=[[1, 2, 3]])], "whole pixels"),
        ([prompted(positive=[[1.5, 2]])], "whole pixels"),
        ([prompted(positive=[[float("nan"), 2]])], "whole pixels"),
        ([prompted(positive=[7])], "whole pixels"),
        ([prompted(positive="1,2")], "write a list"),
        ([{**CUP, "box": [5, 5, 5, 9]}], "box 5,5,5,9 is empty"),
        ([{**CUP, "box": [5, 9, 8, 5]}], "is empty"),
        ([{**CUP, "box": [5, 5, 41, 9]}], "reaches off the image"),
        ([{**CUP, "box": [-1, 5, 4, 9]}], "reaches off the image"),
        ([{**CUP, "box": [1, 2, 3]}], "no .x0, y0, x1, y1."),
        ([{"id": 1, "name": "a", "prompts": {"view": "1"}}], "neither a positive click nor a box"),
        ([5], "object 0 is 5"),
    ],
)
def test_objects_that_cannot_be(tmp_path: Path, entries: list[object], words: str):
    with pytest.raises(InputError, match=words) as caught:
        objects(tmp_path, *entries)
    assert str(tmp_path / "scene.json") in str(caught.value)


def test_a_scene_json_that_is_broken(tmp_path: Path):
    write_scene(tmp_path)
    for content in ("{", "[]", '{"objects": 3}'):
        (tmp_path / "scene.json").write_text(content)
        with pytest.raises(InputError, match=r"scene\.json"):
            load_scene(tmp_path)


@pytest.mark.scenes
@pytest.mark.parametrize("name", ["desk", "groceries", "juggling", "cape", "tools"])
def test_prompts_of_the_shared_scenes_lie_on_their_objects(shared_scene: Callable[[str], Path], name: str):
    scene = load_scene(shared_scene(name))
    for found in scene.objects:
        mask = instance_mask(scene.view(found.prompt_view), found.id)
        assert all(mask[y, x] for x, y in found.positive)
        assert not any(mask[y, x] for x, y in found.negative)
        assert found.box is not None
        rows, columns = mask.nonzero(as_tuple=True)
        x0, y0, x1, y1 = found.box
        assert (x0 <= columns).all() and (columns < x1).all() and (y0 <= rows).all() and (rows < y1).all()
