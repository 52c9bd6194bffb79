"""The canary: in these tests a wrong shape raises, and in use it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError

from sanerf_hq.geometry import Camera, contract


def test_a_wrong_argument_raises():
    assert contract(torch.zeros(5, 3)).shape == (5, 3)
    with pytest.raises(TypeCheckError):
        contract(torch.zeros(5, 2))


def test_a_wrong_attribute_raises():
    with pytest.raises(TypeCheckError):
        Camera(torch.eye(4), torch.eye(4), width=4, height=3)


def test_axes_of_one_name_must_agree():
    camera = Camera(torch.eye(3), torch.eye(4), width=4, height=3)
    assert camera.unproject(torch.zeros(5, 2), torch.ones(5)).shape == (5, 3)
    with pytest.raises(TypeCheckError):
        camera.unproject(torch.zeros(5, 2), torch.ones(4, 1))


def test_nothing_is_checked_in_use():
    code = (
        "import sys, torch\n"
        "from sanerf_hq.geometry import contract\n"
        "assert contract(torch.zeros(5, 2)).shape == (5, 2)\n"
        "assert 'beartype' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
