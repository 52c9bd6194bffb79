"""What is on this machine, and every way in which the rest may not be had; on a fake hub."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from sanerf_hq.errors import InputError
from sanerf_hq.segmenters import Segmenter, load_segmenter
from sanerf_hq.segmenters.hub import cached_folder, fetched_folder, is_whole
from support.fake_hub import FakeHub

TINY = "facebook/sam2.1-hiera-tiny"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sam2_folder: Path) -> FakeHub:
    return FakeHub(tmp_path / "hub", {TINY: sam2_folder}).install(monkeypatch)


def refusal(kind: type[Exception], text: str) -> Exception:
    """An error as the client raises it when the hub answers with one."""
    response: Any = SimpleNamespace(headers={}, request=None, status_code=401)
    return kind(text, response=response)  # pyright: ignore[reportCallIssue]


def sentence(asked: str = "sam2") -> str:
    with pytest.raises(InputError) as caught:
        fetched_folder(TINY, f"segmenter {asked}")
    text = str(caught.value)
    assert "\n" not in text
    assert f"segmenter {asked}: {TINY} is not in the cache and" in text
    return text


def test_a_model_is_downloaded_once_and_then_there_without_a_network(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
):
    assert cached_folder(TINY) is None
    folder = fetched_folder(TINY, "segmenter sam2")
    assert fetched_folder(TINY, "segmenter sam2") == folder == cached_folder(TINY)
    assert hub.downloads == [TINY]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    segmenter = load_segmenter("sam2")
    assert isinstance(segmenter, Segmenter)
    assert segmenter.name == "sam2"
    assert hub.downloads == [TINY]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (refusal(GatedRepoError, "403 Client Error.\nAccess is restricted."), "ask for access on its page"),
        (refusal(RepositoryNotFoundError, "401 Client Error.\nNot Found"), "no such model, or a private one"),
        (LocalEntryNotFoundError("Got: ConnectError: no route\nmore"), "the hub does not answer"),
        (ConnectionError("no route to host\nat all"), "cannot be downloaded (no route to host)"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (ValueError(), "cannot be downloaded (ValueError)"),
    ],
    ids=["gated", "unknown", "no network", "broken connection", "full", "wordless"],
)
def test_a_download_that_fails_says_why_and_what_to_do(hub: FakeHub, trouble: Exception, said: str):
    hub.trouble = trouble
    text = sentence()
    assert said in text
    assert hub.downloads == []


def test_offline_it_is_not_even_tried(hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in sentence()
    assert hub.downloads == []


def test_a_download_that_was_stopped_goes_on(hub: FakeHub, tmp_path: Path, sam2_folder: Path):
    partial = tmp_path / "partial"
    partial.mkdir()
    shutil.copy(sam2_folder / "config.json", partial)
    hub.put(TINY, partial)
    assert cached_folder(TINY) is None
    assert is_whole(fetched_folder(TINY, "segmenter sam2"))
    assert hub.downloads == [TINY]


def test_a_model_without_safetensors_is_of_no_use(hub: FakeHub, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    hub.models[TINY] = other
    assert "no configuration with safetensors" in sentence()


def test_all_shards_have_to_be_there(sam2_folder: Path, tmp_path: Path):
    folder = shutil.copytree(sam2_folder, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = folder / "model.safetensors.index.json"
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index.write_text(json.dumps({"weight_map": shards}))
    assert not is_whole(folder)
    (folder / "model-00002-of-00002.safetensors").symlink_to(tmp_path / "blob")
    assert not is_whole(folder)  # the cache's links may lead nowhere
    (tmp_path / "blob").write_bytes(b"")
    assert is_whole(folder)
    for text in ("{", "[]", "{}", '{"weight_map": 3}'):
        index.write_text(text)
        assert not is_whole(folder)
