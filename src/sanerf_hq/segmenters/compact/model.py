"""The compact model: a convolutional pyramid, SAM's prompt encoder and two-way transformer, and skips.

As in SAM, four masks come out: the first answers prompts that leave no doubt; the other three answer a lone
click, which may mean a part, the whole object, or the group it stands in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SamConfig, SamMaskDecoderConfig, SamPromptEncoderConfig, SamVisionConfig
from transformers.models.sam.modeling_sam import SamFeedForward, SamPromptEncoder, SamTwoWayTransformer

from sanerf_hq.segmenters.compact.attention import NAME as FEW_TOKENS
from sanerf_hq.segmenters.compact.colours import evidence
from sanerf_hq.segmenters.compact.config import CompactConfig
from sanerf_hq.segmenters.compact.encoder import Block, Encoder, Features
from sanerf_hq.segmenters.compact.prompt_maps import PromptMaps, sampled
from sanerf_hq.segmenters.compact.upscale import Upscale

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
N_MASKS = 4
ALL, SINGLE, THREE = slice(None), slice(0, 1), slice(1, None)


@dataclass(frozen=True)
class Answer:
    """Masks of n prompts.

    Attributes:
        logits: The single mask, then part, object and group, or those asked for, over the whole square.
        ious: Predicted IoU of each.
    """

    logits: Float[Tensor, "n k low low"]
    ious: Float[Tensor, "n k"]


class CompactModel(nn.Module):
    """Encode images, decode prompts. Points and boxes are in pixels of the square, centres at +0.5."""

    fixed_positions: Tensor | None
    """Codes of the embedding's cells, once weights do not change any more."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder = Encoder(config)
        patch = config.side // config.grid
        vision = SamVisionConfig(image_size=config.side, patch_size=patch, num_pos_feats=width // 2)
        prompt = SamPromptEncoderConfig(hidden_size=width, image_size=config.side, patch_size=patch)
        sam = SamConfig(vision_config=vision, prompt_encoder_config=prompt)
        self.prompts = SamPromptEncoder(sam)
        # The library draws it with deviation width / 2: neighbouring points would have nothing in common.
        nn.init.normal_(self.prompts.shared_embedding.positional_embedding)
        decoder = SamMaskDecoderConfig(
            hidden_size=width, mlp_dim=config.mlp, num_attention_heads=config.heads
        )
        decoder._attn_implementation = FEW_TOKENS
        self.transformer = SamTwoWayTransformer(decoder)
        self.tokens = nn.Embedding(1 + N_MASKS, width)
        self.maps = PromptMaps(width)
        self.point_image = nn.Linear(width, width)
        self.point_fine = nn.Linear(config.fine, width)
        self.settle = Block(width, 7, widen=1)
        self.upscale = Upscale(width, config.fine, config.finest)
        self.kernels = nn.ModuleList(SamFeedForward(width, width, width // 4, 3) for _ in range(N_MASKS))
        self.iou_head = SamFeedForward(width, width, N_MASKS, 3)
        self.register_buffer("fixed_positions", None, persistent=False)

    def encode(self, pixels: Float[Tensor, "b 3 side side"]) -> Features:
        """Normalised images to features."""
        return self.encoder(pixels)

    def decode(
        self,
        features: Features,
        points: Float[Tensor, "n points 2"] | None = None,
        labels: Int64[Tensor, "n points"] | None = None,
        boxes: Float[Tensor, "n 4"] | None = None,
        masks: Float[Tensor, "n 1 low low"] | None = None,
        which: slice = ALL,
    ) -> Answer:
        """Masks of n prompts of one form.

        Args:
            features: Of b images; n / b prompts each, the first image's first.
            points: Clicks.
            labels: 1 on the object, 0 beside it.
            boxes: x0, y0, x1, y1.
            masks: Earlier answers, as logits.
            which: Of the four masks.
        """
        n = next(len(t) for t in (points, boxes, masks) if t is not None)
        each = n // len(features.image)
        image = features.image.repeat_interleave(each, 0) if each > 1 else features.image
        sparse = self._sparse(features, points, labels, boxes)
        tokens = self.tokens.weight[None, None].expand(n, -1, -1, -1)
        tokens = tokens if sparse is None else torch.cat([tokens, sparse], 2)
        dense = (
            self.prompts.no_mask_embed.weight.reshape(1, -1, 1, 1)
            if masks is None
            else self.prompts.mask_embed(masks.clamp(-12, 12))
        )
        cell = self.config.side / self.config.grid
        colours = evidence(
            features.colours,
            None if points is None else points / 2,
            labels,
            None if boxes is None else boxes / 2,
            masks,
        )
        drawn = self.maps(
            features.image,
            None if points is None else points / cell,
            labels,
            None if boxes is None else boxes / cell,
            F.avg_pool2d(colours, 4),
        )
        queries, keys = self.transformer(tokens, image + dense + drawn, self._positions(n), None)
        kernels = torch.stack([self.kernels[i](queries[:, 0, 1 + i]) for i in range(N_MASKS)[which]], 1)
        # SAM's transformer has cells speak to tokens only; here they also hear of their neighbours.
        grid = self.config.grid
        cells = self.settle(keys[:, 0].unflatten(1, (grid, grid)).permute(0, 3, 1, 2))
        cells = cells.permute(0, 2, 3, 1).flatten(1, 2)
        logits = self.upscale(cells, features.fine, features.finest, colours, kernels)
        return Answer(logits, self.iou_head(queries[:, 0, 0])[:, which])

    def _sparse(
        self,
        features: Features,
        points: Float[Tensor, "n points 2"] | None,
        labels: Int64[Tensor, "n points"] | None,
        boxes: Float[Tensor, "n 4"] | None,
    ) -> Float[Tensor, "n 1 tokens width"] | None:
        """SAM's tokens; those of clicks also carry what the image shows there."""
        if points is None and boxes is None:
            return None
        # The library's prompt encoder counts pixel indices and adds the half itself.
        sparse, _ = self.prompts(
            None if points is None else points[:, None] - 0.5,
            None if labels is None else labels[:, None],
            None if boxes is None else boxes[:, None] - 0.5,
            None,
        )
        if points is None:
            return sparse
        where = points * (2 / self.config.side) - 1
        seen = self.point_image(sampled(features.image, where)) + self.point_fine(
            sampled(features.fine, where)
        )
        count = points.shape[1]
        return torch.cat([sparse[:, :, :count] + seen[:, None], sparse[:, :, count:]], 2)

    def _positions(self, n: int) -> Float[Tensor, "n width g g"]:
        if self.fixed_positions is not None:
            return self.fixed_positions.expand(n, -1, -1, -1)
        grid = self.config.grid
        steps = (torch.arange(grid, device=self.tokens.weight.device) + 0.5) / grid
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        position = self.prompts.shared_embedding(torch.stack([x, y], -1))
        return position.permute(2, 0, 1)[None].expand(n, -1, -1, -1)

    def save(self, folder: Path) -> None:
        """Write weights in half precision, and the configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().half().contiguous() for name, value in self.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        self.config.save(folder / CONFIG)

    @classmethod
    def load(cls, folder: Path) -> CompactModel:
        """Read what :meth:`save` wrote; single precision, not to be trained.

        Raises:
            OSError: A file is missing.
            ValueError: The configuration is of another model.
            RuntimeError: The weights do not belong to it.
        """
        model = cls(CompactConfig.load(folder / CONFIG))
        model.load_state_dict({name: value.float() for name, value in load_file(folder / WEIGHTS).items()})
        model.eval().requires_grad_(False)
        model.fixed_positions = model._positions(1)
        return model
