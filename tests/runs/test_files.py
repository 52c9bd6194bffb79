from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.runs import files
from sanerf_hq.runs.files import (
    DamagedFile,
    append_line,
    read_bytes,
    read_json,
    read_tensors,
    sweep_temporaries,
    write_bytes,
    write_json,
    write_tensors,
    write_text,
)

NOBODY = 4_999_999  # no system counts processes so far
TENSORS = {
    "weights": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "half": torch.tensor([1.5, -0.25], dtype=torch.bfloat16),
    "nothing": torch.zeros(0, 3),
    "scalar": torch.tensor(7, dtype=torch.int64),
    "flags": torch.tensor([True, False, True]),
}


def test_tensors_come_back_as_they_were(tmp_path: Path):
    path = tmp_path / "deep" / "er" / "x.safetensors"
    write_tensors(path, TENSORS, {"step": "12", "who": "Zoë"})
    back = read_tensors(path)
    assert back.metadata == {"step": "12", "who": "Zoë"}
    assert back.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert back.tensors[name].dtype == tensor.dtype
        assert torch.equal(back.tensors[name], tensor)


def test_no_tensor_at_all(tmp_path: Path):
    write_tensors(tmp_path / "x", {}, {})
    assert read_tensors(tmp_path / "x").tensors == {}


def test_views_transposes_and_shared_memory_are_stored_as_values(tmp_path: Path):
    base = torch.arange(12.0).reshape(3, 4)
    leaf = torch.ones(2, requires_grad=True)
    write_tensors(
        tmp_path / "x", {"t": base.T, "row": base[1], "again": base, "base": base, "leaf": leaf}, {}
    )
    back = read_tensors(tmp_path / "x").tensors
    assert torch.equal(back["t"], base.T)
    assert back["row"].tolist() == [4, 5, 6, 7]
    assert torch.equal(back["again"], base) and torch.equal(back["base"], base)
    assert back["leaf"].tolist() == [1, 1]


def test_what_is_read_can_be_written_to_and_the_file_replaced(tmp_path: Path):
    path = tmp_path / "x"
    write_tensors(path, TENSORS, {})
    back = read_tensors(path).tensors["weights"]
    back += 1
    write_tensors(path, {"weights": back}, {})
    assert torch.equal(read_tensors(path).tensors["weights"], TENSORS["weights"] + 1)


def test_the_checksum_key_is_taken(tmp_path: Path):
    with pytest.raises(ValueError, match="checksum"):
        write_tensors(tmp_path / "x", {}, {"checksum": "0"})


def test_any_flipped_byte_is_caught(tmp_path: Path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, {"step": "12"})
    whole = path.read_bytes()
    for position in range(len(whole)):
        broken = bytearray(whole)
        broken[position] ^= 1
        path.write_bytes(broken)
        with pytest.raises(DamagedFile, match=r"x\.safetensors.*delete it and run again"):
            read_tensors(path)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, -1, -13])
def test_truncation_is_caught(tmp_path: Path, length: int):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, {})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedFile, match=r"x\.safetensors"):
        read_tensors(path)


def test_a_file_of_others_is_not_trusted(tmp_path: Path):
    from safetensors.torch import save_file

    save_file({"weights": torch.ones(2)}, tmp_path / "foreign")
    with pytest.raises(DamagedFile, match="foreign"):
        read_tensors(tmp_path / "foreign")


def test_missing_and_unreadable_files(tmp_path: Path):
    for read in (read_tensors, read_json, read_bytes):
        with pytest.raises(InputError, match=r"gone does not exist") as caught:
            read(tmp_path / "gone")
        assert not isinstance(caught.value, DamagedFile)
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path)


def test_json_round_trip(tmp_path: Path):
    value = {"name": "Zoë's left box", "scores": [0.5, None], "nested": {"a": 1}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert "Zoë" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_json_has_no_nan(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"a": 1} x', b"[1]", b"3", b"\xff\xfe{}", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"],
)
def test_damaged_json(tmp_path: Path, content: bytes):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"x\.json.*mend it"):
        read_json(tmp_path / "x.json", "mend it")


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot be written"), (errno.EIO, "cannot be written")],
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, told: str
):
    path = tmp_path / "x.json"
    write_json(path, {"old": True})

    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(files.os, call, fail)
        with pytest.raises(InputError, match=rf"x\.json.*{told}"):
            write_json(path, {"new": True})
    assert json.loads(path.read_text()) == {"old": True}
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


def test_an_interrupt_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "x", b"new")
    assert list(tmp_path.iterdir()) == []


def test_the_content_is_on_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda number: (calls.append("fsync"), fsync(number)))
    monkeypatch.setattr(files.os, "replace", lambda old, new: (calls.append("replace"), replace(old, new)))
    write_bytes(tmp_path / "x", b"new")
    assert calls == (["fsync", "replace", "fsync"] if os.name == "posix" else ["fsync", "replace"])


def test_a_folder_in_place_of_a_file(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "file" / "x", "")
    with pytest.raises(InputError, match="cannot be written"):
        append_line(tmp_path, "line")


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path):
    files.check_writable(tmp_path / "new" / "er" / "x")
    write_text(tmp_path / "x", "old")
    files.check_writable(tmp_path / "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "x", tmp_path / ("n" * 300) / "x"):
        with pytest.raises(InputError, match="cannot be written"):
            files.check_writable(path)

    def fail(**given: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", fail)
    with pytest.raises(
        InputError, match=r"x\.json cannot be written \(Read-only file system\): choose another"
    ):
        files.check_writable(tmp_path / "run" / "x.json")


def test_sweeping_takes_what_dead_writers_left_and_nothing_else(tmp_path: Path):
    stale = tmp_path / "features" / "sam" / f".tmp-{NOBODY}-{'0a' * 8}"
    stale.parent.mkdir(parents=True)
    kept = [tmp_path / ".tmp-notes", tmp_path / "features" / "tmp-1-0a", tmp_path / ".lock"]
    kept.append(tmp_path / f".tmp-{os.getppid()}-{'0b' * 8}")
    kept.append(tmp_path / f".tmp-{os.getpid()}-{'0c' * 8}")
    namesake = tmp_path / f".tmp-{os.getpid()}-{'0d' * 8}"
    for path in (stale, namesake, *kept):
        path.write_text("x")
    os.utime(namesake, (0, 0))  # of a process that had our number before we began
    sweep_temporaries(tmp_path)
    assert not stale.exists() and not namesake.exists()
    assert all(path.exists() for path in kept)


def test_what_is_being_written_outlives_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    replace = os.replace

    def swept_before(old: Path, new: Path) -> None:
        sweep_temporaries(tmp_path)
        replace(old, new)

    monkeypatch.setattr(files.os, "replace", swept_before)
    write_bytes(tmp_path / "features" / "x", b"embedding")
    assert (tmp_path / "features" / "x").read_bytes() == b"embedding"


def test_lines_are_added(tmp_path: Path):
    append_line(tmp_path / "new" / "log", "a")
    append_line(tmp_path / "new" / "log", "ü")
    assert (tmp_path / "new" / "log").read_text(encoding="utf-8") == "a\nü\n"
