"""Scenes written in other formats and read again: by our own parsers, and by COLMAP."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export.scene_formats import SceneFormat, export_scene
from sanerf_hq.export.scene_formats.sparse_points import sparse_points
from sanerf_hq.export.scene_formats.straighten import departure, is_straight, straight_camera
from sanerf_hq.geometry import Camera, Distortion, look_at
from sanerf_hq.scene import Scene, SceneOptions, View, load_scene, read_image, read_mask
from support.balls import CENTERS, RADIUS, SHELL, ball_field
from support.scene_files import frame, write_image, write_scene

SIZE = (64, 48)
K = torch.tensor([[60.0, 0, 30], [0, 62.0, 26], [0, 0, 1]])
PLAIN = torch.tensor([[60.0, 0, 32], [0, 60.0, 24], [0, 0, 1]])
LENSES = {
    "pinhole": Distortion(),
    "opencv": Distortion(-0.1, 0.03, 0.002, -0.001),
    "k3": Distortion(-0.1, 0.03, 0.002, -0.001, 0.01),
}
TEST_VIEW = 2


def scene_of(folder: Path, intrinsics: torch.Tensor = K, lens: Distortion | None = None) -> Scene:
    """Five views in two folders with names of the usual kind, the third for testing, in memory."""
    names = [
        "images/left eye/10.png",
        "images/left eye/9.png",
        "images/b/ünï.jpg",
        "images/b/c",
        "images/z.png",
    ]
    views = []
    for index, name in enumerate(names):
        eye = torch.tensor([3.0 - index, 1.0 + 0.3 * index, -2.0 + index])
        pose = look_at(eye, torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.0, 1.0, 0.1]))
        camera = Camera(intrinsics, pose, *SIZE, lens or Distortion())
        path = write_image(folder / (name if "." in name else f"{name}.png"), size=SIZE)
        views.append(View(name, camera, path, "test" if index == TEST_VIEW else "train"))
    return Scene(folder, "made", tuple(views))


def points() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(40, 3)) * 0.4).float()


def assert_same_cameras(before: list[Camera], after: list[Camera]) -> None:
    """Every point falls in the same place, by far less than 0.05 px, and centres are the same."""
    for own, other in zip(before, after, strict=True):
        assert (own.width, own.height) == (other.width, other.height)
        assert (own.project(points()).xy - other.project(points()).xy).norm(dim=1).max() < 2e-3
        assert torch.allclose(own.center, other.center, atol=1e-5)


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("format", ["nerfstudio", "colmap"])
def test_round_trips(tmp_path: Path, format: SceneFormat, lens: str):
    scene = scene_of(tmp_path / "scene", lens=LENSES[lens])
    out = tmp_path / "out"
    export_scene(scene, out, format)
    again = load_scene(out, SceneOptions(split=f"list:{out}/test_views.txt") if format == "colmap" else None)
    assert again.options.format == format
    by_name = {view.name.removeprefix("images/"): view for view in again.views}
    assert sorted(by_name) == ["b/c.png", "b/ünï.jpg", "left eye/10.png", "left eye/9.png", "z.png"]
    paired = [by_name[view.name.removeprefix("images/").replace("b/c", "b/c.png")] for view in scene.views]
    assert_same_cameras([view.camera for view in scene.views], [view.camera for view in paired])
    assert [view.split for view in paired] == [view.split for view in scene.views]
    for view, copy in zip(scene.views, paired, strict=True):
        assert copy.image_path.read_bytes() == view.image_path.read_bytes()


def test_colmap_itself_reads_what_is_written(tmp_path: Path):
    pycolmap = pytest.importorskip("pycolmap", reason="needs the extra sfm")
    scene = scene_of(tmp_path / "scene", lens=LENSES["opencv"])
    export_scene(scene, tmp_path / "out", "colmap")
    found = pycolmap.Reconstruction(str(tmp_path / "out/sparse/0"))
    assert (found.num_cameras(), found.num_images()) == (1, 5)
    by_name = {image.name: image for image in found.images.values()}
    for view in scene.views:
        image = by_name[view.name.removeprefix("images/").replace("b/c", "b/c.png")]
        world = points().double().numpy()
        local = image.cam_from_world() * world
        xy = torch.from_numpy(np.array(found.cameras[image.camera_id].img_from_cam(local)))
        seen = view.camera.project(points().double())
        front = seen.depth > 0.5
        assert front.any()
        assert (xy - seen.xy)[front].norm(dim=1).max() < 0.05


def test_a_field_gives_points_on_its_surfaces(tmp_path: Path):
    """COLMAP and trimesh read the same points and colours; all lie on a ball or the shell."""
    pycolmap = pytest.importorskip("pycolmap", reason="needs the extra sfm")
    trimesh = pytest.importorskip("trimesh")
    field = ball_field(tmp_path)
    scene = field.at_home().scene
    cloud = sparse_points(field, 500)
    assert cloud.positions.shape == (500, 3)
    away = np.linalg.norm(cloud.positions[:, None] - CENTERS.double().numpy(), axis=-1) - RADIUS
    off = np.minimum(np.abs(away).min(1), np.abs(np.linalg.norm(cloud.positions, axis=-1) - SHELL))
    assert off.max() < 0.02 * SHELL
    assert len(np.unique(cloud.positions.round(4), axis=0)) > 450, "spread over the scene"
    assert np.array_equal(cloud.positions, sparse_points(field, 500).positions)

    export_scene(scene, tmp_path / "colmap", "colmap", field=field)
    found = pycolmap.Reconstruction(str(tmp_path / "colmap/sparse/0"))
    everything = sparse_points(field)
    assert found.num_points3D() == len(everything.positions)
    rows = [found.points3D[number] for number in range(1, found.num_points3D() + 1)]
    assert np.array_equal(np.stack([row.xyz for row in rows]), everything.positions)
    assert np.array_equal(np.stack([row.color for row in rows]), everything.colours)

    export_scene(scene, tmp_path / "nerfstudio", "nerfstudio", field=field)
    name = json.loads((tmp_path / "nerfstudio/transforms.json").read_text())["ply_file_path"]
    read = trimesh.load(tmp_path / "nerfstudio" / name)
    assert np.allclose(read.vertices, everything.positions, atol=1e-5)
    assert np.array_equal(read.colors[:, :3], everything.colours)


def test_llff_round_trip_with_its_own_bounds(tmp_path: Path):
    scene = scene_of(tmp_path / "scene", PLAIN)
    views = [replace(view, bounds=(0.5 + index, 7.0 + index)) for index, view in enumerate(scene.views)]
    scene = replace(scene, views=tuple(views))
    export_scene(scene, tmp_path / "out", "llff")
    again = load_scene(tmp_path / "out", SceneOptions(split=f"list:{tmp_path}/out/test_views.txt"))
    assert [view.name for view in again.views] == ["10.png", "9.png", "c.png", "z.png", "ünï.jpg"]
    order = [0, 1, 3, 4, 2]  # by name; rows follow it
    assert_same_cameras([scene.views[index].camera for index in order], [view.camera for view in again.views])
    assert [view.bounds for view in again.views] == [(0.5 + index, 7.0 + index) for index in order]
    assert [view.name for view in again.test_views] == ["ünï.jpg"]
    export_scene(again, tmp_path / "twice", "llff")
    one, two = (np.load(tmp_path / name / "poses_bounds.npy") for name in ("out", "twice"))
    assert np.allclose(one, two, atol=1e-6)


def test_bounds_are_measured_in_a_field(tmp_path: Path):
    """View 0 looks past both balls at the shell: the red one is nearest, the shell behind it farthest."""
    field = ball_field(tmp_path)
    export_scene(field.at_home().scene, tmp_path / "out", "llff", undistort=True, field=field)
    near, far = np.load(tmp_path / "out/poses_bounds.npy")[0, 15:]
    assert near == pytest.approx(3 - CENTERS[1, 0].item() - RADIUS, abs=0.05)
    assert far == pytest.approx(3 + SHELL, abs=0.4)


def test_bounds_that_nothing_tells_are_guessed_from_where_the_cameras_look(tmp_path: Path):
    scene = scene_of(tmp_path / "scene", PLAIN)
    export_scene(scene, tmp_path / "out", "llff")
    near, far = np.load(tmp_path / "out/poses_bounds.npy")[0, 15:]
    away = float((scene.views[0].camera.center - torch.tensor([0.1, 0.2, 0.3])).norm())
    assert (near, far) == (pytest.approx(0.1 * away, rel=0.02), pytest.approx(10 * away, rel=0.02))


@pytest.mark.parametrize(
    ("intrinsics", "lens"),
    [(K, None), (PLAIN, Distortion(k1=0.05)), (PLAIN + torch.diag(torch.tensor([1.0, 0, 0])), None)],
)
def test_llff_refuses_what_it_cannot_hold_unless_it_is_straightened(
    tmp_path: Path, intrinsics: torch.Tensor, lens: Distortion | None
):
    scene = scene_of(tmp_path / "scene", intrinsics, lens)
    with pytest.raises(InputError, match=r"10\.png has; export with --undistort"):
        export_scene(scene, tmp_path / "out", "llff")
    assert not (tmp_path / "out").exists()
    export_scene(scene, tmp_path / "out", "llff", undistort=True)
    again = load_scene(tmp_path / "out")
    assert all(is_straight(view.camera) for view in again.views)
    assert torch.allclose(again.views[0].camera.center, scene.views[0].camera.center, atol=1e-5)


def test_straightened_photos_show_the_same_things_in_the_same_directions(tmp_path: Path):
    """A smooth pattern over directions, seen through a bent lens, comes out as a pinhole sees it."""
    bent = Camera(K, torch.eye(4), *SIZE, Distortion(0.2, -0.05, 0.004, -0.003))

    def pattern(camera: Camera) -> np.ndarray:
        x, y, _ = camera.local_directions(camera.pixel_grid()).unbind(-1)
        values = torch.stack([0.5 + 0.4 * (3 * x).sin(), 0.5 + 0.4 * (4 * y).cos(), 0.5 + 0.3 * (x - y)], -1)
        return (values * 255).view(camera.height, camera.width, 3).round().byte().numpy()

    photo = write_image(tmp_path / "scene/a.png", pattern(bent))
    mask = np.full((48, 64), 255, np.uint8)
    mask[:, :10] = 0
    masked = write_image(tmp_path / "scene/m.png", mask)
    scene = Scene(tmp_path / "scene", "made", (View("a.png", bent, photo, mask_path=masked),))
    export_scene(scene, tmp_path / "out", "nerfstudio", undistort=True)
    (view,) = load_scene(tmp_path / "out").views
    assert is_straight(view.camera) and departure(bent, view.camera) > 1
    wrong = (read_image(view).float() - torch.from_numpy(pattern(view.camera)).float()).abs()
    assert wrong.max() <= 6  # bilinear between pixels of a smooth pattern, rounded twice
    assert wrong.mean() < 0.7
    usable = read_mask(view)
    edge = view.camera.project(torch.tensor([[(10 - 30) / 60, 0.0, 1.0]])).xy[0, 0].item()
    assert not usable[24, : int(edge) - 2].any() and usable[24, int(edge) + 3 :].all()


def test_a_straight_camera_is_left_as_it_is_and_a_bent_one_never_looks_off_its_photo():
    plain = Camera(PLAIN, torch.eye(4), *SIZE)
    assert straight_camera(plain) is plain
    for lens in (Distortion(0.3), Distortion(-0.3, 0.1), Distortion(0.05, 0, 0.02, -0.02)):
        bent = Camera(K, torch.eye(4), *SIZE, lens)
        straight = straight_camera(bent)
        xy = bent.project(straight.unproject(straight.pixel_grid(), torch.ones(48 * 64))).xy
        assert xy.min() >= 0 and (xy <= torch.tensor(SIZE)).all()


def test_nerfstudio_keeps_times_masks_and_own_intrinsics(tmp_path: Path):
    scene = scene_of(tmp_path / "scene")
    mask = write_image(tmp_path / "scene/m.png", np.eye(48, 64, dtype=np.uint8) * 255)
    views = [
        replace(view, camera=replace(view.camera, time=0.25 * index), camera_id=index % 2)
        for index, view in enumerate(scene.views)
    ]
    views[1] = replace(views[1], mask_path=mask, camera=replace(views[1].camera, K=PLAIN))
    export_scene(replace(scene, views=tuple(views)), tmp_path / "out", "nerfstudio")
    again = load_scene(tmp_path / "out")
    assert [view.camera.time for view in again.views] == [0, 0.25, 0.5, 0.75, 1]
    assert [view.camera_id for view in again.views] == [0, 1, 0, 1, 0]
    assert [view.mask_path is not None for view in again.views] == [False, True, False, False, False]
    assert torch.equal(again.views[1].camera.K, PLAIN) and torch.equal(again.views[0].camera.K, K)
    written = json.loads((tmp_path / "out/transforms.json").read_text())
    assert written["val_filenames"] == written["test_filenames"] == ["images/b/ünï.jpg"]
    assert "fl_x" not in written


def test_a_mask_of_another_size_is_exported_at_the_photo_s(tmp_path: Path):
    scene = scene_of(tmp_path / "scene")
    mask = write_image(tmp_path / "scene/m.png", np.eye(96, 128, dtype=np.uint8) * 255)
    views = [replace(view, mask_path=mask) for view in scene.views]
    export_scene(replace(scene, views=tuple(views)), tmp_path / "out", "nerfstudio")
    view = load_scene(tmp_path / "out").views[0]
    assert view.mask_path is not None
    with Image.open(view.mask_path) as written:
        assert written.size == SIZE
    assert torch.equal(read_mask(view), read_mask(views[0]))


def test_what_is_straight_already_is_copied_under_its_own_suffix(tmp_path: Path):
    scene = load_scene(
        write_scene(
            tmp_path / "scene",
            [frame("images/a/0.jpg"), frame("images/b/1.jpg", k1=0.3)],
            {"w": 40, "h": 30, "fl_x": 50.0, "fl_y": 50.0, "cx": 20.0, "cy": 15.0},
        )
    )
    for format, names in (("nerfstudio", ["a/0.jpg", "b/1.png"]), ("llff", ["0.jpg", "1.png"])):
        export_scene(scene, tmp_path / format, format, undistort=True)
        assert [view.name.removeprefix("images/") for view in load_scene(tmp_path / format).views] == names
        copied, straight = (tmp_path / format / "images" / name for name in names)
        assert copied.read_bytes() == scene.views[0].image_path.read_bytes()
        with Image.open(straight) as image:
            assert image.format == "PNG"


def test_masks_have_the_suffix_of_what_they_are(tmp_path: Path):
    """A JPEG mask is copied where it is of the photo's size, and a PNG file where it is written anew."""
    masks = {"whole": SIZE, "half": (32, 24)}
    for name, size in masks.items():
        write_image(tmp_path / f"scene/{name}.jpg", np.full(size[::-1], 255, np.uint8))
    views = scene_of(tmp_path / "scene", PLAIN).views[:3]
    bent = replace(views[2].camera, distortion=Distortion(0.3))
    views = (
        replace(views[0], mask_path=tmp_path / "scene/whole.jpg"),
        replace(views[1], mask_path=tmp_path / "scene/half.jpg"),
        replace(views[2], mask_path=tmp_path / "scene/whole.jpg", camera=bent),
    )
    out = tmp_path / "out"
    export_scene(Scene(tmp_path / "scene", "made", views), out, "nerfstudio", undistort=True)
    paths = [view.mask_path for view in load_scene(out).views]
    names = ["left eye/10.png.jpg", "left eye/9.png.png", "b/ünï.png.png"]
    assert paths == [out / "masks" / name for name in names]
    for path, kind in zip(paths, ("JPEG", "PNG", "PNG"), strict=True):
        assert path is not None
        with Image.open(path) as image:
            assert (image.format, image.size) == (kind, SIZE)


def test_names_that_would_clash_are_numbered(tmp_path: Path):
    frames = [frame(f"{folder}/0.png", split="train") for folder in ("train", "Train", "a")]
    scene = load_scene(write_scene(tmp_path / "scene", frames))
    export_scene(scene, tmp_path / "out", "colmap")
    names = [view.name for view in load_scene(tmp_path / "out").views]
    assert names == ["00000_train_0.png", "00001_Train_0.png", "00002_a_0.png"]


def test_a_place_that_is_taken_and_a_stop_leave_nothing(tmp_path: Path):
    scene = scene_of(tmp_path / "scene")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/mine.txt").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        export_scene(scene, tmp_path / "taken", "colmap")

    def stop(progress: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        export_scene(scene, tmp_path / "out", "colmap", progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scene", "taken"]


def test_lenses_beyond_colmap_s_are_refused(tmp_path: Path):
    scene = scene_of(tmp_path / "scene", lens=Distortion(k4=0.01))
    with pytest.raises(InputError, match="distortion k4, which COLMAP's models have not; export with --und"):
        export_scene(scene, tmp_path / "out", "colmap")
    assert not (tmp_path / "out").exists()
    export_scene(scene, tmp_path / "out", "colmap", undistort=True)
    with Image.open(tmp_path / "out/images/b/c.png") as image:
        assert image.size == SIZE
