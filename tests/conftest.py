"""Fixtures of all tests: a device, the shared scenes, and the same chance each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from support.paths import SHARED_SCENES

# Examples are the same each time, and how long one takes is not asserted: the machine may be busy.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("repeatable")
if "OMP_NUM_THREADS" not in os.environ:
    torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def _same_chance() -> None:
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - for libraries that draw from the old global generator


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device in turn; a GPU that is not there is skipped."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return torch.device(request.param)


@pytest.fixture
def shared_scene() -> Callable[[str], Path]:
    """``shared_scene("desk")`` is that scene's folder; without it the test is skipped, saying so."""

    def find(name: str) -> Path:
        folder = SHARED_SCENES / name
        if not (folder / "transforms.json").is_file():
            pytest.skip(f"needs the scene {name!r}, which is not at {folder}")
        return folder

    return find
