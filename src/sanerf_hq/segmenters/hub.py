"""The model hub: what of it is on this machine, and how the rest gets here, once.

What is in the cache is used without asking the network. Only a configuration, safetensors and, where a model
reads words, its tokenizer are fetched.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

from sanerf_hq.errors import InputError
from sanerf_hq.runs.files import DISK_FULL

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
FILES = (CONFIG, TOKENIZER, "*.safetensors", "*.safetensors.index.json")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors in a folder that are there in full, by name."""
    return sorted(path for path in folder.glob("*.safetensors") if path.is_file())


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a configuration and weights, all shards, and a tokenizer if it reads words."""
    files = {path.name for path in weight_files(folder)}
    if not (folder / CONFIG).is_file() or not files:
        return False
    if _reads_words(folder) and not (folder / TOKENIZER).is_file():
        return False
    if not (folder / INDEX).is_file():
        return True
    try:
        shards = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return shards <= files


def _reads_words(folder: Path) -> bool:
    """Whether a model's configuration says so; one that cannot be read says nothing."""
    try:
        return json.loads((folder / CONFIG).read_text(encoding="utf-8"))["model_type"] == "grounding-dino"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def cached_folder(hub_id: str) -> Path | None:
    """Where a model lies in the hub's cache; None where it does not, or not in full. Asks no network."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=list(FILES), local_files_only=True))
    except Exception:  # not there, or what is there is broken: either way it is to be fetched
        return None
    return folder if is_whole(folder) else None


def fetched_folder(hub_id: str, called: str) -> Path:
    """Where a model lies in the hub's cache, once it has been downloaded if need be.

    On a terminal the hub's client draws a bar; a download that was stopped goes on.

    Args:
        hub_id: ``owner/name``.
        called: What it is and what the user called it, for the sentence that says what is wrong.

    Raises:
        InputError: It is not in the cache and cannot be had; the sentence says why and what to do.
    """
    cached = cached_folder(hub_id)
    if cached is not None:
        return cached
    from huggingface_hub import is_offline_mode, snapshot_download

    what = f"{called}: {hub_id} is not in the cache and"
    if is_offline_mode():
        raise InputError(
            f"{what} HF_HUB_OFFLINE forbids to download it; unset it, or give a folder with the weights"
        )
    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=list(FILES)))
    except Exception as error:  # the client raises its own, the network library's and the system's
        _raise_not_fetched(what, hub_id, error)
    if not is_whole(folder):
        words = f" and {TOKENIZER}" if _reads_words(folder) else ""
        raise InputError(
            f"{what} what came of it is no configuration with safetensors{words}; "
            "check the name, fetch it again, or give a folder with the weights"
        )
    return folder


def _raise_not_fetched(what: str, hub_id: str, error: Exception) -> NoReturn:
    """One sentence for what the client raised; a gated model counts as one not found, so it comes first."""
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        why = (
            "its publisher lets only some have it; ask for access on its page, "
            "sign in with `hf auth login`, then try again"
        )
    elif isinstance(error, RepositoryNotFoundError):
        why = (
            f"the hub has no such model, or a private one ({first_line(error)}); "
            "check the name, or sign in with `hf auth login`"
        )
    elif isinstance(error, OSError) and error.errno in DISK_FULL:
        why = "the disk is full; free some space, or set HF_HOME to a folder on another disk"
    elif isinstance(error, LocalEntryNotFoundError):  # what the client makes of a hub that does not answer
        why = f"cannot be downloaded: the hub does not answer ({first_line(error)}); " + _AWAY
    else:
        why = f"cannot be downloaded ({first_line(error)}); check the name, and " + _AWAY
    raise InputError(f"{what} {why}") from error


_AWAY = "try again with a network, or give a folder with the weights"


def first_line(error: Exception) -> str:
    """What an exception says, in one line without a full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".: ") if lines else type(error).__name__
