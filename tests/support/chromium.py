"""A headless Chromium, driven over its own debugging protocol: no driver to download."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

PATIENCE = 240.0  # seconds: a machine may have much else to do
NAMES = ("chromium", "chromium-browser", "google-chrome")
MODIFIERS = {"alt": 1, "ctrl": 2, "shift": 8}
WORDS = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run", "--disable-extensions"),
    *("--remote-debugging-port=0", "--remote-allow-origins=*", "--disable-background-networking"),
)


def find_chromium() -> str | None:
    """The browser's program, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Chromium:
    """One browser with one page."""

    def __init__(self, program: str, profile: Path, size: tuple[int, int] = (1000, 640)) -> None:
        """Start it; ``profile`` holds what it keeps."""
        profile.mkdir(parents=True, exist_ok=True)
        window = f"--window-size={size[0]},{size[1]}"
        self._process = subprocess.Popen(
            [program, *WORDS, window, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port_file = profile / "DevToolsActivePort"
        until(lambda: port_file.exists() and len(port_file.read_text().splitlines()) == 2)
        port = port_file.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            pages = [one for one in json.load(answer) if one["type"] == "page"]
        self._socket = connect(pages[0]["webSocketDebuggerUrl"], max_size=None)
        self._numbers = itertools.count(1)
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(message["params"])[:500])
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)

    def reload(self) -> None:
        """Load the page anew."""
        self.call("Page.reload")

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def text(self) -> str:
        """All that the page says."""
        return str(self.ask("document.body.innerText") or "")

    def screenshot(self, path: Path | None = None) -> bytes:
        """The page as PNG."""
        content = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(content)
        return content

    def canvas(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the picture."""
        box = self.ask(
            "(() => { const b = document.querySelector('canvas').getBoundingClientRect();"
            " return [b.left, b.top, b.width, b.height]; })()"
        )
        left, top, width, height = box
        return left, top, width, height

    def click(self, x: float, y: float, *held: str) -> None:
        """A click at a place of the page, with keys held."""
        self.drag([(x, y)], *held)

    def drag(self, places: list[tuple[float, float]], *held: str, button: str = "left") -> None:
        """A press, moves, a release."""
        keys = sum(MODIFIERS[key] for key in held)
        (x, y), *more = places
        self._mouse("mouseMoved", x, y, keys)
        self._mouse("mousePressed", x, y, keys, button)
        for x, y in more:
            self._mouse("mouseMoved", x, y, keys, button)
            time.sleep(0.03)
        self._mouse("mouseReleased", x, y, keys, button)

    def _mouse(self, kind: str, x: float, y: float, keys: int, button: str = "none") -> None:
        held = {"none": 0, "left": 1, "right": 2}[button] if kind != "mouseReleased" else 0
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button=button,
            buttons=held,
            clickCount=1 if button != "none" else 0,
            modifiers=keys,
        )

    def press(self, label: str) -> None:
        """Click on what bears a label: a button, a tab."""
        place = self.ask(
            "(() => { const all = [...document.querySelectorAll('button, [role=tab], label')];"
            f" const found = all.find(e => e.innerText.trim() === {json.dumps(label)} && e.offsetParent);"
            " if (!found) return null; found.scrollIntoView({block: 'nearest'});"
            " const b = found.getBoundingClientRect(); return [b.left + b.width/2, b.top + b.height/2]; })()"
        )
        if place is None:
            raise AssertionError(f"the page has no {label!r}; it says: {self.text()[:600]}")
        self.click(*place)

    def key(self, letter: str) -> None:
        """A key's stroke."""
        code = {"code": f"Key{letter.upper()}", "key": letter, "windowsVirtualKeyCode": ord(letter.upper())}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=letter, **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def until(true: Callable[[], object], what: str = "it") -> None:
    """Wait for something; how long it takes is not asserted, only that it comes at all."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come")
        time.sleep(0.1)
