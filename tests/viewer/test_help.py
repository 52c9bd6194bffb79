from __future__ import annotations

from sanerf_hq.viewer.help import table
from support.paths import PACKAGE


def test_the_docs_have_the_page_s_table():
    assert table() in (PACKAGE.parents[1] / "docs" / "viewer.md").read_text(encoding="utf-8")
