"""Training a radiance field: photos to density and colour, over the one loop of :mod:`sanerf_hq.runs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from sanerf_hq.geometry import PixelRays, WorldTransform
from sanerf_hq.kernels import MarchConfig, accumulate_table_gradient, adam_rows, distortion, ray_march
from sanerf_hq.radiance.config import RadianceConfig
from sanerf_hq.radiance.field import RadianceField, load_field, save_field
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.radiance.precision import autocast
from sanerf_hq.radiance.render import PackedSamples, composite, look
from sanerf_hq.runs import (
    Key,
    LoopPlan,
    ProgressCallback,
    Run,
    config_digest,
    discard_checkpoint,
    load_optimiser,
    optimiser_tensors,
    quiet,
    run_loop,
    under_prefix,
    with_prefix,
)
from sanerf_hq.scene import Scene, TrainingPixels, fingerprint, load_training_pixels

STAGE = "radiance"
FIELD_FILE = "field.safetensors"
OCCUPANCY_EVERY = 16
FADE = 0.9
UNKNOWN_FADES = 10  # looks at the grid before a cell that no sample weighed in is left out
REVIEWED_CELLS = 1 << 15
WARM_UP_STEPS = 50
NETWORK_LR_SHARE = 0.3
HUBER_DELTA = 0.1
PHOTO_WEIGHT = 10.0
MIN_RAYS, MAX_RAYS = 256, 65536


@dataclass
class TrainState:
    """Everything that later steps depend on.

    Attributes:
        network: Parameters.
        occupancy: Where rays are sampled.
        optimiser: Adam of the two networks.
        first: Running mean of the table's gradient.
        second: Running mean of its square.
        grad: The table's gradient, zero between steps.
        n_rays: Rays of the next step.
        spacing: Sample spacing of the next step, in units of ``march_step``.
    """

    network: RadianceNetwork
    occupancy: Occupancy
    optimiser: torch.optim.Adam
    first: Tensor
    second: Tensor
    grad: Tensor
    n_rays: int
    spacing: float


def learning_rate(config: RadianceConfig, step: int) -> float:
    """Exponential decay from ``lr`` to ``lr_final`` after a short warm-up."""
    decay = (config.lr_final / config.lr) ** (step / config.steps)
    return config.lr * min(1.0, (step + 1) / WARM_UP_STEPS) * decay


def new_state(config: RadianceConfig, key: Key, device: str) -> TrainState:
    """The state before the first step."""
    network = RadianceNetwork(config)
    network.initialise(key.fold("network").generator())
    network = network.to(device)
    level = config.occupancy_threshold * FADE**-UNKNOWN_FADES
    occupancy = Occupancy.full(config.occupancy_side, level, device)
    networks = [*network.density.parameters(), *network.colour.parameters()]
    optimiser = torch.optim.Adam(networks, lr=config.lr, betas=(0.9, 0.99), eps=1e-15)
    first, second, grad = (torch.zeros_like(network.table.data) for _ in range(3))
    return TrainState(
        network, occupancy, optimiser, first, second, grad, 4 * MIN_RAYS, config.coarsest_spacing
    )


def save_state(state: TrainState) -> dict[str, Tensor]:
    """The state as tensors."""
    return {
        **with_prefix("network", state.network.state_dict()),
        **with_prefix("optimiser", optimiser_tensors(state.optimiser)),
        "levels": state.occupancy.levels,
        "occupied": state.occupancy.occupied,
        "first": state.first,
        "second": state.second,
        "n_rays": torch.tensor(state.n_rays),
        "spacing": torch.tensor(state.spacing, dtype=torch.float64),
    }


def load_state(config: RadianceConfig, tensors: dict[str, Tensor], device: str) -> TrainState:
    """The inverse of :func:`save_state`."""
    state = new_state(config, Key(0, STAGE, 0), device)
    state.network.load_state_dict(under_prefix("network", tensors))
    load_optimiser(state.optimiser, under_prefix("optimiser", tensors))
    state.occupancy.levels.copy_(tensors["levels"])
    state.occupancy.occupied.copy_(tensors["occupied"])
    state.first.copy_(tensors["first"])
    state.second.copy_(tensors["second"])
    state.n_rays = int(tensors["n_rays"])
    state.spacing = float(tensors["spacing"])
    return state


def make_step(
    pixels: TrainingPixels, config: RadianceConfig, world: WorldTransform, device: str
) -> Callable[[TrainState, Key], tuple[TrainState, dict[str, float | Tensor]]]:
    """One training step as a function of state and key."""
    pixel_rays = PixelRays.of(list(pixels.cameras), device)
    rgb = pixels.rgb.to(device)
    alpha = None if pixels.alpha is None else pixels.alpha.to(device)
    usable = None if pixels.usable is None else pixels.usable.to(device)
    n_choices = pixel_rays.n_pixels if usable is None else usable.shape[0]

    def step(state: TrainState, key: Key) -> tuple[TrainState, dict[str, float | Tensor]]:
        generator = key.generator(device)
        choice = torch.randint(n_choices, (state.n_rays,), generator=generator, device=device)
        index = choice if usable is None else usable[choice]
        background = torch.rand(state.n_rays, 3, generator=generator, device=device)
        target = rgb[index].float() / 255
        if alpha is not None:
            target = target + (1 - alpha[index].float()[:, None] / 255) * (background - 1)
        rays = world.rays_to_field(pixel_rays.rays(index))
        jitter = torch.rand(state.n_rays, generator=generator, device=device)
        march = MarchConfig(step=config.march_step * state.spacing)
        occupied = state.occupancy.occupied
        marched = ray_march(rays.origins, rays.directions, jitter, occupied, march, 8 * config.samples)
        samples = PackedSamples.of(marched)
        candidates = look(state.network, samples, config)
        state.occupancy.see(samples.unit_points, candidates.importance)
        kept = samples.keep(candidates.visible)
        encoding = candidates.encoding[candidates.visible].requires_grad_()
        seen = composite(state.network, encoding, kept, rays.directions, config.shading)
        image = seen.rgb + (1 - seen.opacity[:, None]) * background
        sampled = marched.packed_info[:, 1] > 0  # empty and dropped rays teach nothing
        share = sampled.float()[:, None] / (3 * sampled.sum()).clamp_min(1)
        difference = torch.nn.functional.huber_loss(image, target, reduction="none", delta=HUBER_DELTA)
        loss = PHOTO_WEIGHT * (difference * share).sum()
        ramp = min(1.0, key.step / (0.25 * config.steps))
        nearness = [t / (1 + t) for t in (kept.t_starts, kept.t_ends)]
        spread = distortion(seen.weights, nearness[0], nearness[1], kept.packed_info).mean()
        state.optimiser.zero_grad(set_to_none=True)
        (loss + config.distortion * ramp * spread).backward()
        _descend(state, config, key.step, kept, encoding)
        if key.step % OCCUPANCY_EVERY == OCCUPANCY_EVERY - 1:
            _review(state, config, generator)
        error = ((image.detach() - target).square() * share).sum()
        metrics: dict[str, float | Tensor] = {
            "loss": loss.detach(),
            "psnr": -10 * error.clamp_min(1e-10).log10(),
            "rays": float(state.n_rays),
            "samples": float(kept.deltas.shape[0]),
        }
        _adapt(state, config, key.step, samples.deltas.shape[0], kept.deltas.shape[0])
        return state, metrics

    return step


def _descend(
    state: TrainState, config: RadianceConfig, step: int, samples: PackedSamples, encoding: Tensor
) -> None:
    """Take the gradient step on networks and table."""
    rate = learning_rate(config, step)
    for group in state.optimiser.param_groups:
        group["lr"] = rate * NETWORK_LR_SHARE
    state.optimiser.step()
    if encoding.grad is None:
        return
    nearby = (samples.middles / config.near_scale).square().clamp(max=1.0)
    slope = encoding.grad * nearby[:, None]
    accumulate_table_gradient(samples.unit_points, slope, state.network.layout, state.grad)
    adam_rows(state.network.table.data, state.grad, state.first, state.second, step + 1, rate)


def _review(state: TrainState, config: RadianceConfig, generator: torch.Generator) -> None:
    """Look afresh at some cells and let all memories fade."""
    grid = state.occupancy
    device = grid.levels.device
    cells = torch.randint(grid.side**3, (REVIEWED_CELLS,), generator=generator, device=device)
    points = grid.points_in(cells, generator)
    with torch.no_grad(), autocast(device):
        sigmas, _ = state.network.geometry(state.network.encode(points))
    grid.see(points, -torch.expm1(-sigmas * config.march_step))
    grid.fade(FADE, config.occupancy_threshold)


def _adapt(state: TrainState, config: RadianceConfig, step: int, n_candidates: int, n_kept: int) -> None:
    """Choose the next step's rays and spacing so that its cost stays as asked for."""
    if step % OCCUPANCY_EVERY == OCCUPANCY_EVERY - 1:
        finer = n_candidates / state.n_rays < config.candidates
        spacing = state.spacing * (0.9 if finer else 1.05)
        state.spacing = min(max(spacing, 1.0), config.coarsest_spacing)
    cost = max(n_kept, n_candidates / 4, 1.0)  # a candidate that is not kept costs about a quarter
    wanted = int(state.n_rays * min(2.0, config.samples / cost))
    state.n_rays = min(max(wanted, MIN_RAYS), MAX_RAYS)


def train_radiance_field(
    scene: Scene,
    out: Path,
    config: RadianceConfig | None = None,
    seed: int = 0,
    width: int | None = None,
    device: str = "cpu",
    progress: ProgressCallback = quiet,
) -> RadianceField:
    """Train a scene into the run folder ``out``, or go on where an earlier call stopped.

    Args:
        scene: The scene; its test views are not touched.
        out: The run's folder, made if need be.
        config: Settings; by default those of the preset ``standard``.
        seed: Seed of every random draw.
        width: Photos are reduced to this width; None trains on their own size.
        device: "cpu" or "cuda".
        progress: Told of the progress; may raise Cancelled.

    Raises:
        InputError: The scene is damaged, or ``out`` is no run of this scene.
        Cancelled: The callback asked for it; what was done is saved.
    """
    config = config or RadianceConfig()
    identity = fingerprint(scene)
    run = Run.open_or_create(out, scene.root, identity, seed)
    run.check_scene(identity)
    settings = {**asdict(config), "width": width}
    path = run.radiance / FIELD_FILE
    with run.lock():
        done = run.stage(STAGE)
        if done and done.is_complete and done.config == settings and path.exists():
            return load_field(path, device)
        pixels = load_training_pixels(scene, width)
        world = WorldTransform.from_cameras(list(pixels.cameras))
        run.mark(STAGE, "running", settings)
        plan = LoopPlan(STAGE, config.steps, seed, config_digest([settings, identity]), run.radiance)
        result = run_loop(
            plan,
            make_step(pixels, config, world, device),
            lambda key: new_state(config, key, device),
            save_state,
            lambda tensors: load_state(config, tensors, device),
            progress,
        )
        state = result.state
        network = state.network.eval().requires_grad_(False)
        field = RadianceField(network, state.occupancy, world, config, state.spacing)
        save_field(field, path)
        facts = {"seconds": result.seconds, "psnr_train": result.metrics.get("psnr")}
        run.mark(STAGE, "complete", settings, facts)
        discard_checkpoint(run.radiance)
    return field


def load_radiance_field(run_folder: Path, device: str = "cpu") -> RadianceField:
    """The trained field of a run.

    Raises:
        InputError: The folder is no run, or its field is not trained or damaged.
    """
    return load_field(Run.open(run_folder).radiance / FIELD_FILE, device)
