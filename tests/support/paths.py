"""Where things lie in a checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "sanerf_hq"
SHARED_SCENES = ROOT.parent / "shared" / "scenes"
