"""Help: the keyboard and mouse table, as the page and ``docs/viewer.md`` show it."""

from __future__ import annotations

ROWS = (
    ("drag, arrow keys", "orbit"),
    ("right drag", "move sideways"),
    ("wheel", "nearer, farther"),
    ("W A S D, Q E", "walk, sink, rise"),
    ("click", "this is the object"),
    ("Shift + click", "this is not the object"),
    ("Ctrl + drag (Cmd on a Mac)", "box round the object"),
    ("drag, with *Drag draws a box* on", "box round the object"),
    ("click on a camera", "fly to that view"),
    ("Z", "undo"),
    ("Y", "redo"),
    ("N", "new object"),
    ("M", "next mode: overlay, colour, depth, object, removed"),
    ("V", "next view"),
    ("C", "cameras on and off"),
    ("X", "stop what is being computed"),
)


def table() -> str:
    """The table in Markdown."""
    lines = ["| with | what happens |", "|---|---|", *(f"| {key} | {effect} |" for key, effect in ROWS)]
    return "\n".join(lines)
