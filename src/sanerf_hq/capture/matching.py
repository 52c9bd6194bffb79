"""Matching: which images are compared, and the comparison, in COLMAP's database."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sanerf_hq.capture.colmap import n_threads, quiet_pycolmap
from sanerf_hq.capture.config import CaptureConfig
from sanerf_hq.capture.store import Store
from sanerf_hq.runs import Progress, ProgressCallback, write_text

STAGE = "match images"
STAGE_MORE = "match more"
STAGE_AGAIN = "match again"
EXHAUSTIVE_UP_TO = 150  # photos
AFFORDABLE = EXHAUSTIVE_UP_TO * (EXHAUSTIVE_UP_TO - 1) // 2  # pairs: 11,175
NEIGHBOURS = 10
SPREAD = 60  # images, spread over all, that are compared with each other: they close loops
MATCH_BYTES = 4 * 8  # two numbers, before and after geometry was found, and SQLite's log of both
TILE = 10  # images: pairs of two tiles are compared in one call, which then indexes each image once

Pair = tuple[int, int]


def choose_pairs(n_images: int, is_video: bool, config: CaptureConfig) -> list[Pair]:
    """Pairs of images to compare, ordered by tiles.

    Sequential pairing compares each image with the next ones, and some 60 images, spread evenly, with each
    other, so that a walk that comes back to its start is closed. The next ones are ten; of photos that would
    be compared each with each other if they were fewer, as many as that would take the time for.

    Args:
        n_images: Their number, in the order of names or of time.
        is_video: Frames of a video are paired sequentially unless told otherwise.
        config: Says how.
    """
    exhaustive = config.pairing == "exhaustive" or (
        config.pairing == "auto" and not is_video and n_images <= EXHAUSTIVE_UP_TO
    )
    if exhaustive:
        pairs = set(itertools.combinations(range(n_images), 2))
    else:
        every = -(-n_images // SPREAD)
        pairs = set(itertools.combinations(range(0, n_images, every), 2))
        near = NEIGHBOURS
        if config.pairing == "auto" and not is_video:
            near = max(near, (AFFORDABLE - len(pairs)) // n_images)
        pairs |= {(i, j) for i in range(n_images) for j in range(i + 1, min(i + near + 1, n_images))}
    return _by_tiles(pairs)


def joining_pairs(unregistered: Collection[int], n_images: int, compared: Collection[Pair]) -> list[Pair]:
    """Pairs that may join images which fit to none of those they were compared with, ordered by tiles.

    Neighbours in name say nothing of photos that were added later to lead from one walk to another. Each
    image is compared with as many, spread evenly over all, as time allows: with all of them if few images
    are missing, never with fewer than some 60.

    Args:
        unregistered: Numbers of the images to join.
        n_images: How many images there are.
        compared: Pairs that need not be compared again.
    """
    if not unregistered:
        return []
    every = -(-n_images // max(SPREAD, AFFORDABLE // len(unregistered)))
    pairs = {(min(i, j), max(i, j)) for i in unregistered for j in range(0, n_images, every) if i != j}
    return _by_tiles(pairs - set(compared))


def match_images(
    names: Sequence[str],
    pairs: Sequence[Pair],
    store: Store,
    config: CaptureConfig,
    progress: ProgressCallback,
    stage: str = STAGE,
) -> None:
    """Compare images by their features and keep the matches that fit one geometry.

    Pairs that the database has already are not compared again.

    Raises:
        InputError: The disk is full.
        Cancelled: The callback asked for it; what was compared stays.
    """
    _compare(names, pairs, False, stage, store, config, progress)


def match_again(
    names: Sequence[str],
    pairs: Sequence[Pair],
    store: Store,
    config: CaptureConfig,
    progress: ProgressCallback,
) -> None:
    """Compare pairs anew, and once more along the geometry that was found.

    Where photos are far apart most true matches are thrown away, because some feature elsewhere looks more
    alike; near the line on which a point must lie there is no such other. That finds two to three times as
    many, and takes several times as long, so it is for pairs that join what else falls apart.

    Raises:
        InputError: The disk is full.
        Cancelled: The callback asked for it; pairs not yet compared again keep their matches or lose them
            until :func:`match_images` is called.
    """
    _compare(names, pairs, True, STAGE_AGAIN, store, config, progress)


def _compare(
    names: Sequence[str],
    pairs: Sequence[Pair],
    again: bool,
    stage: str,
    store: Store,
    config: CaptureConfig,
    progress: ProgressCallback,
) -> None:
    list_file = store.work / "pairs.txt"
    with quiet_pycolmap(config.seed, store.database) as pycolmap:
        matching = pycolmap.FeatureMatchingOptions()
        matching.use_gpu = False
        matching.num_threads = n_threads(config.threads)
        matching.guided_matching = again
        verification = pycolmap.TwoViewGeometryOptions()
        verification.ransac.random_seed = config.seed
        pairing = pycolmap.ImportedPairingOptions()
        pairing.match_list_path = list_file
        done = 0
        progress(Progress(stage, done, len(pairs)))
        for _, tile in itertools.groupby(pairs, key=_tile):
            some = list(tile)
            store.check_room(len(some) * config.features * MATCH_BYTES)
            if again:
                _forget(pycolmap, [(names[i], names[j]) for i, j in some], store)
            write_text(list_file, "".join(f"{names[i]} {names[j]}\n" for i, j in some))
            pycolmap.match_image_pairs(
                store.database,
                matching_options=matching,
                pairing_options=pairing,
                verification_options=verification,
                device=pycolmap.Device.cpu,
            )
            done += len(some)
            progress(Progress(stage, done, len(pairs)))
    list_file.unlink(missing_ok=True)


def _forget(pycolmap: Any, pairs: Sequence[tuple[str, str]], store: Store) -> None:
    """Take matches out of the database, which would not be found anew otherwise."""
    with pycolmap.Database.open(store.database) as database:
        numbers = {image.name: image.image_id for image in database.read_all_images()}
        for one, other in pairs:
            database.delete_matches(numbers[one], numbers[other])
            database.delete_two_view_geometry(numbers[one], numbers[other])


def _by_tiles(pairs: Iterable[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: (_tile(pair), pair))


def _tile(pair: Pair) -> Pair:
    return (pair[0] // TILE, pair[1] // TILE)
