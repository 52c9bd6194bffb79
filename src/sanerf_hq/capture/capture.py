"""Capture: photos or a video to a posed scene, stage after stage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sanerf_hq.capture.colmap import load_pycolmap
from sanerf_hq.capture.config import CaptureConfig
from sanerf_hq.capture.evidence import Evidence, read_evidence
from sanerf_hq.capture.features import find_features
from sanerf_hq.capture.mapping import find_poses
from sanerf_hq.capture.matching import (
    STAGE_MORE,
    Pair,
    choose_pairs,
    joining_pairs,
    match_again,
    match_images,
)
from sanerf_hq.capture.model import Model
from sanerf_hq.capture.photos import shown_name
from sanerf_hq.capture.prepare import Prepared, check_source, prepare
from sanerf_hq.capture.report import CaptureReport, make_report
from sanerf_hq.capture.store import REPORT_FILE, Store
from sanerf_hq.capture.upright import stand_up
from sanerf_hq.capture.write import write_scene
from sanerf_hq.errors import InputError
from sanerf_hq.runs import ProgressCallback, config_digest, quiet, write_json

WEAK = 100  # matches of a pair: fewer, and it is compared again where that may join an image
RECIPE = 1  # raise it when the same matches would give other poses


def capture(
    source: Path, out: Path, config: CaptureConfig | None = None, progress: ProgressCallback = quiet
) -> CaptureReport:
    """Find out where photos were taken from, and write them as a scene.

    A capture that was stopped or killed goes on with the same call; one that is done is read again. Photos
    that were added since are added. ``out`` gets ``images/``, ``transforms.json``, ``sparse_points.ply`` and
    ``capture.json``; what is needed to go on lies in ``out/work``.

    Args:
        source: A folder of photos of one scene that stands still, or a video.
        out: The scene's folder, made if need be.
        config: Settings.
        progress: Told of every stage.

    Raises:
        InputError: pycolmap is not installed, the source is no source, fewer than three photos can be read,
            or they do not overlap.
        Cancelled: The callback asked for it; finished work stays.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; finished work stays.
    """
    started = time.monotonic()
    config = config or CaptureConfig()
    load_pycolmap()
    check_source(source)
    store = Store(out)
    with store.opened():
        prepared = prepare(source, store, config, progress)
        names = [image.name for image in prepared.images]
        pairs = choose_pairs(len(names), prepared.is_video, config)
        find_features(prepared.images, store, config, progress)
        match_images(names, pairs, store, config, progress)
        model = _find_model(names, pairs, store, config, progress)
        evidence = read_evidence(names, store, config)
        if model is None:
            raise InputError(_no_overlap(source, prepared, evidence))
        model = stand_up(model)
        n_points = write_scene(model, out)
        seconds = time.monotonic() - started
        report = make_report(shown_name(source), prepared, model, evidence, n_points, seconds)
        write_json(out / REPORT_FILE, report.to_json())
    return report


def _find_model(
    names: list[str], pairs: list[Pair], store: Store, config: CaptureConfig, progress: ProgressCallback
) -> Model | None:
    """Poses; where images are missing, found anew after these were compared with more, and more closely.

    What is compared in addition is decided once: a call that goes on where another was stopped finds other
    matches than that one did.
    """

    def found() -> Model | None:
        images = {name: store.state.matched[name] for name in names}
        key = config_digest([RECIPE, images, store.state.guided, pairs, config.seed])
        return find_poses(key, names, store, config, progress)

    model = None
    if not store.state.guided and not store.state.joining:
        model = found()
        joining = joining_pairs(_unregistered(names, model), len(names), pairs)
        if joining:
            store.save(replace(store.state, joining=tuple(joining)))
    if store.state.joining:
        match_images(names, store.state.joining, store, config, progress, STAGE_MORE)
        pairs = [*pairs, *store.state.joining]
        model = None if store.state.guided else found()
    if not store.state.guided:
        weak = store.state.weak or weak_pairs(names, pairs, model, read_evidence(names, store, config))
        if weak:
            store.save(replace(store.state, weak=weak))
            match_again(names, weak, store, config, progress)
            store.save(replace(store.state, guided=True))
    return found() if store.state.guided else model


def _unregistered(names: Sequence[str], model: Model | None) -> list[int]:
    registered = {image.name for image in model.images} if model is not None else set[str]()
    return [number for number, name in enumerate(names) if name not in registered]


def weak_pairs(
    names: Sequence[str], pairs: Sequence[Pair], model: Model | None, evidence: Evidence
) -> tuple[Pair, ...]:
    """Pairs that match a little, of which at least one image is not registered."""
    unregistered = set(_unregistered(names, model))
    weak: list[Pair] = []
    for i, j in pairs:
        count = evidence.matches.get(names[i], {}).get(names[j], 0)
        if 0 < count < WEAK and unregistered & {i, j}:
            weak.append((i, j))
    return tuple(weak)


def _no_overlap(source: Path, prepared: Prepared, evidence: Evidence) -> str:
    """Why there is no model, and what to do."""
    names = [image.name for image in prepared.images]
    best = max((evidence.best(name, names)[1] for name in names), default=0)
    features = sorted(evidence.features.get(name, 0) for name in names)[len(names) // 2]
    return (
        f"the photos in {source} do not overlap enough to find where they were taken from (at best two of "
        f"them share {best} matches, and a photo has about {features} features); take more, each a small "
        "step from the last, with two thirds of the picture in common"
    )
