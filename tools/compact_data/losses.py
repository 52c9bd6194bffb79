"""What a wrong answer costs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compact_data.batches import ROOM, Batch
from compact_data.prompting import Prompts
from sanerf_hq.segmenters.compact.encoder import Features
from sanerf_hq.segmenters.compact.model import Answer
from sanerf_hq.segmenters.compact.prompt_maps import PromptMaps


def mask_loss(logits: Tensor, masks: Tensor, inside: Tensor) -> Tensor:
    """Balanced cross-entropy and dice; (n, k) for (n, k, low, low) logits and masks."""
    weight = inside.float()[:, None]
    share = ((masks * weight).sum((-1, -2)) / weight.sum((-1, -2))).clamp(0.002, 0.998)[..., None, None]
    balance = (0.5 / torch.where(masks > 0.5, share, 1 - share)) ** 0.75
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none") * balance * weight
    entropy = entropy.sum((-1, -2)) / weight.sum((-1, -2))
    found = logits.sigmoid() * weight
    common = (found * masks).sum((-1, -2))
    dice = 1 - (2 * common + 1) / (found.sum((-1, -2)) + (masks * weight).sum((-1, -2)) + 1)
    return entropy + dice


def overlap(logits: Tensor, masks: Tensor, inside: Tensor) -> Tensor:
    """IoU (n, k) of thresholded logits with masks."""
    found, wanted = (logits > 0) & inside[:, None], masks > 0.5
    both = (found & wanted).sum((-1, -2)).float()
    return both / ((found | wanted) & inside[:, None]).sum((-1, -2)).clamp(min=1)


def answer_loss(answer: Answer, batch: Batch, inside: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
    """Loss of an answer, and the IoU (n,) of its single mask.

    The single mask answers every prompt. A lone click is also answered by part, object and group, each
    taught its own; other prompts by whichever of the three comes nearest.
    """
    meant = batch.masks[:, None]
    loss = mask_loss(answer.logits[:, :1], meant, inside).mean()
    three = answer.logits[:, 1:]
    if prompts.is_lone_click:
        loss = loss + mask_loss(three, batch.levels, inside).mean()
    else:
        loss = loss + 0.3 * mask_loss(three, meant.expand_as(three), inside).min(1).values.mean()
    true = overlap(answer.logits.detach(), meant, inside)
    loss = loss + F.mse_loss(answer.ious, true)
    return loss, true[:, 0]


class Hints(nn.Module):
    """What every pixel, not only those asked for, can teach the encoder. Its own head is not shipped."""

    def __init__(self, fine: int) -> None:
        super().__init__()
        self.outline = nn.Conv2d(fine, 1, 1)

    def forward(self, maps: PromptMaps, features: Features, batch: Batch, anchors: Tensor) -> Tensor:
        """Which cells belong to the object at ``anchors`` (b, n) cells, and where objects end."""
        grid = features.image.shape[-1]
        step = batch.numbers.shape[-1] // grid
        numbers = batch.numbers[:, step // 2 :: step, step // 2 :: step].flatten(1)
        there = batch.inside[:, step // 2 :: step, step // 2 :: step].flatten(1)
        codes = maps.code(features.image).flatten(2)
        chosen = codes.transpose(1, 2).gather(1, anchors[..., None].expand(-1, -1, codes.shape[1]))
        found = maps.kinship(codes, chosen)
        kin = (numbers.gather(1, anchors)[..., None] == numbers[:, None]).float()
        valid = there[:, None] & there.gather(1, anchors)[..., None]
        share = (kin * valid).sum(-1, keepdim=True) / valid.sum(-1, keepdim=True).clamp(min=1)
        balance = (0.5 / torch.where(kin > 0, share, 1 - share).clamp(min=0.002)).sqrt()
        loss = F.binary_cross_entropy_with_logits(found, kin, reduction="none") * balance * valid
        kin_loss = loss.sum() / valid.sum().clamp(min=1)

        numbers = torch.where(batch.numbers >= ROOM, ROOM, batch.numbers)
        change = torch.zeros_like(numbers, dtype=torch.float)
        change[:, :, 1:] += numbers[:, :, 1:] != numbers[:, :, :-1]
        change[:, 1:] += numbers[:, 1:] != numbers[:, :-1]
        outline = F.max_pool2d(change.clamp(max=1)[:, None], 2)
        weight = torch.where(outline > 0, 3.0, 1.0) * F.max_pool2d(batch.inside.float()[:, None], 2)
        edges = F.binary_cross_entropy_with_logits(self.outline(features.fine), outline, weight=weight)
        return kin_loss + edges
