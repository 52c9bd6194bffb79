from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sanerf_hq.capture import capture, matching
from sanerf_hq.capture.capture import weak_pairs
from sanerf_hq.capture.evidence import Evidence, read_evidence
from sanerf_hq.capture.store import Store
from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.runs import Progress
from sanerf_hq.scene import load_scene, read_image
from support.captures import CONFIG, Captured
from support.textured import BOX, FOCAL


def similarity(points: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Umeyama's best scale, rotation and offset from points to targets."""
    mean, target_mean = points.mean(0), targets.mean(0)
    away, target_away = points - mean, targets - target_mean
    left, values, right = np.linalg.svd(target_away.T @ away)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(signs) @ right
    scale = (values * signs).sum() / (away**2).sum()
    return scale, rotation, target_mean - scale * rotation @ mean


def truth_of(captured: Captured, name: str) -> Camera:
    return captured.cameras[Path(name).name]


@pytest.fixture(scope="module")
def aligned(captured: Captured) -> tuple[float, np.ndarray, np.ndarray]:
    """From the captured scene to the truth."""
    views = load_scene(captured.out).views
    found = torch.stack([view.camera.center for view in views]).double().numpy()
    truth = torch.stack([truth_of(captured, view.name).center for view in views]).double().numpy()
    return similarity(found, truth)


def test_every_photo_of_the_box_is_registered_where_it_was_taken(
    captured: Captured, aligned: tuple[float, np.ndarray, np.ndarray]
):
    scale, rotation, offset = aligned
    views = load_scene(captured.out).views
    assert [Path(view.name).name for view in views] == sorted(captured.cameras)
    truth = np.stack([camera.center.numpy() for camera in captured.cameras.values()])
    size = np.linalg.norm(truth.max(0) - truth.min(0))
    for view in views:
        true = truth_of(captured, view.name)
        center = scale * rotation @ view.camera.center.double().numpy() + offset
        assert np.linalg.norm(center - true.center.numpy()) < 0.01 * size
        turn = rotation @ view.camera.camtoworld[:3, :3].double().numpy()
        cosine = (np.trace(turn.T @ true.camtoworld[:3, :3].double().numpy()) - 1) / 2
        assert np.degrees(np.arccos(min(1.0, cosine))) < 0.5
        assert view.camera.focal == pytest.approx(FOCAL, rel=0.02)


def test_the_scene_stands_upright_in_the_middle_at_unit_distance(
    captured: Captured, aligned: tuple[float, np.ndarray, np.ndarray]
):
    _, rotation, offset = aligned
    cameras = [view.camera for view in load_scene(captured.out).views]
    distances = torch.stack([camera.center.norm() for camera in cameras])
    assert float(distances.median()) == pytest.approx(1, abs=1e-4)
    assert (rotation @ np.array([0, 0, 1]))[2] > np.cos(np.radians(3))
    assert np.linalg.norm(offset - [0, 0, 0.3]) < 0.1  # the true cameras look at (0, 0, 0.3)


def read_ply(path: Path) -> tuple[np.ndarray, np.ndarray]:
    header, body = path.read_bytes().split(b"end_header\n", 1)
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\n")
    rows = np.frombuffer(body, np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]))
    assert f"element vertex {len(rows)}\n".encode() in header
    return rows["xyz"], rows["rgb"]


def test_the_points_lie_on_the_box_and_the_floor_and_have_their_colours(
    captured: Captured, aligned: tuple[float, np.ndarray, np.ndarray]
):
    scale, rotation, offset = aligned
    named = json.loads((captured.out / "transforms.json").read_text())["ply_file_path"]
    points, colours = read_ply(captured.out / named)
    assert len(points) == captured.report.n_points > 100
    places = scale * points @ rotation.T + offset
    outside = np.maximum(BOX[0] - places, places - BOX[1]).max(1)  # signed distance, roughly
    off = np.minimum(np.abs(places[:, 2]), np.abs(outside))
    near = np.linalg.norm(places, axis=1) < 2
    assert near.sum() > 50
    assert np.quantile(off[near], 0.9) < 0.02
    assert np.median(colours[:, 0]) > np.median(colours[:, 2])  # the light is yellowish


def test_the_report_says_why_the_others_are_not_registered(captured: Captured):
    content = json.loads((captured.out / "capture.json").read_text())
    assert (content["registered"], content["usable"]) == (12, 13)
    reasons = {photo["source"]: photo["reason"] for photo in content["photos"] if photo["reason"]}
    assert set(reasons) == {"wall.png", "cut off.png", "zz copy.png", "notes.txt"}
    assert "truncated" in reasons["cut off.png"]
    assert "Löwe 03.png" in reasons["zz copy.png"]
    assert "no photo" in reasons["notes.txt"]
    assert "is not registered" in reasons["wall.png"]
    (line,) = [line for line in captured.report.lines() if "wall.png" in line]
    assert reasons["wall.png"] in line
    assert captured.report.lines()[0].startswith("12 of 13 images registered")
    assert all(photo.error is not None and photo.error < 1 for photo in captured.report.photos[:12])


def test_photos_are_kept_as_they_are_where_they_are_upright_and_small(captured: Captured):
    for index in (0, 11):
        kept = captured.out / "images" / f"Löwe_{index:02d}.png"
        assert kept.read_bytes() == (captured.photos / f"Löwe {index:02d}.png").read_bytes()
    view = load_scene(captured.out).view("Löwe_05")
    assert np.array_equal(read_image(view).numpy(), np.asarray(Image.open(captured.photos / "Löwe 05.png")))


def test_every_stage_tells_its_progress_to_the_end(captured: Captured):
    last = {progress.stage: progress for progress in captured.told}
    assert list(last) == ["prepare images", "find features", "match images", "find poses"]
    assert all(progress.done == progress.total > 0 for progress in last.values())


def first_done(told: list[Progress], stage: str) -> int:
    return next(progress.done for progress in told if progress.stage == stage)


def test_a_finished_capture_is_read_again(captured: Captured):
    before = {path: path.read_bytes() for path in captured.out.glob("*.json") if path.name != "capture.json"}
    stamp = (captured.out / "work" / "sparse" / "images.bin").stat().st_mtime_ns
    told: list[Progress] = []
    report = capture(captured.photos, captured.out, CONFIG, told.append)
    assert first_done(told, "find features") == 13
    assert first_done(told, "find poses") == 13
    assert (captured.out / "work" / "sparse" / "images.bin").stat().st_mtime_ns == stamp
    assert {path: path.read_bytes() for path in before} == before
    assert report.photos == captured.report.photos


class StopAt:
    """Cancels the first time that a stage has come so far."""

    def __init__(self, stage: str, done: int) -> None:
        self.stage, self.done = stage, done

    def __call__(self, progress: Progress) -> None:
        if progress.stage == self.stage and progress.done >= self.done:
            raise Cancelled


def test_a_stopped_capture_goes_on_and_ends_as_an_unbroken_one(gap: Captured, tmp_path: Path):
    out = tmp_path / "scene"
    for stage, done in (
        *(("prepare images", 2), ("find features", 4), ("match images", 15), ("find poses", 2)),
        *(("match again", 0), ("match again", 1)),
    ):
        with pytest.raises(Cancelled):
            capture(gap.photos, out, CONFIG, StopAt(stage, done))
        assert not (out / "transforms.json").exists()
    told: list[Progress] = []
    capture(gap.photos, out, CONFIG, told.append)
    assert first_done(told, "find features") == 6
    assert (out / "transforms.json").read_text() == (gap.out / "transforms.json").read_text()


def test_sigterm_ends_a_capture_as_ctrl_c_does(gap: Captured, tmp_path: Path):
    call = "import sys; from sanerf_hq.cli.main import main; sys.exit(main())"
    words = [sys.executable, "-c", call, "capture", str(gap.photos), "--out", str(tmp_path / "scene")]
    with subprocess.Popen([*words, "--features", "500"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("find features"):
                process.terminate()
                break
        said = process.stderr.read()
    assert said.endswith("stopped; run the same command to go on\n")
    assert not any(word in said for word in ("***", "Traceback", "SIGTERM"))
    assert process.returncode == 130


def test_a_damaged_database_or_state_is_made_anew(gap: Captured, tmp_path: Path):
    out = tmp_path / "scene"
    shutil.copytree(gap.out, out)
    (out / "work" / "features.db").write_bytes(b"no database" * 1000)
    (out / "work" / "sparse" / "images.bin").write_bytes(b"\xff" * 40)
    told: list[Progress] = []
    capture(gap.photos, out, CONFIG, told.append)
    assert first_done(told, "find features") == 0
    assert (out / "transforms.json").read_text() == (gap.out / "transforms.json").read_text()


def test_a_database_that_cannot_be_opened_is_kept(
    gap: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import pycolmap

    def fail(path: Path) -> None:
        raise RuntimeError("No registered database\nfactory succeeded.")

    out = tmp_path / "scene"
    shutil.copytree(gap.out, out)
    before = (out / "work" / "features.db").read_bytes()
    with (
        monkeypatch.context() as patched,
        pytest.raises(InputError, match=r"features\.db \(No reg.* free some"),
    ):
        patched.setattr(pycolmap.Database, "open", fail)
        capture(gap.photos, out, CONFIG)
    assert (out / "work" / "features.db").read_bytes() == before
    told: list[Progress] = []
    capture(gap.photos, out, CONFIG, told.append)
    assert first_done(told, "find features") == first_done(told, "find poses") == 6


@pytest.mark.parametrize("stage", ["find features", "match images", "find poses"])
def test_a_full_disk_is_said_before_each_piece_of_work(
    stage: str, gap: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage, free = shutil.disk_usage(tmp_path), 10**12

    def fill(progress: Progress) -> None:
        nonlocal free
        if progress.stage == stage:
            free = 20_000_000 + 100

    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    with pytest.raises(InputError, match=r"scene is on a disk with 20 MB to spare, .* free some space"):
        capture(gap.photos, tmp_path / "scene", CONFIG, fill)
    free = 10**12
    assert capture(gap.photos, tmp_path / "scene", CONFIG).count("registered") == 6


def test_a_photo_that_comes_later_is_added(captured: Captured, tmp_path: Path):
    photos, out = tmp_path / "photos", tmp_path / "scene"
    photos.mkdir()
    names = sorted(path.name for path in captured.photos.glob("Löwe*"))
    for name in names[:4]:
        shutil.copy(captured.photos / name, photos)
    assert capture(photos, out, CONFIG).count("registered") == 4
    shutil.copy(captured.photos / names[4], photos)
    told: list[Progress] = []
    assert capture(photos, out, CONFIG, told.append).count("registered") == 5
    assert first_done(told, "find features") == 4
    (photos / names[0]).unlink()
    told.clear()
    assert capture(photos, out, CONFIG, told.append).count("registered") == 4
    assert first_done(told, "find features") == 4
    assert sorted(path.name for path in (out / "images").iterdir()) == [
        name.replace(" ", "_") for name in names[1:5]
    ]
    kept = {name.replace(" ", "_") for name in names[1:5]}
    assert {Path(view.name).name for view in load_scene(out).views} == kept
    store = Store(out)
    with store.opened():
        evidence = read_evidence(kept, store, CONFIG)
    assert evidence.features.keys() == evidence.matches.keys() == kept
    assert {other for partners in evidence.matches.values() for other in partners} == kept
    shutil.copy(captured.photos / names[0], photos)  # it comes back
    told.clear()
    assert capture(photos, out, CONFIG, told.append).count("registered") == 5
    assert first_done(told, "find features") == 5


def test_a_photo_that_is_replaced_costs_its_own_features_alone(gap: Captured, tmp_path: Path):
    photos, out, fresh = tmp_path / "photos", tmp_path / "scene", tmp_path / "fresh"
    shutil.copytree(gap.photos, photos)
    shutil.copytree(gap.out, out)
    darker = Image.open(photos / "Löwe 02.png").point(lambda value: value * 0.8)
    darker.save(photos / "Löwe 02.png")
    told: list[Progress] = []
    report = capture(photos, out, CONFIG, told.append)
    assert first_done(told, "find features") == 5
    features = [photo.features for photo in report.photos]
    assert features == [photo.features for photo in capture(photos, fresh, CONFIG).photos]
    assert features != [photo.features for photo in gap.report.photos]
    assert report.count("registered") == 6


def test_a_photo_far_from_the_others_is_joined_by_a_second_look(gap: Captured):
    assert gap.report.count("registered") == 6
    assert [progress.total for progress in gap.told if progress.stage == "match again"] == [1, 1]
    views = load_scene(gap.out).views
    found = torch.stack([view.camera.center for view in views]).double().numpy()
    truth = torch.stack([truth_of(gap, view.name).center for view in views]).double().numpy()
    scale, rotation, offset = similarity(found, truth)
    errors = np.linalg.norm(scale * found @ rotation.T + offset - truth, axis=1)
    assert errors.max() < 0.02 * np.linalg.norm(truth.max(0) - truth.min(0))
    told: list[Progress] = []
    assert capture(gap.photos, gap.out, CONFIG, told.append).count("registered") == 6
    assert "match again" not in {progress.stage for progress in told}


def test_a_photo_whose_name_is_far_from_where_it_was_taken_is_joined(
    captured: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As if a photo were added to hundreds, which are only compared with those before and after them."""
    monkeypatch.setattr(matching, "NEIGHBOURS", 2)
    monkeypatch.setattr(matching, "SPREAD", 2)
    photos, out = tmp_path / "photos", tmp_path / "scene"
    photos.mkdir()
    for index in range(9):
        name = "z added later" if index == 3 else f"{index}"
        shutil.copy(captured.photos / f"Löwe {index:02d}.png", photos / f"{name}.png")
    config = replace(CONFIG, pairing="sequential")
    with pytest.raises(Cancelled):
        capture(photos, out, config, StopAt("match more", 3))
    told: list[Progress] = []
    report = capture(photos, out, config, told.append)
    assert report.count("registered") == 9
    begun = [progress.stage for progress in told if progress.done == 0]
    assert begun.count("find poses") == 1  # what to compare is not decided anew
    told.clear()
    assert capture(photos, out, config, told.append).count("registered") == 9
    assert first_done(told, "find poses") == 9


def test_only_pairs_that_may_join_an_image_are_looked_at_again():
    names, pairs = list("abc"), [(0, 1), (0, 2), (1, 2)]
    matches = {"a": {"b": 40, "c": 99}, "b": {"a": 40, "c": 100}, "c": {"a": 99, "b": 100}}
    assert weak_pairs(names, pairs, None, Evidence({}, matches)) == ((0, 1), (0, 2))
    assert weak_pairs(names, pairs, None, Evidence({}, {})) == ()


def test_a_folder_of_something_else_is_left_alone(captured: Captured, tmp_path: Path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and no capture"):
        capture(captured.photos, tmp_path, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


@pytest.mark.parametrize("name", ["other", "Löwe"])
def test_a_capture_of_other_photos_is_left_alone(name: str, captured: Captured, tmp_path: Path):
    for index in range(3):
        Image.new("RGB", (20, 20), (index, 0, 0)).save(tmp_path / f"{name} {index:02d}.png")
    with pytest.raises(InputError, match="other photos"):
        capture(tmp_path, captured.out, CONFIG)
    assert len(list((captured.out / "images").iterdir())) == 13


def test_photos_that_were_renamed_are_those_of_the_capture(gap: Captured, tmp_path: Path):
    photos, out = tmp_path / "photos", tmp_path / "scene"
    photos.mkdir()
    shutil.copytree(gap.out, out)
    for index, path in enumerate(sorted(gap.photos.iterdir())):
        shutil.copy(path, photos / f"mug {index}.png")
    assert capture(photos, out, CONFIG).count("registered") == 6
    assert [path.name for path in sorted((out / "images").iterdir())] == [f"mug_{i}.png" for i in range(6)]


def scene_files(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if path.is_file()}


def test_poses_of_images_that_change_are_withdrawn_before_they_do(gap: Captured, tmp_path: Path):
    photos, out = tmp_path / "photos", tmp_path / "scene"
    shutil.copytree(gap.photos, photos)
    shutil.copytree(gap.out, out)
    image = out / "images" / "Löwe_02.png"
    before = scene_files(out), image.read_bytes()
    assert before[0] == {"transforms.json", "sparse_points.ply", "capture.json"}

    with pytest.raises(Cancelled):  # the images are made anew, at another size
        capture(photos, out, replace(CONFIG, longest=200), StopAt("prepare images", 1))
    assert (scene_files(out), image.read_bytes()) == (set(), before[1])
    capture(photos, out, CONFIG)
    assert (scene_files(out), image.read_bytes()) == before

    (photos / "Löwe 02.png").unlink()
    with pytest.raises(Cancelled):
        capture(photos, out, CONFIG, StopAt("find features", 0))
    assert scene_files(out) == set() and not image.exists()


def test_a_scene_whose_photos_are_too_few_or_more_now_is_left_whole(gap: Captured, tmp_path: Path):
    photos, out = tmp_path / "photos", tmp_path / "scene"
    shutil.copytree(gap.photos, photos)
    shutil.copytree(gap.out, out)
    before = {path: path.read_bytes() for path in out.rglob("*.*g") if path.is_file()}
    Image.new("RGB", (320, 240)).save(photos / "more.png")
    with pytest.raises(Cancelled):
        capture(photos, out, CONFIG, StopAt("find features", 0))
    assert scene_files(out) == {"transforms.json", "sparse_points.ply", "capture.json"}
    for path in [*photos.iterdir()][2:]:
        path.unlink()
    with pytest.raises(InputError, match="3 are the least"):
        capture(photos, out, CONFIG)
    assert scene_files(out) == {"transforms.json", "sparse_points.ply", "capture.json"}
    assert {path: path.read_bytes() for path in before} == before


def test_photos_that_do_not_overlap_are_refused_with_what_to_do(tmp_path: Path):
    pytest.importorskip("pycolmap", reason="needs the extra sfm")
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(3):
        noise = np.random.default_rng(seed).integers(0, 255, (30, 40), dtype=np.uint8)
        Image.fromarray(noise).resize((320, 240)).save(photos / f"{seed}.png")
    with pytest.raises(InputError, match=r"do not overlap enough .* take more"):
        capture(photos, tmp_path / "scene", CONFIG)


@pytest.mark.parametrize(
    ("names", "said"),
    [([], "holds 0 photos"), (["a.png"], "holds 1 photos"), (["a.txt"], "a.txt is no photo")],
)
def test_fewer_than_three_photos_are_refused(names: list[str], said: str, tmp_path: Path):
    pytest.importorskip("pycolmap", reason="needs the extra sfm")
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in names:
        Image.new("RGB", (9, 9)).save(photos / name, "PNG")
    with pytest.raises(InputError, match=said):
        capture(photos, tmp_path / "scene", CONFIG)


def test_photos_in_a_folder_of_the_folder_are_pointed_at(tmp_path: Path):
    pytest.importorskip("pycolmap", reason="needs the extra sfm")
    (tmp_path / "photos" / "DCIM").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(tmp_path / "photos" / "DCIM" / "a.png")
    with pytest.raises(InputError, match=r"holds 0 photos itself, others are in .*DCIM: give the folder"):
        capture(tmp_path / "photos", tmp_path / "scene", CONFIG)


def test_a_source_that_is_neither_folder_nor_video_is_refused(tmp_path: Path):
    pytest.importorskip("pycolmap", reason="needs the extra sfm")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="no folder of photos and no video"):
        capture(tmp_path / "a.txt", tmp_path / "scene", CONFIG)
    with pytest.raises(InputError, match="does not exist"):
        capture(tmp_path / "none", tmp_path / "scene", CONFIG)
    assert not (tmp_path / "scene").exists()


def test_without_pycolmap_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(InputError, match=r"pip install 'sanerf-hq\[sfm\]'"):
        capture(tmp_path, tmp_path / "scene", CONFIG)
    assert not (tmp_path / "scene").exists()
