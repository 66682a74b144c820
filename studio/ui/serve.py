"""Puts the built page on the network, with our routes, the guard and the MCP server round it.

Launched rather than mounted, because only Gradio's launch can make a public link. Knows nothing of what is on the page.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request

from studio.settings import Settings
from studio.studio import Studio
from studio.ui.carry_routes import CarryRoutes
from studio.ui.desk_routes import DeskRoutes
from studio.ui.guard import Guard, GuardMiddleware
from studio.ui.logins import Login
from studio.ui.midi_routes import MidiRoutes
from studio.ui.routes import StudioRoutes
from studio.ui.theme import look
from studio.ui.training_routes import TrainingRoutes
from studio.ui.visitors import LoginNeeded, visitor_of

_log = logging.getLogger(__name__)
_EVERYWHERE = ("0.0.0.0", "::")


class CannotServe(Exception):
    """The page cannot be put where it was asked for; the message says what to do."""


@dataclass
class Serving:
    """A running studio: where it is reached, and with which logins when it is shared."""

    url: str
    share_url: str | None
    logins: tuple[Login, ...]
    guard: Guard
    app: FastAPI
    _close: Callable[[], None]
    _closed: threading.Event = field(default_factory=threading.Event)

    def greeting(self, settings: Settings) -> str:
        """What to say on the console once the page can be opened."""
        lines = [f"MusicGen Studio is on {self.url}"]
        if settings.host in _EVERYWHERE and (address := _address_here()):
            lines.append(f"Other machines on this network reach it on {self.url.replace('127.0.0.1', address)}")
        if self.share_url:
            lines.append(f"Anyone with a login can reach it on {self.share_url}")
        elif settings.share:
            lines.append("The public link could not be made; check the network and start again to try once more.")
        for login in self.logins:
            whose = "Your own login" if login.is_host else "A guest's login"
            lines.append(f"{whose}: {login.name}, password {login.password}")
        return "\n".join(lines)

    def wait(self) -> None:
        """Stay until the studio is closed or Ctrl-C is pressed, and close it then."""
        try:
            self._closed.wait()
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """End open streams, then free the port. Safe to call twice."""
        if not self._closed.is_set():
            self._closed.set()
            self._close()


def serve(blocks: gr.Blocks, studio: Studio, settings: Settings, *, say: Callable[[str], Any] | None = None) -> Serving:
    """Serve the page until `close()`; returns once it answers.

    say: takes the greeting (the console by default). Raises CannotServe when the port is taken or the host is not this
    machine's, BadLogin when a login of the settings cannot be read.
    """
    guard = Guard(settings)
    routes = StudioRoutes(studio)
    port = _free_port(settings)
    _keep_local_calls_off_the_proxy()
    said_by_gradio = io.StringIO()
    with contextlib.redirect_stdout(said_by_gradio):
        app, local_url, share_url = blocks.launch(
            server_name=f"[{settings.host}]" if ":" in settings.host else settings.host,
            server_port=port,
            share=settings.share,
            auth_dependency=_name_of if settings.is_shared else None,
            prevent_thread_lock=True,
            quiet=True,
            show_error=True,
            inbrowser=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=True,
            enable_monitoring=False,
            _frontend=False,  # else Gradio gives the page three seconds to answer, which a busy machine does not keep
            run_history=False,
            footer_links=[],
            blocked_paths=[str(settings.data_dir.resolve())],
            max_file_size=f"{settings.max_upload_mb}mb" if settings.is_shared else None,
            app_kwargs={
                "routes": [
                    *TrainingRoutes(studio).routes(),
                    *DeskRoutes(studio).routes(),
                    *MidiRoutes(studio).routes(),
                    *CarryRoutes(studio).routes(),
                    *routes.routes(),
                ],
                "middleware": [Middleware(GuardMiddleware, guard=guard)],
            },
            **look(),
        )
    _answer_assistants_in_json(blocks)
    guard.starting = False
    guard.share_host = (share_url or "").partition("://")[2].strip("/").lower()

    _tell_plug_ins(studio, settings, port)

    def close() -> None:
        studio.plug_ins.place.withdraw()
        routes.closing.set()
        with contextlib.redirect_stdout(io.StringIO()):
            blocks.close(verbose=False)

    logins = (guard.logins.owner, *guard.logins.guests) if guard.logins else ()
    url = f"http://127.0.0.1:{port}" if settings.host in _EVERYWHERE else local_url.rstrip("/")
    serving = Serving(url=url, share_url=share_url, logins=logins, guard=guard, app=app, _close=close)
    (say or _say_on_the_console)(serving.greeting(settings))
    return serving


def _tell_plug_ins(studio: Studio, settings: Settings, port: int) -> None:
    """Leave word where a DAW's plug-in finds this studio; without it the page works all the same."""
    place = studio.plug_ins.place
    try:
        if settings.is_shared:
            place.announce_shared()
        else:
            place.announce(address="::1" if settings.host == "::1" else "127.0.0.1", port=port)
    except OSError as error:
        _log.warning("Plug-ins will not find this studio: %s could not be written: %s", place.path, error)


def _name_of(request: Request) -> str | None:
    """Gradio's question who is asking, answered from what the guard found."""
    try:
        return visitor_of(request).name
    except LoginNeeded:
        return None


def _answer_assistants_in_json(blocks: gr.Blocks) -> None:
    """MCP carries text, and Gradio would write a function's dict there as Python prints it."""
    server = blocks.mcp_server_obj
    if server is None:
        raise CannotServe(f"The assistants' side of the studio did not start: {blocks.mcp_error}")
    as_gradio_does = server.postprocess_output_data

    def as_json(data: list[Any], root_url: str) -> list[Any]:
        texts = [json.dumps(each, ensure_ascii=False) if isinstance(each, dict) else each for each in data]
        return as_gradio_does(texts, root_url)

    server.postprocess_output_data = as_json  # type: ignore[method-assign]


def _free_port(settings: Settings) -> int:
    """The port to use: the one asked for if nobody has it, a free one for 0."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # elsewhere this option lets two programs share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise CannotServe(
                f"Port {settings.port} of {settings.host} cannot be used ({error.strerror or error}). Perhaps the studio "
                f"is already running there; close it, or choose another port with --port (0 takes a free one)."
            ) from error
        return int(probe.getsockname()[1])


def _address_here() -> str:
    """This machine's address on its network, or "" without one; nothing is sent to find it out."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # an address kept for documentation
        return str(probe.getsockname()[0])
    return ""


def _keep_local_calls_off_the_proxy() -> None:
    """Gradio asks its own page whether it is up; a proxy set for the network must not be asked instead."""
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        missing = [host for host in ("127.0.0.1", "localhost", "::1") if host not in hosts]
        os.environ[name] = ",".join(hosts + missing)


def _say_on_the_console(greeting: str) -> None:
    sys.stdout.write(greeting + "\n")
    sys.stdout.flush()
