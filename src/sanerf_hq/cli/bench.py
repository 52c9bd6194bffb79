"""Bench: scenes with truth trained, prompted and scored, as a table, a page and a metrics.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from sanerf_hq.cli.options import Device, SceneWords, SegmenterWords, check_at_least, check_device
from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from sanerf_hq.evaluate import BenchResult, Protocol, SceneBench

DEFAULT_CLICKS = 3


@dataclass(frozen=True)
class Bench:
    """Measure scenes: train, prompt every object of scene.json, score its mask in every test view.

    Writes OUT/metrics.json and OUT/report.html and prints a table. Each scene's run is kept in OUT/runs and
    used again; objects are segmented anew each time.

    Example: sanerf bench data/desk data/cape --out bench --segmenter truth --preset standard
    """

    scenes: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
    """Scene folders and, for objects, a scene.json in each (docs/scenes.md), or SANeRF-HQ's masks."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for runs and results."""
    preset: Literal["draft", "standard", "paper"] = "standard"
    """Settings of all stages."""
    segmenter: SegmenterWords = "compact"
    clicks: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Prompt with the first N positive clicks of each object; 3 if neither this nor --box is given."""
    box: bool = False
    """Prompt with each object's box."""
    seed: Annotated[int, tyro.conf.arg(metavar="I")] = 0
    """Where all chance comes from."""
    width: Annotated[int | None, tyro.conf.arg(metavar="W")] = None
    """Width in pixels to scale photos and truth to; as they are if not given."""
    device: Device = "cpu"
    """Where to compute."""
    opening: Annotated[SceneWords, tyro.conf.arg(name="")] = field(default_factory=SceneWords)

    def run(self) -> int:
        """Measure all scenes."""
        check_at_least("--clicks", self.clicks, 1)
        check_at_least("--width", self.width, 1)
        check_at_least("--seed", self.seed, 0)
        check_device(self.device)
        if not self.scenes:
            raise InputError("no scene is given; name one or more scene folders")
        if self.box and self.clicks is not None:
            raise InputError("--box and --clicks exclude each other; give one of them")
        from sanerf_hq.evaluate import Protocol

        clicks = None if self.box else self.clicks or DEFAULT_CLICKS
        protocol = Protocol(
            self.preset,
            self.segmenter,
            clicks,
            self.seed,
            self.width,
            self.device,
            opening=self.opening.options(),
        )
        bench(self.scenes, self.out, protocol)
        return 0


def bench(scenes: tuple[Path, ...], out: Path, protocol: Protocol) -> BenchResult:
    """Measure scenes, write ``metrics.json`` and ``report.html`` below ``out``, print the table.

    Raises:
        InputError: A scene is damaged, an object lacks the prompts asked for, or two scenes have one name.
    """
    from sanerf_hq.cli.console import ConsoleProgress
    from sanerf_hq.evaluate import bench_scene, print_table, targets_of, write_report
    from sanerf_hq.runs import check_name, write_json
    from sanerf_hq.scene import load_scene

    names: list[str] = []
    for path in scenes:  # all of them before hours go into the first
        scene = load_scene(path, protocol.opening)
        names.append(check_name(scene.name, names))
        if not targets_of(scene, protocol):
            print(f"{scene.name} has no object to score, only its PSNR is measured; name some in scene.json")
    done: list[SceneBench] = []
    result = _result(protocol, done)
    for path, name in zip(scenes, names, strict=True):
        with ConsoleProgress() as progress:
            done.append(bench_scene(path, out / "runs" / name, protocol, progress))
        result = _result(protocol, done)
        write_json(out / "metrics.json", result.to_json())  # after each scene: a stop loses nothing
        pictures = [item for scene in done for item in scene.objects]
        write_report(out / "report.html", result, pictures, [scene.scene for scene in done])
    print_table(result)
    print(f"scores: {out / 'metrics.json'}")
    print(f"report: {out / 'report.html'}")
    return result


def _result(protocol: Protocol, done: list[SceneBench]) -> BenchResult:
    from importlib.metadata import version

    from sanerf_hq.evaluate import BenchResult
    from sanerf_hq.evaluate.commit import commit

    return BenchResult(
        segmenter=protocol.segmenter,
        preset=protocol.preset,
        seed=protocol.seed,
        clicks=protocol.clicks,
        commit=commit(),
        version=version("sanerf-hq"),
        device=protocol.device,
        scenes=tuple(scene.result for scene in done),
    )
