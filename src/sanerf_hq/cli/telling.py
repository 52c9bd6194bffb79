"""Telling: numbers and next steps in the words of the lines that verbs print."""

from __future__ import annotations

import shlex
from pathlib import Path


def counted(n: int, noun: str) -> str:
    """So many of a thing: ``1 view``, ``2 views``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def train_command(scene: Path) -> str:
    """The command that trains a scene, as a shell takes it."""
    return f"sanerf train {shlex.quote(str(scene))} --out RUN"
