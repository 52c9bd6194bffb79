"""Precision: networks run in bfloat16 where the processor computes in it, in float32 elsewhere."""

from __future__ import annotations

import functools

import torch


@functools.cache
def computes_bfloat16(device_type: str) -> bool:
    """Whether bfloat16 is faster than float32 there: CUDA, and CPUs with AVX-512 BF16 or AMX."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch has no public question for it
    return bool(probe and probe())


def autocast(device: torch.device) -> torch.autocast:
    """Networks inside run in bfloat16 where that pays."""
    return torch.autocast(device.type, torch.bfloat16, enabled=computes_bfloat16(device.type))
