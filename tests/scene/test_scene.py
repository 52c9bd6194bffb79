from __future__ import annotations

from pathlib import Path

import pytest

from sanerf_hq.errors import InputError
from sanerf_hq.scene import load_scene
from support.scene_files import frame, write_scene


def test_a_view_answers_to_its_name_and_where_unique_to_its_stem(tmp_path: Path):
    scene = load_scene(write_scene(tmp_path, [frame("x/a.png"), frame("x/b.png"), frame("y/b.png")]))
    assert scene.view("x/a.png").name == scene.view("a").name == "x/a.png"
    assert scene.view("y/b.png").name == "y/b.png"
    assert scene.view("./y/b.png").name == "y/b.png"
    with pytest.raises(InputError, match="'b' is ambiguous"):
        scene.view("b")
    with pytest.raises(InputError, match="has no view 'c'"):
        scene.view("c")
