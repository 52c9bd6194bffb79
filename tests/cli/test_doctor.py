from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from sanerf_hq import kernels as kernels_folder
from sanerf_hq.cli import doctor
from sanerf_hq.cli.main import main
from support.paths import ROOT


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_the_report_of_a_machine_that_works(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = {line[8:].split(": ")[0]: line for line in lines}
    assert f"torch: {version('torch')}" in shown["torch"]
    assert {"pycolmap for sanerf capture", "viser for sanerf view"} <= shown.keys()
    assert shown["kernels on cpu"].startswith("ok ")
    assert shown["segmenter grabcut"].startswith("ok ")
    assert shown["segmenter sam"].startswith("absent ")
    assert "facebook/sam-vit-base (375 MB" in shown["segmenter sam"]
    assert "sam_hq:FOLDER" in shown["segmenter sam_hq"]


def test_packages_of_extras_are_named_with_how_to_get_those_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch,
):
    def installed(package: str) -> str:
        if package in ("pycolmap", "websockets"):
            raise PackageNotFoundError
        return "1.2"

    monkeypatch.setattr(doctor, "version", installed)
    found = {one.part: (one.state, one.text) for one in doctor.extras()}
    assert found["viser for sanerf view"] == ("ok", "1.2")
    absent = "not installed; to have it: pip install "
    assert found["pycolmap for sanerf capture"] == ("absent", f"{absent}'sanerf-hq[sfm]'")
    assert found["websockets for sanerf view"] == ("absent", f"{absent}'sanerf-hq[ui]'")


def test_the_extras_are_the_package_s():
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {extra: tuple(re.split("[<>=]", package)[0] for package in optional[extra]) for extra in optional}
    assert {extra: names[extra] for extra in names if extra != "dev"} == doctor.EXTRAS


def test_the_kernels_agree_with_their_reference():
    assert doctor.largest_difference("cpu") < 1e-5


def test_a_kernel_that_computes_something_else_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    right = kernels_folder.accumulate
    monkeypatch.setattr(kernels_folder, "accumulate", lambda *given: 1.01 * right(*given))
    assert main(["doctor"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "kernels on cpu" in line)
    assert line.startswith("broken  ") and "from the reference" in line


def test_a_kernel_that_does_not_compile_is_found(monkeypatch: pytest.MonkeyPatch):
    def fails(device: str) -> float:
        raise RuntimeError("no such instruction.\nmore")

    monkeypatch.setattr(doctor, "largest_difference", fails)
    found = doctor.kernels()[0]
    assert found.state == "broken"
    assert "(RuntimeError: no such instruction)" in found.text


def test_a_file_is_no_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SANERF_KERNEL_CACHE", str(tmp_path / "file"))
    assert doctor.cache_folder().state == "broken"


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SANERF_KERNEL_CACHE", str(tmp_path / "new"))
    assert doctor.cache_folder() == doctor.Finding("kernel cache", "ok", str(tmp_path / "new" / "warp"))
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert doctor.cache_folder().state == "broken"


def test_weights_in_the_cache_are_found(tmp_path: Path):
    model = tmp_path / "hub" / "models--facebook--sam-vit-large"
    files = model / "snapshots" / "abc"
    files.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc")
    (files / "config.json").write_text("{}")
    assert {found.part: found.state for found in doctor.segmenters()}["segmenter sam"] == "absent"
    (files / "model.safetensors").write_bytes(b"")
    found = {found.part: found for found in doctor.segmenters()}
    assert found["segmenter sam"].text == "weights in the cache: large"
    assert found["segmenter sam_hq"].state == "absent"
