from __future__ import annotations

import base64
import io
import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.pictures import ObjectPictures, RenderView, ScenePictures, draw_object_view
from sanerf_hq.evaluate.report import write_report
from sanerf_hq.evaluate.results import BenchResult, ObjectResult, SceneResult

WRITTEN = datetime(2026, 1, 2, 3, 4)
HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>{{ 7 * 191 }}&amp;"""


class Page(HTMLParser):
    """Text, tags and attributes as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def result(name: str = "mug", iou: float | None = 0.8642) -> BenchResult:
    item = ObjectResult(name, iou=iou, boundary_iou=0.7531, accuracy=0.98764)
    scenes = (SceneResult("desk", 28.125, None, 312.4, 2048.0, (item,)), SceneResult("fox", 24.5))
    return BenchResult("grabcut", "draft", 5, 3, "0123456789abcdef+dirty", "0.1.0", "CPU", scenes)


def object_pictures(name: str = "mug", view: str = "a.jpg", segmenter: bool = True) -> ObjectPictures:
    photo = torch.full((30, 44, 3), 90, dtype=torch.uint8)
    truth = torch.zeros(30, 44, dtype=torch.bool)
    truth[8:16, 10:22] = True
    drawn = draw_object_view(view, photo, truth, truth, truth if segmenter else None)
    return ObjectPictures("desk", name, (drawn,))


def write(path: Path, *arguments: object, **keywords: object) -> Page:
    write_report(path, *arguments, written=WRITTEN, **keywords)  # pyright: ignore
    return Page(path.read_text(encoding="utf-8"))


def test_scores_and_set_up_are_on_the_page(tmp_path: Path) -> None:
    page = write(tmp_path / "report.html", result(), [object_pictures()])
    for words in (
        "Segmenter grabcut",
        "Prompt 3 clicks",
        "Preset draft",
        "Seed 5",
        "Commit 0123456789ab (changed)",
        "Written 2026-01-02 03:04",
        "0.864 mean IoU",
        "0.753 mean Boundary IoU",
        "1 object in 2 scenes",
        "desk 1 0.864 28.12 – 312.4 2,048",
        "fox 0 – 24.50 – – –",
        "mug desk 0.864 0.753 – 0.9876",
        "a.jpg · IoU 1.000",
    ):
        assert words in page.text, words
    assert not page.open


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    page = write(tmp_path / "report.html", result(), [object_pictures()])
    assert not page.all("link") and not page.all("iframe")
    assert all("src" not in script for script in page.all("script"))
    sources = [image["src"] or "" for image in page.all("img") if "src" in image]
    assert len(sources) == 5 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(", text)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_pictures_survive(tmp_path: Path) -> None:
    pictures = object_pictures()
    page = write(tmp_path / "report.html", result(), [pictures])
    source = next(image["src"] for image in page.all("img") if "what differs" in (image["alt"] or "")) or ""
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        assert image.mode == "RGB"
        shown = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        size = image.size
    drawn = pictures.views[0].difference
    assert drawn is not None and size == (drawn.shape[1], drawn.shape[0])
    assert (shown.reshape(drawn.shape).float() - drawn.float()).abs().mean() < 6  # JPEG


def test_large_photos_are_made_smaller(tmp_path: Path) -> None:
    photo = torch.full((1500, 900, 3), 90, dtype=torch.uint8)
    strip = ScenePictures("fox", (RenderView("b.jpg", photo, photo, 24.5),))
    page = write(tmp_path / "report.html", result(), [], [strip])
    source = page.all("img")[0]["src"] or ""
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        assert image.size == (384, 640)
    assert "b.jpg · PSNR 24.50 dB" in page.text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.html", result(), [object_pictures()])
    hostile = result(HOSTILE)
    hostile = BenchResult(HOSTILE, HOSTILE, 0, None, HOSTILE, HOSTILE, HOSTILE, hostile.scenes)
    page = write(tmp_path / "hostile.html", hostile, [object_pictures(HOSTILE, HOSTILE)])
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in page.tags if "onerror" in attributes] == []
    assert page.text.count(HOSTILE) >= 8
    assert "1337" not in page.text  # the name is no template


def test_links_lead_to_the_objects(tmp_path: Path) -> None:
    page = write(tmp_path / "report.html", result(), [object_pictures("other"), object_pictures("mug")])
    (link,) = page.all("a")
    sections = [section.get("id") for section in page.all("section")]
    assert link["href"] == "#object-1" and sections == ["object-0", "object-1"]


def test_a_column_that_no_view_has_is_left_out(tmp_path: Path) -> None:
    page = write(tmp_path / "report.html", result(), [object_pictures(segmenter=False)])
    assert len([image for image in page.all("img") if "src" in image]) == 4
    assert "not available" not in page.text
    views = object_pictures(segmenter=False).views + object_pictures(view="b.jpg").views
    page = write(tmp_path / "report.html", result(), [ObjectPictures("desk", "mug", views)])
    assert page.text.count("not available") == 1


def test_an_empty_benchmark_makes_a_page(tmp_path: Path) -> None:
    empty = BenchResult("truth", "draft", 0, None, None, "0.1.0", "CPU")
    page = write(tmp_path / "report.html", empty, [])
    assert "– mean IoU" in page.text and "0 objects in 0 scenes" in page.text and "Prompt box" in page.text


def test_half_a_surrogate_pair_in_a_name_does_not_lose_the_page(tmp_path: Path) -> None:
    page = write(tmp_path / "report.html", result("mug \ud800"), [])
    assert "mug ? desk 0.864" in page.text


def test_a_page_that_cannot_be_written_is_the_user_s_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="file"):
        write_report(tmp_path / "file" / "report.html", result(), [])
