"""A line plot as a PNG, drawn with Pillow: what benchmarks show against a rate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIZE = (960, 600)
MARGINS = (90, 60, 40, 90)  # left, top, right, bottom
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#000000")
TEXT = 22


def line_plot(lines: Mapping[str, Mapping[float, float]], x_label: str, y_label: str, path: Path) -> None:
    """Draw values in [0, 1] against positions, a line each, with a legend.

    Args:
        lines: Values by position, by the line's name; each has at least one.
        x_label: What the positions are.
        y_label: What the values are.
        path: The PNG.
    """
    picture = Image.new("RGB", SIZE, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(TEXT)
    left, top, right, bottom = MARGINS[0], MARGINS[1], SIZE[0] - MARGINS[2], SIZE[1] - MARGINS[3]
    places = sorted({place for line in lines.values() for place in line})
    width = (places[-1] - places[0]) or 1.0

    def at(place: float, value: float) -> tuple[float, float]:
        x = left + (place - places[0]) / width * (right - left)
        return x, bottom - value * (bottom - top)

    for fifth in range(6):
        y = at(places[0], fifth / 5)[1]
        pen.line((left, y, right, y), "#dddddd", 1)
        pen.text((left - 12, y), f"{fifth / 5:.1f}", "black", font, anchor="rm")
    for place in places:
        pen.text((at(place, 0)[0], bottom + 10), f"{place:g}", "black", font, anchor="mt")
    pen.text(((left + right) / 2, SIZE[1] - 12), x_label, "black", font, anchor="mb")
    pen.text((left - 70, top - 18), y_label, "black", font, anchor="lb")
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [at(place, value) for place, value in sorted(line.items())]
        pen.line(points, colour, 3, joint="curve")
        for x, y in points:
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), colour)
        y = bottom - 26 * (len(lines) - number) - 8
        pen.line((left + 20, y, left + 60, y), colour, 3)
        pen.text((left + 70, y), name, "black", font, anchor="lm")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
