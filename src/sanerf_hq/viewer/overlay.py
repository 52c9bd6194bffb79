"""Overlay: frames to the pictures that a browser shows: colours, depth, and objects laid over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from sanerf_hq.objects import fill_holes
from sanerf_hq.viewer.frames import Frame
from sanerf_hq.viewer.state import SessionState
from sanerf_hq.viewer.workshop import Outcome

Mode = Literal["colour", "depth", "overlay", "object", "removed"]
TINT = 0.55  # share of an object's colour in its overlay
EDGE = 0.95
PAPER = (244, 244, 244)
FAINT = (222, 222, 222)
CHECK = 12  # pixels a square of what is nothing
NEAR_SHARE, FAR_SHARE = 0.02, 0.98


@dataclass(frozen=True)
class Look:
    """How frames are shown.

    Attributes:
        mode: What is shown.
        threshold: By how much an object's share must outweigh the background's, in (-1, 1).
    """

    mode: Mode = "overlay"
    threshold: float = 0.0


def labels_of(outcome: Outcome, frame: Frame, threshold: float) -> Int64[Tensor, "h w"]:
    """Whose each pixel is, 0 = nobody's; only weights of known samples are summed, nothing is rendered."""
    surfaces = frame.surfaces
    if outcome.field is not None:
        shares = outcome.field.logits_of(surfaces).softmax(-1)
        shares = torch.cat([shares[:, :1] + threshold, shares[:, 1:]], -1)
    else:
        assert outcome.preview is not None
        shares = outcome.preview.with_gamma(threshold).probabilities_of(surfaces)
    return fill_holes(shares.argmax(-1).cpu().view(frame.depth.shape))


def picture_of(
    frame: Frame, state: SessionState, outcome: Outcome | None, look: Look
) -> UInt8[Tensor, "h w 3"]:
    """What the browser shows."""
    shape = frame.depth.shape
    if look.mode == "depth":
        return depth_picture(frame.depth)
    rgb = frame.rgb * 255
    if outcome is None or look.mode == "colour":
        return rgb.round().to(torch.uint8)
    if look.mode in ("object", "removed") and outcome.field is not None:
        return rgb.round().to(torch.uint8)  # the field itself was cut: see Session
    labels = labels_of(outcome, frame, look.threshold)
    colours, shown = palette(state, outcome)
    on = shown[labels]
    if look.mode == "object":
        return torch.where(on[..., None], rgb, checkerboard(*shape)).round().to(torch.uint8)
    if look.mode == "removed":
        return torch.where(on[..., None], checkerboard(*shape), rgb).round().to(torch.uint8)
    strength = torch.where(outline(torch.where(on, labels, 0)), EDGE, TINT)[..., None]
    tinted = rgb * (1 - strength) + colours[labels] * strength
    return torch.where(on[..., None], tinted, rgb).round().to(torch.uint8)


def palette(state: SessionState, outcome: Outcome) -> tuple[Float[Tensor, "n 3"], Tensor]:
    """Colours of an outcome's labels, and which are shown, as the session has them now."""
    known = {one.name: one for one in state.objects}
    colours, shown = [(0, 0, 0)], [False]
    for name in outcome.names:
        one = known.get(name)
        colours.append((0, 0, 0) if one is None else one.colour)
        shown.append(one is not None and one.visible)
    return torch.tensor(colours).float(), torch.tensor(shown)


def outline(labels: Int64[Tensor, "h w"]) -> Tensor:
    """Pixels of a label that touch another one."""
    edge = torch.zeros_like(labels, dtype=torch.bool)
    for dim in (0, 1):
        differ = labels.diff(dim=dim) != 0
        n = labels.shape[dim]
        edge.narrow(dim, 0, n - 1).logical_or_(differ)
        edge.narrow(dim, 1, n - 1).logical_or_(differ)
    return edge


def checkerboard(height: int, width: int) -> Float[Tensor, "h w 3"]:
    """What stands for nothing."""
    rows, columns = torch.arange(height)[:, None] // CHECK, torch.arange(width)[None] // CHECK
    odd = ((rows + columns) % 2 == 1)[..., None]
    return torch.where(odd, torch.tensor(FAINT).float(), torch.tensor(PAPER).float())


def depth_picture(depth: Float[Tensor, "h w"]) -> UInt8[Tensor, "h w 3"]:
    """Near is light, far is dark; black is nothing. Steps are even in 1/z, as the eye has them."""
    known = depth.isfinite() & (depth > 0)
    if not known.any():
        return torch.zeros(*depth.shape, 3, dtype=torch.uint8)
    nearness = 1 / torch.where(known, depth, 1.0)
    spread = nearness[known]
    spread = spread[:: 1 + len(spread) // 50_000].sort().values
    low, high = (spread[int(share * (len(spread) - 1))] for share in (NEAR_SHARE, FAR_SHARE))
    light = 0.08 + 0.92 * ((nearness - low) / (high - low).clamp_min(1e-9)).clamp(0, 1)
    grey = torch.where(known, light, 0.0) * 255
    return grey.round().to(torch.uint8)[..., None].expand(-1, -1, 3).contiguous()
