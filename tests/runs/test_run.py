from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sanerf_hq.errors import InputError
from sanerf_hq.runs import DamagedFile, Run, Stage, files, segmentations
from sanerf_hq.runs.digest import plain
from sanerf_hq.runs.run import LOCK_FILE

NOBODY = 4_999_999  # no system counts processes so far


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "runs" / "cape", tmp_path / "cape", "f00d", seed=3)


def edit(run: Run, change: dict[str, Any]) -> None:
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_what_is_created_can_be_opened(run: Run, tmp_path: Path):
    assert Run.open(run.folder) == run
    assert (run.seed, run.fingerprint, run.scene_path) == (3, "f00d", tmp_path / "cape")
    assert run.versions.keys() == {"sanerf_hq", "torch", "warp"} and all(run.versions.values())
    assert run.stages() == {} and run.stage("radiance") is None


def test_the_scene_path_is_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert Run.create(Path("out"), Path("data/cape"), "f", 0).scene_path == tmp_path / "data" / "cape"


def test_an_empty_folder_is_good_and_so_is_what_a_killed_creation_left(tmp_path: Path):
    (tmp_path / f".tmp-{NOBODY}-{'ab' * 8}").write_text("{")
    (tmp_path / LOCK_FILE).write_text("")
    run = Run.create(tmp_path, tmp_path, "f", 0)
    with run.lock():
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK_FILE, "run.json"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="is not empty and no run"):
        Run.create(tmp_path, tmp_path, "f", 0)
    with pytest.raises(InputError, match="is not empty and no run"):
        Run.open_or_create(tmp_path, tmp_path, "f", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_is_not_created_over(run: Run):
    before = (run.folder / "run.json").read_bytes()
    with pytest.raises(InputError, match="is already a run"):
        Run.create(run.folder, run.scene_path, "other", 0)
    assert (run.folder / "run.json").read_bytes() == before


def test_a_file_in_the_place_of_the_folder(tmp_path: Path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="out is a file"):
        Run.create(tmp_path / "out", tmp_path, "f", 0)
    with pytest.raises(InputError, match=r"cannot be (written|read)"):
        Run.create(tmp_path / "out" / "deeper", tmp_path, "f", 0)


def test_an_unwritable_folder(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        Run.create(tmp_path / "new", tmp_path, "f", 0)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        run.mark("radiance", "running", {})


def test_what_is_no_run(tmp_path: Path):
    with pytest.raises(InputError, match="gone does not exist"):
        Run.open(tmp_path / "gone")
    with pytest.raises(InputError, match=r"is no run \(it has no run.json\)"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 1}',
        '{"format": 1, "seed": 0, "stages": {}, "versions": {}, "scene": {"path": 1}}',
    ],
)
def test_a_damaged_manifest(run: Run, content: str):
    (run.folder / "run.json").write_text(content)
    with pytest.raises(DamagedFile, match=r"run\.json .*make the run anew in another folder"):
        Run.open(run.folder)
    with pytest.raises(DamagedFile):
        run.mark("radiance", "running", {})
    assert (run.folder / "run.json").read_text() == content  # nothing is lost


@pytest.mark.parametrize(
    "change",
    [
        {"seed": "0"},
        {"seed": True},
        {"stages": []},
        {"stages": {"radiance": 3}},
        {"stages": {"radiance": {"status": "nearly", "config": {}, "facts": {}}}},
        {"stages": {"radiance": {"status": "running", "config": None, "facts": {}}}},
        {"scene": "cape"},
        {"versions": None},
        {"versions": {"torch": 2}},
    ],
)
def test_a_manifest_with_one_field_damaged(run: Run, change: dict[str, Any]):
    edit(run, change)
    with pytest.raises(DamagedFile, match=r"run\.json is damaged"):
        Run.open(run.folder)


@pytest.mark.parametrize(
    "change", [{"format": 2, "versions": {"sanerf_hq": "9.1"}, "stages": 5}, {"format": None}]
)
def test_another_format(run: Run, change: dict[str, Any]):
    edit(run, change)
    with pytest.raises(InputError, match=r"run\.json has format (2|None).*reads format 1") as caught:
        Run.open(run.folder)
    assert not isinstance(caught.value, DamagedFile)
    assert ("9.1" in str(caught.value)) == (change["format"] == 2)


def test_other_images(run: Run):
    run.check_scene("f00d")
    with pytest.raises(InputError, match="was made from other images"):
        run.check_scene("beef")


def test_open_or_create(run: Run, tmp_path: Path):
    assert Run.open_or_create(run.folder, run.scene_path, "f00d", 3) == run
    assert Run.open_or_create(tmp_path / "new", run.scene_path, "f00d", 4).seed == 4
    with pytest.raises(InputError, match="other images"):
        Run.open_or_create(run.folder, run.scene_path, "beef", 3)
    with pytest.raises(InputError, match="--seed 3"):
        Run.open_or_create(run.folder, run.scene_path, "f00d", 4)


def test_stages_are_recorded_and_replaced(run: Run):
    other_handle = Run.open(run.folder)
    run.mark("radiance", "running", Stage("running", {"steps": 5}))  # any dataclass will do
    other_handle.mark("segmentations/left box", "complete", {"sizes": (1, 2)}, {"seconds": 1.5, "iou": None})
    assert run.mark("radiance", "complete", {"steps": 5}, {"psnr": 25.0}) == run.stage("radiance")
    assert Run.open(run.folder).stages() == {
        "radiance": Stage("complete", {"steps": 5}, {"psnr": 25.0}),
        "segmentations/left box": Stage("complete", {"sizes": [1, 2]}, {"seconds": 1.5, "iou": None}),
    }
    assert run.stage("radiance").is_complete and plain(run.stage("radiance"))["status"] == "complete"


def test_folders(run: Run):
    assert run.radiance == run.folder / "radiance"
    assert run.views == run.folder / "views" and run.features == run.folder / "features"
    box = run.segmentation("left box")
    assert box.name == "left box" and box.folder == run.folder / "segmentations" / "left box"
    assert box.masks.parent == box.exports.parent == box.field.parent == box.folder
    assert (box.identities.name, box.prompts.name, box.field.name) == (
        "identities.json",
        "prompts.json",
        "field.safetensors",
    )


@pytest.mark.parametrize("name", ["../radiance", "..", "/etc", "a/b", ""])
def test_a_segmentation_cannot_lie_elsewhere(run: Run, name: str):
    with pytest.raises(InputError, match="the name"):
        run.segmentation(name)


def test_segmentation_names(run: Run):
    assert run.segmentation_names() == []
    for name in ("pot", "left box", ".trash"):
        (run.segmentations / name).mkdir(parents=True)
    (run.segmentations / "notes.txt").write_text("")
    assert run.segmentation_names() == ["left box", "pot"]


def fill(run: Run, words: str, at_the_end: Callable[[], None] = lambda: None) -> None:
    """Make the segmentation ``pot``, with one moment."""
    with run.drafting("pot", {}) as draft:
        part = draft.at(0)
        part.folder.mkdir(parents=True, exist_ok=True)
        (part.folder / words).write_text("")
        run.mark(part.stage, "complete", {"made of": words})
        at_the_end()


def held(run: Run) -> list[str]:
    """What the segmentation ``pot`` holds, all of one making."""
    files = sorted(path.name for path in run.segmentation("pot").at(0).folder.iterdir())
    stages = {name: stage for name, stage in run.stages().items() if name.startswith("segmentations/pot")}
    assert set(stages) == {"segmentations/pot", "segmentations/pot/moments/0000"}
    assert all(stage.is_complete for stage in stages.values())
    assert stages["segmentations/pot/moments/0000"].config == {"made of": files[-1]}
    return files


def test_what_was_there_stays_until_the_new_one_is_whole(run: Run):
    fill(run, "old")
    with pytest.raises(KeyboardInterrupt), run.drafting("pot", {"of": 2}) as draft:
        draft.folder.mkdir(parents=True)
        (draft.folder / "begun").write_text("")
        assert held(run) == ["old"]
        raise KeyboardInterrupt
    assert held(run) == ["old"]
    assert run.segmentation_names() == ["pot"] and run.draft_names() == ["pot"]
    with run.drafting("pot", {"of": 2}) as draft:
        assert (draft.folder / "begun").exists(), "the same is gone on with"
    assert (run.segmentation("pot").folder / "begun").exists()
    assert not run.segmentation("pot").at(0).folder.exists(), "nothing of the old one is left"
    assert run.draft_names() == []
    assert [stage for stage in run.stages() if "pot" in stage] == ["segmentations/pot"]


def test_a_draft_of_other_settings_begins_anew(run: Run):
    with pytest.raises(KeyboardInterrupt), run.drafting("pot", {"of": 1}) as draft:
        draft.folder.mkdir(parents=True)
        raise KeyboardInterrupt
    with run.drafting("pot", {"of": 2}) as draft:
        assert not draft.folder.exists()
        draft.folder.mkdir(parents=True)


def test_a_draft_that_a_manifest_from_before_does_not_know_is_not_finished(run: Run):
    fill(run, "old")
    copy = (run.folder / "run.json").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        fill(run, "new", at_the_end=_interrupt)
    (run.folder / "run.json").write_bytes(copy)
    again = Run.open(run.folder)
    with again.lock():
        pass
    assert held(again) == ["old"]
    fill(again, "newer")
    assert held(again) == ["newer"], "half a draft is no part of the next"


def test_one_that_is_gone_on_with_is_not_finished_any_more(run: Run, monkeypatch: pytest.MonkeyPatch):
    fill(run, "old")
    copy = (run.folder / "run.json").read_bytes()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(segmentations, "write_manifest", lambda *words: _interrupt())
        fill(run, "new")
    with pytest.raises(KeyboardInterrupt):
        fill(run, "newer", at_the_end=_interrupt)
    (run.folder / "run.json").write_bytes(copy)
    assert held(Run.open(run.folder)) == ["old"]


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_writer_killed_at_its_very_end_leaves_the_old_or_the_new(
    run: Run, after: int, monkeypatch: pytest.MonkeyPatch
):
    fill(run, "old")
    left = iter(range(after))

    def mortal(act: Callable[..., None]) -> Callable[..., None]:
        def acted(*words: object, **more: object) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            act(*words, **more)

        return acted

    with monkeypatch.context() as patch:

        def doom() -> None:
            patch.setattr(segmentations, "_move", mortal(segmentations._move))
            patch.setattr(segmentations.shutil, "rmtree", mortal(segmentations.shutil.rmtree))

        with pytest.raises(KeyboardInterrupt):
            fill(run, "new", doom)
    again = Run.open(run.folder)
    assert held(again) == ["new"]
    assert again.segmentation_names() == ["pot"]
    hidden = [path for path in run.segmentations.rglob("*") if "old" in path.name or ".gone" in path.name]
    assert hidden == []


def test_one_that_is_not_finished_is_none_and_is_said_so(run: Run):
    assert "has no segmentation 'pot'; it has: none" in str(run.no_segmentation("pot"))
    with pytest.raises(KeyboardInterrupt), run.drafting("pot", {}) as draft:
        draft.folder.mkdir(parents=True)
        raise KeyboardInterrupt
    assert run.segmentation_names() == []
    assert "is not finished; run the same sanerf segment again" in str(run.no_segmentation("pot"))
    run.remove_segmentation("pot")
    assert run.draft_names() == [] and not draft.folder.exists()
    run.segmentation("pot").folder.mkdir(parents=True)
    run.mark("segmentations/pot", "running", {})
    assert run.segmentation_names() == [], "as early versions left them"


def test_removing_a_segmentation_leaves_others(run: Run):
    fill(run, "one")
    run.mark("segmentations/pot 2", "complete", {})
    run.segmentation("pot 2").folder.mkdir()
    run.remove_segmentation("pot")
    assert run.segmentation_names() == ["pot 2"]
    assert [stage for stage in run.stages() if "pot" in stage] == ["segmentations/pot 2"]


def test_the_lock_keeps_other_threads_out_and_lets_its_own_in(run: Run):
    told: list[str] = []

    def try_to_write() -> None:
        try:
            Run.open(run.folder).mark("radiance", "running", {})
        except InputError as error:
            told.append(str(error))

    with run.lock(), Run.open(run.folder).lock():
        run.mark("objects", "running", {})
        thread = threading.Thread(target=try_to_write)
        thread.start()
        thread.join()
    assert len(told) == 1 and str(run.folder) in told[0] and "another process is writing" in told[0]
    assert run.stages().keys() == {"objects"}
    try_to_write()
    assert run.stages().keys() == {"objects", "radiance"}


def test_taking_the_lock_sweeps_what_killed_writers_left_but_only_once(run: Run):
    stale = run.features / "sam" / f".tmp-{NOBODY}-{'0f' * 8}"
    stale.parent.mkdir(parents=True)
    stale.write_text("half")
    with run.lock():
        assert not stale.exists()
        stale.write_text("now being written")
        run.mark("radiance", "running", {})
        assert stale.exists()


HOLD = """
import sys
from pathlib import Path
from sanerf_hq.runs import Run
with Run.open(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_living_process_blocks_and_that_of_a_dead_one_does_not(run: Run):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="is in use, another process is writing"):
            run.mark("radiance", "running", {})
        assert run.stages() == {}  # reading is free
        os.kill(holder.pid, signal.SIGKILL)
    run.mark("radiance", "running", {})
    assert run.stages().keys() == {"radiance"}
