"""Keys: every random draw is a pure function of (seed, stage, step, rank), so no generator has a history."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Key:
    """Names one place where chance is drawn on.

    Attributes:
        seed: The run's seed.
        stage: Which stage draws; :meth:`fold` lengthens it.
        step: Number of the step, from 0.
        rank: Number of the process, from 0.

    Example:
        >>> key = Key(seed=0, stage="radiance", step=7)
        >>> a = torch.rand(2, generator=key.fold("pixels").generator())
        >>> b = torch.rand(2, generator=key.fold("pixels").generator())
        >>> bool((a == b).all())
        True
    """

    seed: int
    stage: str
    step: int
    rank: int = 0

    def fold(self, name: str) -> Key:
        """A key for one of several draws in a step, independent of this one and of other names."""
        return replace(self, stage=f"{self.stage}/{name}")

    @property
    def number(self) -> int:
        """The key as a whole number in [0, 2⁶³), for generators other than torch's."""
        fields = json.dumps([self.seed, self.stage, self.step, self.rank])
        return int.from_bytes(hashlib.blake2b(fields.encode(), digest_size=8).digest(), "big") >> 1

    def generator(self, device: torch.device | str = "cpu") -> torch.Generator:
        """A fresh generator; devices of different kinds draw different numbers from equal keys."""
        return torch.Generator(device).manual_seed(self.number)
