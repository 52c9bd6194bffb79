"""Files that are whole or absent: written aside, flushed to the disk, renamed; checked when read.

A reader, or a run that is resumed after a kill, meets either the old content or the new one. Arrays are
safetensors with a checksum among their metadata; everything else is JSON or text. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from sanerf_hq.errors import InputError

CHECKSUM_KEY = "checksum"
_TEMPORARY = re.compile(r"\.tmp-(\d+)-[0-9a-f]{16}")
_BEGUN = time.time()
DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_DELETE = "delete it and run again"


class DamagedFile(InputError):
    """A file is there, but what it holds cannot be trusted."""


@dataclass(frozen=True)
class TensorFile:
    """What :func:`read_tensors` found.

    Attributes:
        tensors: Arrays by name.
        metadata: Words written beside them (without the checksum).
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def write_bytes(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` in one move; missing folders are made.

    Raises:
        InputError: The disk is full or the folder cannot be written; what was at ``path`` is still there.
    """
    temporary = path.parent / f".tmp-{os.getpid()}-{secrets.token_hex(8)}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            descriptor = os.open(temporary, flags, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)  # noqa: PTH105 - so that tests can make exactly this call fail
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        _raise_unwritable(path, error)


def check_writable(path: Path) -> None:
    """Refuse, before long work begins, a place that :func:`write_bytes` could not write to.

    Raises:
        InputError: ``path`` is a folder, or the nearest folder above it that is there cannot be written.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        _raise_unwritable(path, error)


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """:func:`write_bytes` of readable JSON. NaN and infinity are refused (ValueError): JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_line(path: Path, line: str) -> None:
    """Add a line to a log. A kill may leave its last line half written: a log's readers drop such a line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        _raise_unwritable(path, error)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write arrays and words about them as safetensors, with a checksum over both.

    Args:
        path: The file; what was there is replaced.
        tensors: Arrays of any device, shape and layout; stored contiguous.
        metadata: Words for the reader; the key ``"checksum"`` is taken.
    """
    from safetensors.torch import save

    if CHECKSUM_KEY in metadata:
        raise ValueError(f"the metadata key {CHECKSUM_KEY!r} is taken")
    stored: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().to("cpu").contiguous()
        storage = plain.untyped_storage().data_ptr()
        stored[name] = plain.clone() if storage in storages else plain  # safetensors refuses shared memory
        storages.add(storage)
    words = dict(metadata)
    write_bytes(path, save(stored, words | {CHECKSUM_KEY: _checksum(stored, words)}))


def read_bytes(path: Path) -> bytes:
    """A file's content; a file that is missing or cannot be read is an InputError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path, or run the step that makes it") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): check the path and its permissions"
        ) from error


def read_json(path: Path, remedy: str = _DELETE) -> dict[str, Any]:
    """A JSON object.

    Args:
        path: The file.
        remedy: What the user should do about a damaged file, to end the sentence with.

    Raises:
        InputError: The file is missing.
        DamagedFile: It is not UTF-8 JSON with an object at the top.
    """
    content = read_bytes(path)
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        why = "is nested too deep" if isinstance(error, RecursionError) else f"is not valid JSON ({error})"
        raise DamagedFile(f"{path} {why}: {remedy}") from error
    if not isinstance(value, dict):
        raise DamagedFile(f"{path} holds no JSON object: {remedy}")
    return value


def read_metadata(path: Path) -> dict[str, str]:
    """The words beside arrays that :func:`write_tensors` wrote; neither arrays nor checksum are looked at.

    Raises:
        InputError: The file is missing.
        DamagedFile: There are no such words.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            return dict(json.loads(file.read(min(length, path.stat().st_size)))["__metadata__"])
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFile(f"{path} is damaged or no file of ours: {_DELETE}") from error


def read_tensors(path: Path, device: torch.device | str = "cpu", remedy: str = _DELETE) -> TensorFile:
    """What :func:`write_tensors` wrote, checked.

    Args:
        path: The file.
        device: Where the arrays are put.
        remedy: What the user should do about a damaged file, to end the sentence with.

    Raises:
        InputError: The file is missing.
        DamagedFile: It is truncated, altered, or was not written by :func:`write_tensors`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = read_bytes(path)
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = dict(header["__metadata__"])
        expected = metadata.pop(CHECKSUM_KEY)
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFile(f"{path} is damaged or no file of ours: {remedy}") from error
    if _checksum(tensors, metadata) != expected:
        raise DamagedFile(f"{path} is damaged (its checksum does not fit): {remedy}")
    return TensorFile({name: tensor.to(device) for name, tensor in tensors.items()}, metadata)


def sweep_temporaries(folder: Path) -> None:
    """Remove what killed writers left anywhere below ``folder``; what is being written stays."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            with contextlib.suppress(FileNotFoundError, PermissionError):
                if is_temporary(name) and is_left(path):
                    path.unlink()


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a write in progress, or of one that was killed."""
    return _TEMPORARY.fullmatch(name) is not None


def is_left(temporary: Path) -> bool:
    """Whether the process that wrote a temporary is no more."""
    found = _TEMPORARY.fullmatch(temporary.name)
    writer = int(found[1]) if found else 0
    if writer == os.getpid():  # in a container processes are numbered alike each time
        return temporary.stat().st_mtime < _BEGUN
    return not _runs(writer)


def _runs(process: int) -> bool:
    """Whether there is a process of that number."""
    if os.name != "posix":  # os.kill would end it there; but nobody can delete what it has open
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(dict(metadata), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        if tensor.numel():
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets folders be synced."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_unwritable(path: Path, error: OSError) -> NoReturn:
    if error.errno in DISK_FULL:
        raise InputError(
            f"{path} cannot be written, the disk is full: free some space and run again"
        ) from error
    raise InputError(
        f"{path} cannot be written ({error.strerror}): choose another folder or mend its permissions"
    ) from error
