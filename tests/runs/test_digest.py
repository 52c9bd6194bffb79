from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from sanerf_hq.runs import config_digest, plain


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    rate: float = 0.01
    out: Path | None = Path("runs/x")
    inner: Inner = field(default_factory=Inner)


def test_plain_form():
    assert plain(Outer()) == {"rate": 0.01, "out": str(Path("runs/x")), "inner": {"sizes": [1, 2]}}


def test_equal_values_have_equal_digests_whatever_the_order():
    assert config_digest({"a": 1, "b": Outer()}) == config_digest({"b": Outer(), "a": 1})


@pytest.mark.parametrize("other", [Outer(rate=0.02), Outer(out=None), Outer(inner=Inner((1, 3)))])
def test_every_field_counts(other: Outer):
    assert config_digest(other) != config_digest(Outer())


@pytest.mark.parametrize("value", [torch.zeros(1), {1, 2}, Outer, lambda: 0])
def test_what_json_has_no_form_for_is_refused(value: object):
    with pytest.raises(TypeError, match="no form in JSON"):
        plain({"value": value})
