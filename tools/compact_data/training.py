"""A training's state and its step."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from compact_data.batches import Batch
from compact_data.losses import Hints, answer_loss
from compact_data.orthogonal import Orthogonal
from compact_data.prompting import Prompts, first_prompts, next_clicks
from compact_data.validation import ask
from sanerf_hq.errors import InputError
from sanerf_hq.runs import (
    load_optimiser,
    optimiser_tensors,
    read_tensors,
    under_prefix,
    with_prefix,
    write_tensors,
)
from sanerf_hq.segmenters.compact.config import CompactConfig
from sanerf_hq.segmenters.compact.encoder import Features
from sanerf_hq.segmenters.compact.model import Answer, CompactModel

FORMAT = "compact-training-1"
ANCHORS = 24  # cells a picture whose kin is asked for
MEAN_OVER = 400  # steps that the running mean of the weights looks back on
DECAY = 0.02
FURTHER_CLICKS = ((0, 0.25), (1, 0.3), (2, 0.25), (4, 0.2))  # how many, how often


@dataclass
class Training:
    """All that a checkpoint holds."""

    model: CompactModel
    mean: CompactModel
    hints: Hints
    optimisers: dict[str, torch.optim.Optimizer]
    step: int = 0

    @classmethod
    def begin(cls, side: int, rate: float) -> Training:
        config = CompactConfig(side=side)
        model = CompactModel(config)
        mean = CompactModel(config)
        mean.load_state_dict(model.state_dict())
        for part in (model.encoder, mean.encoder):
            part.to(memory_format=torch.channels_last)
        hints = Hints(config.fine)
        matrices, others, plain = _kinds(model, hints)
        groups = [{"params": others, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
        optimisers = {
            "orthogonal": Orthogonal(matrices, rate, DECAY),
            "adam": torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True),
        }
        return cls(model, mean.eval(), hints, optimisers)

    def start_from(self, folder: Path) -> None:
        """Take over a shipped model's weights; momenta and the head of the hints begin anew."""
        weights = CompactModel.load(folder).state_dict()
        self.model.load_state_dict(weights)
        self.mean.load_state_dict(weights)

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.model.parameters(), *self.hints.parameters()]

    def save(self, path: Path) -> None:
        """Write a checkpoint in one move: a kill leaves the one before."""
        tensors = {}
        for name, module in self._modules().items():
            tensors |= with_prefix(name, module.state_dict())
        for name, optimiser in self.optimisers.items():
            tensors |= with_prefix(name, optimiser_tensors(optimiser))
        write_tensors(path, tensors, {"format": FORMAT, "step": str(self.step), "sizes": self._sizes()})

    def load(self, path: Path) -> None:
        """Go on from a checkpoint that :meth:`save` wrote.

        Raises:
            InputError: It is damaged, or of another version of this program.
        """
        file = read_tensors(path)
        refusal = f"{path} is no checkpoint of this model; give a new folder to begin anew"
        if (file.metadata.get("format"), file.metadata.get("sizes")) != (FORMAT, self._sizes()):
            raise InputError(refusal)
        try:
            for name, module in self._modules().items():
                module.load_state_dict(under_prefix(name, file.tensors))
            for name, optimiser in self.optimisers.items():
                load_optimiser(optimiser, under_prefix(name, file.tensors))
            self.step = int(file.metadata["step"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(refusal) from error

    def _sizes(self) -> str:
        """The model's sizes as JSON, without its side: weights serve every side."""
        sizes = asdict(self.model.config)
        del sizes["side"]
        return json.dumps(sizes)

    def _modules(self) -> dict[str, nn.Module]:
        return {"model": self.model, "mean": self.mean, "hints": self.hints}


def _kinds(model: CompactModel, hints: Hints) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Parameters: matrices and convolutions that mix channels; others that may decay; biases and scales."""
    mixing = []
    for module in model.modules():
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1):
            mixing.append(module.weight)
    known = {id(weight) for weight in mixing}
    rest = [p for p in [*model.parameters(), *hints.parameters()] if id(p) not in known]
    return mixing, [p for p in rest if p.ndim > 1], [p for p in rest if p.ndim <= 1]


def step(
    training: Training, batch: Batch, rng: np.random.Generator, per_image: int, rate: float, half: bool
) -> dict[str, float]:
    """One step: encode once, answer first prompts and, some clicks later, corrected ones.

    Args:
        training: What is changed.
        batch: Pictures, and ``per_image`` things asked for in each.
        rng: For the prompts.
        per_image: Things a picture.
        rate: The learning rate.
        half: Whether networks run in bfloat16; losses and what is learnt stay in single precision.
    """
    model, side = training.model, training.model.config.side
    with _networks(half):
        features = model.encode(batch.pixels)
    floats = (features.image.float(), features.fine.float(), features.finest.float())
    features = Features(*floats, features.colours)
    inside = batch.inside.repeat_interleave(per_image, 0)
    prompts = first_prompts(rng, batch.masks, batch.clicks, side)
    answer = _asked(model, features, prompts, half)
    loss, first = answer_loss(answer, batch, inside, prompts)
    further = int(rng.choice([n for n, _ in FURTHER_CLICKS], p=[p for _, p in FURTHER_CLICKS]))
    last = first
    if further:
        prompts = _corrected(model, features, prompts, answer.logits, batch, inside, further, rng, half)
        correction, last = answer_loss(_asked(model, features, prompts, half), batch, inside, prompts)
        loss = loss + correction
    anchors = _anchors(rng, features, batch)
    hint = training.hints(model.maps, features, batch, anchors)

    for parameter in training.parameters:
        parameter.grad = None
    (loss + hint).backward()
    norm = torch.nn.utils.clip_grad_norm_(training.parameters, 2.0)
    for optimiser in training.optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
    training.step += 1
    keep = min(1 - 1 / MEAN_OVER, training.step / (training.step + 10))
    with torch.no_grad():
        torch._foreach_lerp_(list(training.mean.parameters()), list(model.parameters()), 1 - keep)
    return {
        "loss": float(loss.detach()),
        "hint": float(hint.detach()),
        "first": float(first.mean()),
        "last": float(last.mean()),
        "norm": float(norm),
    }


def _networks(half: bool) -> AbstractContextManager[object]:
    return torch.autocast("cpu", torch.bfloat16, enabled=half)


def _asked(model: CompactModel, features: Features, prompts: Prompts, half: bool) -> Answer:
    with _networks(half):
        answer = ask(model, features, prompts)
    return Answer(answer.logits.float(), answer.ious.float())


@torch.no_grad()
def _corrected(
    model: CompactModel,
    features: Features,
    prompts: Prompts,
    logits: Tensor,
    batch: Batch,
    inside: Tensor,
    further: int,
    rng: np.random.Generator,
    half: bool,
) -> Prompts:
    """Prompts with further clicks, each where the answer before was wrong; it may go along as a mask."""
    keeps_masks = rng.random() < 0.5
    for n in range(further):
        answered = logits[:, 0].detach()
        clicks = next_clicks(rng, answered, batch.masks, inside, model.config.side)
        prompts = replace(prompts.with_clicks(*clicks), masks=answered[:, None] if keeps_masks else None)
        if n + 1 < further:
            logits = _asked(model, features, prompts, half).logits
    return prompts


def _anchors(rng: np.random.Generator, features: Features, batch: Batch) -> Tensor:
    """Cells by lot, small objects as likely as large ones."""
    grid = features.image.shape[-1]
    step_ = batch.numbers.shape[-1] // grid
    numbers = batch.numbers[:, step_ // 2 :: step_, step_ // 2 :: step_].flatten(1).numpy()
    there = batch.inside[:, step_ // 2 :: step_, step_ // 2 :: step_].flatten(1).numpy()
    chosen = []
    for row, valid in zip(numbers, there, strict=True):
        counts = np.bincount(row, minlength=256)
        chance = valid / counts[row] ** 0.6
        chosen.append(rng.choice(len(row), ANCHORS, p=chance / chance.sum()))
    return torch.from_numpy(np.stack(chosen))
