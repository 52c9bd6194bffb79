from __future__ import annotations

import json
from pathlib import Path

import pytest

from sanerf_hq.capture.lens import Lens
from sanerf_hq.capture.store import State, Store, StoredImage
from sanerf_hq.capture.video import FrameStats
from sanerf_hq.errors import InputError

IMAGE = StoredImage("ü.jpg", "content", "key", "ü.HEIC", (40, 30), Lens("Maker", 0.75), 0.01)
STATE = State(
    {"ü.jpg": IMAGE},
    {"ü.jpg": "key 9"},
    "images",
    ((1, 4),),
    ((0, 3),),
    True,
    (FrameStats(3, 0.5, 0.1),),
    "video",
    "poses",
)


def write(folder: Path, state: State = STATE) -> None:
    store = Store(folder)
    with store.opened():
        store.save(state)


def test_what_is_known_is_read_back(tmp_path: Path):
    write(tmp_path / "scene")
    store = Store(tmp_path / "scene")
    with store.opened():
        assert store.state == STATE


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1, "images": 3}'])
def test_a_state_that_cannot_be_read_counts_as_none(text: str, tmp_path: Path):
    write(tmp_path / "scene")
    (tmp_path / "scene" / "work" / "state.json").write_text(text)
    store = Store(tmp_path / "scene")
    with store.opened():
        assert store.state == State()


def test_a_state_that_names_files_elsewhere_is_not_believed(tmp_path: Path):
    folder, mine = tmp_path / "scene", tmp_path / "mine.jpg"
    mine.write_text("precious")
    write(folder)
    file = folder / "work" / "state.json"
    content = json.loads(file.read_text())
    content["images"] = {"../../mine.jpg": content["images"]["ü.jpg"] | {"name": "../../mine.jpg"}}
    file.write_text(json.dumps(content))
    store = Store(folder)
    with store.opened():
        store.forget_images(set())
    assert mine.read_text() == "precious"


def test_two_at_once_are_refused(tmp_path: Path):
    with (
        Store(tmp_path / "scene").opened(),
        pytest.raises(InputError, match="in use"),
        Store(tmp_path / "scene").opened(),
    ):
        pass


def test_a_file_or_a_strange_folder_is_no_place_for_it(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"), Store(tmp_path / "file").opened():
        pass
    with pytest.raises(InputError, match="not empty"), Store(tmp_path).opened():
        pass


def test_what_a_file_manager_left_makes_no_folder_strange(tmp_path: Path):
    (tmp_path / ".DS_Store").write_text("x")
    (tmp_path / "Thumbs.db").write_text("x")
    write(tmp_path)
    (tmp_path / "work" / ".lock").unlink()
    with pytest.raises(InputError, match="not empty"), Store(tmp_path).opened():
        pass


def test_only_images_of_ours_are_forgotten(tmp_path: Path):
    folder = tmp_path / "scene"
    write(folder)
    (folder / "images").mkdir()
    for name in ("ü.jpg", "mine.jpg"):
        (folder / "images" / name).write_text("x")
    store = Store(folder)
    with store.opened():
        store.forget_images(set())
        assert store.state.images == {}
    assert [path.name for path in (folder / "images").iterdir()] == ["mine.jpg"]
