"""Sizes of the compact model, as its ``config.json`` has them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MODEL_TYPE = "sanerf_compact"
STRIDE = 8  # pixels of the input a cell of the embedding


@dataclass(frozen=True)
class CompactConfig:
    """Sizes. Weights do not depend on ``side``: a model may be trained on smaller squares first."""

    side: int = 384
    """Side of the square input, pixels; a multiple of 32."""
    width: int = 64
    """Channels of the embedding and of the decoder's tokens."""
    dims: tuple[int, int, int, int, int] = (16, 32, 80, 160, 224)
    """Channels of the encoder at strides 2, 4, 8, 16, 32."""
    depths: tuple[int, int, int, int] = (1, 2, 6, 4)
    """Blocks of the encoder at strides 4, 8, 16, 32."""
    fine: int = 16
    """Channels of the skip at half the embedding's stride."""
    finest: int = 4
    """Channels of the skip at a quarter of it, the masks' resolution."""
    heads: int = 4
    """Attention heads of the decoder."""
    mlp: int = 256
    """Hidden units of the decoder's perceptrons."""

    def __post_init__(self) -> None:
        if self.side < 32 or self.side % 32:
            raise ValueError(f"side must be a multiple of 32, got {self.side}")

    @property
    def grid(self) -> int:
        """Side of the embedding."""
        return self.side // STRIDE

    def save(self, path: Path) -> None:
        path.write_text(
            json.dumps({"model_type": MODEL_TYPE} | asdict(self), indent=2) + "\n", encoding="utf-8"
        )

    @classmethod
    def load(cls, path: Path) -> CompactConfig:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: The file is of another model, or damaged.
        """
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.pop("model_type", None) != MODEL_TYPE:
            raise ValueError(f"{path} is no configuration of a compact model")
        entries: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        try:
            return cls(**entries)
        except TypeError as error:
            raise ValueError(f"{path} has entries that do not belong there ({error})") from error
