"""Serving: viser's server with our gate in its handshake, and quiet about messages that are none.

viser (pinned to one minor version) offers no hook for either, but it hands the one function that decides on a
request, and the one that serves a connection, to ``websockets.asyncio.server.serve``. While its server starts
that name stands for a function that puts ours before both; a server that did not come by it is not used.

And viser 1.1 wakes its senders from whichever thread speaks, which asyncio's events do not bear: now and then
a connection is lost. It wakes them a second time as it should, so the first is left out (:class:`LoopEvent`).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import viser
import viser.infra._infra as viser_infra
import websockets.asyncio.server as websocket_server
from viser.infra._async_message_buffer import AsyncMessageBuffer
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from sanerf_hq.errors import InputError
from sanerf_hq.viewer.gate import Gate

LOG = logging.getLogger(__name__)
NO_MESSAGE = 1003  # "unsupported data", of the websocket protocol
_starting = threading.Lock()


class LoopEvent(asyncio.Event):
    """An event that is deaf to other threads than its loop's."""

    def set(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        super().set()


@dataclass
class Buffer(AsyncMessageBuffer):
    """viser's queue of messages, woken on its own loop alone."""

    message_event: asyncio.Event = field(default_factory=LoopEvent)


def start_server(gate: Gate, port: int, label: str) -> viser.ViserServer:
    """A server that only lets through whom the gate does.

    Args:
        gate: Who may pass, and the address.
        port: Port; 0 takes a free one.
        label: Title of the page.

    Raises:
        InputError: The address or the port cannot be used.
    """
    _check_address(gate.host, port)
    guarded = False
    real = websocket_server.serve

    def serve(handler: Callable[[ServerConnection], Any], *args: Any, **options: Any) -> Any:
        nonlocal guarded
        guarded = True
        options["process_request"] = _gated(gate, options["process_request"])
        return real(_steadied(handler), *args, **options)

    # For every connection to come.
    viser_infra.AsyncMessageBuffer = Buffer  # pyright: ignore[reportPrivateImportUsage]
    with _starting:
        websocket_server.serve = serve  # pyright: ignore[reportAttributeAccessIssue]
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints an address that lacks the token
                server = viser.ViserServer(host=gate.host, port=port, label=label, verbose=False)
        finally:
            websocket_server.serve = real
    if not guarded:
        server.stop()
        raise RuntimeError(
            f"viser {viser.__version__} cannot be guarded; install a version that pyproject names"
        )
    loop = server.get_event_loop()
    loop.call_soon_threadsafe(loop.set_exception_handler, _say)
    return server


def _gated(gate: Gate, inner: Callable[[ServerConnection, Request], Any]) -> Callable[..., Any]:
    async def process(connection: ServerConnection, request: Request) -> Response | None:
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        refusal = gate.refusal(request.path, headers)
        if refusal is not None:
            body = (refusal.sentence + "\n").encode()
            about = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))})
            return Response(refusal.status.value, refusal.status.phrase, about, body)
        answer = inner(connection, request)
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is not None:
            for name, value in gate.answer_headers(request.path, headers).items():
                answer.headers[name] = value
        return answer

    return process


def _steadied(handler: Callable[[ServerConnection], Any]) -> Callable[[ServerConnection], Any]:
    async def handle(connection: ServerConnection) -> None:
        try:
            await handler(connection)
        except ConnectionClosed:
            raise
        except RuntimeError as error:
            if "after shutdown" not in str(error):  # else the server was ended while a page was open
                raise
        except Exception as error:  # whatever a decoder makes of bytes that are no message
            LOG.warning(
                "a connection was closed: it sent no message of the viewer's (%s)", type(error).__name__
            )
            await connection.close(NO_MESSAGE, "that was no message of the viewer's")

    return handle


def _say(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """In place of a traceback: a message that was well formed and still meant nothing."""
    error = context.get("exception")
    LOG.warning("a message meant nothing (%s)", type(error).__name__ if error else context.get("message"))


def _check_address(host: str, port: int) -> None:
    """viser would wait for ever for an address that is none, and pass over a port that is taken.

    Raises:
        InputError: It cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OverflowError:
            raise InputError(f"--port is {port}; give 0 to 65535") from None
        except OSError as error:
            raise InputError(
                f"--host {host} --port {port} cannot be used ({error.strerror}); choose others, or --port 0"
            ) from error
