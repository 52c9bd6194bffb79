"""COLMAP folders: where known points fall, by hand and by COLMAP itself, and the usual flaws."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.scene import SceneOptions, load_scene
from support.colmap_files import Camera, Image, write_model
from support.scene_files import write_image

PINHOLE: Camera = (1, 1, 40, 30, (50.0, 60.0, 18.0, 16.0))
S = float(np.sqrt(0.5))
# Camera 0 looks along +z from the origin. Camera 1 stands at (3, 0, 0) and looks along -x: its z axis is
# -x of the world, its x axis +z, its y axis +y, so R has rows (0,0,1), (0,1,0), (-1,0,0): a quarter turn
# about y, quaternion (√½, 0, √½, 0), and t = -R c = (0, 0, 3). Camera 2 looks along +z from (1, 2, -4),
# upside down: a half turn about z, R = diag(-1, -1, 1), t = -R c = (1, 2, 4).
THREE: list[Image] = [
    (1, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1, "a.png", 2),
    (2, (S, 0.0, S, 0.0), (0.0, 0.0, 3.0), 1, "b.png", 0),
    (4, (0.0, 0.0, 0.0, 1.0), (1.0, 2.0, 4.0), 1, "c.png", 1),
]
POINT = torch.tensor([[0.5, 0.25, 2.0]])
# x/z, y/z in each camera times 50, 60, plus the principal point 18, 16:
# camera 0: (0.25, 0.125); camera 1: local (2, 0.25, 2.5): (0.8, 0.1); camera 2: local (0.5, 1.75, 6).
EXPECTED = {
    "a.png": (30.5, 23.5, 2.0),
    "b.png": (58.0, 22.0, 2.5),
    "c.png": (18 + 50 * 0.5 / 6, 16 + 60 * 1.75 / 6, 6.0),
}


def folder_of(
    root: Path,
    images: list[Image] = THREE,
    cameras: list[Camera] | None = None,
    model: str = "sparse/0",
    photos: str = "images",
    size: tuple[int, int] = (40, 30),
    binary: bool = True,
) -> Path:
    """A COLMAP folder with a photo of noise for every image."""
    write_model(root / model, cameras or [PINHOLE], images, binary)
    for image in images:
        write_image(root / photos / image[4], size=size)
    return root


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("model", ["sparse/0", "sparse", "colmap/sparse/0", "colmap_sparse/0"])
def test_three_cameras_by_hand(tmp_path: Path, model: str, binary: bool):
    scene = load_scene(folder_of(tmp_path / "my scene", model=model, binary=binary))
    assert (scene.name, scene.options.format, scene.file) == ("my scene", "colmap", None)
    for view in scene.views:
        x, y, depth = EXPECTED[view.name]
        seen = view.camera.project(POINT)
        assert (seen.xy[0] - torch.tensor([x, y])).abs().max() < 0.05
        assert seen.depth[0] == pytest.approx(depth, abs=1e-5)
    assert [view.camera.center.tolist() for view in scene.views] == [
        [0, 0, 0],
        pytest.approx([3, 0, 0], abs=1e-6),
        pytest.approx([1, 2, -4], abs=1e-6),
    ]


def test_a_model_of_another_number_or_in_the_scene_s_own_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder_of(tmp_path / "one", model="sparse/1")
    folder_of(tmp_path / "own", model=".")
    for name in ("one", "own"):
        assert [view.stem for view in load_scene(tmp_path / name).views] == ["a", "b", "c"]
    assert not caplog.text
    folder_of(tmp_path / "two", model="sparse/10")
    folder_of(tmp_path / "two", THREE[:2], model="sparse/2")
    assert [view.stem for view in load_scene(tmp_path / "two").views] == ["a", "b"]
    assert "sparse holds 2 models, of which 2 is read" in caplog.text
    folder_of(tmp_path / "away", model=".", photos="photos")
    with pytest.raises(InputError, match="away holds a COLMAP model but no photos; put them beside it, into"):
        load_scene(tmp_path / "away")
    assert len(load_scene(tmp_path / "away", SceneOptions(images="photos")).views) == 3


def test_a_model_s_folder_and_folders_about_a_scene_name_the_scene(tmp_path: Path):
    scene = folder_of(tmp_path / "data/fox/dense/0", model="sparse").parent
    for given, named in (
        (scene / "0/sparse", f"no photos; give the scene's folder, {scene / '0'}"),
        (scene / "0/images", f"give a scene's folder, such as {scene / '0'}"),
        (scene, f"give a scene's folder, such as {scene / '0'}"),
        (scene.parent, f"give a scene's folder, such as {scene / '0'}"),
        (scene.parent.parent, "give a scene's folder, or pose its photos first"),
    ):
        with pytest.raises(InputError) as caught:
            load_scene(given)
        assert named in str(caught.value)


def test_pixel_centres_are_at_a_half_as_colmap_has_them(tmp_path: Path):
    # "the upper left pixel has its centre at (0.5, 0.5)": an image of 40 columns has its middle at 20.
    scene = load_scene(folder_of(tmp_path, THREE[:2], [(1, 0, 40, 30, (50.0, 20.0, 15.0))]))
    middle = scene.view("a").camera.project(torch.tensor([[0.0, 0.0, 1.0]])).xy[0]
    assert middle.tolist() == [20, 15]
    assert scene.view("a").camera.pixel_grid()[0].tolist() == [0.5, 0.5]


MODELS = {
    "SIMPLE_PINHOLE": [500.0, 320.0, 240.0],
    "PINHOLE": [500.0, 510.0, 310.0, 250.0],
    "SIMPLE_RADIAL": [500.0, 310.0, 250.0, -0.1],
    "RADIAL": [500.0, 310.0, 250.0, -0.1, 0.03],
    "OPENCV": [500.0, 510.0, 310.0, 250.0, -0.1, 0.03, 0.004, -0.003],
    "FULL_OPENCV": [500.0, 510.0, 310.0, 250.0, -0.1, 0.03, 0.004, -0.003, 0.01, 0.0, 0.0, 0.0],
}


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_points_land_where_colmap_s_own_cameras_put_them(tmp_path: Path, model: str, text: bool):
    pycolmap = pytest.importorskip("pycolmap", reason="needs the extra sfm")
    rng = np.random.default_rng(3)
    camera = pycolmap.Camera(camera_id=4, model=model, width=640, height=480, params=MODELS[model])
    written = pycolmap.Reconstruction()
    written.add_camera_with_trivial_rig(camera)
    poses = {}
    for number in range(3):
        turn = rng.normal(size=4)
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(turn / np.linalg.norm(turn)), rng.normal(size=3))
        name = f"côté {number}/photo {number}.jpg"
        written.add_image_with_trivial_frame(
            pycolmap.Image(name=name, camera_id=4, image_id=10 - number), pose
        )
        poses[name] = pose
        write_image(tmp_path / "images" / name, size=(640, 480))
    (tmp_path / "sparse/0").mkdir(parents=True)
    (written.write_text if text else written.write_binary)(str(tmp_path / "sparse/0"))
    scene = load_scene(tmp_path, SceneOptions(split="file"))
    assert [view.name for view in scene.views] == sorted(poses)
    for view in scene.views:
        local = rng.uniform([-0.6, -0.45, 1.0], [0.6, 0.45, 1.0], (20, 3)) * rng.uniform(1, 5, (20, 1))
        pose = poses[view.name]
        world = (local - pose.translation) @ pose.rotation.matrix()  # R^T (x - t), rows
        expected = torch.from_numpy(np.array(camera.img_from_cam(local)))
        assert (view.camera.project(torch.from_numpy(world)).xy - expected).norm(dim=1).max() < 0.05


@pytest.mark.parametrize(
    ("number", "params", "words"),
    [
        (
            5,
            (1.0,) * 8,
            "model OPENCV_FISHEYE, which is not read; undistort the images with 'colmap image_und",
        ),
        (6, (1.0,) * 8 + (0.0, 0.1, 0.0, 0.0), "FULL_OPENCV, which is not read with k4, k5 or k6; undistort"),
        (0, (0.0, 20.0, 15.0), "the focal length of camera 1 is not above 0"),
    ],
)
def test_cameras_that_are_not_read(tmp_path: Path, number: int, params: tuple[float, ...], words: str):
    folder_of(tmp_path, cameras=[(1, number, 40, 30, params)])
    with pytest.raises(InputError, match=words):
        load_scene(tmp_path)


def test_smaller_copies_scale_the_principal_point_by_the_images_own_sizes(tmp_path: Path):
    # 4946 columns reduced "4 times" are 1237, not 1236.5: the factor is 1237/4946.
    cameras: list[Camera] = [(1, 1, 4946, 3286, (3000.0, 3100.0, 2500.0, 1600.0))]
    folder_of(tmp_path, THREE[:2], cameras, size=(4946 // 4 + 1, 822), photos="images_4")
    camera = load_scene(tmp_path).view("a").camera
    assert (camera.width, camera.height) == (1237, 822)
    assert camera.K[0, 0].item() == pytest.approx(3000 * 1237 / 4946, rel=1e-6)
    assert camera.K[0, 2].item() == pytest.approx(2500 * 1237 / 4946, rel=1e-6)
    assert camera.K[1, 2].item() == pytest.approx(1600 * 822 / 3286, rel=1e-6)


def test_the_folder_of_photos_is_found_or_named(tmp_path: Path):
    folder_of(tmp_path)
    for image in THREE:
        write_image(tmp_path / "images_2" / image[4], size=(20, 15))
    assert load_scene(tmp_path).views[0].camera.width == 40
    small = load_scene(tmp_path, SceneOptions(images="images_2"))
    assert small.views[0].camera.width == 20
    assert small.views[0].image_path == tmp_path / "images_2/a.png"
    assert small.views[0].name == "a.png"
    with pytest.raises(InputError, match="no folder 'images_8'; --images takes images, images_2"):
        load_scene(tmp_path, SceneOptions(images="images_8"))
    with pytest.raises(InputError, match="leaves the scene folder"):
        load_scene(tmp_path, SceneOptions(images="../elsewhere"))


def test_copies_of_other_names_and_suffixes_are_matched(tmp_path: Path):
    jpg: list[Image] = [(i, t, m, c, name.replace(".png", ".JPG"), n) for i, t, m, c, name, n in THREE]
    folder_of(tmp_path / "suffix", jpg)
    for image in THREE:
        write_image(tmp_path / "suffix/images_2" / image[4], size=(20, 15))
    found = load_scene(tmp_path / "suffix", SceneOptions(images="images_2"))
    assert [view.image_path.name for view in found.views] == ["a.png", "b.png", "c.png"]
    folder_of(tmp_path / "order", jpg)  # LLFF's copies are numbered; sorted, they stand in the same order
    write_image(tmp_path / "order/images/aa.JPG")  # not registered, but in the order
    for number in range(4):
        write_image(tmp_path / f"order/images_2/image{number:03d}.png", size=(20, 15))
    found = load_scene(tmp_path / "order", SceneOptions(images="images_2"))
    assert {view.name: view.image_path.name for view in found.views} == {
        "a.JPG": "image000.png",
        "b.JPG": "image002.png",
        "c.JPG": "image003.png",
    }


def test_every_eighth_by_name_is_tested_on(tmp_path: Path):
    images: list[Image] = [
        (20 - i, (1.0, 0.0, 0.0, 0.0), (0.1 * i, 0.0, 0.0), 1, f"{i:02d}.png", 0) for i in range(17)
    ]
    scene = load_scene(folder_of(tmp_path, images))
    assert [view.stem for view in scene.test_views] == ["00", "08", "16"]
    assert [view.stem for view in scene.views] == [f"{i:02d}" for i in range(17)]


def test_photos_that_are_missing_are_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder_of(tmp_path)
    (tmp_path / "images/b.png").unlink()
    with caplog.at_level(logging.WARNING):
        assert [view.stem for view in load_scene(tmp_path).views] == ["a", "c"]
    assert "1 of 3 registered images are not in" in caplog.text
    for name in ("a", "c"):
        (tmp_path / f"images/{name}.png").unlink()
    with pytest.raises(InputError, match=r"none of its 3 images is in .*images, such as 'a.png'"):
        load_scene(tmp_path)


def test_unregistered_photos_and_other_files_are_passed_over(tmp_path: Path):
    folder_of(tmp_path)
    write_image(tmp_path / "images/zz.png", size=(7, 5))
    (tmp_path / "images/Thumbs.db").write_text("x")
    (tmp_path / "database.db").write_text("x")
    assert len(load_scene(tmp_path).views) == 3


def test_mixed_sizes_each_go_with_their_own_camera(tmp_path: Path):
    cameras: list[Camera] = [PINHOLE, (2, 0, 60, 80, (70.0, 30.0, 40.0))]
    images = [*THREE[:2], (9, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 2, "tall.png", 0)]
    folder_of(tmp_path, images, cameras)
    write_image(tmp_path / "images/tall.png", size=(30, 40))
    cameras_read = {view.stem: view.camera for view in load_scene(tmp_path).views}
    assert (cameras_read["tall"].width, cameras_read["tall"].height) == (30, 40)
    assert cameras_read["tall"].focal == pytest.approx(35)
    assert cameras_read["a"].width == 40
    write_image(tmp_path / "images/tall.png", size=(40, 30))
    with pytest.raises(InputError, match=r"image tall.png: image is 40x30 but w, h are 60x80"):
        load_scene(tmp_path)


def test_accents_may_be_composed_or_not(tmp_path: Path):
    name = "été 1.png"
    folder_of(tmp_path, [*THREE[:1], (2, *THREE[1][1:4], unicodedata.normalize("NFC", name), 0)])
    composed = tmp_path / "images" / unicodedata.normalize("NFC", name)
    composed.rename(composed.with_name(unicodedata.normalize("NFD", name)))
    assert len(load_scene(tmp_path).views) == 2


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "x/../../a.png"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str):
    write_model(tmp_path / "sparse/0", [PINHOLE], [*THREE[:1], (2, *THREE[1][1:4], name, 0)])
    write_image(tmp_path / "images/a.png")
    write_image(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"leaves the|is absolute"):
        load_scene(tmp_path)


def test_folders_without_what_is_needed(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with pytest.raises(InputError, match="holds no COLMAP model"):
        load_scene(tmp_path, SceneOptions(format="colmap"))
    write_model(tmp_path / "sparse/0", [PINHOLE], [])
    write_image(tmp_path / "images/a.png")
    with pytest.raises(InputError, match="no registered image"):
        load_scene(tmp_path)
    write_model(tmp_path / "sparse/0", [PINHOLE], THREE)
    write_model(tmp_path / "sparse/1", [PINHOLE], THREE)
    (tmp_path / "images").rename(tmp_path / "photos")
    with pytest.raises(InputError, match="has no folder 'images'"):
        load_scene(tmp_path)
    assert "holds 2 models, of which 0 is read" in caplog.text
