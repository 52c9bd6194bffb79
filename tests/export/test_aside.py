"""Results that are whole or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path

import pytest

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export.aside import file_aside, folder_aside
from sanerf_hq.runs import DamagedFile, write_bytes


def test_a_file_appears_at_the_end_and_replaces_what_was_there(tmp_path: Path):
    path = tmp_path / "deep" / "a.mp4"
    path.parent.mkdir()
    path.write_bytes(b"old")
    with file_aside(path) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.suffix == ".mp4"
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [item.name for item in path.parent.iterdir()] == ["a.mp4"]


def test_a_folder_appears_at_the_end(tmp_path: Path):
    path = tmp_path / "new" / "set"
    with folder_aside(path) as temporary:
        (temporary / "a").mkdir()
        (temporary / "a" / "b.png").write_bytes(b"x")
        assert not path.exists()
    assert (path / "a" / "b.png").read_bytes() == b"x"
    assert [item.name for item in path.parent.iterdir()] == ["set"]


def test_an_empty_folder_is_filled(tmp_path: Path):
    (tmp_path / "set").mkdir()
    with folder_aside(tmp_path / "set") as temporary:
        (temporary / "a").write_text("x")
    assert (tmp_path / "set" / "a").read_text() == "x"


@pytest.mark.parametrize("kind", ["here", "link"])
def test_an_empty_folder_that_cannot_be_replaced_is_filled(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "set").mkdir()
    (tmp_path / "link").symlink_to("set")
    monkeypatch.chdir(tmp_path / "set")
    path = Path() if kind == "here" else tmp_path / "link"
    before = (tmp_path / "set").stat().st_ino
    for stop in (True, False):
        with contextlib.suppress(Cancelled), folder_aside(path) as temporary:
            (temporary / "a").mkdir()
            (temporary / "a" / "b.png").write_text("x")
            (temporary / "c.json").write_text("y")
            if stop:
                raise Cancelled
        assert sorted(item.name for item in (tmp_path / "set").iterdir()) == ([] if stop else ["a", "c.json"])
    assert (tmp_path / "set" / "a" / "b.png").read_text() == "x"
    assert (tmp_path / "set").stat().st_ino == before and (tmp_path / "link").is_symlink()


def test_what_killed_processes_left_is_swept_when_it_is_old(tmp_path: Path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    old, new, running = (
        tmp_path / f".tmp-{number}-{sign * 16}"
        for number, sign in ((ended.pid, "0"), (ended.pid, "1"), (os.getppid(), "2"))
    )
    for folder in (old, new, running):
        (folder / "part").mkdir(parents=True)
    for folder in (old, running):
        os.utime(folder, (0, 0))
    with file_aside(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    assert {item.name for item in tmp_path.iterdir()} == {new.name, running.name, "a.txt"}
    (tmp_path / "a.txt").unlink()
    with folder_aside(tmp_path) as temporary:  # what is left there does not fill it
        (temporary / "b").write_text("x")
    assert (tmp_path / "b").read_text() == "x"


@pytest.mark.parametrize("stop", [Cancelled(), KeyboardInterrupt(), ZeroDivisionError()])
@pytest.mark.parametrize("kind", [file_aside, folder_aside])
def test_what_is_stopped_leaves_nothing(tmp_path: Path, stop: BaseException, kind):
    with pytest.raises(type(stop)), kind(tmp_path / "out.x") as temporary:
        (temporary / "part" if temporary.is_dir() else temporary).write_text("half")
        raise stop
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_left_alone(tmp_path: Path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("x")
    (tmp_path / "file").write_text("y")
    with pytest.raises(InputError, match=r"set is not empty; choose a new"), folder_aside(tmp_path / "set"):
        pass
    with pytest.raises(InputError, match=r"file is a file; choose a new"), folder_aside(tmp_path / "file"):
        pass
    with (
        pytest.raises(InputError, match=r"set is a folder; give a file's name"),
        file_aside(tmp_path / "set"),
    ):
        pass
    assert (tmp_path / "set" / "mine").read_text() == "x"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "set"]


def test_what_the_system_refuses_is_said_in_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("y")
    with pytest.raises(InputError, match="cannot be written"), file_aside(tmp_path / "file" / "a.mp4"):
        pass
    with pytest.raises(InputError, match="the disk is full"), folder_aside(tmp_path / "set"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("where", ["new", "there"])
def test_a_file_that_cannot_be_written_is_named_as_the_user_knows_it(tmp_path: Path, where: str):
    path = tmp_path / where
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError) as caught, folder_aside(path) as temporary:
        (temporary / "images").write_bytes(b"no folder")
        write_bytes(temporary / "images" / "a.png", b"x")
    assert str(path / "images") in str(caught.value)
    assert ".tmp-" not in str(caught.value)


def test_other_errors_come_through_as_they_are(tmp_path: Path):
    error = DamagedFile("a mask is damaged")
    with pytest.raises(DamagedFile) as caught, folder_aside(tmp_path / "new"):
        raise error
    assert caught.value is error
