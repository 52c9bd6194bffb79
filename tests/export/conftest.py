"""Fixtures of the exports: one exact object for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from sanerf_hq.export import Target
from support.exact_object import exact_target


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Pictures of 64x48 are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def red(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """The red ball, known exactly, in a run of its own."""
    return exact_target(tmp_path_factory.mktemp("exact"))
