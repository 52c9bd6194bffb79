"""Prepare: photos or a video to upright images of one largest size in ``images/``."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from sanerf_hq.capture.config import CaptureConfig
from sanerf_hq.capture.lens import Lens, read_lens
from sanerf_hq.capture.names import stems
from sanerf_hq.capture.photos import Unreadable, find_photos, photos_below, read_photo, shown_name
from sanerf_hq.capture.sharpness import sharpness
from sanerf_hq.capture.store import Store, StoredImage
from sanerf_hq.capture.video import SUFFIXES, choose_frames, measure_frames, read_frames
from sanerf_hq.errors import InputError
from sanerf_hq.runs import Progress, ProgressCallback, config_digest

STAGE = "prepare images"
JPEG_QUALITY = 95
SAVE_EVERY = 16  # images: what a kill may cost
LEAST_IMAGES = 3
PHOTO_RECIPE = 2  # raise it when the same photo would give another image
FRAME_RECIPE = 1  # a video's frames


@dataclass(frozen=True)
class Prepared:
    """What there is to pose.

    Attributes:
        images: In the order of names, or of time.
        left_out: Files that are no use, with the reason.
        is_video: Whether the images are frames of one video.
    """

    images: tuple[StoredImage, ...]
    left_out: dict[str, str]
    is_video: bool


def check_source(source: Path) -> None:
    """Refuse what is neither a folder nor a video.

    Raises:
        InputError: It is neither.
    """
    if source.is_dir() or (source.is_file() and source.suffix.lower() in SUFFIXES):
        return
    if source.exists():
        raise InputError(f"{source} is no folder of photos and no video; give one of these")
    raise InputError(f"{source} does not exist; give a folder of photos or a video")


def prepare(source: Path, store: Store, config: CaptureConfig, progress: ProgressCallback) -> Prepared:
    """Bring photos or frames into the store; what it holds already is not made again.

    Args:
        source: A folder of photos, or a video.
        store: Open for writing.
        config: Sizes and numbers.
        progress: Told after each image.

    Raises:
        InputError: The source gives fewer than three images, or others than the store's.
        Cancelled: The callback asked for it.
    """
    prepared = (_photos if source.is_dir() else _video)(source, store, config, progress)
    if len(prepared.images) < LEAST_IMAGES:
        raise InputError(_too_few(source, prepared))
    store.forget_images({image.name for image in prepared.images})
    return prepared


def _photos(source: Path, store: Store, config: CaptureConfig, progress: ProgressCallback) -> Prepared:
    found = find_photos(source)
    left_out = dict(found.left_out)
    images: list[StoredImage] = []
    first: dict[str, str] = {}  # name of the photo, of those with one content
    contents = _contents(found.photos, left_out)
    _check_same_photos(source, store, set(contents.values()))
    names = stems([path.stem for path in found.photos])
    for done, (path, stem) in enumerate(zip(found.photos, names, strict=True), 1):
        content = contents.get(path)
        try:
            if content is not None:
                if first.setdefault(content, shown_name(path)) != shown_name(path):
                    raise Unreadable(f"is the same photo as {first[content]}")
                key = config_digest([PHOTO_RECIPE, content, config.longest])
                known = _known(store, key, (f"{stem}.jpg", f"{stem}.png"))
                images.append(known or _store_photo(path, stem, content, key, store, config.longest))
        except Unreadable as reason:
            left_out[shown_name(path)] = str(reason)
        _remember(store, images, done == len(found.photos))
        progress(Progress(STAGE, done, len(found.photos)))
    return Prepared(tuple(images), left_out, is_video=False)


def _contents(photos: list[Path], left_out: dict[str, str]) -> dict[Path, str]:
    """A digest of each photo; those that cannot be read are left out."""
    contents: dict[Path, str] = {}
    for path in photos:
        try:
            contents[path] = _content(path)
        except Unreadable as reason:
            left_out[shown_name(path)] = str(reason)
    return contents


def _check_same_photos(source: Path, store: Store, contents: set[str]) -> None:
    """Refuse photos of which none was captured here before: cameras give the same names again and again."""
    before = {image.content for image in store.state.images.values()}
    if before and not before & contents:
        raise InputError(f"{store.folder} is a capture of other photos than {source}: choose another folder")


def _store_photo(path: Path, stem: str, content: str, key: str, store: Store, longest: int) -> StoredImage:
    photo = read_photo(path, longest)
    suffix = ".png" if photo.is_png else ".jpg"
    name = f"{stem}{suffix}"
    store.write_image(name, path.read_bytes() if photo.as_stored else _encoded(photo.image, suffix))
    lens = read_lens(photo.exif, photo.full_size)
    return _described(photo.image, name, content, key, shown_name(path), lens)


def _video(source: Path, store: Store, config: CaptureConfig, progress: ProgressCallback) -> Prepared:
    try:
        video = config_digest([FRAME_RECIPE, _content(source)])
    except Unreadable as reason:
        raise InputError(f"{source} {reason}; check the file") from reason
    if store.state.video not in ("", video) or (store.state.images and not store.state.video):
        raise InputError(
            f"{store.folder} is a capture of other pictures than {source}: choose another folder"
        )
    if not store.state.frames:
        frames = tuple(measure_frames(source, progress))
        store.save(replace(store.state, frames=frames, video=video))
    chosen = choose_frames(list(store.state.frames), config.frames)
    lens = Lens(shown_name(source))
    images: list[StoredImage] = []
    missing: list[int] = []
    for frame in chosen:
        known = _known(store, _frame_key(video, frame.index, config), (f"{_frame_stem(frame.index)}.jpg",))
        if known is None:
            missing.append(frame.index)
        else:
            images.append(known)
    for done, (index, pixels) in enumerate(_frames(source, missing), 1):
        name = f"{_frame_stem(index)}.jpg"
        image = Image.fromarray(pixels)
        image.thumbnail((config.longest, config.longest), Image.Resampling.LANCZOS)
        store.write_image(name, _encoded(image, ".jpg"))
        key = _frame_key(video, index, config)
        images.append(_described(image, name, video, key, f"{shown_name(source)}, frame {index}", lens))
        _remember(store, images, done == len(missing))
        progress(Progress(STAGE, len(images), len(chosen)))
    progress(Progress(STAGE, len(chosen), len(chosen)))
    return Prepared(tuple(sorted(images, key=lambda image: image.name)), {}, is_video=True)


def _frames(source: Path, indices: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    return read_frames(source, indices) if indices else iter(())


def _frame_stem(index: int) -> str:
    return f"frame_{index:06d}"


def _frame_key(video: str, index: int, config: CaptureConfig) -> str:
    return config_digest([FRAME_RECIPE, video, index, config.longest])


def _described(image: Image.Image, name: str, content: str, key: str, source: str, lens: Lens) -> StoredImage:
    grey = np.asarray(image.convert("L"))
    return StoredImage(name, content, key, source, image.size, lens, sharpness(grey))


def _known(store: Store, key: str, names: tuple[str, ...]) -> StoredImage | None:
    """The image of that key under one of these names, if the store holds it whole."""
    for name in names:
        image = store.state.images.get(name)
        if image is not None and image.key == key and store.is_whole(image):
            return image
    return None


def _remember(store: Store, images: list[StoredImage], last: bool) -> None:
    if last or len(images) % SAVE_EVERY == 0:
        known = {image.name: image for image in images}
        if any(store.state.images.get(name) != image for name, image in known.items()):
            store.save(replace(store.state, images=store.state.images | known))


def _encoded(image: Image.Image, suffix: str) -> bytes:
    stream = io.BytesIO()
    if suffix == ".png":
        image.save(stream, "PNG", icc_profile=None)  # else that of the image, which is sRGB now
    else:
        image.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue()


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from error


def _too_few(source: Path, prepared: Prepared) -> str:
    count = len(prepared.images)
    if prepared.is_video:
        return (
            f"{source} gives {count} frames with motion between them, {LEAST_IMAGES} are the least; "
            "walk round the object while you film"
        )
    below = photos_below(source)
    if below is not None:
        return (
            f"{source} holds {count} photos itself, others are in {below}: give the folder that they lie in"
        )
    reasons = [f"{name} {reason}" for name, reason in list(prepared.left_out.items())[:3]]
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return (
        f"{source} holds {count} photos that can be read{why}, {LEAST_IMAGES} are the least; "
        "give some 30 to 100 of one scene"
    )
