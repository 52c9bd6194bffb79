"""A model hub that is a folder on this machine: what is asked of it, and what it answers."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

COMMIT = "0" * 40


@dataclass
class FakeHub:
    """Stands in for the client's download; what it 'downloads' lies in a cache as the client's own would.

    Attributes:
        cache: The cache's folder.
        models: Folders by hub id.
        trouble: What the client raises in place of downloading.
        downloads: Hub ids that were downloaded, in order.
    """

    cache: Path
    models: dict[str, Path] = field(default_factory=dict)
    trouble: Exception | None = None
    downloads: list[str] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch, offline: bool = False) -> FakeHub:
        """Put it in the client's place: the cache empty, and no way out to the network."""
        import huggingface_hub
        from huggingface_hub import constants

        def no_way_out(*_: object) -> None:
            raise AssertionError("the network was asked")

        real = huggingface_hub.snapshot_download

        def download(hub_id: str, local_files_only: bool = False, **options: Any) -> str:
            if local_files_only:
                return real(hub_id, local_files_only=True, **options)
            if self.trouble is not None:
                raise self.trouble
            self.downloads.append(hub_id)
            return str(self.put(hub_id, self.models[hub_id]))

        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(self.cache))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
        monkeypatch.setattr(socket, "getaddrinfo", no_way_out)
        return self

    def put(self, hub_id: str, model: Path) -> Path:
        """Lay a model into the cache."""
        repository = self.cache / f"models--{hub_id.replace('/', '--')}"
        folder = repository / "snapshots" / COMMIT
        shutil.copytree(model, folder, dirs_exist_ok=True)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / "main").write_text(COMMIT)
        return folder
