"""Parts of a training step."""

from __future__ import annotations

import torch

from sanerf_hq.radiance.step import quieted


def test_gradients_are_quieted_near_the_camera_growth_most() -> None:
    near = torch.tensor([0.2, 0.4, 0.65, 0.65, 1.4, 3.0])
    grad = torch.tensor([-8.0, 8.0, -8.0, 8.0, -8.0, 8.0])
    assert torch.allclose(quieted(grad, near), torch.tensor([0.0, 0.0, -0.5, 4.0, -8.0, 8.0]), atol=1e-5)
