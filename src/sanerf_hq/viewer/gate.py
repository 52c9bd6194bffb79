"""Gate: who may open the page. Checks stand in the handshake, before anything of the viewer is reached.

On a loopback address everyone on this machine may, but no page of another site: a browser is asked for where
its request comes from (``Origin``) and whom it thinks it speaks to (``Host``; a foreign name that resolves to
this machine is refused). On any other address a token must be in the URL that is opened; from then on a
cookie carries it, since the page's own connection leaves the URL's query out.
"""

from __future__ import annotations

import hmac
import http
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

TOKEN_BYTES = 18
LOCAL_NAMES = frozenset(["localhost", "127.0.0.1", "::1"])
HEADERS = {
    "Referrer-Policy": "no-referrer",  # the token stays here
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Refusal:
    """Why a request is turned away: a status and one sentence."""

    status: http.HTTPStatus
    sentence: str


@dataclass(frozen=True)
class Gate:
    """Who may pass.

    Attributes:
        host: The address that the server listens on.
        token: What the URL must hold; None on a loopback address.
    """

    host: str
    token: str | None = None

    @staticmethod
    def at(host: str, token: str | None = None) -> Gate:
        """The gate of an address: any but a loopback one has a token, drawn by lot if not given."""
        if token is None and not is_loopback(host):
            token = secrets.token_urlsafe(TOKEN_BYTES)
        return Gate(host, token)

    def refusal(self, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Why a request may not pass; None if it may.

        Args:
            path: Its path with the query.
            headers: Its headers; names in lower case.
        """
        addressed = headers.get("host", "")
        name = _hostname(addressed)
        if self.token is None and name not in LOCAL_NAMES | {self.host.strip("[]")}:
            return Refusal(http.HTTPStatus.FORBIDDEN, f"this viewer is not at {name!r}; open it at localhost")
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != addressed.casefold():
            return Refusal(http.HTTPStatus.FORBIDDEN, "pages of other sites may not use this viewer")
        if self.token is None:
            return None
        shown = [*self._in_query(path), *self._in_cookies(headers.get("cookie", ""), _port(addressed))]
        if not any(hmac.compare_digest(one.encode(), self.token.encode()) for one in shown):
            sentence = "the token is missing or wrong; open the address that sanerf view printed"
            return Refusal(http.HTTPStatus.FORBIDDEN, sentence)
        return None

    def answer_headers(self, path: str, headers: Mapping[str, str]) -> dict[str, str]:
        """What every answer carries; the cookie where the token came in the URL."""
        more = dict(HEADERS)
        if self.token is not None and self.token in self._in_query(path):
            name = cookie_name(_port(headers.get("host", "")))
            more["Set-Cookie"] = f"{name}={self.token}; Path=/; HttpOnly; SameSite=Strict"
        return more

    def url(self, port: int) -> str:
        """What to open."""
        if self.host in ("0.0.0.0", "::"):
            import socket

            shown = socket.gethostname()
        else:
            shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{port}/" + (f"?token={self.token}" if self.token else "")

    @staticmethod
    def _in_query(path: str) -> list[str]:
        return parse_qs(urlsplit(path).query).get("token", [])

    @staticmethod
    def _in_cookies(header: str, port: str) -> list[str]:
        try:
            cookies = SimpleCookie(header)
        except CookieError:
            return []
        found = cookies.get(cookie_name(port))
        return [] if found is None else [found.value]


def cookie_name(port: str) -> str:
    """Cookies are shared by all ports of a machine, so the port is part of the name."""
    return f"sanerf_token_{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.casefold()
    except ValueError:
        return ""


def _hostname(netloc: str) -> str:
    try:
        return (urlsplit(f"//{netloc}").hostname or "").casefold()
    except ValueError:
        return ""


def _port(netloc: str) -> str:
    try:
        return str(urlsplit(f"//{netloc}").port or 80)
    except ValueError:
        return "80"
