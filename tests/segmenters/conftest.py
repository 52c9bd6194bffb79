"""Models of this folder's tests, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import tiny_models


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save("sam", tmp_path_factory.mktemp("sam"))


@pytest.fixture(scope="session")
def sam_hq_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save("sam_hq", tmp_path_factory.mktemp("sam_hq"))


@pytest.fixture(scope="session")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save("sam2", tmp_path_factory.mktemp("sam2"))
