"""A segmenter that takes in every ball in sight, unless it is told what is not meant."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks


@dataclass
class Greedy:
    """Masks of all that differs from the picture's corner, less the colours that negative points lie on."""

    name: str = "greedy"
    identity: str = "greedy"

    def embed(self, image: Tensor, view: str = "") -> Embedding:
        return Embedding({"image": image}, image.shape[0], image.shape[1], view)

    def mask_prompt(self, embedding: Embedding, logits: Tensor) -> Tensor:
        return logits

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        found = []
        for prompt in prompts:
            image = embedding.tensors["image"].int()
            mask = (image - image[0, 0]).abs().sum(-1) > 60
            for x, y in prompt.point_coords[prompt.point_labels == 0].long().tolist():
                mask &= (image - image[y, x]).abs().sum(-1) >= 30
            logits = mask.float()[None] * 8 - 4
            found.append(Masks(logits, torch.tensor([0.9]), logits))
        return found
