from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sanerf_hq.errors import InputError
from sanerf_hq.masks import MaskSet
from sanerf_hq.prompts import BoxPrompt, PointPrompt, SpacePrompt
from sanerf_hq.scene import load_scene
from sanerf_hq.viewer.portable import followable, part_of, portable
from sanerf_hq.viewer.record import object_record, read_object
from sanerf_hq.viewer.state import SPACE, Box, Click, History, ObjectState, Part, Picture, SessionState
from sanerf_hq.viewer.viewpoint import Viewpoint
from support.balls import write_ball_scene

VIEW = Picture("images/3.png", None, 64, 48)
FREE = Picture("", Viewpoint((0, 0, -3), (1, 0, 0, 0), 0.7), 64, 48)
ON = Click(VIEW, (10, 11), True, (0.1, 0.2, 0.3))
OFF = Click(VIEW, (30, 31), False, (0.4, 0.5, 0.6))


def test_clicks_and_boxes_become_the_library_s_prompts():
    state = SessionState().with_click(ON).with_click(OFF).with_box(Box(VIEW, (1, 2, 20, 30)))
    assert state.current.parts[0].prompts() == [
        BoxPrompt("images/3.png", (1, 2, 20, 30)),
        PointPrompt("images/3.png", [(10, 11)]),
        PointPrompt("images/3.png", [], [(30, 31)]),
    ]
    (free,) = SessionState().with_click(Click(FREE, (5, 6), True)).current.parts[0].prompts()
    assert isinstance(free, PointPrompt)
    assert not isinstance(free.view, str) and (free.view.width, free.view.height) == (64, 48)


def test_prompts_of_a_file_stay_together_and_clicks_that_follow_come_by_themselves(tmp_path: Path):
    given = [
        BoxPrompt("images/3.png", (1, 2, 20, 30), [(10, 11)], [(30, 31)]),
        PointPrompt("images/4.png", [(1, 2), (3, 4)], [(5, 6)]),
        SpacePrompt([(1, 2, 3), (4, 5, 6)], [(7, 8, 9)]),
    ]
    part = part_of(given, load_scene(write_ball_scene(tmp_path)))
    assert part.prompts() == given
    state = SessionState((ObjectState("ball", (1, 2, 3), parts=(part,)),)).with_click(ON)
    assert state.current.parts[0].prompts() == [*given, PointPrompt("images/3.png", [(10, 11)])]
    assert read_object(object_record(state.current)) == state.current
    assert portable(state.current) == [*given, PointPrompt("images/3.png", [(10, 11)])]


def test_a_record_that_knows_no_turns_says_all_of_a_picture_at_once():
    record = object_record(SessionState().with_click(ON).with_click(OFF).current)
    for click in record["parts"][0]["clicks"]:
        del click["turn"]
    assert read_object(record).parts[0].prompts() == [PointPrompt("images/3.png", [(10, 11)], [(30, 31)])]


def test_a_negative_click_may_be_the_only_one_of_its_picture():
    aside = Click(FREE, (5, 6), False, (7.0, 8.0, 9.0))
    first, second = SessionState().with_click(ON).with_click(aside).current.parts[0].prompts()
    assert first == PointPrompt("images/3.png", [(10, 11)])
    assert isinstance(second, PointPrompt)
    assert (second.positive, second.negative) == ((), ((5, 6),))


def test_a_lone_negative_click_of_a_free_camera_is_kept_as_a_point_in_space():
    aside = Click(FREE, (5, 6), False, (7.0, 8.0, 9.0))
    kept = portable(SessionState().with_click(ON).with_click(aside).current)
    assert kept == [PointPrompt("images/3.png", [(10, 11)]), SpacePrompt([], [(7.0, 8.0, 9.0)])]


def test_points_in_space_stay_points_in_space():
    points = [Click(SPACE, (0, 0), True, (1.0, 2.0, 3.0)), Click(SPACE, (0, 0), False, (4.0, 5.0, 6.0))]
    state = SessionState().with_click(points[0]).with_click(points[1])
    assert state.current.parts[0].prompts() == [SpacePrompt([(1, 2, 3)]), SpacePrompt([], [(4, 5, 6)])]


def test_a_first_click_beside_the_object_is_refused():
    with pytest.raises(InputError, match="click on the object first"):
        SessionState().with_click(OFF)


def test_a_later_box_in_the_same_picture_takes_the_place_of_the_one_before():
    state = SessionState().with_box(Box(VIEW, (1, 2, 20, 30))).with_box(Box(VIEW, (3, 4, 5, 6)))
    assert [box.corners for box in state.current.parts[0].boxes] == [(3, 4, 5, 6)]
    with pytest.raises(InputError, match="the box is empty"):
        state.with_box(Box(VIEW, (3, 4, 3.5, 9)))


def test_parts_are_begun_and_replaced_while_they_say_nothing():
    with pytest.raises(InputError, match="nothing to subtract yet"):
        SessionState().with_part("subtract")
    state = SessionState().with_click(ON).with_part("add").with_part("subtract")
    assert [part.operation for part in state.current.parts] == ["new", "subtract"]
    state = state.with_click(ON).with_part("intersect")
    assert [part.operation for part in state.current.parts] == ["new", "subtract", "intersect"]
    assert [part.operation for part in state.with_part("new").current.parts] == ["new"]


def test_objects_have_names_and_colours_of_their_own():
    state = SessionState().with_object().with_object("vase")
    assert [one.name for one in state.objects] == ["object 1", "object 2", "vase"]
    assert len({one.colour for one in state.objects}) == 3
    assert state.current.name == "vase"
    with pytest.raises(InputError, match="is taken"):
        state.renamed("object 1")
    with pytest.raises(InputError, match="begins with a dot"):
        state.renamed("../vase")
    assert state.without(0).current.name == "vase"
    assert [one.name for one in SessionState().without(0).objects] == ["object 1"]


def test_what_is_known_by_masks_is_added_to_by_a_part_of_its_own():
    masks = MaskSet.of_masks("red", [("images/3.png", torch.ones(48, 64, dtype=torch.bool))], "mine")
    state = SessionState((ObjectState("red", (1, 2, 3), parts=(Part(masks=masks),)),))
    assert state.prompted and state.current.parts[0].prompts() == [] and portable(state.current) == []
    for more in (state.with_click(ON), state.with_box(Box(VIEW, (1, 2, 20, 30)))):
        assert [part.operation for part in more.current.parts] == ["new", "add"]
        assert more.current.parts[0].masks is masks
    with pytest.raises(InputError, match="click on the object first"):
        state.with_click(OFF)
    with pytest.raises(InputError, match="red was opened without prompts"):
        followable(state)


def test_a_colour_that_is_dragged_is_one_step():
    history = History().then(SessionState().with_click(ON))
    for red in range(5):
        history = history.then(history.present.coloured((red, 2, 3)))
    assert len(history.past) == 2 and history.present.current.colour == (4, 2, 3)
    history = history.then(history.present.with_object())
    for green in range(5):
        history = history.then(history.present.coloured((1, green, 3)))
    assert len(history.past) == 4
    assert history.undone().undone().present.current.colour == (4, 2, 3)


@given(st.lists(st.sampled_from(["click", "object", "undo", "redo", "remove", "part"]), max_size=40))
def test_undo_and_redo_go_back_and_forth_over_whatever_was_done(steps: list[str]):
    history, seen = History(), [SessionState()]
    for step in steps:
        before = history.present
        if step == "undo":
            history = history.undone()
        elif step == "redo":
            history = history.redone()
        else:
            change = {
                "click": lambda s: s.with_click(ON),
                "object": lambda s: s.with_object(),
                "remove": lambda s: s.without(s.active),
                "part": lambda s: s.with_part("new"),
            }[step]
            history = history.then(change(before))
            assert history.present == before or history.undone().present == before
        seen.append(history.present)
        assert 0 <= history.present.active < len(history.present.objects)
    while history.past:
        history = history.undone()
    assert history.present == seen[0]


def test_what_is_found_takes_the_place_of_what_is_empty_and_no_name_twice():
    box = Part("new", (), (Box(VIEW, (1, 2, 30, 40)),))
    first = SessionState().with_found({"mug": box, "ball": box})
    assert [one.name for one in first.objects] == ["mug", "ball"] and first.active == 0
    more = first.with_object().with_found({"mug": box})
    assert [one.name for one in more.objects] == ["mug", "ball", "mug 2"] and more.current.name == "mug 2"
    assert len({one.colour for one in more.objects}) == 3
    assert more.with_found({}).objects == more.objects
    assert [one.name for one in SessionState().with_found({"a/b": box}).objects] == ["a b"]


def test_names_that_differ_in_case_or_accents_alone_are_the_same():
    box = Part("new", (), (Box(VIEW, (1, 2, 30, 40)),))
    twice = SessionState().with_found({"Mug": box}).with_found({"mug": box})
    assert [one.name for one in twice.objects] == ["Mug", "mug 2"]
    accents = SessionState().with_found({"cafe\u0301": box}).with_found({"caf\u00e9": box})
    assert [one.name for one in accents.objects] == ["caf\u00e9", "caf\u00e9 2"]
    assert SessionState().renamed("OBJECT 1").with_object().current.name == "object 2"


def test_what_a_file_cannot_say_is_not_followed():
    free = Box(FREE, (1, 2, 30, 40))
    assert portable(SessionState().with_box(free).current) == []
    with pytest.raises(InputError, match="object 1 has a box drawn between the views"):
        followable(SessionState().with_box(free))
    with pytest.raises(InputError, match="object 1 is joined from several parts"):
        followable(SessionState().with_click(ON).with_part("subtract").with_click(ON))
    begun = SessionState().with_click(ON).with_part("add")
    assert followable(begun) == {"object 1": [PointPrompt("images/3.png", [(10, 11)])]}
