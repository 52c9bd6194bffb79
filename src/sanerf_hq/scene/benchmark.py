"""SANeRF-HQ's own benchmark: test views and 3D prompts of 42 objects in 24 scenes, with truth masks beside.

The lists (``benchmark_lists.json``) are the authors': https://github.com/lyclyc52/Segment-Anything-NeRF at
commit a1a5c40, Apache-2.0. A scene is known by its folder's name. Its photos come from the data sets'
publishers and its masks from the authors: ``SCENE/OBJECT/VIEW_mask.png``, above 128 is the object, for the
object's own test views. Each view that is tested on for any object is held out of all training. The lists'
thresholds of visible points are kept to where the authors' rule is chosen, as ``paper`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from sanerf_hq.errors import InputError
from sanerf_hq.scene.benchmark_frame import points_to_scene
from sanerf_hq.scene.fields import Fields, read_json_object
from sanerf_hq.scene.image_files import image_size
from sanerf_hq.scene.intrinsics import scaled_to_image
from sanerf_hq.scene.options import PAPER_SPLIT, SceneOptions
from sanerf_hq.scene.scene import ObjectMask, Scene, SceneObject, View

LISTS = Path(__file__).with_name("benchmark_lists.json")
Point = tuple[float, float, float]


@dataclass(frozen=True)
class BenchmarkObject:
    """An object of the lists.

    Attributes:
        name: Its folder's name.
        test_views: Stems of the photos that it is scored in.
        positive: Points on it, in the list's frame.
        negative: Points beside it.
        least_visible: Points that a view must see to be prompted; None: floor(0.8 n) + 1 of all n.
        crucial: Indices of ``positive`` that it must see in any case.
    """

    name: str
    test_views: tuple[str, ...]
    positive: tuple[Point, ...]
    negative: tuple[Point, ...]
    least_visible: int | None
    crucial: tuple[int, ...]


@dataclass(frozen=True)
class BenchmarkScene:
    """A scene of the lists, and where its truth is looked for.

    Attributes:
        name: Its folder's name.
        dataset: mip360, lerf, llff, 3dfront or others.
        objects: In the lists' order.
        truth: Folder that holds the objects' folders.
    """

    name: str
    dataset: str
    objects: tuple[BenchmarkObject, ...]
    truth: Path

    @property
    def test_views(self) -> tuple[str, ...]:
        """Stems of all photos that any object is scored in."""
        return tuple(dict.fromkeys(stem for item in self.objects for stem in item.test_views))

    @property
    def where(self) -> str:
        """How messages about the lists begin."""
        return f"SANeRF-HQ's list of scene {self.name}"

    def mask(self, item: BenchmarkObject, stem: str) -> Path:
        """Where the truth of an object in a view is looked for."""
        return self.truth / item.name / f"{stem}_mask.png"


def find_benchmark(name: str, root: Path, options: SceneOptions) -> BenchmarkScene | None:
    """The lists of a scene where they are asked for, or where its masks lie there and nothing else is said.

    Args:
        name: The scene's name.
        root: Its folder.
        options: How it is opened.

    Raises:
        InputError: They are asked for and the scene is none of theirs.
    """
    asked = options.split == PAPER_SPLIT
    if not asked and options.split is not None:
        return None
    found = _lists().get(name)
    if found is None:
        if asked:
            raise InputError(
                f"{root} is no scene of SANeRF-HQ's lists, which have {', '.join(_lists())}; give the folder "
                "that name, or choose another --split"
            )
        return None
    truth = (root.resolve().parent if options.truth is None else options.truth) / name
    found = replace(found, truth=truth)
    if asked:
        return found
    there = any(found.mask(item, stem).is_file() for item in found.objects for stem in item.test_views)
    return found if there and not (root / "scene.json").is_file() else None


def with_benchmark(scene: Scene, listed: BenchmarkScene) -> Scene:
    """A scene with the objects of the lists: prompts in its own coordinates, and the masks that are there.

    Raises:
        InputError: A mask is of another shape than its photo, or the list's frame cannot be built from the
            scene's cameras.
    """
    cameras = [view.camera for view in scene.views]
    objects: list[SceneObject] = []
    masks: dict[str, list[ObjectMask]] = {}
    by_stem = {stem: view for view in scene.test_views for stem in (view.stem, Path(view.name).stem)}
    for number, item in enumerate(listed.objects, 1):
        points = points_to_scene(listed.dataset, cameras, [*item.positive, *item.negative], listed.where)
        positive, negative = points[: len(item.positive)], points[len(item.positive) :]
        objects.append(
            SceneObject(
                number,
                item.name,
                "",
                (),
                points=positive,
                negative_points=negative,
                least_visible=item.least_visible,
                crucial=item.crucial,
            )
        )
        for stem in item.test_views:
            path = listed.mask(item, stem)
            if path.is_file():
                view = by_stem[stem]
                _check_mask(path, view)
                masks.setdefault(view.name, []).append(ObjectMask(number, path))
    views = tuple(replace(view, object_masks=tuple(masks.get(view.name, ()))) for view in scene.views)
    return replace(scene, views=views, objects=tuple(objects))


def _check_mask(path: Path, view: View) -> None:
    scaled_to_image(view.camera, image_size(path), f"{path} of photo {view.name}")


@cache
def _lists() -> Mapping[str, BenchmarkScene]:
    datasets = _needed(read_json_object(LISTS), "datasets")
    scenes: dict[str, BenchmarkScene] = {}
    for dataset in datasets.values:
        inside = _needed(datasets, dataset)
        for name in inside.values:
            entries = _needed(inside, name)
            objects = tuple(_object(_needed(entries, item), item) for item in entries.values)
            scenes[name] = BenchmarkScene(name, dataset, objects, Path())
    return scenes


def _object(fields: Fields, name: str) -> BenchmarkObject:
    prompts = _needed(fields, "prompts")
    points = [_point(entry) for entry in prompts.items("points") or []]
    negative = set(prompts.items("negative") or [])
    positive: list[object] = [index for index in range(len(points)) if index not in negative]
    least = prompts.integer("valid_threshold")
    return BenchmarkObject(
        name,
        tuple(str(stem) for stem in fields.items("test_views") or []),
        tuple(point for index, point in enumerate(points) if index in positive),
        tuple(point for index, point in enumerate(points) if index in negative),
        None if least == -1 else least,
        tuple(positive.index(index) for index in prompts.items("crucial") or []),
    )


def _point(entry: object) -> Point:
    assert isinstance(entry, list)
    x, y, z = map(float, entry)
    return (x, y, z)


def _needed(fields: Fields, key: str) -> Fields:
    found = fields.child(key)
    assert found is not None, f"{fields.where} has no {key}"
    return found
