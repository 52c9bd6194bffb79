"""Training an object field: masks to identities in space (Eq. 7, 8, 14), over cached surface samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.kernels import accumulate_table_gradient, adam_rows
from sanerf_hq.masks import MaskSet, load_masks, save_masks
from sanerf_hq.objects.composite import composite_identities
from sanerf_hq.objects.config import ObjectConfig
from sanerf_hq.objects.field import ObjectField, load_object_field_file, save_object_field
from sanerf_hq.objects.labels import LabelledRays, add_outlines, gather_pool
from sanerf_hq.objects.network import ObjectNetwork
from sanerf_hq.objects.pair_rays import PairSource
from sanerf_hq.objects.pair_training import PairState, PairTraining
from sanerf_hq.objects.record import Recording, no_record
from sanerf_hq.objects.region import Region
from sanerf_hq.objects.start import Start
from sanerf_hq.radiance import RadianceField, SurfaceSamples, ViewSamples, load_view_samples
from sanerf_hq.runs import (
    Key,
    LoopPlan,
    ProgressCallback,
    Run,
    SegmentationFolder,
    config_digest,
    discard_checkpoint,
    load_optimiser,
    optimiser_tensors,
    plain,
    quiet,
    run_loop,
    under_prefix,
    with_prefix,
)

NETWORK_LR_SHARE = 0.3
WARM_UP_STEPS = 10


@dataclass
class ObjectState:
    """Everything that later steps depend on."""

    network: ObjectNetwork
    optimiser: torch.optim.Adam
    first: Tensor
    second: Tensor
    grad: Tensor
    pairs: PairState


def make_step(
    data: LabelledRays,
    region: Region,
    start: Start,
    config: ObjectConfig,
    source: PairSource | None = None,
) -> Callable[[ObjectState, Key], tuple[ObjectState, dict[str, float | Tensor]]]:
    """One training step as a function of state and key; without a source there is no ray-pair loss."""
    surfaces = start.attached(data.surfaces)
    device = surfaces.weights.device
    pairing = None if source is None else PairTraining(source, data, surfaces, region, start, config)
    n_band = len(surfaces) - data.n_pool
    n_outline = round(config.rays * config.band_share) if n_band else 0
    n_any = config.rays - n_outline if data.n_pool else 0

    def step(state: ObjectState, key: Key) -> tuple[ObjectState, dict[str, float | Tensor]]:
        generator = key.generator("cpu")
        picks = [torch.randint(max(1, data.n_pool), (n_any,), generator=generator)]
        if n_outline:
            picks.append(data.n_pool + torch.randint(n_band, (n_outline,), generator=generator))
        chosen = torch.cat(picks).to(device)
        batch = surfaces.take(chosen)
        paired = None if pairing is None else pairing.prepare(state.pairs, state.network, key)
        if paired is not None:
            batch = SurfaceSamples.join([batch, paired.surfaces])
        blur = torch.randn(batch.unit_points.shape, generator=generator).to(device) * config.blur
        points = region.to_unit(batch.unit_points + blur)
        encoding = state.network.encode(points).detach().requires_grad_()
        logits = composite_identities(start.identities(state.network, encoding, batch), batch)
        labelled, others = logits[: len(chosen)], logits[len(chosen) :]
        possible, trust = data.possible[chosen], data.trust[chosen]
        loss = (trust * label_loss(labelled, possible)).sum() / trust.sum().clamp_min(1e-6)
        metrics: dict[str, float | Tensor] = {"loss": loss.detach()}
        if pairing is not None and paired is not None:
            pair_loss = pairing.loss(others, paired, key)
            metrics["pair loss"] = pair_loss.detach()
            loss = loss + pair_loss
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        _descend(state, config, key.step, points, encoding)
        if pairing is not None:
            pairing.note(state.pairs, chosen[:n_any], labelled[:n_any])
        right = possible.gather(1, labelled.detach().argmax(-1, keepdim=True)).float().mean()
        return state, metrics | {"accuracy": right}

    return step


def _descend(state: ObjectState, config: ObjectConfig, step: int, points: Tensor, encoding: Tensor) -> None:
    """Take the gradient step on layers and table."""
    rate = config.lr * min(1.0, (step + 1) / WARM_UP_STEPS)
    rate *= (config.lr_final / config.lr) ** (step / config.steps)
    for group in state.optimiser.param_groups:
        group["lr"] = rate * NETWORK_LR_SHARE
    state.optimiser.step()
    if encoding.grad is not None:
        accumulate_table_gradient(points, encoding.grad, state.network.layout, state.grad)
        adam_rows(state.network.table.data, state.grad, state.first, state.second, step + 1, rate)


def label_loss(
    logits: Float[Tensor, "n_rays n_logits"], possible: Bool[Tensor, "n_rays n_logits"]
) -> Float[Tensor, "n_rays"]:
    """-log Σ M_i over the identities that each pixel may be: Eq. 8 where that is one."""
    return logits.logsumexp(-1) - logits.masked_fill(~possible, -torch.inf).logsumexp(-1)


def new_state(
    config: ObjectConfig, n_geometry: int, n_objects: int, n_pool: int, key: Key, device: torch.device
) -> ObjectState:
    """The state before the first step; ``n_pool``: rays that are on the error maps."""
    network = ObjectNetwork(config, n_geometry, n_objects)
    network.initialise(key.generator(), silent=config.from_votes)
    network = network.to(device)
    optimiser = torch.optim.Adam(network.layers.parameters(), lr=config.lr, betas=(0.9, 0.99), eps=1e-15)
    first, second, grad = (torch.zeros_like(network.table.data) for _ in range(3))
    return ObjectState(network, optimiser, first, second, grad, PairState.new(n_pool, device))


def save_state(state: ObjectState) -> dict[str, Tensor]:
    """The state as tensors."""
    return {
        **with_prefix("network", state.network.state_dict()),
        **with_prefix("optimiser", optimiser_tensors(state.optimiser)),
        **with_prefix("pairs", state.pairs.tensors()),
        "first": state.first,
        "second": state.second,
    }


def load_state(state: ObjectState, tensors: dict[str, Tensor]) -> ObjectState:
    """Fill a new state with what :func:`save_state` gave."""
    state.network.load_state_dict(under_prefix("network", tensors))
    load_optimiser(state.optimiser, under_prefix("optimiser", tensors))
    state.pairs.load(under_prefix("pairs", tensors))
    state.first.copy_(tensors["first"])
    state.second.copy_(tensors["second"])
    return state


def train_object_field(
    field: RadianceField,
    masks: MaskSet,
    name: str | None = None,
    config: ObjectConfig | None = None,
    progress: ProgressCallback = quiet,
    pool: ViewSamples | None = None,
    overwrite: bool = False,
    record: Recording = no_record,
) -> ObjectField:
    """Fuse masks into an object field, kept as a named segmentation of the field's run.

    Args:
        field: A field at home in its run.
        masks: Masks of some of its training views.
        name: Name of the segmentation, a folder of the run; by default the object's. One that was made from
            the same masks with the same settings is read instead.
        config: Settings; by default those of the preset ``standard``.
        progress: Told of the progress; may raise Cancelled.
        pool: Samples of the training views; read from the run if not given.
        overwrite: Whether it is trained in any case and takes the place of what has that name, which stays
            until then.
        record: Writes down how it was asked for, before it is in its place.

    Raises:
        InputError: The masks are empty, the name is none, or a segmentation of that name was made from
            other masks or settings.
        Cancelled: The callback asked for it; what was done is kept for the next one of that name.
    """
    run, name = field.at_home().run, name or masks.names[0]
    part = field.at_home().segmentation(name)
    settings = settings_of(field, masks, config or ObjectConfig())
    with run.lock():
        if not overwrite and is_made(run, name, part, settings) and part.field.exists():
            return load_object_field_file(field, part.field)
        with run.drafting(name, settings) as draft:
            found = fuse(field, masks, draft, config, progress, pool)
            record(draft, found.names)
    return found


def is_made(run: Run, name: str, part: SegmentationFolder, settings: Mapping[str, Any]) -> bool:
    """Whether there is a segmentation of a name that was, in some part of it, made with these settings.

    Raises:
        InputError: One that was made with others is there.
    """
    whole = run.segmentation(name)
    if not whole.folder.exists():
        return False
    made = run.stage(part.stage)
    if made is not None and not made.is_complete:  # early versions left what was stopped here
        return False
    if made is None or made.config != plain(settings):
        raise InputError(
            f"{whole.folder} holds a segmentation of other masks or settings, or of a field trained before; "
            "choose another name or delete it"
        )
    return True


def settings_of(field: RadianceField, masks: MaskSet, config: ObjectConfig) -> dict[str, Any]:
    """What an object field depends on beside the run."""
    return {
        **asdict(_fitting(masks, config)),
        "masks": masks.digest,
        "names": list(masks.names),
        "radiance": field.network.digest(),
    }


def fuse(
    field: RadianceField,
    masks: MaskSet,
    draft: SegmentationFolder,
    config: ObjectConfig | None = None,
    progress: ProgressCallback = quiet,
    pool: ViewSamples | None = None,
) -> ObjectField:
    """Fuse masks into an object field in a segmentation's draft, in the part of the field's moment.

    What is done there already is gone on with. The run is held for writing.
    """
    config = _fitting(masks, config or ObjectConfig())
    home, settings = field.at_home(), settings_of(field, masks, config)
    run, part = home.run, home.part(draft)
    stage = home.segmentation(draft.name).stage  # chance is that of the place where it will lie
    done = run.stage(part.stage)
    if done is not None and done.is_complete and done.config == plain(settings) and part.field.exists():
        return load_object_field_file(field, part.field)
    run.mark(part.stage, "running", settings)
    save_masks(masks, part.masks)
    key = Key(run.seed, stage, 0)
    pool = pool or load_view_samples(field, progress)
    data, region = gather_pool(field, masks, pool, config.local, config.clean)
    votes = data.votes() if config.from_votes else None
    if config.band_share and masks.are_exact:
        data = add_outlines(field, masks, data, region, config.band_rays, key)
    start = Start(votes, field.network.n_geometry)
    paired = config.pairs.weight > 0 and (config.pairs.where_exact or not masks.are_exact)
    source = PairSource.of(field, region, data.maps, config.pairs) if paired else None

    def begin(key: Key) -> ObjectState:
        n_geometry, n_objects = field.network.n_geometry, len(masks.names)
        return new_state(config, n_geometry, n_objects, data.n_pool, key, field.device)

    plan = LoopPlan(stage, config.steps, run.seed, config_digest([settings, run.fingerprint]), part.folder)
    result = run_loop(
        plan,
        make_step(data, region, start, config, source),
        begin,
        save_state,
        lambda tensors: load_state(begin(key), tensors),
        progress,
    )
    network = result.state.network.eval().requires_grad_(False)
    found = ObjectField(field, network, region, masks.names, config, votes)
    save_object_field(found, part.field)
    facts = {"seconds": result.seconds, "accuracy": result.metrics.get("accuracy")}
    run.mark(part.stage, "complete", settings, facts)
    discard_checkpoint(part.folder)
    return found


def _fitting(masks: MaskSet, config: ObjectConfig) -> ObjectConfig:
    """Settings for such masks."""
    return replace(config, steps=config.steps_where_exact) if masks.are_exact else config


def load_object_field(field: RadianceField, name: str) -> ObjectField:
    """A named segmentation of a field's run.

    Raises:
        InputError: There is none of that name, or it is damaged.
    """
    run = field.at_home().run
    folder = field.at_home().segmentation(name)
    if not folder.field.exists():
        if field.moment is not None and name in run.segmentation_names():
            raise InputError(
                f"nothing of {name!r} was found at time {field.moment:.3g}; ask for another time"
            )
        raise run.no_segmentation(name)
    return load_object_field_file(field, folder.field)


def load_segmentation_masks(field: RadianceField, name: str) -> MaskSet:
    """The masks that a named segmentation was made from."""
    return load_masks(field.at_home().segmentation(name).masks)
