"""Tiny random SAM, SAM-HQ, SAM 2 and Grounding DINO models, saved as the real ones are, and prompts for them.

The library's default deviation of 1e-10 would make embeddings constant over space; with 0.2 masks differ from
place to place and from prompt to prompt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

SIDE = 96
Kind = Literal["sam", "sam_hq", "sam2"]


def build(kind: Kind, seed: int = 0, global_attention: tuple[int, ...] = (0, 2)) -> Any:
    """A model of 70,000 random weights for images of 96x96."""
    if kind == "sam2":
        return build_sam2(seed)
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


def build_sam2(seed: int = 0, video: bool = False) -> Any:
    """The same of SAM 2: its image model or, as published weights are, its video model."""
    import transformers

    prefix = "Sam2Video" if video else "Sam2"
    backbone = transformers.Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE, SIDE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 24, 32],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 2, 3],
        global_attention_blocks=[3],
        window_positional_embedding_background_size=[3, 3],
        initializer_range=0.2,
    )
    vision = transformers.Sam2VisionConfig(
        backbone_config=backbone.to_dict(),
        backbone_channel_list=[32, 24, 16, 8],
        backbone_feature_sizes=[[SIDE // scale] * 2 for scale in (4, 8, 16)],
        fpn_hidden_size=32,
        initializer_range=0.2,
    )
    prompt = getattr(transformers, f"{prefix}PromptEncoderConfig")(
        hidden_size=32, image_size=SIDE, patch_size=16
    )
    decoder = getattr(transformers, f"{prefix}MaskDecoderConfig")(
        hidden_size=32, mlp_dim=32, num_attention_heads=4, iou_head_hidden_dim=16
    )
    memory = {
        "memory_attention_hidden_size": 32,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 16,
        "memory_encoder_hidden_size": 32,
        "memory_encoder_output_channels": 8,
        "memory_fuser_embed_dim": 32,
        "memory_fuser_intermediate_dim": 16,
        "mask_downsampler_embed_dim": 32,
    }
    config = getattr(transformers, f"{prefix}Config")(
        vision_config=vision.to_dict(),
        prompt_encoder_config=prompt.to_dict(),
        mask_decoder_config=decoder.to_dict(),
        initializer_range=0.2,
        **(memory if video else {}),
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"{prefix}Model")(config).eval()
    backbone = model.vision_encoder.backbone
    with torch.no_grad():  # the library starts these at zero, where they would not be missed
        for tensor in (model.no_memory_embedding, backbone.pos_embed, backbone.pos_embed_window):
            tensor.normal_(std=0.2)
    return model


WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "gold", "cape", "red", "mug", "##s")


def build_grounding_dino(seed: int = 0) -> Any:
    """A detector of 20 boxes that knows :data:`WORDS`."""
    import transformers

    backbone = transformers.SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage2", "stage3", "stage4"],
        initializer_range=0.2,
    )
    text = transformers.BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=len(WORDS),
        max_position_embeddings=32,
        initializer_range=0.2,
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=backbone.to_dict(),
        text_config=text.to_dict(),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=20,
        max_text_len=16,
        init_std=0.2,
    )
    torch.manual_seed(seed)
    return transformers.GroundingDinoForObjectDetection(config).eval()


def save_grounding_dino(folder: Path, seed: int = 0) -> Path:
    """Write it and its tokenizer as the hub has them."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece

    build_grounding_dino(seed).save_pretrained(folder)
    tokenizer = Tokenizer(WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


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
