"""History: a loop's ``log.jsonl``, one JSON object a line, each with the number of steps done.

Lines are only ever added; when a loop is resumed the file is cut back to where it resumes, so no step stands
in it twice and no line is half written.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from sanerf_hq.runs.files import append_line, read_bytes, write_text

HISTORY_FILE = "log.jsonl"
OWN = {"step", "seconds"}  # what every line has beside its metrics


def append_history(folder: Path, step: int, seconds: float, metrics: dict[str, float]) -> None:
    """Add what was measured after ``step`` steps; a figure that is not finite is written as null.

    Raises:
        ValueError: A metric is called ``step`` or ``seconds``, which every line has of its own.
    """
    if metrics.keys() & OWN:
        raise ValueError("a metric cannot be called 'step' or 'seconds'")
    figures = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
    line = {"step": step, "seconds": round(seconds, 3)} | figures
    append_line(folder / HISTORY_FILE, json.dumps(line, ensure_ascii=False))


def read_history(folder: Path) -> list[dict[str, Any]]:
    """All whole lines, oldest first; an absent file is an empty history."""
    path = folder / HISTORY_FILE
    if not path.exists():
        return []
    entries = []
    for line in read_bytes(path).decode("utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            entries.append(entry)
    return entries


def last_metrics(folder: Path) -> dict[str, float]:
    """The finite figures that were measured last; empty where nothing was."""
    last = read_history(folder)[-1:]
    figures = {name: value for entry in last for name, value in entry.items() if name not in OWN}
    return {name: float(value) for name, value in figures.items() if isinstance(value, (int, float))}


def cut_history(folder: Path, step: int) -> None:
    """Keep only what was measured up to ``step`` steps done."""
    path = folder / HISTORY_FILE
    if not path.exists():
        return
    kept = [entry for entry in read_history(folder) if entry["step"] <= step]
    write_text(path, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept))
