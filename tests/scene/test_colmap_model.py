"""COLMAP's files: what they hold, and what files that lie or break off come to."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanerf_hq.errors import InputError
from sanerf_hq.scene.colmap_model import MODELS, ColmapImage, read_model
from support.colmap_files import Camera, Image, cameras_bin, images_bin, write_model

CAMERAS: list[Camera] = [
    (9, 0, 40, 30, (50.0, 20.0, 15.0)),
    (2, 4, 40, 30, (50.0, 51.0, 19.0, 16.0, 0.1, -0.05, 0.002, -0.001)),
]
IMAGES: list[Image] = [
    (5, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0), 9, "b.png", 3),
    (3, (0.5, 0.5, 0.5, 0.5), (1.0, 2.0, 3.0), 2, "left eye/ünï 1.png", 0),
    (7, (0.0, 1.0, 0.0, 0.0), (-1.0, 0.25, 1e-9), 9, "c.png", 1),
]


@pytest.mark.parametrize("binary", [True, False])
def test_binary_and_text_say_the_same(tmp_path: Path, binary: bool):
    model = read_model(write_model(tmp_path, CAMERAS, IMAGES, binary))
    assert [(c.id, c.model, c.width, c.height, c.params) for c in model.cameras.values()] == [
        (9, "SIMPLE_PINHOLE", 40, 30, (50.0, 20.0, 15.0)),
        (2, "OPENCV", 40, 30, CAMERAS[1][4]),
    ]
    assert model.images == tuple(
        ColmapImage(number, turn, move, camera, name)  # pyright: ignore[reportArgumentType]
        for number, turn, move, camera, name, _ in IMAGES
    )


def test_the_example_of_colmap_s_documentation(tmp_path: Path):
    # https://colmap.github.io/format.html, "cameras.txt" and "images.txt", word by word.
    (tmp_path / "cameras.txt").write_text(
        "# Camera list with one line of data per camera:\n"
        "#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n"
        "# Number of cameras: 3\n"
        "1 SIMPLE_PINHOLE 3072 2304 2559.81 1536 1152\n"
        "2 PINHOLE 3072 2304 2560.56 2560.56 1536 1152\n"
        "3 SIMPLE_RADIAL 3072 2304 2559.69 1536 1152 -0.0218531\n"
    )
    (tmp_path / "images.txt").write_text(
        "# Number of images: 2, mean observations per image: 2\n"
        "1 0.851773 0.0165051 0.503764 -0.142941 -0.737434 1.02973 3.74354 1 P1180141.JPG\n"
        "2362.39 248.498 58396 1784.7 268.254 59027 1784.7 268.254 -1\n"
        "2 0.851773 0.0165051 0.503764 -0.142941 -0.737434 1.02973 3.74354 1 P1180142.JPG\n"
        "1190.83 663.957 23056 1258.77 640.354 59070\n"
    )
    model = read_model(tmp_path)
    assert [camera.model for camera in model.cameras.values()] == [
        "SIMPLE_PINHOLE",
        "PINHOLE",
        "SIMPLE_RADIAL",
    ]
    assert model.cameras[3].params == (2559.69, 1536.0, 1152.0, -0.0218531)
    assert [image.name for image in model.images] == ["P1180141.JPG", "P1180142.JPG"]
    assert model.images[0].translation == (-0.737434, 1.02973, 3.74354)


def test_the_binary_files_count_where_there_are_both(tmp_path: Path):
    write_model(tmp_path, CAMERAS, IMAGES[:1], binary=False)
    assert len(read_model(tmp_path).images) == 1
    write_model(tmp_path, CAMERAS, IMAGES, binary=True)
    assert len(read_model(tmp_path).images) == 3


def test_the_table_of_models_is_colmap_s():
    pycolmap = pytest.importorskip("pycolmap", reason="needs the extra sfm")
    for number, (name, n_params) in MODELS.items():
        camera = pycolmap.Camera.create_from_model_id(1, pycolmap.CameraModelId(number), 100.0, 200, 150)
        assert (camera.model_name, len(camera.params)) == (name, n_params)


@pytest.mark.parametrize("file", ["cameras.bin", "images.bin"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, file: str):
    path = write_model(tmp_path, CAMERAS, IMAGES) / file
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"{file} (ends too early|claims)"):
            read_model(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("images.bin", struct.pack("<Q", 2**63) + bytes(500), "claims 9223372036854775808 entries"),
        ("cameras.bin", struct.pack("<Q", 10**9) + bytes(500), "claims 1000000000 entries"),
        ("images.bin", images_bin(IMAGES[:1])[: -8 - 72] + struct.pack("<Q", 2**40), "claims 1099511627776"),
        ("images.bin", images_bin(IMAGES[:1])[:72] + b"a" * 9000, "a name of more than 4096 bytes"),
        ("images.bin", images_bin(IMAGES[:1])[:72] + b"\xff.png\0" + bytes(8), "no UTF-8"),
        ("images.bin", images_bin([(1, (1.0, 0, 0, 0), (0.0, 0, 0), 77, "a.png", 0)]), "has camera 77"),
        ("images.bin", images_bin([(1, (0.0, 0, 0, 0), (0.0, 0, 0), 9, "a.png", 0)]), "no quaternion"),
        (
            "images.bin",
            images_bin([(1, (1.0, 0, 0, 0), (0.0, float("nan"), 0), 9, "a.png", 0)]),
            "not finite",
        ),
        ("images.bin", images_bin([(1, (1.0, 0, 0, 0), (0.0, 0, 0), 9, "", 0)]), "has no name"),
        ("images.bin", images_bin([*IMAGES, IMAGES[0]]), "two images are named 'b.png'"),
        ("cameras.bin", cameras_bin([*CAMERAS, CAMERAS[0]]), "two cameras have id 9"),
        ("cameras.bin", cameras_bin([(1, 99, 40, 30, (1.0,) * 4)]), "number 99, which is not known"),
        ("cameras.bin", cameras_bin([(1, 0, 0, 30, (1.0,) * 3)]), "0x30 pixels"),
        ("cameras.bin", cameras_bin([(1, 0, 40, 30, (float("inf"), 1.0, 1.0))]), "not finite"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, file: str, content: bytes, words: str):
    (write_model(tmp_path, CAMERAS, IMAGES) / file).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_model(tmp_path)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("cameras.txt", "1 PINHOLE 40 30 1 2 3\n", "3 parameters where PINHOLE has 4"),
        ("cameras.txt", "1 PINHOLE forty 30 1 2 3 4\n", "is not COLMAP's format"),
        ("cameras.txt", "1\n", "is not COLMAP's format"),
        ("images.txt", "1 1 0 0 0 0 0 0 9\n\n", "is not COLMAP's format"),
        ("images.txt", "x" * 100_000, "a line of more than 64 KB"),
        ("images.txt", "1 1 0 0 0 0 0 nan 9 a.png\n\n", "not finite"),
    ],
)
def test_text_that_cannot_be_is_refused(tmp_path: Path, file: str, content: str, words: str):
    (write_model(tmp_path, CAMERAS, IMAGES, binary=False) / file).write_text(content)
    with pytest.raises(InputError, match=words):
        read_model(tmp_path)


def test_a_camera_of_an_unknown_name_is_left_to_who_uses_it(tmp_path: Path):
    write_model(tmp_path, CAMERAS, IMAGES, binary=False)
    (tmp_path / "cameras.txt").write_text("9 NEW_MODEL 40 30 1 2\n2 PINHOLE 40 30 1 2 3 4\n")
    assert read_model(tmp_path).cameras[9].model == "NEW_MODEL"


@given(content=st.binary(max_size=300))
def test_noise_is_refused_in_one_sentence(content: bytes, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("noise")
    write_model(folder, CAMERAS, IMAGES)
    (folder / "images.bin").write_bytes(struct.pack("<Q", 1) + content)
    try:
        read_model(folder)
    except InputError as error:
        assert "\n" not in str(error).replace("\\n", "")
