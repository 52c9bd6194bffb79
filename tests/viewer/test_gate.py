from __future__ import annotations

import pytest

from sanerf_hq.viewer.gate import Gate, is_loopback

HERE = {"host": "localhost:8080"}
OPEN = Gate.at("127.0.0.1")
GUARDED = Gate.at("0.0.0.0", "sesame42")


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:9000", "[::1]:8080", "LOCALHOST"])
def test_this_machine_may_open_the_page(host: str):
    assert OPEN.token is None
    assert OPEN.refusal("/", {"host": host}) is None
    assert OPEN.refusal("/", {"host": host, "origin": f"http://{host}"}) is None


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999", "", "http://["])
def test_a_page_of_another_site_may_not(origin: str):
    refusal = OPEN.refusal("/", HERE | {"origin": origin})
    assert refusal is not None and refusal.status == 403


@pytest.mark.parametrize("host", ["evil.example:8080", "", "[", "localhost.evil.example"])
def test_a_foreign_name_for_this_machine_is_refused(host: str):
    assert OPEN.refusal("/", {"host": host}) is not None


def test_another_address_always_has_a_token():
    assert len(Gate.at("0.0.0.0").token or "") >= 20
    assert Gate.at("192.168.1.7").token != Gate.at("192.168.1.7").token
    assert Gate.at("192.168.1.7", "sesame42").url(8080) == "http://192.168.1.7:8080/?token=sesame42"


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=sesame4", "/?token=sesame42x", "/?x=sesame42"])
def test_without_the_token_nothing_is_served(path: str):
    refusal = GUARDED.refusal(path, {"host": "box:8080"})
    assert refusal is not None and "token" in refusal.sentence


def test_the_token_of_the_url_becomes_a_cookie_that_is_then_enough():
    headers = {"host": "box:8080"}
    assert GUARDED.refusal("/?token=sesame42", headers) is None
    cookie = GUARDED.answer_headers("/?token=sesame42", headers)["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    name_and_value = cookie.split(";")[0]
    assert GUARDED.refusal("/", headers | {"cookie": f"a=b; {name_and_value}"}) is None
    assert GUARDED.refusal("/", headers | {"cookie": "sanerf_token_8080=wrong"}) is not None
    assert "Set-Cookie" not in GUARDED.answer_headers("/", headers)
    foreign = headers | {"cookie": name_and_value, "origin": "http://evil.example"}
    assert GUARDED.refusal("/", foreign) is not None


def test_which_addresses_only_this_machine_reaches():
    assert all(map(is_loopback, ["127.0.0.1", "localhost", "::1", "127.8.8.8"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "192.168.1.7", "box"]))
