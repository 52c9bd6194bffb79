"""One step of training a radiance field: its state, and the function from state and key to the next state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sanerf_hq.geometry import Camera, PixelRays, Rays, WorldTransform, contract, from_unit, to_unit
from sanerf_hq.kernels import MarchConfig, accumulate_table_gradient, adam_rows, hash_grid, ray_march
from sanerf_hq.radiance.candidates import look_at
from sanerf_hq.radiance.coarse_cells import cells_round
from sanerf_hq.radiance.config import RadianceConfig
from sanerf_hq.radiance.detail import SPARE, chances, prefer
from sanerf_hq.radiance.exposure import Exposure
from sanerf_hq.radiance.flatness import FROM as FLAT_FROM
from sanerf_hq.radiance.flatness import bent, lines_among, threes
from sanerf_hq.radiance.moments import arena, is_sparse, time_cells
from sanerf_hq.radiance.nearness import Nearness, quieted
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.radiance.passages import passages
from sanerf_hq.radiance.pose_refinement import PoseRefinement
from sanerf_hq.radiance.precision import autocast
from sanerf_hq.radiance.render import OPAQUE, PackedSamples, composite
from sanerf_hq.radiance.sampling import carving, choose_samples
from sanerf_hq.radiance.stands import STAND, before_others, first_stands, stands
from sanerf_hq.runs import Key, load_optimiser, optimiser_tensors, under_prefix, with_prefix
from sanerf_hq.scene import TrainingPixels

OCCUPANCY_EVERY = 16
FADE = 0.9
REVIEW_FADES = 8  # looks at the grid that a cell stays awake for when it is only drawn by lot
REVIEWED_SHARE = 0.85  # of the steps; then cells round the cameras fall asleep if only lots kept them awake
SURROUNDINGS = 1.6  # contracted distance from which they do not: there walls go on where no photo looks
UNKNOWN_FADES = 10  # looks at the grid before a cell that no sample weighed in is left out
REVIEWED_CELLS = 1 << 15
WARM_UP_STEPS = 50
COOL_DOWN = 0.2  # share of the steps, the last, in which the learning rate falls to nothing
NETWORK_LR_SHARE = 0.3
EXPOSURE_LR_SHARE = 0.33
POSE_LR_SHARE = 0.033
POSE_LR_END = 0.01  # of that at the last step: late steps would only shake the cameras
POSES_FROM = 0.1  # share of the steps before which poses are left alone: there is nothing yet to fit them to
HUBER_DELTA = 0.1
PHOTO_WEIGHT = 10.0
CLOSING = 0.3  # share of the light left over that a ray's last sample takes, not a drawn colour
CARVING_SHARE = 0.25  # of the steps, in which carving comes to its full weight
FOG_SHARE = 0.3  # of the steps, in which space is fog and few samples teach as much
FOG_SAMPLES = 0.4  # of the samples that a step begins with
CANDIDATE_COST = 1 / 4  # of a sample's
PASSAGES_FROM = 0.1  # share of the steps after which it is known how far away what cameras see is
FLATTER = 3.0  # times the flatness, where few photos tell how deep things are
MIN_RAYS, MAX_RAYS = 256, 65536


@dataclass
class TrainState:
    """Everything that later steps depend on.

    Attributes:
        network: Parameters.
        occupancy: Where rays are sampled.
        nearness: Within which distance of each camera its own rays change density less.
        exposure: Gains of the photos, where they may differ.
        poses: Twists of the cameras, where they are refined.
        optimiser: Adam of the two networks and of what there is of these.
        first: Running mean of the table's gradient.
        second: Running mean of its square.
        grad: The table's gradient, zero between steps.
        n_rays: Rays of the next step.
        spacing: Spacing of the next step's candidates, in units of ``march_step``.
    """

    network: RadianceNetwork
    occupancy: Occupancy
    nearness: Nearness
    exposure: Exposure | None
    poses: PoseRefinement | None
    optimiser: torch.optim.Adam
    first: Tensor
    second: Tensor
    grad: Tensor
    n_rays: int
    spacing: float


def learning_rate(config: RadianceConfig, step: int) -> float:
    """Warm up, hold ``lr``, fall to nothing: high rates learn most, and what they learn soon settles."""
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    fall = min(1.0, (1 - step / config.steps) / COOL_DOWN)
    return config.lr * rise * fall


def new_state(
    config: RadianceConfig,
    key: Key,
    device: str,
    cameras: Sequence[Camera],
    world: WorldTransform,
) -> TrainState:
    """The state before the first step.

    Args:
        config: Settings.
        key: Of all that is drawn.
        device: "cpu" or "cuda".
        cameras: That photos were taken with.
        world: From their coordinates to the field's.
    """
    centers = world.to_field(torch.stack([camera.center for camera in cameras]))
    network = RadianceNetwork(config, time_cells(cameras), is_sparse(cameras))
    network.initialise(key.fold("network").generator())
    if network.moves:
        network.arena.copy_(arena(cameras, world))
    network = network.to(device)
    level = config.occupancy_threshold * FADE**-UNKNOWN_FADES
    occupancy = Occupancy.full(config.occupancy_side, level, device)
    centers = centers.to(device)
    occupancy.clear(cells_round(centers, first_stands(centers), occupancy.side))
    exposure = Exposure(len(centers)).to(device) if config.exposure else None
    poses = PoseRefinement(centers).to(device) if config.refine_poses else None
    shares: list[tuple[nn.Module | None, float, float]] = [
        (network.density, NETWORK_LR_SHARE, 1.0),
        (network.colour, NETWORK_LR_SHARE, 1.0),
        (exposure, EXPOSURE_LR_SHARE, 1.0),
        (poses, POSE_LR_SHARE, POSE_LR_END),
    ]
    groups = [
        {"params": list(part.parameters()), "share": share, "end": end}
        for part, share, end in shares
        if part is not None
    ]
    optimiser = torch.optim.Adam(groups, lr=config.lr, betas=(0.9, 0.99), eps=1e-15)
    first, second, grad = (torch.zeros_like(network.table.data) for _ in range(3))
    return TrainState(
        network,
        occupancy,
        Nearness.unknown(len(centers), config.near_scale, device),
        exposure,
        poses,
        optimiser,
        first,
        second,
        grad,
        4 * MIN_RAYS,
        config.coarsest_spacing,
    )


def _trained(state: TrainState) -> dict[str, nn.Module]:
    parts = {"network": state.network, "exposure": state.exposure, "poses": state.poses}
    return {name: part for name, part in parts.items() if part is not None}


def save_state(state: TrainState) -> dict[str, Tensor]:
    """The state as tensors."""
    tensors: dict[str, Tensor] = {}
    for name, part in _trained(state).items():
        tensors |= with_prefix(name, part.state_dict())
    return {
        **tensors,
        **with_prefix("optimiser", optimiser_tensors(state.optimiser)),
        **with_prefix("occupancy", vars(state.occupancy)),
        **with_prefix("nearness", vars(state.nearness)),
        "first": state.first,
        "second": state.second,
        "n_rays": torch.tensor(state.n_rays),
        "spacing": torch.tensor(state.spacing, dtype=torch.float64),
    }


def load_state(state: TrainState, tensors: dict[str, Tensor]) -> TrainState:
    """Fill a new state with what :func:`save_state` gave."""
    for name, part in _trained(state).items():
        part.load_state_dict(under_prefix(name, tensors))
    load_optimiser(state.optimiser, under_prefix("optimiser", tensors))
    for part in ("occupancy", "nearness"):
        for name, value in under_prefix(part, tensors).items():
            getattr(getattr(state, part), name).copy_(value)
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
    n_choices, is_usable = pixel_rays.n_pixels, None
    if usable is not None:
        n_choices = usable.shape[0]
        is_usable = torch.zeros(pixel_rays.n_pixels, dtype=torch.bool, device=device)
        is_usable[usable] = True

    centers = world.to_field(torch.stack([camera.center for camera in pixels.cameras])).to(device)
    # What is close must be heard at once where things may be close: nearer, growth is quieted by its square.
    first_nearness = config.near_scale * (first_stands(centers) / STAND).square()
    most_near = torch.full_like(first_nearness, config.near_scale)
    chance = chances(pixels, config.plain_chance).to(device)
    flatness = config.flatness * (FLATTER if is_sparse(pixels.cameras) else 1.0)

    def draw(n: int, generator: torch.Generator) -> Tensor:
        choice = torch.randint(n_choices, (n,), generator=generator, device=device)
        return choice if usable is None else usable[choice]

    def step(state: TrainState, key: Key) -> tuple[TrainState, dict[str, float | Tensor]]:
        generator = key.generator(device)
        n_lines = lines_among(state.n_rays) if config.flatness else 0
        index = draw(n_lines, generator)
        others = draw(SPARE * (state.n_rays - n_lines), generator)
        index = torch.cat([index, prefer(others, state.n_rays - n_lines, chance, generator)])
        if n_lines:
            index = threes(pixel_rays, index, n_lines, is_usable, generator)
        background = torch.rand(state.n_rays, 3, generator=generator, device=device)
        target = rgb[index].float() / 255
        if alpha is not None:
            target = target + (1 - alpha[index].float()[:, None] / 255) * (background - 1)
        views = pixel_rays.cameras_of(index)
        given = world.rays_to_field(pixel_rays.rays(index))
        rays = given if state.poses is None else _detached(state.poses(given, views))
        jitter = torch.rand(state.n_rays, generator=generator, device=device)
        march = MarchConfig(step=config.march_step * state.spacing)
        grid = state.occupancy
        marched = ray_march(rays.origins, rays.directions, jitter, grid.occupied, march, 8 * config.samples)
        candidates = PackedSamples.of(marched)
        known = look_at(state.network, candidates, rays)
        kept = choose_samples(candidates, rays, known, config.samples_a_ray, alpha is None, generator)
        refined = state.poses is not None and key.step >= POSES_FROM * config.steps
        places = state.network.places(kept.unit_points, kept.times(rays))
        encoding = _encoding(
            state, kept, places, state.poses(given, views) if state.poses and refined else None
        )
        in_fog = key.step < FOG_SHARE * config.steps
        nearness = state.nearness.of(views, first_nearness if in_fog else most_near)
        near = kept.distances / nearness[kept.ray_indices.long()]
        with autocast(encoding.device):
            sigmas, geometry = state.network.geometry(encoding)
        closing = CLOSING if alpha is None else 0.0
        carved, spread = carving(sigmas, kept, alpha is None)
        ramp = config.distortion * min(1.0, key.step / (CARVING_SHARE * config.steps))
        sigmas.register_hook(lambda grad: quieted(grad, near) + ramp * carved)
        seen = composite(state.network, sigmas, geometry, kept, rays.directions, config.shading, closing)
        shown = seen.rgb if state.exposure is None else state.exposure(seen.rgb, views)
        image = shown + (1 - seen.opacity[:, None]) * background
        sampled = kept.packed_info[:, 1] > 0  # empty and dropped rays teach nothing
        share = sampled.float()[:, None] / (3 * sampled.sum()).clamp_min(1)
        difference = torch.nn.functional.huber_loss(image, target, reduction="none", delta=HUBER_DELTA)
        loss = PHOTO_WEIGHT * (difference * share).sum()
        if config.flatness:
            weight = flatness * min(1.0, key.step / (FLAT_FROM * config.steps))
            bend = bent(seen.distance, seen.opacity, rays.cosines, target, n_lines)
            loss = loss + weight * bend
        for correction in (state.exposure, state.poses):
            loss = loss if correction is None else loss + correction.prior()
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        _descend(state, config, key.step, places, encoding)
        ends = (seen.distance / seen.opacity).detach()
        state.nearness.learn(views, ends, seen.opacity.detach() > OPAQUE)
        _remember(grid, candidates, known.weights(candidates, config.march_step, alpha is None))
        if key.step % OCCUPANCY_EVERY == OCCUPANCY_EVERY - 1:
            late = key.step >= REVIEWED_SHARE * config.steps
            _review(state, config, SURROUNDINGS if late else 0.0, generator)
            grid.fade(FADE, config.occupancy_threshold)
        if key.step == int(PASSAGES_FROM * config.steps):
            grid.clear(passages(pixels.cameras, world, state.nearness.reaches, grid.side))
        if key.step == int(FOG_SHARE * config.steps):
            reaches = state.nearness.reaches
            there = before_others(pixels.cameras, world, reaches, grid.side)
            grid.clear(cells_round(centers, stands(reaches), grid.side) & ~there)
        error = ((image.detach() - target).square() * share).sum()
        n_candidates, n_samples = known.sigmas.shape[0], sigmas.shape[0]
        metrics: dict[str, float | Tensor] = {
            "loss": loss.detach(),
            "spread": spread,
            "opacity": seen.opacity.detach().mean(),
            "psnr": -10 * error.clamp_min(1e-10).log10(),
            "rays": float(state.n_rays),
            "samples": float(n_samples),
        }
        _adapt(state, config, key.step, n_candidates, n_samples)
        return state, metrics

    return step


def _detached(rays: Rays) -> Rays:
    return Rays(rays.origins.detach(), rays.directions.detach(), rays.cosines, rays.times)


def _encoding(state: TrainState, samples: PackedSamples, places: Tensor, rays: Rays | None) -> Tensor:
    """The grid's features at samples' places: a leaf of the graph or, if rays are given, a function of these.

    Either way the table gets its gradient from the encoding's own, by :func:`_descend`.
    """
    if rays is None:
        with torch.no_grad():
            encoding = hash_grid(places, state.network.table, state.network.layout)
        return encoding.requires_grad_()
    owner = samples.ray_indices.long()
    points = rays.origins[owner] + samples.distances[:, None] * rays.directions[owner]
    moved = state.network.places(to_unit(contract(points)), samples.times(rays))
    encoding = hash_grid(moved, state.network.table.detach(), state.network.layout)
    encoding.retain_grad()
    return encoding


def _descend(state: TrainState, config: RadianceConfig, step: int, places: Tensor, encoding: Tensor) -> None:
    """Take the gradient step on networks and table."""
    rate = learning_rate(config, step)
    for group in state.optimiser.param_groups:
        group["lr"] = rate * group["share"] * group["end"] ** (step / config.steps)
    state.optimiser.step()
    if encoding.grad is None:
        return
    accumulate_table_gradient(places, encoding.grad, state.network.layout, state.grad)
    adam_rows(state.network.table.data, state.grad, state.first, state.second, step + 1, rate)


def _remember(grid: Occupancy, candidates: PackedSamples, weights: Float[Tensor, "n_candidates"]) -> None:
    """Let the grid remember what a step's candidates weigh."""
    grid.see(grid.cells_of(candidates.unit_points), weights)


def _review(state: TrainState, config: RadianceConfig, least: float, generator: torch.Generator) -> None:
    """Look afresh at some cells whose contracted distance from the middle is at least ``least``."""
    grid = state.occupancy
    device = grid.levels.device
    cells = torch.randint(grid.side**3, (REVIEWED_CELLS,), generator=generator, device=device)
    points = grid.points_in(cells, generator)
    looked_at = from_unit(points).abs().amax(-1) >= least
    cells, points = cells[looked_at], points[looked_at]
    times = torch.rand(len(points), generator=generator, device=device) if state.network.moves else None
    with torch.no_grad(), autocast(device):
        sigmas, _ = state.network.geometry(state.network.encode(points, times))
    # A cell that no ray reaches soon sleeps again, be it as dense as it may.
    once = config.occupancy_threshold * FADE**-REVIEW_FADES
    grid.see(cells, (-torch.expm1(-sigmas * config.march_step)).clamp(max=once))


def _adapt(state: TrainState, config: RadianceConfig, step: int, n_candidates: int, n_samples: int) -> None:
    """Choose the next step's rays and spacing so that its cost stays as asked for."""
    if step % OCCUPANCY_EVERY == OCCUPANCY_EVERY - 1:
        finer = n_candidates / state.n_rays < config.candidates
        spacing = state.spacing * (0.9 if finer else 1.05)
        state.spacing = min(max(spacing, 1.0), config.coarsest_spacing)
    cost = max(n_samples + n_candidates * CANDIDATE_COST, 1.0)
    grown = min(1.0, step / (FOG_SHARE * config.steps))
    budget = config.samples * (FOG_SAMPLES + (1 - FOG_SAMPLES) * grown)
    n_rays = int(state.n_rays * min(2.0, budget / cost))
    state.n_rays = min(max(n_rays, MIN_RAYS), MAX_RAYS)
