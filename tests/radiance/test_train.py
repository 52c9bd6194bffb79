"""Training: a killed run ends like an unbroken one, and a solid ball comes out where it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.geometry import from_unit, uncontract
from sanerf_hq.kernels import MarchConfig, ray_march
from sanerf_hq.radiance import PRESETS, RadianceConfig, load_radiance_field, train_radiance_field
from sanerf_hq.radiance.config import FINER, LEAST_MARCH_STEP
from sanerf_hq.radiance.step import SURROUNDINGS, WARM_UP_STEPS, learning_rate
from sanerf_hq.runs import Progress, Run
from sanerf_hq.scene import PhotoSize, load_scene, read_image
from support.ball_scene import TINY, ball_scene
from support.scene_files import write_image, write_json


def test_training_brings_the_picture_nearer(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    view = scene.train_views[0]
    photo = read_image(view).float() / 255
    little = train_radiance_field(scene, tmp_path / "little", replace(TINY, steps=1)).render(view.camera)
    more = train_radiance_field(scene, tmp_path / "more", replace(TINY, steps=100)).render(view.camera)
    assert (more.rgb - photo).square().mean() < 0.5 * (little.rgb - photo).square().mean()
    assert more.opacity.min() >= 0
    assert more.opacity.max() <= 1 + 1e-5


def test_space_round_the_cameras_that_no_photo_looks_at_is_empty_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sanerf_hq.radiance.step.REVIEWED_SHARE", 0.6)  # of so few steps more must be left
    scene = load_scene(ball_scene(tmp_path / "ball"))
    field = train_radiance_field(scene, tmp_path / "run", replace(TINY, steps=400))
    cells = field.occupancy.occupied.nonzero()
    spread = torch.cartesian_prod(*[torch.linspace(0, 1, 4)] * 3)
    within = from_unit((cells[:, None] + spread) / field.occupancy.side)
    near = within[within.abs().amax((1, 2)) < SURROUNDINGS]
    points = field.world.to_scene(uncontract(near))
    looked_at = [view.camera.project(points).on_screen.any(-1) for view in scene.train_views]
    assert len(near) > 100
    assert torch.stack(looked_at).any(0).all()


def test_a_cancelled_run_ends_like_an_unbroken_one(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    whole = train_radiance_field(scene, tmp_path / "whole", TINY)

    def stop_once(progress: Progress) -> None:
        if progress.done >= 10:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_radiance_field(scene, tmp_path / "broken", TINY, progress=stop_once)
    resumed = train_radiance_field(scene, tmp_path / "broken", TINY)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert torch.equal(whole.occupancy.occupied, resumed.occupancy.occupied)
    assert whole.spacing == resumed.spacing


def test_a_training_stopped_after_its_last_step_keeps_its_figures(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))

    def stop_late(progress: Progress) -> None:
        if progress.stage == "surfaces":
            raise Cancelled

    with pytest.raises(Cancelled):
        train_radiance_field(scene, tmp_path / "run", TINY, progress=stop_late)
    train_radiance_field(scene, tmp_path / "run", TINY)
    done = Run.open(tmp_path / "run").stage("radiance")
    assert done is not None and done.is_complete and done.facts["psnr_train"] > 0


def test_a_trained_field_is_read_back_as_it_was(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    field = train_radiance_field(scene, tmp_path / "run", TINY)
    again = load_radiance_field(tmp_path / "run")
    camera = scene.views[0].camera
    assert again.config == TINY
    assert again.world == field.world
    assert torch.equal(again.render(camera).rgb, field.render(camera).rgb)


def test_a_complete_run_is_not_trained_again(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    train_radiance_field(scene, tmp_path / "run", TINY)

    def never(progress: Progress) -> None:
        raise AssertionError("a complete stage was run again")

    train_radiance_field(scene, tmp_path / "run", TINY, progress=never)


def test_a_field_that_was_trained_otherwise_stays_unless_it_is_to_give_way(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    before = train_radiance_field(scene, tmp_path / "run", TINY).network.table.clone()
    (tmp_path / "run/segmentations/mug").mkdir(parents=True)
    longer = replace(TINY, steps=14)
    with pytest.raises(InputError, match=r"steps 12, not 14.*--replace"):
        train_radiance_field(scene, tmp_path / "run", longer)
    assert torch.equal(load_radiance_field(tmp_path / "run").network.table, before)
    train_radiance_field(scene, tmp_path / "run", longer, replace_other=True)
    assert load_radiance_field(tmp_path / "run").config.steps == 14
    assert not (tmp_path / "run/segmentations/mug").exists(), "it was made with the other field"


def test_a_photo_that_cannot_be_read_ties_the_folder_to_nothing(tmp_path: Path) -> None:
    path = ball_scene(tmp_path / "ball")
    whole = (tmp_path / "ball/images/1.png").read_bytes()
    (tmp_path / "ball/images/1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"1\.png"):
        train_radiance_field(load_scene(path), tmp_path / "run", TINY)
    (tmp_path / "ball/images/1.png").write_bytes(whole)
    train_radiance_field(load_scene(path), tmp_path / "run", TINY)


def test_a_scene_that_was_moved_is_found_again(tmp_path: Path) -> None:
    train_radiance_field(load_scene(ball_scene(tmp_path / "ball")), tmp_path / "run", TINY)
    (tmp_path / "ball").rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"no longer there.*sanerf train SCENE"):
        load_radiance_field(tmp_path / "run")
    train_radiance_field(load_scene(tmp_path / "moved"), tmp_path / "run", TINY)
    assert load_radiance_field(tmp_path / "run").at_home().scene.root == tmp_path / "moved"


@pytest.mark.parametrize(
    ("n_views", "told"), [(1, "from 1 place:"), (5, "from 4 places: depth will be poor"), (11, "")]
)
def test_photos_from_few_places_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, n_views: int, told: str
) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball", n_views))
    train_radiance_field(scene, tmp_path / "run", replace(TINY, steps=1))
    assert told in caplog.text
    assert bool(caplog.text) == bool(told)


def test_photos_are_not_enlarged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="40 pixels wide at most, not 100000"):
        train_radiance_field(
            load_scene(ball_scene(tmp_path / "ball")), tmp_path / "run", TINY, size=PhotoSize(100000)
        )


def test_a_run_of_other_images_is_refused(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    train_radiance_field(scene, tmp_path / "run", TINY)
    write_image(tmp_path / "ball/images/0.png")
    with pytest.raises(InputError, match="run"):
        train_radiance_field(load_scene(tmp_path / "ball"), tmp_path / "run", TINY)


def test_a_damaged_field_is_not_trusted(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    train_radiance_field(scene, tmp_path / "run", TINY)
    path = tmp_path / "run/radiance/field.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="field"):
        load_radiance_field(tmp_path / "run")
    train_radiance_field(scene, tmp_path / "run", TINY)
    assert load_radiance_field(tmp_path / "run").config == TINY, "it is trained again"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "other/notes.json", {})
    with pytest.raises(InputError, match="other"):
        load_radiance_field(tmp_path / "other")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_whole(name: str) -> None:
    assert PRESETS[name].steps >= 100


@pytest.mark.parametrize(
    "field", ["steps", "samples", "lr", "march_step", "samples_a_ray", "coarsest_spacing", "near_scale"]
)
def test_a_setting_out_of_range_is_named(field: str) -> None:
    with pytest.raises(InputError, match=field):
        replace(TINY, **{field: -1 if field == "near_scale" else 0})


@pytest.mark.parametrize("field", ["n_levels", "coarsest"])
def test_a_size_of_the_grid_out_of_range_is_named(field: str) -> None:
    with pytest.raises(InputError, match=rf"grid\.{field} must be at least 1, got 0; choose a larger one"):
        replace(TINY.grid, **{field: 0})


def test_the_finest_march_reaches_the_end_of_the_longest_ray() -> None:
    config = replace(TINY, march_step=LEAST_MARCH_STEP)
    with pytest.raises(InputError, match=r"march_step must be at least 0\.0034, got 0\.003;"):
        replace(TINY, march_step=0.003)
    march = MarchConfig(step=config.march_step * FINER)
    corner, along = torch.full((1, 3), -100.0), torch.full((1, 3), 3**-0.5)
    cells = torch.ones(1, 1, 1, dtype=torch.uint8)
    marched = ray_march(corner, along, torch.zeros(1), cells, march, 1 << 14)
    assert marched.t_ends[-1] >= march.far


def test_the_learning_rate_rises_holds_and_falls_to_nothing():
    config = RadianceConfig(steps=1000, lr=0.02)
    rates = [learning_rate(config, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.02 / WARM_UP_STEPS)
    assert rates[WARM_UP_STEPS - 1 : 801] == pytest.approx([0.02] * (802 - WARM_UP_STEPS))
    assert rates[900] == pytest.approx(0.01)
    assert rates[999] == pytest.approx(0.02 / 200)
