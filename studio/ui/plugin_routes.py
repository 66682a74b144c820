"""The routes the plug-in speaks to, under /studio/plugin: lines of "name value" in, the same or a WAV out.

Every one refuses whoever does not bring this start's token, and every web page whatever it brings. Knows nothing of logins: while
the studio is shared, nobody's token is good.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from agents.types import BriefError, PlanError
from studio.daw.instances import figure
from studio.daw.lines import PROTOCOL, free, read, written
from studio.daw.plug_ins import AskedWrongly
from studio.daw.sounds import SoundTrouble
from studio.engines.base import EngineError
from studio.jobs import JobError, UnknownJob
from studio.studio import Studio
from studio.takes import TakeError, TakeMissing
from studio.ui.route_tools import in_thread

MAX_BODY_BYTES = 64 * 2**10
_HEADERS = {"X-Studio-Protocol": str(PROTOCOL), "Cache-Control": "no-store"}
_TROUBLE = (AskedWrongly, SoundTrouble, BriefError, PlanError, EngineError, JobError, TakeError)
Handler = Callable[["PluginRoutes", Request], Awaitable[Response]]


def said(status: int, **lines: object) -> Response:
    """An answer in lines."""
    return Response(written(lines), status_code=status, media_type="text/plain; charset=utf-8", headers=_HEADERS)


def for_plug_ins(handler: Handler) -> Handler:
    """Let only a plug-in of this user in, and answer refusals with a status and a sentence."""

    @functools.wraps(handler)
    async def answer(self: PluginRoutes, request: Request) -> Response:
        if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none":
            return said(403, sentence=free("Web pages have no business here."))
        if self.studio.settings.is_shared or not self.studio.plug_ins.place.opens(
            request.headers.get("x-studio-token", "")
        ):
            return said(401, sentence=free("This is not the token of the studio that runs here."))
        if request.headers.get("x-studio-protocol", "") != str(PROTOCOL):
            return said(426, sentence=free(f"This studio speaks version {PROTOCOL} with its plug-in."))
        try:
            return await handler(self, request)
        except (TakeMissing, UnknownJob):
            return said(404, sentence=free("There is nothing here."))
        except _TROUBLE as trouble:
            return said(400, sentence=free(str(trouble)))

    return answer


class PluginRoutes:
    """The routes over one studio."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def routes(self) -> list[Route]:
        base = "/studio/plugin"
        return [
            Route(f"{base}/instances/{{instance}}", self.greet, methods=["POST"]),
            Route(f"{base}/takes", self.takes, methods=["GET"]),
            Route(f"{base}/takes/{{take_id}}", self.facts, methods=["GET"]),
            Route(f"{base}/takes/{{take_id}}/sound.wav", self.sound, methods=["GET"]),
            Route(f"{base}/jobs", self.make, methods=["POST"]),
            Route(f"{base}/jobs/{{job_id}}", self.job, methods=["GET"]),
        ]

    @for_plug_ins
    async def greet(self, request: Request) -> Response:
        """A plug-in says how it is, and hears what is wished of it."""
        lines = read(await _body(request))
        return said(200, **await in_thread(self.studio.plug_ins.wish_of, lines, request.path_params["instance"][:40]))

    @for_plug_ins
    async def takes(self, request: Request) -> Response:
        """The newest takes: identifier, title, what it is, with tabs between."""
        listed = await in_thread(self.studio.plug_ins.takes)
        rows = "".join(f"{take.id}\t{_plain(take.title)}\t{_about(take)}\n" for take in listed)
        return Response(rows, media_type="text/plain; charset=utf-8", headers=_HEADERS)

    @for_plug_ins
    async def facts(self, request: Request) -> Response:
        """A take's tempo, beats and bars."""
        return said(200, **await in_thread(self.studio.plug_ins.facts, request.path_params["take_id"]))

    @for_plug_ins
    async def sound(self, request: Request) -> Response:
        """?bpm=97&rate=48000&for=INSTANCE: the WAV, or 202 and how far it is."""
        asked = request.query_params
        find = functools.partial(
            self.studio.plug_ins.sound, request.path_params["take_id"], tempo_bpm=figure(asked.get("bpm", "")),
            rate_hz=round(figure(asked.get("rate", ""))), asker=asked.get("for", "")[:40],
        )  # fmt: skip
        found, used = await in_thread(find)
        if isinstance(found, Path):
            headers = {**_HEADERS, "X-Studio-Tempo": f"{used:.6f}"}
            return FileResponse(found, media_type="audio/wav", headers=headers)
        return said(202, progress=found)

    @for_plug_ins
    async def make(self, request: Request) -> Response:
        """A new take: words, bars, key, tempo."""
        job = await in_thread(self.studio.plug_ins.make, read(await _body(request)))
        return said(200, job=job.id)

    @for_plug_ins
    async def job(self, request: Request) -> Response:
        """How the new take is getting on."""
        return said(200, **await in_thread(self.studio.plug_ins.job, request.path_params["job_id"]))


async def _body(request: Request) -> str:
    data = b""
    async for block in request.stream():
        data += block
        if len(data) > MAX_BODY_BYTES:
            raise AskedWrongly("That is more than a plug-in has to say.")
    return data.decode("utf-8", "replace")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _about(take: Any) -> str:
    plan = take.plan
    return f"{plan.tempo_bpm.value:g} bpm, {plan.key.value}, {plan.bars} bars"
