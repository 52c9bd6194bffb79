"""Tiny random SAM and SAM-HQ models, saved as the real ones are, and prompts for them.

The library's default deviation of 1e-10 would make embeddings constant over space; with 0.2 masks differ from
place to place and from prompt to prompt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

SIDE = 96
Kind = Literal["sam", "sam_hq"]


def build(kind: Kind, seed: int = 0, global_attention: tuple[int, ...] = (0, 2)) -> Any:
    """A model of 70,000 random weights for images of 96x96."""
    import transformers

    prefix = "Sam" if kind == "sam" else "SamHQ"
    vision = getattr(transformers, f"{prefix}VisionConfig")(
        hidden_size=24,
        output_channels=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=8,
        window_size=4,
        global_attn_indexes=list(global_attention),
        num_pos_feats=16,
        initializer_range=0.2,
        mlp_dim=32,
    )
    prompt = getattr(transformers, f"{prefix}PromptEncoderConfig")(
        hidden_size=32, image_size=SIDE, patch_size=8
    )
    decoder = getattr(transformers, f"{prefix}MaskDecoderConfig")(
        hidden_size=32,
        mlp_dim=32,
        num_attention_heads=4,
        iou_head_hidden_dim=16,
        **({"vit_dim": 24} if kind == "sam_hq" else {}),
    )
    config = getattr(transformers, f"{prefix}Config")(
        vision_config=vision.to_dict(),
        prompt_encoder_config=prompt.to_dict(),
        mask_decoder_config=decoder.to_dict(),
        initializer_range=0.2,
    )
    torch.manual_seed(seed)
    return getattr(transformers, f"{prefix}Model")(config).eval()


def save(kind: Kind, folder: Path, seed: int = 0, global_attention: tuple[int, ...] = (0, 2)) -> Path:
    """Write such a model as ``save_pretrained`` does."""
    build(kind, seed, global_attention).save_pretrained(folder)
    return folder


def photo(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """A smooth picture with some noise, (h, w, 3) in 8 bits."""
    chance = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 7, generator=chance) * 230
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 230)[0]
    noise = torch.rand(3, height, width, generator=chance) * 25
    return (fine + noise).permute(1, 2, 0).to(torch.uint8)
