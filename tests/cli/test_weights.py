"""The verb weights, on a fake hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanerf_hq.cli.main import main
from sanerf_hq.cli.weights import amount
from sanerf_hq.segmenters import WEIGHTS
from support import tiny_models
from support.fake_hub import FakeHub

TINY = "facebook/sam2.1-hiera-tiny"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save("sam2", tmp_path_factory.mktemp("sam2"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path) -> FakeHub:
    return FakeHub(tmp_path / "hub", {TINY: model}).install(monkeypatch)


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "model", "licence", "size", "where"]
    return {line.split()[0]: line for line in lines[1:]}


def test_the_list_says_what_each_is_and_that_it_is_not_here(hub: FakeHub, capsys: pytest.CaptureFixture[str]):
    rows = listed(capsys)
    assert rows["compact"].endswith("here") and "5.0 MB" in rows["compact"]
    assert rows.keys() == {"compact", *(weights.spec for weights in WEIGHTS)}
    for weights in WEIGHTS:
        row = rows[weights.spec]
        assert row.endswith("not here")
        assert weights.hub_id in row and weights.licence in row and amount(weights.megabytes * 10**6) in row
    assert hub.downloads == []


def test_what_is_fetched_is_listed_with_its_place_and_size(
    hub: FakeHub, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert main(["weights", "fetch", "sam2"]) == 0
    shown = capsys.readouterr()
    size = amount((model / "model.safetensors").stat().st_size)
    assert f"fetching {TINY}: 156 MB, Apache-2.0" in shown.err
    assert shown.out.startswith(f"sam2: {size} in {hub.cache}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert main(["weights", "fetch", "sam2:tiny"]) == 0  # again, without a network
    assert capsys.readouterr().err == ""
    assert hub.downloads == [TINY]
    row = listed(capsys)["sam2:tiny"]
    assert size in row and str(hub.cache) in row


def test_a_folder_is_only_looked_at(hub: FakeHub, model: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["weights", "fetch", f"sam2:{model}"]) == 0
    assert str(model) in capsys.readouterr().out
    assert hub.downloads == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("compact", "nothing to fetch"),
        ("grabcut", "sanerf weights list"),
        ("sam:", "sanerf weights list"),
        ("facebook/sam-vit-base", "sam:HUB_ID"),
        ("sam:{tmp}/none", "is no folder and no hub id"),
        ("sam:{tmp}", "has no readable config.json"),
        ("sam:{model}", "say sam2:… for it"),
        ("sam2", "the hub is on fire"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_one_sentence(
    name: str, said: str, hub: FakeHub, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
):
    hub.trouble = ConnectionError("the hub is on fire")
    assert main(["weights", "fetch", name.format(tmp=tmp_path, model=model)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    line = shown.err.splitlines()[-1]
    assert line.startswith("sanerf: ") and said in line


def test_amounts():
    assert [amount(size) for size in (3_700_000, 375 * 10**6, 1250 * 10**6)] == [
        "3.7 MB",
        "375 MB",
        "1.25 GB",
    ]
