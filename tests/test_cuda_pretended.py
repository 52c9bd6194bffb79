"""What runs on CUDA runs on a device that only pretends to be one, with the CPU's results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import pytest
import torch
import warp as wp

from sanerf_hq.geometry import WorldTransform
from sanerf_hq.kernels import hash_grid, hash_grid_layout
from sanerf_hq.objects import OBJECT_PRESETS, segment_objects
from sanerf_hq.prompts import BoxPrompt
from sanerf_hq.radiance import GridConfig, RadianceConfig, load_radiance_field, train_radiance_field
from sanerf_hq.radiance.step import OCCUPANCY_EVERY, make_step, new_state
from sanerf_hq.runs import Key
from sanerf_hq.scene import load_scene, load_training_pixels
from sanerf_hq.segmenters import DecoderPrompt, load_segmenter
from support.ball_scene import TINY, ball_scene
from support.balls import ball_camera, ball_photo, box_of, write_ball_scene
from support.moving_balls import write_moving_scene
from support.pretend_cuda import pretended_cuda
from support.tiny_models import Kind, build

TINY_GRID = GridConfig(n_levels=2, n_features=2, log2_table=10, finest=32)


@pytest.fixture(autouse=True)
def _single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that pretends does not compute in half."""
    monkeypatch.setattr("sanerf_hq.radiance.precision.computes_bfloat16", lambda device: False)


def test_what_a_real_device_would_refuse_is_refused() -> None:
    here = torch.arange(3)
    with pretended_cuda():
        there = here.to("cuda") + torch.zeros(3, device="cuda")
        assert there.device.type == "cuda"
        assert there[here].sum() == 3, "indices may lie on the CPU"
        for wrong in (
            lambda: there + here,
            lambda: here[there.long()],
            lambda: torch.cat([there, here]),
            lambda: there.numpy(),
            lambda: torch.rand(3, device="cuda", generator=Key(0, "a", 0).generator()),
            lambda: torch.rand(3, generator=Key(0, "a", 0).generator("cuda")),
        ):
            with pytest.raises(RuntimeError):
                wrong()
        assert there.cpu().equal(here.float())
        assert here.float().copy_(there).equal(here.float())


VARIANTS = {
    "plain": TINY,
    "exposure": replace(TINY, exposure=True),
    "refined poses": replace(TINY, refine_poses=True, steps=20),
    "moving": TINY,
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_ends_as_on_the_cpu(variant: str, tmp_path: Path) -> None:
    write = write_moving_scene if variant == "moving" else ball_scene
    scene = load_scene(write(tmp_path / "scene"))
    camera = scene.train_views[0].camera
    config: RadianceConfig = VARIANTS[variant]
    expected = train_radiance_field(scene, tmp_path / "cpu", config)
    with pretended_cuda():
        found = train_radiance_field(scene, tmp_path / "cuda", config, device="cuda")
        assert found.device.type == "cuda"
        table, seen = found.network.table.detach().cpu(), found.render(camera)
    assert torch.allclose(table, expected.network.table, atol=1e-5)
    for name, picture in vars(expected.render(camera)).items():
        assert torch.allclose(getattr(seen, name), picture, atol=1e-4, equal_nan=True), name


def test_kernels_compile_for_cuda(tmp_path: Path) -> None:
    scene = load_scene(write_moving_scene(tmp_path / "scene"))
    config = replace(TINY, steps=20, refine_poses=True)
    with pretended_cuda() as pretence:
        train_radiance_field(scene, tmp_path / "run", config, device="cuda")
        points = torch.rand(8, 3, device="cuda", requires_grad=True)
        layout = hash_grid_layout(3, 2, 4, 10, 4, 16)
        hash_grid(points, torch.rand(layout.n_entries, 4, device="cuda"), layout).sum().backward()
        kernels = {kernel.module: kernel for kernel in pretence.kernels}
    assert len(kernels) >= 8
    for number, module in enumerate(kernels):
        compiled = wp.compile_aot_module(module, arch=[75], module_dir=tmp_path / str(number), use_ptx=True)
        assert compiled and all(path.stat().st_size for path in compiled)


def test_a_step_waits_for_the_device_only_to_know_how_many_samples_there_are(tmp_path: Path) -> None:
    pixels = load_training_pixels(load_scene(ball_scene(tmp_path / "scene")))
    cameras = list(pixels.cameras)
    world = WorldTransform.from_cameras(cameras)
    with pretended_cuda() as pretence:
        state = new_state(TINY, Key(0, "radiance", 0), "cuda", cameras, world)
        step = make_step(pixels, replace(TINY, steps=1000), world, "cuda")
        for number in range(OCCUPANCY_EVERY - 1):
            pretence.waits.clear()
            state, _ = step(state, Key(0, "radiance", number))
            assert len(pretence.waits) == 2, pretence.waits  # candidates, and those that are chosen of them


def test_an_object_is_cut_out_as_on_the_cpu(tmp_path: Path) -> None:
    scene = load_scene(write_ball_scene(tmp_path / "scene"))
    train_radiance_field(scene, tmp_path / "run", replace(TINY, steps=200))
    prompts = {"red": BoxPrompt("3", box_of(3, 1))}
    config = replace(OBJECT_PRESETS["standard"], grid=TINY_GRID, steps=20, rays=512)
    camera = ball_camera(3)

    def cut(device: str) -> torch.Tensor:
        field = load_radiance_field(tmp_path / "run", device)
        segmenter = load_segmenter("grabcut", scene, device)
        found = segment_objects(field, segmenter, prompts, "red", config=config, overwrite=True).field
        assert found.network.table.device.type == device
        return found.render(camera).probabilities[..., 1].cpu()

    expected = cut("cpu")
    with pretended_cuda():
        found = cut("cuda")
    truth = torch.from_numpy(ball_photo(camera)[1]) == 1
    assert float(((expected > 0.5) & truth).sum() / ((expected > 0.5) | truth).sum()) > 0.6
    assert torch.allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("kind", ["compact", "sam", "sam_hq", "sam2"])
def test_segmenters_answer_as_on_the_cpu(kind: str, tmp_path: Path) -> None:
    spec = kind
    if kind in get_args(Kind):
        build(cast("Kind", kind)).save_pretrained(tmp_path)
        spec = f"{kind}:{tmp_path}"
    segmenter: Any = load_segmenter(spec, load_scene(ball_scene(tmp_path / "scene")))
    image = torch.randint(0, 256, (60, 80, 3)).byte()
    clicks = DecoderPrompt(torch.tensor([[20.0, 30.0], [40.0, 10.0]]), torch.tensor([1, 0]))
    box = DecoderPrompt(torch.zeros(0, 2), torch.zeros(0).long(), torch.tensor([10.0, 10.0, 50.0, 40.0]))
    expected = segmenter.decode(segmenter.embed(image), [clicks, box])
    with pretended_cuda():
        there = replace(segmenter, model=segmenter.model.to("cuda"))
        there = replace(there, device="cuda") if kind == "compact" else there
        found = there.decode(there.embed(image), [clicks, box])
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one.mask_logits.cpu(), other.mask_logits, atol=1e-4)
