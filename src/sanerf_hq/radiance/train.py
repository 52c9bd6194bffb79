"""Training a radiance field: photos to density and colour, over the one loop of :mod:`sanerf_hq.runs`."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera, WorldTransform
from sanerf_hq.radiance.clearance import Clearance
from sanerf_hq.radiance.config import RadianceConfig
from sanerf_hq.radiance.exposure import spread_of
from sanerf_hq.radiance.field import RadianceField, load_field, save_field
from sanerf_hq.radiance.home import Home
from sanerf_hq.radiance.moments import checked_time, moments_of
from sanerf_hq.radiance.pose_refinement import POSES_FILE, save_poses, with_poses
from sanerf_hq.radiance.step import TrainState, load_state, make_step, new_state, save_state
from sanerf_hq.radiance.view_samples import load_view_samples
from sanerf_hq.runs import (
    DamagedFile,
    Key,
    LoopPlan,
    ProgressCallback,
    Run,
    config_digest,
    discard_checkpoint,
    peak_memory_mb,
    plain,
    quiet,
    run_loop,
)
from sanerf_hq.scene import (
    OWN_SIZE,
    PhotoSize,
    Scene,
    SceneOptions,
    fingerprint,
    load_scene,
    load_training_pixels,
)

LOG = logging.getLogger(__name__)
STAGE = "radiance"
FIELD_FILE = "field.safetensors"
CLEARANCE_RAYS = 400  # a camera
WATCH_SECONDS = 2.0  # between two looks at a field in training
FEW_PLACES = 10  # of fewer, surfaces that no two neighbouring photos share may lie anywhere
NEAREST = 0.01  # quantile of their distances that counts as the nearest surface

Metrics = Mapping[str, int | float | torch.Tensor]
Step = Callable[[TrainState, Key], tuple[TrainState, Metrics]]


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
    return Clearance.of(home.cameras, field.world, torch.stack(distances))


def watched(
    step: Step, copied: Callable[[TrainState], RadianceField], watch: Callable[[RadianceField], None]
) -> Step:
    """The same step, after which the field is shown if it was last shown some seconds ago."""
    shown = -math.inf

    def stepped(state: TrainState, key: Key) -> tuple[TrainState, Metrics]:
        nonlocal shown
        state, metrics = step(state, key)
        if time.monotonic() - shown >= WATCH_SECONDS:
            watch(copied(state))
            shown = time.monotonic()
        return state, metrics

    return stepped


def train_radiance_field(
    scene: Scene,
    out: Path,
    config: RadianceConfig | None = None,
    seed: int = 0,
    size: PhotoSize = OWN_SIZE,
    device: str = "cpu",
    progress: ProgressCallback = quiet,
    watch: Callable[[RadianceField], None] | None = None,
    replace_other: bool = False,
) -> RadianceField:
    """Train a scene into the run folder ``out``, or go on where an earlier call stopped.

    Args:
        scene: The scene; its test views are not touched.
        out: The run's folder, made if need be.
        config: Settings; by default those of the preset ``standard``.
        seed: Seed of every random draw.
        size: What photos are scaled to for training.
        device: "cpu" or "cuda".
        progress: Told of the progress; may raise Cancelled.
        watch: Given a copy of the field every few seconds while it trains, on the training thread.
        replace_other: Whether a field in ``out`` that was trained with other settings, and all that was
            segmented in it, gives way.

    Raises:
        InputError: The scene is damaged; ``out`` is no run of this scene, or holds a field that was trained
            with other settings; or the width of ``size`` is more than the photos have.
        Cancelled: The callback asked for it; what was done is saved.
    """
    started = time.monotonic()
    config = config or RadianceConfig()
    _check_width(scene, size.width)
    identity = fingerprint(scene)
    # What cannot be read is to be mended before a run is tied to it.
    pixels = None if Run.is_at(out) else load_training_pixels(scene, size)
    run = Run.open_or_create(out, scene.file or scene.root, identity, seed, scene.options.to_words())
    home = Home(run, scene, size)
    settings = {**asdict(config), **size.settings()}
    path = run.radiance / FIELD_FILE
    with run.lock():
        done = run.stage(STAGE)
        if done and done.is_complete and path.exists():
            if done.config == plain(settings):
                known = _known_field(home, device)
                if known is not None:
                    return known
            elif replace_other:
                for name in run.segmentation_names():
                    run.remove_segmentation(name)
                run.drop_scores()
            else:
                raise InputError(_other_settings(out, done.config, plain(settings)))
        pixels = pixels or load_training_pixels(scene, size)
        _warn_of_few_places(scene, pixels.cameras)
        world = WorldTransform.from_cameras(list(pixels.cameras))

        def begin(key: Key) -> TrainState:
            return new_state(config, key, device, pixels.cameras, world)

        unknown = Clearance.unknown(device)
        closed = pixels.alpha is None
        moments = moments_of(pixels.cameras)

        def copied(state: TrainState) -> RadianceField:
            network = deepcopy(state.network).eval().requires_grad_(False)
            occupancy = deepcopy(state.occupancy)
            return RadianceField(
                network, occupancy, world, config, state.spacing, unknown, closed, home, moments
            )

        step = make_step(pixels, config, world, device)
        run.mark(STAGE, "running", settings)
        (run.radiance / POSES_FILE).unlink(missing_ok=True)
        plan = LoopPlan(STAGE, config.steps, seed, config_digest([settings, identity]), run.radiance)
        result = run_loop(
            plan,
            step if watch is None else watched(step, copied, watch),
            begin,
            save_state,
            lambda tensors: load_state(begin(Key(seed, STAGE, 0)), tensors),
            progress,
        )
        state = result.state
        network = state.network.eval().requires_grad_(False)
        if state.poses is not None:
            found = state.poses.moved([view.camera for view in scene.train_views], world)
            save_poses(run.radiance, scene, found, network.digest())
            home = replace(home, scene=with_poses(run.radiance, scene, network.digest()))
        field = RadianceField(
            network, state.occupancy, world, config, state.spacing, unknown, closed, home, moments
        )
        field = replace(field, clearance=measure_clearance(field, Key(seed, "clearance", 0)))
        save_field(field, path)
        load_view_samples(field, progress)
        facts: dict[str, float | None] = {
            # Of a training that was stopped and went on: all its steps, and what surrounds them once.
            "train_seconds": result.seconds + time.monotonic() - started - result.seconds_here,
            "psnr_train": result.metrics.get("psnr"),
            "peak_memory_mb": peak_memory_mb(),
        }
        if state.exposure is not None:
            facts["exposure_stops"] = spread_of(state.exposure.stops())
        run.mark(STAGE, "complete", settings, facts)
        discard_checkpoint(run.radiance)
    return field


def _known_field(home: Home, device: str) -> RadianceField | None:
    """A field that was trained before; None where its files are damaged or of another version."""
    try:
        return _trained_field(home, device)
    except DamagedFile as error:
        LOG.warning("%s: it is trained again; segment anew what was made with another version's field", error)
        return None


def _trained_field(home: Home, device: str) -> RadianceField:
    """The field of a run, at home with the poses that were found in its training."""
    folder = home.run.radiance
    field = load_field(folder / FIELD_FILE, device)
    if field.config.refine_poses:
        home = replace(home, scene=with_poses(folder, home.scene, field.network.digest()))
    return replace(field, home=home, clearance=field.clearance.timed(home.cameras))


def _warn_of_few_places(scene: Scene, cameras: Sequence[Camera]) -> None:
    places = len({tuple(camera.center.tolist()) for camera in cameras})
    if places < FEW_PLACES and not moments_of(cameras):  # few cameras that film are usual
        LOG.warning(
            "%s is photographed from %d %s: depth will be poor, and views from elsewhere; add photos from "
            "other sides, %d at least",
            scene.root,
            places,
            "place" if places == 1 else "places",
            FEW_PLACES,
        )


def _check_width(scene: Scene, width: int | None) -> None:
    most = max(view.camera.width for view in scene.train_views)
    if width is not None and width > most:
        raise InputError(
            f"the photos of {scene.root} are {most} pixels wide at most, not {width}: give a width up to that"
        )


def _other_settings(out: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Why a field is not trained where one is."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    differing = ", ".join(f"{name} {then.get(name)}, not {now.get(name)}" for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (
        f"{out} holds a field that was trained with other settings ({differing}{more}): train into another "
        "folder, or have it replaced (--replace), with all that was segmented in it"
    )


def load_radiance_field(run_folder: Path, device: str = "cpu", time: float | None = None) -> RadianceField:
    """The trained field of a run, with the scene it was trained on.

    Args:
        run_folder: The run.
        device: "cpu" or "cuda".
        time: In [0, 1], at which a scene that moves is to stand still; None leaves it as it is.

    Raises:
        InputError: The folder is no run, its field is not trained or damaged, or the scene's images are no
            longer those it was trained on.
    """
    run = Run.open(run_folder)
    done = run.stage(STAGE)
    if done is None or not done.is_complete:
        raise InputError(f"{run_folder} holds no trained field; run sanerf train --out {run_folder} first")
    if not run.scene_path.exists():
        raise InputError(
            f"{run_folder} was made from {run.scene_path}, which is no longer there: put it back, or say "
            f"where it is now by sanerf train SCENE --out {run_folder} with the settings of then"
        )
    scene = load_scene(run.scene_path, SceneOptions.from_words(run.scene_options))
    run.check_scene(fingerprint(scene))
    field = _trained_field(Home(run, scene, PhotoSize.from_settings(done.config)), device)
    if time is None:
        return field
    return field.at(checked_time(field.moments, time))
