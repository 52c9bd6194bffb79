"""What bench says before it trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sanerf_hq.cli.main import main
from support.balls import write_ball_scene
from support.command import refused


def change_objects(scene: Path, **changed: object) -> None:
    """Other values for the first object of a scene's ``scene.json``."""
    file = scene / "scene.json"
    content = json.loads(file.read_text())
    content["objects"][0] |= changed
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("changed", "more", "sentence"),
    [
        ({"prompts": None, "box": None}, [], "scene others: object red has no prompt in scene.json"),
        ({"box": None}, ["--box"], "others: object red has no box in scene.json; prompt with --clicks"),
    ],
)
def test_an_object_without_the_prompts_asked_for_is_named_before_training(
    tmp_path: Path,
    changed: dict[str, object],
    more: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
):
    first, second = write_ball_scene(tmp_path / "balls"), write_ball_scene(tmp_path / "others")
    change_objects(second, **changed)
    line = ["bench", str(first), str(second), "--out", str(tmp_path / "bench"), *more]
    assert sentence in refused(line, capsys)
    assert not (tmp_path / "bench").exists()


def test_a_scene_without_objects_is_told_of_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    told: list[str] = []

    def stop(*given: object) -> None:
        told.append(capsys.readouterr().out)
        raise KeyboardInterrupt

    monkeypatch.setattr("sanerf_hq.evaluate.bench_scene", stop)
    scene = write_ball_scene(tmp_path / "balls")
    (scene / "scene.json").unlink()
    assert main(["bench", str(scene), "--out", str(tmp_path / "bench")]) == 130
    assert told == [
        "balls has no object to score, only its PSNR is measured; name some in scene.json\n",
    ]
