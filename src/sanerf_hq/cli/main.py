"""The command ``sanerf``: words to a verb, errors to one sentence and an exit code.

Each verb is a frozen dataclass in a module of its own, whose ``run`` imports what it needs: ``--help`` must
not wait for torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import tyro

from sanerf_hq.cli.apply import Apply
from sanerf_hq.cli.bench import Bench
from sanerf_hq.cli.capture import Capture
from sanerf_hq.cli.demo import Demo
from sanerf_hq.cli.doctor import Doctor
from sanerf_hq.cli.evaluate import Eval
from sanerf_hq.cli.export import Export
from sanerf_hq.cli.export_scene import ExportScene
from sanerf_hq.cli.render import Render
from sanerf_hq.cli.report import Report
from sanerf_hq.cli.segment import Segment
from sanerf_hq.cli.stopping import terminable
from sanerf_hq.cli.train import Train
from sanerf_hq.cli.view import View
from sanerf_hq.cli.weights import WeightsVerb
from sanerf_hq.errors import Cancelled, InputError

BAD_INPUT = 2  # as for a word that the parser does not know
STOPPED = 130  # as a shell reports a program that Ctrl-C ended
UNREAD = 141  # the same of one whose output nobody reads any more

Verb = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Capture, tyro.conf.subcommand("capture")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Segment, tyro.conf.subcommand("segment")]
    | Annotated[View, tyro.conf.subcommand("view")]
    | Annotated[Render, tyro.conf.subcommand("render")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[ExportScene, tyro.conf.subcommand("export-scene")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Apply, tyro.conf.subcommand("apply")]
    | Annotated[Eval, tyro.conf.subcommand("eval")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
    | Annotated[WeightsVerb, tyro.conf.subcommand("weights")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)

RESUMED = (Demo, Capture, Train, Segment, Bench)  # their stages go on where they were stopped


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Its words after ``sanerf``; None takes the process's own.

    Returns:
        The exit code: 0 done, 1 the doctor found something broken, 2 bad input, 130 stopped, 141
        what is printed was not read to its end. An error that is the program's own is raised, with its
        traceback.
    """
    try:
        code = _answer(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except BrokenPipeError:  # it went to a pager that was left, or to head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    return code


def is_out_of_memory(error: Exception) -> bool:
    """Whether there was too little memory, of the machine or of its GPU."""
    words = ("not enough memory", "can't allocate memory", "out of memory")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def _answer(words: list[str]) -> int:
    if words == ["--version"]:
        print(f"sanerf {version('sanerf-hq')}")
        return 0
    try:
        verb = tyro.cli(
            Verb,  # pyright: ignore[reportArgumentType] - a union is a type to tyro
            prog="sanerf",
            description="Promptable, high-quality 3D object segmentation from posed photos.",
            args=words or ["--help"],
        )
    except SystemExit as done:  # help was shown, or what is wrong with the words
        return done.code if isinstance(done.code, int) else BAD_INPUT
    try:
        with terminable():
            return verb.run()
    except InputError as error:
        print(f"sanerf: {error}", file=sys.stderr)
        return BAD_INPUT
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(
            "sanerf: the memory does not suffice; give a smaller --width, or fewer objects at a time",
            file=sys.stderr,
        )
        return BAD_INPUT
    except (Cancelled, KeyboardInterrupt):
        go_on = isinstance(verb, RESUMED)
        print(f"stopped; run the same command to {'go on' if go_on else 'begin anew'}", file=sys.stderr)
        return STOPPED
