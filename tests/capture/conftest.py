"""One capture of twelve rendered photos, among them files that are no use, made once for all tests."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from sanerf_hq.capture import capture
from support.captures import CAMERAS, CONFIG, Captured
from support.textured import photograph


@pytest.fixture(scope="session")
def pictures() -> list[np.ndarray]:
    """The twelve photos."""
    return [photograph(camera) for camera in CAMERAS]


@pytest.fixture(scope="session")
def captured(pictures: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Captured:
    """All twelve, with a plain one, a truncated one, a copy and a text beside them."""
    pytest.importorskip("pycolmap", reason="needs the extra sfm")
    photos = tmp_path_factory.mktemp("my photos")
    cameras = {}
    for index, (pixels, camera) in enumerate(zip(pictures, CAMERAS, strict=True)):
        Image.fromarray(pixels).save(photos / f"Löwe {index:02d}.png")
        cameras[f"Löwe_{index:02d}.png"] = camera
    Image.new("RGB", (320, 240), (90, 90, 90)).save(photos / "wall.png")
    whole = (photos / "Löwe 03.png").read_bytes()
    (photos / "cut off.png").write_bytes(whole[: len(whole) // 2])
    (photos / "zz copy.png").write_bytes(whole)
    (photos / "notes.txt").write_text("no photo")
    out, told = tmp_path_factory.mktemp("captured") / "scene", []
    report = capture(photos, out, CONFIG, told.append)
    return Captured(photos, out, report, cameras, told)


@pytest.fixture(scope="session")
def gap(captured: Captured, tmp_path_factory: pytest.TempPathFactory) -> Captured:
    """Five of them 15° apart and one 45° on, which shares too few matches with the last of the five."""
    photos, told = tmp_path_factory.mktemp("gap"), []
    cameras = {}
    for index in (0, 1, 2, 3, 4, 7):
        shutil.copy(captured.photos / f"Löwe {index:02d}.png", photos)
        cameras[f"Löwe_{index:02d}.png"] = CAMERAS[index]
    out = tmp_path_factory.mktemp("gap captured") / "scene"
    report = capture(photos, out, CONFIG, told.append)
    return Captured(photos, out, report, cameras, told)
