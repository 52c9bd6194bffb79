"""A segmenter that answers a click by the patch of one colour that it lies on."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks
from support.balls import SIZE


@dataclass
class Clicked:
    """The patch of one colour that is clicked on; in some views with a half of it as the surer answer.

    What the shell's patches are depends on where in the picture they lie: no two views agree on them.
    """

    halves: tuple[str, ...] = ()
    shell: bool = True
    name: str = "clicked"
    identity: str = "clicked"
    clicks: dict[str, int] = field(default_factory=dict)

    def embed(self, image: Tensor, view: str = "") -> Embedding:
        return Embedding({"image": image}, image.shape[0], image.shape[1], view)

    def mask_prompt(self, embedding: Embedding, logits: Tensor) -> Tensor:
        return logits

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        (prompt,) = prompts
        self.clicks[embedding.view] = self.clicks.get(embedding.view, 0) + 1
        image = embedding.tensors["image"].int()
        x, y = prompt.point_coords[0].long().tolist()
        mask = (image - image[y, x]).abs().sum(-1) < 30
        columns = torch.arange(SIZE[0])
        if bool((image[y, x] == image[0, 0]).all()):
            mask &= ((columns - x).abs() < 9) & self.shell
        half = mask & (columns < columns[mask.any(0)].float().mean()) if bool(mask.any()) else mask
        both = torch.stack([half, mask]).float() * 8 - 4
        if embedding.view in self.halves:
            return [Masks(both, torch.tensor([0.95, 0.7]), both)]
        return [Masks(both[1:], torch.tensor([0.8]), both[1:])]
