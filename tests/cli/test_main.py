from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from sanerf_hq.choices import DETECTORS, SEGMENTERS
from sanerf_hq.cli.demo import Demo
from sanerf_hq.cli.doctor import Doctor
from sanerf_hq.cli.main import is_out_of_memory, main
from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.radiance import PRESETS
from support.ball_scene import TINY, ball_scene
from support.command import refused
from support.scene_files import write_scene


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("capture", ["PHOTOS", "--out", "--longest", "--frames", "--pairing", "--features", "--threads"]),
        ("train", ["SCENE", "--out", "--preset", "--steps", "--width", "--seed", "--device"]),
        ("train", ["--format", "--split", "--images", "--truth"]),
        ("bench", ["--format", "--split", "--images", "--truth"]),
        ("export-scene", ["RUN|SCENE", "--format", "--out", "--undistort", "--scene.split"]),
        (
            "segment",
            ["RUN", "--name", "--view", "--point", "--negative", "--box", "--point3d", "--segmenter"],
        ),
        ("bench", ["SCENE", "--out", "--preset", "--segmenter", "--clicks", "--box", "--seed", "--width"]),
        ("eval", ["RUN", "--device"]),
        ("demo", ["--out", "--device"]),
        ("render", ["RUN", "--view", "--out", "--what", "--width", "--device"]),
        ("weights", ["list", "fetch"]),
        ("view", ["RUN", "--host", "--port", "--token", "--segmenter", "--preset", "--time", "--device"]),
        ("train", ["--view", "--view-port"]),
        ("doctor", ["--help"]),
    ],
)
def test_help_names_every_option(verb: str, options: list[str], capsys: pytest.CaptureFixture[str]):
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in options)


@pytest.mark.parametrize("verb", ["bench", "segment"])
def test_help_lists_every_segmenter(verb: str, capsys: pytest.CaptureFixture[str]):
    assert main([verb, "--help"]) == 0
    words = re.split(r"[^a-z_0-9]+", capsys.readouterr().out)
    for choice in SEGMENTERS:
        assert re.split(r"[:\[]", choice)[0] in words


def test_help_lists_every_detector(capsys: pytest.CaptureFixture[str]):
    assert main(["segment", "--help"]) == 0
    words = re.split(r"[^a-z_0-9]+", capsys.readouterr().out)
    for choice in DETECTORS:
        assert re.split(r"[:\[]", choice)[0] in words


def test_help_lists_the_verbs_and_so_does_no_word_at_all(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert (
        "{demo,capture,train,segment,view,render,export,export-scene,report,apply,eval,bench,weights,doctor}"
        in shown
    )
    assert main([]) == 0
    assert capsys.readouterr().out == shown


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sanerf {version('sanerf-hq')}\n"


def test_it_runs_as_a_module():
    words = [sys.executable, "-m", "sanerf_hq"]
    shown = subprocess.run([*words, "--version"], check=True, capture_output=True, text=True)
    assert shown.stdout == f"sanerf {version('sanerf-hq')}\n"
    assert subprocess.run([*words, "fly"], capture_output=True).returncode == 2


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["weights", "list"]])
@pytest.mark.parametrize("options", [[], ["-u"]])
def test_what_nobody_reads_is_no_error(words: list[str], options: list[str]):
    code = (
        "import os, sys; from sanerf_hq.cli.main import main; read, write = os.pipe(); os.close(read); "
        f"os.dup2(write, 1); sys.exit(main({words}))"
    )
    shown = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (141, "")


def test_help_does_not_wait_for_torch():
    code = (
        "import json, sys; from sanerf_hq.cli.main import main; main(['train', '--help']); "
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(json.loads(shown.stdout.splitlines()[-1]))
    assert "tyro" in loaded
    assert loaded & {"torch", "numpy", "warp", "transformers", "cv2", "PIL"} == set()


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["train"],
        ["train", "scene"],
        ["train", "scene", "--out", "run", "--preset", "best"],
        ["train", "scene", "--out", "run", "--steps", "many"],
        ["render", "run", "--view", "a", "--out", "a.png", "--what", "smell"],
        ["doctor", "--loudly"],
    ],
)
def test_words_that_mean_nothing(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(words) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--steps", "0"], "--steps is 0"),
        (["--width", "0"], "--width is 0"),
        (["--seed", "-1"], "--seed is -1"),
    ],
)
def test_train_refuses_numbers_that_are_too_small(
    options: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    scene = write_scene(tmp_path / "scene")
    assert named in refused(["train", str(scene), "--out", str(tmp_path / "run"), *options], capsys)
    assert not (tmp_path / "run").exists()


def test_train_refuses_what_is_no_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = ["--out", str(tmp_path / "run")]
    assert "does not exist" in refused(["train", str(tmp_path / "none"), *run], capsys)
    (tmp_path / "empty").mkdir()
    assert "holds no transforms.json" in refused(["train", str(tmp_path / "empty"), *run], capsys)
    (tmp_path / "empty" / "transforms.json").write_text("{")
    assert "is not valid JSON" in refused(["train", str(tmp_path / "empty"), *run], capsys)
    assert not (tmp_path / "run").exists()


def test_train_refuses_a_folder_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    scene, taken = write_scene(tmp_path / "scene"), tmp_path / "taken"
    taken.mkdir()
    (taken / "diary.txt").write_text("mine")
    assert "is not empty and no run" in refused(["train", str(scene), "--out", str(taken)], capsys)
    assert [path.name for path in taken.iterdir()] == ["diary.txt"]


def test_render_refuses_what_is_no_run_or_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    picture = tmp_path / "a.png"
    where = ["--view", "0", "--out", str(picture)]
    assert "none" in refused(["render", str(tmp_path / "none"), *where], capsys)
    (tmp_path / "empty").mkdir()
    assert "empty" in refused(["render", str(tmp_path / "empty"), *where], capsys)
    words = ["render", str(tmp_path / "empty"), "--view", "0", "--out", str(tmp_path / "a.jpg")]
    assert "let it end with .png" in refused(words, capsys)
    assert "--width is -3" in refused(["render", str(tmp_path), *where, "--width", "-3"], capsys)
    assert not picture.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--port", "70000"], "--port is 70000"),
        (["--token", "sesame42"], "--token is for other addresses than 127.0.0.1"),
        (["--host", "0.0.0.0", "--token", "short"], "--token must be 8 or more"),
        ([], "no run"),
    ],
)
def test_view_refuses_what_it_cannot_open(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("viser", reason="needs the extra ui")
    assert sentence in refused(["view", str(tmp_path), *options], capsys)


@pytest.mark.parametrize("stop", [Cancelled(), KeyboardInterrupt()])
def test_what_is_stopped_says_how_to_go_on(
    stop: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(Demo, "run", raiser(stop))
    monkeypatch.setattr(Doctor, "run", raiser(stop))
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "stopped; run the same command to go on\n"
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "stopped; run the same command to begin anew\n"


def test_a_training_that_diverges_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sanerf_hq.radiance.step.PHOTO_WEIGHT", float("nan"))
    monkeypatch.setitem(PRESETS, "draft", replace(TINY, steps=2))
    words = ["train", str(ball_scene(tmp_path / "ball")), "--out", str(tmp_path / "run"), "--preset", "draft"]
    assert main(words) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(
        "sanerf: radiance: the loss is nan after 2 of 2 steps: begin anew with another seed"
    )


def test_sigterm_stops_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Doctor, "run", lambda self: signal.raise_signal(signal.SIGTERM))
    assert main(["doctor"]) == 130
    assert "stopped" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_only_the_user_s_errors_lose_their_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(Doctor, "run", raiser(InputError("a.png is broken; replace it")))
    assert refused(["doctor"], capsys) == "sanerf: a.png is broken; replace it\n"
    monkeypatch.setattr(Doctor, "run", raiser(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


def raiser(error: BaseException):
    def run(self: Doctor) -> int:
        raise error

    return run


def test_too_little_memory_is_said_in_a_sentence():
    pixels = torch.zeros(1)
    with pytest.raises(RuntimeError) as caught:
        pixels.expand(1 << 50).clone()
    assert is_out_of_memory(caught.value) and is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
