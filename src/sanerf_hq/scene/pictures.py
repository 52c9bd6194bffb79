"""Pictures: values in [0, 1] as pixels of 8 bits, and pixels as the content of a PNG file."""

from __future__ import annotations

import io

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image
from torch import Tensor


def to_bytes(values: Float[Tensor, "*n"]) -> UInt8[Tensor, "*n"]:
    """Values in [0, 1] as 8 bits, rounded; what lies outside is clipped."""
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)


def png(pixels: Shaped[np.ndarray, "h w *channels"]) -> bytes:
    """Pixels of 8 or 16 bit, grey or with 3 or 4 channels, as a PNG file's content."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()
