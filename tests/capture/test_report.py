from __future__ import annotations

import torch

from sanerf_hq.capture.evidence import Evidence
from sanerf_hq.capture.lens import Lens
from sanerf_hq.capture.model import Intrinsics, Model, PosedImage
from sanerf_hq.capture.prepare import Prepared
from sanerf_hq.capture.report import CaptureReport, make_report
from sanerf_hq.capture.store import StoredImage


def image(name: str, sharpness: float = 1.0) -> StoredImage:
    return StoredImage(name, "content", "key", name.upper(), (40, 30), Lens(), sharpness)


def report(
    registered: dict[str, int],
    others: list[StoredImage],
    evidence: Evidence,
    groups: tuple[tuple[str, ...], ...] = (),
) -> CaptureReport:
    """A report on registered images, by how many points they see, and on others."""
    poses = tuple(PosedImage(name, 1, torch.eye(4).double(), n, 0.4) for name, n in registered.items())
    cameras = {1: Intrinsics((40, 30), 50.126, 50.0, 20.0, 15.0, 0.0, 0.0, 0.0, 0.0)}
    points, colours = torch.zeros(2, 3).double(), torch.zeros(2, 3, dtype=torch.uint8)
    errors = torch.tensor([0.5, 1.0]).double()
    model = Model(cameras, poses, points, colours, torch.tensor([2, 6]), errors, groups)
    prepared = Prepared((*map(image, registered), *others), {"notes.txt": "is no photo"}, is_video=False)
    return make_report("mug", prepared, model, evidence, 2, 3.14)


def reasons(found: CaptureReport) -> dict[str, str]:
    return {photo.source: photo.reason for photo in found.photos if photo.status == "not registered"}


def test_each_reason_is_told_from_the_others():
    features = dict.fromkeys("abcdefgh", 900) | {"d": 12}
    matches = {name: {} for name in features} | {"e": {"a": 21, "f": 300}, "g": {"b": 44, "a": 31}}
    others = [image("c", 0.2), *map(image, "defgh")]
    found = report({"a": 200, "b": 90}, others, Evidence(features, matches), groups=(("f", "h", "x"),))
    told = reasons(found)
    assert list(told) == list("CDEFGH")
    assert "blurred (20 %" in told["C"]
    assert "too plain or too dark (12 features)" in told["D"]
    assert "21 matches with a" in told["E"]  # f is not registered, so its 300 count for nothing
    assert "together with 2 others but not with the rest" in told["F"]
    assert "44 matches with b agree on no place" in told["G"]
    assert told["F"] == told["H"]


def test_what_is_less_sharp_but_fits_to_others_is_not_called_blurred():
    features = dict.fromkeys("abcdef", 900)
    matches = {name: {} for name in features} | {"b": {"c": 60}, "c": {"b": 60}, "d": {"a": 80}}
    others = [image(name, 0.2) for name in "bcdef"]
    told = reasons(report({"a": 200}, others, Evidence(features, matches), groups=(("e", "x", "y"),)))
    assert "together with 2 others" in told["E"]
    assert "no photo that it was compared with" in told["B"]
    assert "80 matches with a agree on no place" in told["D"]
    assert "blurred" in told["F"]


def test_an_image_that_matches_nothing_is_said_to():
    found = report({"a": 200}, [image("b")], Evidence({"a": 500, "b": 500}, {"a": {}, "b": {}}))
    assert "(no match)" in reasons(found)["B"]


def test_counts_error_and_doubts():
    found = report({"a": 200, "b": 20}, [], Evidence({"a": 500, "b": 500}, {}))
    assert (found.count("registered"), found.n_usable, found.count("left out")) == (2, 2, 1)
    assert found.mean_error == 0.875  # (2·0.5 + 6·1) / 8
    assert found.focal_lengths == {"camera 1, 40x30": 50.13}
    lines = found.lines()
    assert lines[0] == "2 of 2 images registered, 2 points, mean error 0.88 pixels"
    assert lines[1:] == ["  B is registered by only 20 points", "  notes.txt is no photo"]


def test_many_reasons_are_cut_and_advice_follows_where_much_is_missing():
    names = [f"n{i}" for i in range(30)]
    found = report({"a": 200}, [image(name) for name in names], Evidence({}, {}))
    lines = found.lines()
    assert len(lines) == 1 + 12 + 1 + 1
    assert lines[-2] == "  and 19 more, see capture.json"
    assert "run the same command" in lines[-1]
    assert len(found.to_json()["photos"]) == 32
