"""View: a trained run in the browser, to look at, click in and cut objects out of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from sanerf_hq.cli.options import Device, check_device
from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from sanerf_hq.viewer.gate import Gate

MOST_PORT = 65535
LEAST_TOKEN = 8


@dataclass(frozen=True)
class View:
    """Open a trained run in the browser: look round, click on objects, save, export and paint truth.

    Needs the extra ui. The page is at 127.0.0.1 and for this machine alone; on another machine, forward the
    port (ssh -L 8080:localhost:8080 HOST), or give --host, which puts a token into the URL.
    Mouse and keys: the page's tab Help, and docs/viewer.md.

    Example: sanerf view runs/cape
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train made."""
    host: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "127.0.0.1"
    """Address to listen on. 0.0.0.0 is every network of this machine: whoever has the URL with its token may
    then use the page, unencrypted."""
    port: Annotated[int, tyro.conf.arg(metavar="N")] = 8080
    """Port to listen on; 0 takes a free one."""
    token: Annotated[str | None, tyro.conf.arg(metavar="TEXT")] = None
    """Token of the URL, in place of one drawn by lot; only with another --host than this machine's own."""
    segmenter: Annotated[str, tyro.conf.arg(metavar="S")] = "compact"
    """What turns prompts into masks at first, as for sanerf segment; the page offers others."""
    preset: Literal["draft", "standard", "paper"] = "standard"
    """Size of the object fields, as for sanerf segment."""
    time: Annotated[float | None, tyro.conf.arg(metavar="T")] = None
    """Of a scene that moves, the moment that is shown at first, 0 to 1; the page has a slider."""
    open: bool = False
    """Open the page in this machine's browser."""
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Serve until Ctrl-C."""
        check_device(self.device)
        if not 0 <= self.port <= MOST_PORT:
            raise InputError(f"--port is {self.port}; give 0 to {MOST_PORT}")
        gate = make_gate(self.host, self.token)
        check_extra()
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.radiance import load_radiance_field
        from sanerf_hq.viewer.app import App, warm_up
        from sanerf_hq.viewer.workshop import Workshop

        field = load_radiance_field(self.folder, self.device, self.time)
        if field.moments and field.moment is None:
            field = field.at(0.0)
        with ConsoleProgress() as progress:
            workshop = Workshop(field, self.preset, self.device, progress)
        workshop.pictures(self.segmenter)
        app = App(workshop, gate, self.port, self.segmenter)
        warm_up(workshop, self.segmenter, print)
        print(f"open {app.url}", flush=True)
        if self.open:
            import webbrowser

            webbrowser.open(app.url)
        print("Ctrl-C ends it", flush=True)
        try:
            wait_for_ever()
        except KeyboardInterrupt:  # the way to end it, so no error
            print("ended")
        finally:
            app.stop()
        return 0


def make_gate(host: str, token: str | None) -> Gate:
    """Who may open the page.

    Raises:
        InputError: A token makes no sense there, or is too short to be one.
    """
    from sanerf_hq.viewer.gate import Gate, is_loopback

    if token is not None and is_loopback(host):
        raise InputError(f"--token is for other addresses than {host}, which only this machine can reach")
    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isalnum()):
        raise InputError(f"--token must be {LEAST_TOKEN} or more letters and digits; or leave it out")
    return Gate.at(host, token)


def check_extra() -> None:
    """Refuse where the viewer's library is not installed.

    Raises:
        InputError: It is not.
    """
    from importlib.util import find_spec

    if find_spec("viser") is None:
        raise InputError("the viewer needs the extra ui; install it with pip install 'sanerf-hq[ui]'")


def wait_for_ever() -> None:
    """Sleep until the process is interrupted."""
    import threading

    threading.Event().wait()
