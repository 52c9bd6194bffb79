"""Train the compact segmenter on generated pictures.

    python tools/generate_compact.py data/train --seed 0 --count 10000
    python tools/generate_compact.py data/val --seed 999 --count 120
    python tools/train_compact.py runs/compact --data data/train --validation data/val --side 192 --steps 1500
    python tools/train_compact.py runs/compact --data data/train --validation data/val --side 256 --steps 4000
    python tools/train_compact.py runs/compact --data data/train --validation data/val --side 384 \\
        --steps 5000 --cooldown-steps 600 --export src/sanerf_hq/segmenters/compact/weights

Each call goes on from the folder's ``checkpoint.safetensors``, if there is one, to the step it is given:
first on small squares, where steps are cheap, then on larger ones. ``--cooldown-steps`` lets the learning
rate fall to nothing over a call's last steps; a call that is given no further step only exports.
``log.jsonl`` has losses and validation. The running mean of the weights is what is validated and exported.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from compact_data.batches import Batch, Pictures, make_batch
from compact_data.training import Training, step
from compact_data.validation import validate
from sanerf_hq.errors import InputError
from sanerf_hq.segmenters.compact.model import CompactModel

WARM_UP = 100
LOG_EVERY = 20
SHIPPED_SIDE = 384


def batches(options: argparse.Namespace, pictures: Pictures, first: int) -> Iterator[Batch]:
    """The batches of steps ``first`` and after, the next one made while one is in use."""

    def make(number: int) -> Batch:
        rng = np.random.default_rng((options.seed, 1, number))
        return make_batch(rng, pictures, options.images, options.per_image, options.side)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, first)
        for number in range(first, options.steps):
            batch = coming.result()
            coming = pool.submit(make, number + 1)
            yield batch


def rate_at(step_: int, options: argparse.Namespace) -> float:
    """Warm up, hold, cool down."""
    rise = min(1.0, (step_ + 1) / WARM_UP)
    fall = min(1.0, (options.steps - step_) / options.cooldown_steps) if options.cooldown_steps else 1.0
    return options.rate * rise * fall


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)
    options.folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = options.folder / "checkpoint.safetensors", options.folder / "log.jsonl"
    training = Training.begin(options.side, options.rate)
    if checkpoint.exists():
        training.load(checkpoint)
    elif options.start:
        training.start_from(options.start)
    pictures, validation = Pictures(options.data), Pictures([options.validation])
    validation.files = validation.files[: options.validation_pictures]

    def note(**values: object) -> None:
        line = json.dumps({"step": training.step, "side": options.side} | values)
        print(line, flush=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def look() -> None:
        scores = validate(training.mean, validation)
        note(
            validation={name: round(value, 4) for name, value in scores.items()}, pictures=len(pictures.files)
        )
        training.save(checkpoint)

    started = training.step
    begin, seen = time.time(), []
    for batch in batches(options, pictures, training.step):
        rng = np.random.default_rng((options.seed, 2, training.step))
        rate = rate_at(training.step, options)
        seen.append(step(training, batch, rng, options.per_image, rate, options.bfloat16))
        if training.step % LOG_EVERY == 0:
            means = {name: round(float(np.mean([s[name] for s in seen])), 4) for name in seen[0]}
            note(**means, seconds=round((time.time() - begin) / len(seen), 3))
            begin, seen = time.time(), []
            pictures.refresh()
        if training.step % options.validate_every == 0:
            look()
            begin, seen = time.time(), []
    if training.step > started:
        look()
    if options.export:
        resized(training.mean, SHIPPED_SIDE).save(options.export)


def resized(model: CompactModel, side: int) -> CompactModel:
    """The same weights for squares of another side."""
    other = CompactModel(replace(model.config, side=side))
    other.load_state_dict(model.state_dict())
    return other


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="checkpoint and log")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of generate_compact.py")
    parser.add_argument("--validation", type=Path, required=True, help="one made from another seed")
    parser.add_argument("--validation-pictures", type=int, default=48)
    parser.add_argument("--validate-every", type=int, default=200)
    parser.add_argument("--steps", type=int, required=True, help="step to end at, counted from the beginning")
    parser.add_argument("--cooldown-steps", type=int, default=0)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--images", type=int, default=6, help="pictures a step")
    parser.add_argument("--per-image", type=int, default=4, help="things asked for in each")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument(
        "--start", type=Path, help="a shipped model's folder, for a folder without checkpoint"
    )
    parser.add_argument(
        "--bfloat16", action="store_true", help="1.5 times as fast where the processor has it"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--export", type=Path, help="folder for the weights in half precision")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(f"error: {error}") from error
