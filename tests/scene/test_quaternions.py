"""Quaternions against SciPy's, which writes x y z w."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from sanerf_hq.scene.quaternions import quaternions_of, rotations_of


def test_both_ways_against_scipy():
    turns = Rotation.random(50, random_state=0)
    xyzw = turns.as_quat()
    wxyz = torch.from_numpy(xyzw[:, [3, 0, 1, 2]] * np.linspace(0.6, 1.9, 50)[:, None])  # any length will do
    matrices = torch.from_numpy(turns.as_matrix())
    assert torch.allclose(rotations_of(wxyz), matrices, atol=1e-12)
    found = quaternions_of(matrices)
    assert (found[:, 0] >= 0).all()
    assert torch.allclose(
        (found * torch.nn.functional.normalize(wxyz, dim=1)).sum(1).abs(), torch.ones(50).double()
    )


def test_half_turns_have_quaternions_as_well():
    half = torch.stack([torch.diag(torch.tensor(d)) for d in ([1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1])])
    assert torch.allclose(rotations_of(quaternions_of(half)).float(), half, atol=1e-6)
    assert quaternions_of(half)[:, 0].abs().max() < 1e-9
