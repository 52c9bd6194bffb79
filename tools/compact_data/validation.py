"""How good a model is on generated pictures that it has not seen."""

from __future__ import annotations

import numpy as np
import torch

from compact_data.batches import Pictures, batch_of
from compact_data.losses import overlap
from compact_data.prompting import Prompts, boxes_of, next_clicks
from sanerf_hq.segmenters.compact.model import Answer, CompactModel

AT_ONCE = 8
MOST_CLICKS = 5


def ask(model: CompactModel, features: object, prompts: Prompts) -> Answer:
    """Decode prompts as they are."""
    return model.decode(features, prompts.points, prompts.labels, prompts.boxes, prompts.masks)


@torch.no_grad()
def validate(model: CompactModel, pictures: Pictures, per_image: int = 3) -> dict[str, float]:
    """Mean IoU of whole objects at one to five clicks and with a box, the same things every time.

    Returns:
        ``chosen1``: of the mask that the model itself puts first at one click; ``best1``: of the best of the
        three; ``clicks1`` …: of the single mask; ``box``; ``rank``: rank correlation of predicted and true
        IoU over all prompts' single masks.
    """
    side = model.config.side
    scores: dict[str, list[float]] = {}
    predicted, true = [], []
    for start in range(0, len(pictures.files), AT_ONCE):
        rng = np.random.default_rng((7, start))
        loaded = [pictures.load(i) for i in range(start, min(start + AT_ONCE, len(pictures.files)))]
        batch = batch_of(rng, loaded, per_image, side, vary=False)
        masks, inside = batch.levels[:, 1], batch.inside.repeat_interleave(per_image, 0)
        features = model.encode(batch.pixels)

        def note(name: str, values: torch.Tensor) -> None:
            scores.setdefault(name, []).extend(values.tolist())

        prompts = None
        logits = torch.full_like(masks, -1.0)
        for n in range(1, MOST_CLICKS + 1):
            clicks = next_clicks(None, logits, masks, inside, side)
            prompts = (
                Prompts(clicks[0][:, None], clicks[1][:, None])
                if prompts is None
                else prompts.with_clicks(*clicks)
            )
            answer = ask(model, features, prompts)
            each = overlap(answer.logits, masks[:, None].expand_as(answer.logits), inside)
            if n == 1:
                first = answer.ious[:, 1:].argmax(1, keepdim=True)
                note("chosen1", each[:, 1:].gather(1, first)[:, 0])
                note("best1", each[:, 1:].amax(1))
            note(f"clicks{n}", each[:, 0])
            predicted.extend(answer.ious[:, 0].tolist())
            true.extend(each[:, 0].tolist())
            logits = answer.logits[:, 0]
        answer = ask(model, features, Prompts(boxes=boxes_of(masks, side)))
        note("box", overlap(answer.logits[:, :1], masks[:, None], inside)[:, 0])
    means = {name: float(np.mean(values)) for name, values in sorted(scores.items())}
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, true)]
    return means | {"rank": float(np.corrcoef(*ranks)[0, 1])}
