"""Training a radiance field: photos to density and colour, over the one loop of :mod:`sanerf_hq.runs`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import PixelRays, WorldTransform
from sanerf_hq.kernels import MarchConfig, accumulate_table_gradient, adam_rows, distortion, ray_march
from sanerf_hq.radiance.clearance import Clearance
from sanerf_hq.radiance.config import RadianceConfig
from sanerf_hq.radiance.field import RadianceField, load_field, save_field
from sanerf_hq.radiance.home import Home
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.radiance.precision import autocast
from sanerf_hq.radiance.render import PackedSamples, composite
from sanerf_hq.radiance.trace import trace
from sanerf_hq.radiance.view_samples import load_view_samples
from sanerf_hq.runs import (
    Key,
    LoopPlan,
    ProgressCallback,
    Run,
    config_digest,
    discard_checkpoint,
    load_optimiser,
    optimiser_tensors,
    peak_memory_mb,
    quiet,
    run_loop,
    under_prefix,
    with_prefix,
)
from sanerf_hq.scene import Scene, TrainingPixels, fingerprint, load_scene, load_training_pixels

STAGE = "radiance"
FIELD_FILE = "field.safetensors"
OCCUPANCY_EVERY = 16
FADE = 0.9
REVIEW_FADES = 8  # looks at the grid that a cell stays awake for when it is only drawn by lot
UNKNOWN_FADES = 10  # looks at the grid before a cell that no sample weighed in is left out
REVIEWED_CELLS = 1 << 15
WARM_UP_STEPS = 50
NETWORK_LR_SHARE = 0.3
HUBER_DELTA = 0.1
PHOTO_WEIGHT = 10.0
HIDDEN_TRANSMITTANCE = 1e-3
FOG_SHARE = 0.3  # of the steps, in which space is fog and few samples teach as much
FOG_SAMPLES = 0.4  # of the samples that a step begins with
NO_GROWTH = 0.4  # of near_scale, the distance from a camera within which its own rays make no density grow
STAND = 0.4  # field units round each camera in which nothing is: there its photographer stood
CLEARANCE_RAYS = 400  # a camera
NEAREST = 0.01  # quantile of their distances that counts as the nearest surface
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


def new_state(
    config: RadianceConfig, key: Key, device: str, centers: Float[Tensor, "n_cameras 3"]
) -> TrainState:
    """The state before the first step; ``centers`` are the cameras', in the field's coordinates."""
    network = RadianceNetwork(config)
    network.initialise(key.fold("network").generator())
    network = network.to(device)
    level = config.occupancy_threshold * FADE**-UNKNOWN_FADES
    occupancy = Occupancy.full(config.occupancy_side, level, device)
    occupancy.clear_round(centers.to(device), STAND)
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


def load_state(state: TrainState, tensors: dict[str, Tensor]) -> TrainState:
    """Fill a new state with what :func:`save_state` gave."""
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
        traced = trace(state.network, samples)
        light = traced.transmittances
        fine = -torch.expm1(-traced.sigmas * config.march_step)
        state.occupancy.see(traced.samples.unit_points, light * fine)
        visible = light > HIDDEN_TRANSMITTANCE
        kept = traced.samples.keep(visible)
        encoding = traced.encoding[visible].requires_grad_()
        nearby = (kept.middles / config.near_scale - NO_GROWTH).clamp(0.0, 1.0).square()
        seen = composite(state.network, encoding, kept, rays.directions, config.shading, nearby)
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
    accumulate_table_gradient(samples.unit_points, encoding.grad, state.network.layout, state.grad)
    adam_rows(state.network.table.data, state.grad, state.first, state.second, step + 1, rate)


def _review(state: TrainState, config: RadianceConfig, generator: torch.Generator) -> None:
    """Look afresh at some cells and let all memories fade."""
    grid = state.occupancy
    device = grid.levels.device
    cells = torch.randint(grid.side**3, (REVIEWED_CELLS,), generator=generator, device=device)
    points = grid.points_in(cells, generator)
    with torch.no_grad(), autocast(device):
        sigmas, _ = state.network.geometry(state.network.encode(points))
    # A cell that no ray reaches soon sleeps again, be it as dense as it may.
    once = config.occupancy_threshold * FADE**-REVIEW_FADES
    grid.see(points, (-torch.expm1(-sigmas * config.march_step)).clamp(max=once))
    grid.fade(FADE, config.occupancy_threshold)


def _adapt(state: TrainState, config: RadianceConfig, step: int, n_candidates: int, n_kept: int) -> None:
    """Choose the next step's rays and spacing so that its cost stays as asked for."""
    if step % OCCUPANCY_EVERY == OCCUPANCY_EVERY - 1:
        finer = n_candidates / state.n_rays < config.candidates
        spacing = state.spacing * (0.9 if finer else 1.05)
        state.spacing = min(max(spacing, 1.0), config.coarsest_spacing)
    cost = max(n_kept, n_candidates / 4, 1.0)  # a candidate that is not kept costs about a quarter
    grown = min(1.0, step / (FOG_SHARE * config.steps))
    budget = config.samples * (FOG_SAMPLES + (1 - FOG_SAMPLES) * grown)
    wanted = int(state.n_rays * min(2.0, budget / cost))
    state.n_rays = min(max(wanted, MIN_RAYS), MAX_RAYS)


def measure_clearance(field: RadianceField, key: Key) -> Clearance:
    """How near the nearest surfaces are that each training camera sees."""
    home = field.at_home()
    generator = key.generator()
    distances = []
    for camera in home.cameras:
        lot = torch.rand(CLEARANCE_RAYS, 2, generator=generator)
        seen = field.surfaces(camera.rays(lot * torch.tensor([camera.width, camera.height]))).distance
        seen = seen[seen.isfinite()]
        distances.append(torch.quantile(seen, NEAREST) if len(seen) else torch.zeros((), device=seen.device))
    centers = field.world.to_field(torch.stack([camera.center for camera in home.cameras]))
    forwards = torch.stack([camera.forward for camera in home.cameras])
    return Clearance(centers.to(field.device), forwards.to(field.device), torch.stack(distances))


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
    started = time.monotonic()
    config = config or RadianceConfig()
    identity = fingerprint(scene)
    run = Run.open_or_create(out, scene.file or scene.root, identity, seed)
    home = Home(run, scene, width)
    settings = {**asdict(config), "width": width}
    path = run.radiance / FIELD_FILE
    with run.lock():
        done = run.stage(STAGE)
        if done and done.is_complete and done.config == settings and path.exists():
            return replace(load_field(path, device), home=home)
        pixels = load_training_pixels(scene, width)
        world = WorldTransform.from_cameras(list(pixels.cameras))
        centers = world.to_field(torch.stack([camera.center for camera in pixels.cameras]))

        def begin(key: Key) -> TrainState:
            return new_state(config, key, device, centers)

        run.mark(STAGE, "running", settings)
        plan = LoopPlan(STAGE, config.steps, seed, config_digest([settings, identity]), run.radiance)
        result = run_loop(
            plan,
            make_step(pixels, config, world, device),
            begin,
            save_state,
            lambda tensors: load_state(begin(Key(seed, STAGE, 0)), tensors),
            progress,
        )
        state = result.state
        network = state.network.eval().requires_grad_(False)
        unknown = Clearance.unknown(device)
        field = RadianceField(network, state.occupancy, world, config, state.spacing, unknown, home)
        field = replace(field, clearance=measure_clearance(field, Key(seed, "clearance", 0)))
        save_field(field, path)
        load_view_samples(field, progress)
        facts = {
            # Of a training that was stopped and went on: all its steps, and what surrounds them once.
            "train_seconds": result.seconds + time.monotonic() - started - result.seconds_here,
            "psnr_train": result.metrics.get("psnr"),
            "peak_memory_mb": peak_memory_mb(),
        }
        run.mark(STAGE, "complete", settings, facts)
        discard_checkpoint(run.radiance)
    return field


def load_radiance_field(run_folder: Path, device: str = "cpu") -> RadianceField:
    """The trained field of a run, with the scene it was trained on.

    Raises:
        InputError: The folder is no run, its field is not trained or damaged, or the scene's images are no
            longer those it was trained on.
    """
    run = Run.open(run_folder)
    done = run.stage(STAGE)
    if done is None or not done.is_complete:
        raise InputError(f"{run_folder} holds no trained field; run sanerf train --out {run_folder} first")
    scene = load_scene(run.scene_path)
    run.check_scene(fingerprint(scene))
    return replace(load_field(run.radiance / FIELD_FILE, device), home=Home(run, scene, done.config["width"]))
