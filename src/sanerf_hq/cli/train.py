"""Train: posed photos to a radiance field in a run folder, scored in the views it did not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from sanerf_hq.cli.options import Device, SceneWords, check_at_least, check_device
from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from sanerf_hq.radiance import RadianceField
    from sanerf_hq.runs import ProgressCallback
    from sanerf_hq.scene import Scene, View

VIEW_PORT = 8080
Preset = Literal["draft", "standard", "paper"]


@dataclass(frozen=True)
class Train:
    """Learn a scene's radiance field from its training photos, then score it in its test views.

    Stopped or killed, the same command goes on where it was; once done, it only scores again.

    Example: sanerf train data/cape --out runs/cape
    """

    scene: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """Scene folder (transforms.json, COLMAP, LLFF, Blender), or its transforms.json."""
    out: Annotated[Path, tyro.conf.arg(metavar="RUN")]
    """Run folder to make or to go on with."""
    preset: Preset = "standard"
    """draft: about a minute on a CPU; standard: minutes on a CPU; paper: the paper's sizes, for a GPU."""
    steps: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Training steps in place of the preset's."""
    width: Annotated[int | None, tyro.conf.arg(metavar="W")] = None
    """Width in pixels to scale all photos to; if not given, each is reduced only where it is longer than
    1600 pixels, or all are so many that they would fill a laptop's memory."""
    seed: Annotated[int, tyro.conf.arg(metavar="I")] = 0
    """Where all chance comes from: the same seed, the same result."""
    device: Device = "cpu"
    """Where to compute."""
    replace: bool = False
    """Let a field in RUN that was trained with other settings, and what was segmented in it, give way."""
    exposure: bool = False
    """Let photos differ in brightness and white balance, where they do; renders show the middle."""
    refine_poses: bool = False
    """Improve the training cameras' poses as well: for poses that are a little off; slower."""
    view: bool = False
    """Show the field in the browser while it trains, at 127.0.0.1; needs the extra ui."""
    view_port: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Port of that page, 8080 if not given; 0 takes a free one."""
    opening: Annotated[SceneWords, tyro.conf.arg(name="")] = field(default_factory=SceneWords)

    def run(self) -> int:
        """Train, score, say how it went."""
        check_at_least("--steps", self.steps, 1)
        check_at_least("--width", self.width, 1)
        check_at_least("--seed", self.seed, 0)
        check_device(self.device)
        if self.view_port is not None and not self.view:
            raise InputError("--view-port is about the page of --view; give that as well, or leave it out")
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.radiance import PRESETS, train_radiance_field
        from sanerf_hq.scene import PhotoSize, fitting_size, load_scene

        scene = load_scene(self.scene, self.opening.options())
        size = fitting_size(scene) if self.width is None else PhotoSize(self.width)
        if size.longest is not None:
            told = f"photos longer than {size.longest} pixels are reduced to that"
            print(f"{told}; --width W gives all of them one width", flush=True)
        elif size.width != self.width:
            told = f"the photos are reduced to a width of {size.width} pixels"
            print(f"{told}; --width W takes another", flush=True)
        config = replace(PRESETS[self.preset], exposure=self.exposure, refine_poses=self.refine_poses)
        if self.steps is not None:
            config = replace(config, steps=self.steps)
        with ConsoleProgress() as progress, self._window(scene) as watch:
            field = train_radiance_field(
                scene, self.out, config, self.seed, size, self.device, progress, watch, self.replace
            )
            scores = score_test_views(field, scene, progress)
        print(summary(scores))
        print(f"the run is in {self.out}")
        return 0

    @contextmanager
    def _window(self, scene: Scene) -> Iterator[Callable[[RadianceField], None] | None]:
        """Where the field is shown while it trains; None without ``--view``."""
        if not self.view:
            yield None
            return
        from sanerf_hq.cli.view import check_extra

        check_extra()
        from sanerf_hq.viewer.live import LiveApp

        live = LiveApp(scene, VIEW_PORT if self.view_port is None else self.view_port)
        print(f"open {live.url}", flush=True)
        try:
            yield live.show
        finally:
            live.stop()


@dataclass(frozen=True)
class ViewScore:
    """What a test view came to.

    Attributes:
        psnr: Over the pixels that its mask allows, dB; None where there is none.
        depth_error: Median relative error of depth; None without truth.
    """

    psnr: float | None
    depth_error: float | None


def score_test_views(field: RadianceField, scene: Scene, progress: ProgressCallback) -> list[ViewScore]:
    """A score of each test view, at the size that was trained on.

    Args:
        field: What is scored, at home.
        scene: The scene it was trained on.
        progress: Told after each view.
    """
    from sanerf_hq.runs import Progress

    scores: list[ViewScore] = []
    views = scene.test_views
    for done, view in enumerate(views, 1):
        scores.append(_score(field, view))
        progress(Progress("test views", done, len(views)))
    return scores


def _score(field: RadianceField, view: View) -> ViewScore:
    from sanerf_hq.evaluate.metrics import depth_error, psnr
    from sanerf_hq.scene import read_depth, read_image, read_mask

    camera = field.at_home().sized(view)
    mask = read_mask(view, camera.width)
    seen = field.render(camera)
    return ViewScore(
        psnr(seen.rgb.clamp(0, 1), read_image(view, camera.width), mask) if bool(mask.any()) else None,
        None if view.depth_path is None else depth_error(seen.depth, read_depth(view, camera.width)),
    )


def summary(scores: Sequence[ViewScore]) -> str:
    """What the test views came to, in a sentence."""
    if not scores:
        return "the scene has no test views, so nothing was scored"
    found = [score.psnr for score in scores if score.psnr is not None]
    if not found:
        return "the masks of the test views leave no pixel, so nothing was scored"
    told = f"PSNR {sum(found) / len(found):.2f} dB, the mean over {_views(len(found))}"
    off = [score.depth_error for score in scores if score.depth_error is not None]
    if not off:
        return told
    return f"{told}; depth off by {sum(off) / len(off):.2%} (median, mean over {_views(len(off))} with truth)"


def _views(n: int) -> str:
    return f"{n} test view" + ("s" if n > 1 else "")
