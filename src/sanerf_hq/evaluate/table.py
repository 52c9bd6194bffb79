"""Table: a benchmark's scores on the console."""

from __future__ import annotations

from sanerf_hq.evaluate.results import BenchResult, mean

COLUMNS = ("PSNR", "on\nobjects", "IoU", "BIoU", "view\nIoU", "2D\nIoU", "preview", "seconds")
NOT_MEASURED = "–"
NAME_WIDTH = 14  # longer names are folded where the terminal is narrow; numbers never are
NUMBER_WIDTH = 5


def print_table(result: BenchResult, width: int | None = None) -> None:
    """Print scenes, their objects and the means to standard output.

    ``seconds`` is training on a scene's line, prompt to final mask on an object's; ``preview`` is the IoU of
    the first mask.

    Args:
        result: The scores.
        width: Columns of text; None: the terminal's.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", *COLUMNS, box=None, header_style="bold", pad_edge=False)
    table.columns[0].overflow = "fold"
    table.columns[0].min_width = NAME_WIDTH
    for column in table.columns[1:]:
        column.justify = "right"
        column.min_width = max(NUMBER_WIDTH, *map(len, str(column.header).splitlines()))
    for scene in result.scenes:
        table.add_row(
            Text(_printable(scene.name), "bold"),
            _fixed(scene.psnr, 2),
            _fixed(scene.psnr_object, 2),
            *[""] * 5,
            _fixed(scene.train_seconds, 0),
        )
        for item in scene.objects:
            scores = (item.iou, item.boundary_iou, item.mean_view_iou, item.iou_2d, item.iou_preview)
            table.add_row(
                Text("  " + _printable(item.name)),
                "",
                "",
                *[_fixed(score, 3) for score in scores],
                _fixed(item.seconds_refine, 1),
            )
    objects = result.objects
    means = (
        result.miou,
        result.mbiou,
        mean(item.mean_view_iou for item in objects),
        mean(item.iou_2d for item in objects),
        mean(item.iou_preview for item in objects),
    )
    table.add_section()
    table.add_row(
        "mean",
        _fixed(mean(scene.psnr for scene in result.scenes), 2),
        _fixed(mean(scene.psnr_object for scene in result.scenes), 2),
        *[_fixed(score, 3) for score in means],
        "",
        style="bold",
    )
    Console(width=width, highlight=False).print(table, crop=False)


def _fixed(value: float | None, digits: int) -> str:
    return NOT_MEASURED if value is None else f"{value:.{digits}f}"


def _printable(name: str) -> str:
    """The name without control characters, which could write over the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
