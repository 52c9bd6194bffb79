from __future__ import annotations

from pathlib import Path

import pytest

from sanerf_hq.errors import InputError
from sanerf_hq.scene import load_scene
from support.scene_files import INTRINSICS, frame, write_scene


def splits(
    tmp_path: Path, words: list[str | None], shared: dict[str, object] | None = None
) -> tuple[list[str], list[str]]:
    """Stems of the training and test views of frames 0, 1, ... with these splits."""
    frames = [frame(f"./{i}.png", split=word) for i, word in enumerate(words)]
    scene = load_scene(write_scene(tmp_path, frames, {**INTRINSICS, **(shared or {})}))
    return [view.stem for view in scene.train_views], [view.stem for view in scene.test_views]


def test_frames_say_their_split(tmp_path: Path):
    assert splits(tmp_path, ["test", "train", "train", None]) == (["1", "2", "3"], ["0"])


def test_validation_frames_are_test_frames_only_where_there_are_none(tmp_path: Path):
    assert splits(tmp_path, ["train", "val"]) == (["0"], ["1"])
    assert splits(tmp_path, ["train", "val", "test"]) == (["0"], ["2"])


def test_filenames_of_nerfstudio(tmp_path: Path):
    lists = {"train_filenames": ["0.png", "./2.png"], "val_filenames": ["1.png"], "test_filenames": ["3.png"]}
    assert splits(tmp_path, [None] * 5, lists) == (["0", "2"], ["3"])
    assert splits(tmp_path, [None, "train", None, None, "test"], lists) == (["0", "1", "2"], ["3", "4"])


def test_images_of_frames_left_out_need_not_be_there(tmp_path: Path):
    write_scene(
        tmp_path, [frame("a.png", split="train"), frame("b.png", split="val"), frame("c.png", split="test")]
    )
    (tmp_path / "b.png").unlink()
    assert [view.stem for view in load_scene(tmp_path).views] == ["a", "c"]


def test_without_a_word_every_eighth_by_name_is_for_testing(tmp_path: Path):
    names = [f"{i:02d}.png" for i in range(17)]
    scene = load_scene(write_scene(tmp_path, [frame(name) for name in reversed(names)]))
    assert {view.name for view in scene.test_views} == {"00.png", "08.png", "16.png"}
    assert len(scene.train_views) == 14
    assert [view.name for view in scene.views] == names[::-1]  # the file's order stays


def test_a_single_frame_is_trained_on(tmp_path: Path):
    assert splits(tmp_path, [None]) == (["0"], [])


@pytest.mark.parametrize(
    ("words", "shared", "message"),
    [
        (["test", "test"], {}, "no training frame"),
        (["training"], {}, "split is 'training'"),
        ([None], {"train_filenames": ["9.png"]}, "names '9.png', which is no frame"),
        ([None], {"train_filenames": [0]}, "names 0, which is no frame"),
        ([None], {"test_filenames": "0.png"}, "write a list"),
    ],
)
def test_splits_that_cannot_be(
    tmp_path: Path, words: list[str | None], shared: dict[str, object], message: str
):
    with pytest.raises(InputError, match=message):
        splits(tmp_path, words, shared)
