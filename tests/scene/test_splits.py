from __future__ import annotations

from pathlib import Path

import pytest

from sanerf_hq.errors import InputError
from sanerf_hq.scene import SceneOptions, load_scene
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


@pytest.mark.parametrize("n", [1, 2, 7])
def test_of_few_frames_none_can_be_spared(tmp_path: Path, n: int):
    assert splits(tmp_path, [None] * n) == ([str(i) for i in range(n)], [])


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


def test_another_split_can_be_asked_for(tmp_path: Path):
    frames = [frame(f"photos/{i:02d}.png", split="train") for i in range(9)]
    folder = write_scene(tmp_path / "scene", frames)

    def tested(split: str) -> list[str]:
        scene = load_scene(folder, SceneOptions(split=split))
        assert len(scene.views) == 9
        assert scene.options.split is not None
        return [view.stem for view in scene.test_views]

    assert tested("file") == []
    assert tested("every:4") == ["00", "04", "08"]
    names = tmp_path / "test views.txt"
    names.write_text("# held out\nphotos/01.png\n\n  05 \n01\n", encoding="utf-8")
    assert tested(f"list:{names}") == ["01", "05"]


def test_a_listed_file_is_found_again_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = write_scene(tmp_path / "scene")
    (tmp_path / "names.txt").write_text("1\n")
    monkeypatch.chdir(tmp_path)
    scene = load_scene(folder, SceneOptions(split="list:names.txt"))
    monkeypatch.chdir("/")
    again = load_scene(folder, SceneOptions.from_words(scene.options.to_words()))
    assert [view.stem for view in again.test_views] == ["1"]


@pytest.mark.parametrize(
    ("split", "content", "message"),
    [
        ("every:1", None, "--split 'every:1' is no split"),
        ("every:²", None, "is no split; say file, every:N"),
        ("every:", None, "is no split"),
        ("third", None, "is no split"),
        ("list:", None, "is no split"),
        ("list:missing.txt", None, "missing.txt cannot be read"),
        ("list:names.txt", b"# nothing\n", "names no view"),
        ("list:names.txt", b"0\n77\n", r"the test view '77' is no view of the scene \(1 of 2"),
        ("list:names.txt", b"\xff\xfe", "no UTF-8"),
        ("list:names.txt", b"0\n1\n2\n", "no training frame"),
    ],
)
def test_splits_that_cannot_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str, content: bytes | None, message: str
):
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path / "scene")
    if content is not None:
        (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_scene("scene", SceneOptions(split=split))


def test_a_stem_that_several_views_have_is_ambiguous(tmp_path: Path):
    folder = write_scene(tmp_path / "scene", [frame("a/0.png"), frame("b/0.png"), frame("b/1.png")])
    (tmp_path / "names.txt").write_text("0\n")
    with pytest.raises(InputError, match=r"'0' is ambiguous; say one of a/0\.png, b/0\.png"):
        load_scene(folder, SceneOptions(split=f"list:{tmp_path / 'names.txt'}"))
