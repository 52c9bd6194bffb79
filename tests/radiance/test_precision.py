"""Precision: bfloat16 where it is faster, not where it is only possible."""

from __future__ import annotations

import pytest
import torch

from sanerf_hq.radiance.precision import computes_bfloat16


@pytest.mark.parametrize("built_in", [True, False])
def test_a_gpu_that_only_emulates_bfloat16_does_not_use_it(
    monkeypatch: pytest.MonkeyPatch, built_in: bool
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return built_in or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    computes_bfloat16.cache_clear()
    assert computes_bfloat16("cuda") == built_in
    computes_bfloat16.cache_clear()
