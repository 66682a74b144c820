"""Ableton Link for the page: where the session stands with stamps to set clocks by, and the buttons that change it.

For the studio's owner alone; guests find nothing here, for who sets a session's tempo sets everybody's.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict
from time import perf_counter
from typing import Any

import anyio
import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audio.io import AudioError, encode
from audio.stretch import TempoOutOfRange
from studio.clock import checked_tempo
from studio.link import LinkError, LinkState
from studio.link_take import LinkSound, link_music, link_sound
from studio.studio import Studio
from studio.ui.route_tools import NotFound, answered, in_thread
from studio.ui.visitors import Visitor, features

WAIT_SECONDS = 1.0
_WAITING_PAGES = 16
_NOT_KEPT = {"Cache-Control": "no-store"}
_MOST_BODY_BYTES = 2_000


class _Tempo(BaseModel):
    """A tempo, or none."""

    model_config = ConfigDict(extra="forbid")

    tempo_bpm: float | None = Field(default=None, allow_inf_nan=False)


class LinkRoutes:
    """The routes over one studio's Link session."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._threads: anyio.CapacityLimiter | None = None

    def routes(self) -> list[Route]:
        return [
            Route("/studio/link", self.state, methods=["GET"]),
            Route("/studio/link/{kind}/{identity}", self.music, methods=["GET"]),
            Route("/studio/link/{kind}/{identity}/sound", self.sound, methods=["GET"]),
            Route("/studio/link/{verb}", self.verb, methods=["POST"]),
        ]

    @answered
    async def state(self, request: Request, visitor: Visitor) -> Response:
        """Where Link stands; with ?since=VERSION, as soon as that has changed, or after a second."""
        received = perf_counter()
        _check(visitor)
        since = request.query_params.get("since", "")
        if not since.isdecimal():
            return self._answer(self._studio.link.state(), received, visitor)
        if self._threads is None:  # made inside the event loop it belongs to
            self._threads = anyio.CapacityLimiter(_WAITING_PAGES)
        wait = functools.partial(self._studio.link.changed_since, int(since), timeout_seconds=WAIT_SECONDS)
        found = await anyio.to_thread.run_sync(wait, limiter=self._threads, abandon_on_cancel=True)
        return self._answer(found, received, visitor)

    @answered
    async def verb(self, request: Request, visitor: Visitor) -> Response:
        """Join, leave, play, stop, tempo ({"tempo_bpm": 97}), choose (any of LinkChoices), install."""
        received = perf_counter()
        _check(visitor)
        link, body = self._studio.link, await _body(request)
        try:
            match request.path_params["verb"]:
                case "join":
                    await in_thread(functools.partial(link.join, tempo_bpm=_Tempo(**body).tempo_bpm or 120.0))
                case "leave":
                    await in_thread(link.leave)
                case "play":
                    await in_thread(link.play)
                case "stop":
                    await in_thread(link.stop)
                case "tempo":
                    await in_thread(link.set_tempo, _Tempo(**body).tempo_bpm or 0.0)
                case "choose":
                    await in_thread(functools.partial(link.choose, **body))
                case "install" if features(self._studio.settings, visitor).change_settings:
                    self._studio.link_installation.start()
                case _:
                    raise NotFound
        except ValidationError as wrong:
            first = wrong.errors()[0]
            raise LinkError(f"{first['loc'][0]}: {first['msg']}.") from wrong
        return self._answer(link.state(), received, visitor)

    @answered
    async def music(self, request: Request, visitor: Visitor) -> Response:
        """Where the bars of a take, or of a track of the library, lie."""
        _check(visitor)
        find = functools.partial(link_music, self._studio, _source(request), owner=visitor.sees_only)
        return JSONResponse(asdict(await in_thread(find)), headers=_NOT_KEPT)

    @answered
    async def sound(self, request: Request, visitor: Visitor) -> Response:
        """?tempo_bpm=97: a take or a track on the grid of that tempo, as FLAC; headers say where its first bar line lies."""
        _check(visitor)
        try:
            tempo = checked_tempo(float(request.query_params.get("tempo_bpm", "")))
        except ValueError as error:
            raise LinkError("Say at which tempo: ?tempo_bpm=120.") from error
        source, owner = _source(request), visitor.sees_only

        def make() -> tuple[bytes, LinkSound]:
            made = link_sound(self._studio, source, tempo_bpm=tempo, owner=owner)
            return encode(made.clip, format="flac"), made

        try:
            data, made = await in_thread(make)
        except (TempoOutOfRange, AudioError) as error:
            raise LinkError(str(error)) from error
        headers = {
            **_NOT_KEPT,
            "X-Studio-Tempo": f"{made.tempo_bpm:.6f}",
            "X-Studio-First-Bar": f"{made.first_bar_seconds:.6f}",
        }
        return Response(data, media_type="audio/flac", headers=headers)

    def _answer(self, state: LinkState, received: float, visitor: Visitor) -> Response:
        shown = link_shown(self._studio, state)
        shown["may_install"] = features(self._studio.settings, visitor).change_settings
        return JSONResponse({**shown, "received": received, "sent": perf_counter()}, headers=_NOT_KEPT)


def link_shown(studio: Studio, state: LinkState) -> dict[str, Any]:
    """Where Link stands, ready for JSON. seconds: the moment `beat` is for, by the studio's clock."""
    line, installing = state.timeline, studio.link_installation.view()
    return {
        "available": state.joined or studio.link.is_available,
        "installing": {"state": installing.state, "stage": installing.stage, "fraction": installing.fraction,
                       "error": installing.error},
        "joined": state.joined,
        "peers": state.peers,
        "tempo_bpm": round(line.tempo_bpm, 6) if line else None,
        "playing": line.playing if line else False,
        "beat": line.beat if line else None,
        "seconds": line.seconds if line else None,
        **state.choices.model_dump(),
        "error": state.error,
        "version": state.version,
    }  # fmt: skip


def _check(visitor: Visitor) -> None:
    if not visitor.is_host:
        raise NotFound


def _source(request: Request) -> str:
    """What a path under “takes” or “tracks” means."""
    kind = {"takes": "take", "tracks": "track"}.get(request.path_params["kind"])
    if kind is None:
        raise NotFound
    return f"{kind}:{request.path_params['identity']}"


async def _body(request: Request) -> Mapping[str, Any]:
    data = b""
    async for block in request.stream():
        data += block
        if len(data) > _MOST_BODY_BYTES:
            raise LinkError("That is more than Link has to be told.")
    try:
        body = json.loads(data or b"{}")
    except ValueError as error:
        raise LinkError("That cannot be read.") from error
    if not isinstance(body, dict):
        raise LinkError("That cannot be read.")
    return body
