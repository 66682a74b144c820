"""The studio's own HTTP routes beside Gradio's: jobs and their live sound, takes, exports, the page's own files.

Every route asks who is there and answers 404 for what is another's, as if it did not exist. Whatever may wait for
the disk runs in a thread. Knows nothing of logins: the guard stands before it.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import mimetypes
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from studio.jobs import JobView
from studio.studio import Studio
from studio.takes import Take
from studio.ui.agent_routes import AgentRoutes
from studio.ui.beside import Beside
from studio.ui.bundle_routes import BundleRoutes
from studio.ui.compare_routes import CompareRoutes
from studio.ui.guard import refusal, too_many
from studio.ui.library_routes import LibraryRoutes
from studio.ui.library_work_routes import LibraryWorkRoutes
from studio.ui.link_routes import LinkRoutes
from studio.ui.live_wav import HEADERS as WAV_HEADERS
from studio.ui.live_wav import Listeners, Streamed, live_wav
from studio.ui.outside_routes import OutsideRoutes
from studio.ui.plugin_page_routes import PluginPageRoutes
from studio.ui.plugin_routes import PluginRoutes
from studio.ui.route_tools import NotFound, answered, in_thread
from studio.ui.shown import job_shown, take_shown
from studio.ui.visitors import Visitor

STATIC_DIR = Path(__file__).with_name("static")
HEARTBEAT_SECONDS = 15.0
_ONE_WAIT_SECONDS = 0.5
_BETWEEN_NEWS_SECONDS = 0.15
_WAIT_FOR_SOUND_SECONDS = 60.0
_STATIC_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
_NOT_KEPT = {"Cache-Control": "no-store"}
_KEEP_PRIVATE = {"Cache-Control": "private, no-cache"}


class StudioRoutes:
    """The routes over one studio. Set `closing` before the server stops: open streams then end."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._listeners = Listeners()
        self._watchers = Listeners(a_visitor=12)
        self._beside = Beside(studio)
        self.closing = threading.Event()

    def routes(self) -> list[Route]:
        take = "/studio/takes/{take_id}"
        return [
            Route("/studio/jobs", self.jobs),
            Route("/studio/events", self.events, methods=["GET"]),
            Route("/studio/jobs/{job_id}/sound.wav", self.live_sound),
            Route("/studio/jobs/{job_id}/cancel", self.cancel, methods=["POST"]),
            Route(f"{take}/sound.flac", self.sound),
            Route(f"{take}/peaks.json", self.peaks),
            Route(f"{take}/stems/{{name}}.flac", self.stem),
            Route(f"{take}/export", self.export),
            *AgentRoutes(self._studio).routes(),
            Route("/studio/static/{name}", self.static),
            *CompareRoutes(self._studio).routes(),
            *BundleRoutes(self._studio).routes(),
            *LibraryRoutes(self._studio).routes(),
            *LibraryWorkRoutes(self._studio).routes(),
            *LinkRoutes(self._studio).routes(),
            *OutsideRoutes(self._studio).routes(),
            *PluginRoutes(self._studio).routes(),
            *PluginPageRoutes(self._studio).routes(),
            Route("/studio", self.nothing),
            Route("/studio/{anything:path}", self.nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    # ------------------------------------------------------------------------------------------------- jobs

    @answered
    async def jobs(self, request: Request, visitor: Visitor) -> Response:
        """This visitor's jobs, oldest first, and the version they are at."""
        news = await in_thread(self._news_since, 0, visitor, 0.0)
        return JSONResponse(news, headers=_NOT_KEPT)

    @answered
    async def events(self, request: Request, visitor: Visitor) -> Response:
        """Server-sent events: this visitor's jobs now, and all of them again whenever one changes."""
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers=_NOT_KEPT)
        if not self._watchers.come(visitor.owner):
            return too_many("The studio is open in too many places at once.", 30.0)
        stream = self._events(visitor)
        return Streamed(
            stream, media_type="text/event-stream", headers=_NOT_KEPT, done=lambda: self._watchers.go(visitor.owner)
        )

    async def _events(self, visitor: Visitor) -> AsyncIterator[str]:
        version, told, quiet_since = 0, "", monotonic()
        told_beside = self._beside.nothing
        while not self.closing.is_set():
            waiting = functools.partial(self._news_since, version, visitor, self._beside.wait_seconds(visitor))
            news = await anyio.to_thread.run_sync(waiting, limiter=self._watchers.threads, abandon_on_cancel=True)
            if news["version"] != version:
                version = news["version"]
                if (jobs := json.dumps(news["jobs"])) != told:  # the version moves with other visitors' jobs too
                    told, quiet_since = jobs, monotonic()
                    yield f'data: {{"version": {version}, "jobs": {jobs}}}\n\n'
                await asyncio.sleep(_BETWEEN_NEWS_SECONDS)
            if (beside := self._beside.now(visitor)) != told_beside:
                told_beside, quiet_since = beside, monotonic()
                yield f"event: beside\ndata: {json.dumps(beside)}\n\n"
            if monotonic() - quiet_since > HEARTBEAT_SECONDS:
                quiet_since = monotonic()
                yield ": heartbeat\n\n"

    def _news_since(self, version: int, visitor: Visitor, timeout_seconds: float) -> dict[str, Any]:
        """All of the visitor's jobs once one is newer than `version`, else nothing but that version."""
        changes = self._studio.jobs.changed_since(version, owner=visitor.sees_only, timeout_seconds=timeout_seconds)
        if changes.version == version:
            return {"version": version, "jobs": []}
        jobs = self._studio.jobs.list(visitor.sees_only)
        return {"version": changes.version, "jobs": [job_shown(job) for job in jobs]}

    @answered
    async def live_sound(self, request: Request, visitor: Visitor) -> Response:
        """A job's sound as a WAV while it is being made; afterwards, the kept take's."""
        if not self._listeners.come(visitor.owner):
            return too_many("You are listening to too many sounds at once.", 5.0)
        try:
            answer = await self._live_answer(request, visitor)
        except BaseException:
            self._listeners.go(visitor.owner)
            raise
        if not isinstance(answer, Streamed):
            self._listeners.go(visitor.owner)
        return answer

    async def _live_answer(self, request: Request, visitor: Visitor) -> Response:
        job_id = request.path_params["job_id"]
        waiting = functools.partial(
            self._studio.jobs.live, job_id, owner=visitor.sees_only, timeout_seconds=_ONE_WAIT_SECONDS
        )
        deadline = monotonic() + _WAIT_FOR_SOUND_SECONDS
        while not self.closing.is_set() and monotonic() < deadline:
            sound = await anyio.to_thread.run_sync(waiting, limiter=self._listeners.threads, abandon_on_cancel=True)
            job = await in_thread(self._job, job_id, visitor)
            if sound is not None:
                break
            if job.take_id:
                return RedirectResponse(f"../../takes/{job.take_id}/sound.flac", status_code=307, headers=_NOT_KEPT)
            if job.is_finished:
                raise NotFound
            if await request.is_disconnected():
                raise NotFound
        else:
            return refusal(503, "There is no sound yet; try again in a moment.", {"Retry-After": "5"})
        try:
            return live_wav(
                sound,
                range_header=request.headers.get("range"),
                listeners=self._listeners,
                closing=self.closing,
                head_only=request.method == "HEAD",
                done=lambda: self._listeners.go(visitor.owner),
            )
        except ValueError:
            return Response(status_code=416, headers={**WAV_HEADERS, "Content-Range": f"bytes */{sound.total_bytes}"})

    @answered
    async def cancel(self, request: Request, visitor: Visitor) -> Response:
        """Stop a job; what exists of it is kept."""
        stop = functools.partial(self._studio.jobs.cancel, request.path_params["job_id"], owner=visitor.sees_only)
        job = await in_thread(stop)
        return JSONResponse(job_shown(job), headers=_NOT_KEPT)

    def _job(self, job_id: str, visitor: Visitor) -> JobView:
        return self._studio.jobs.get(job_id, owner=visitor.sees_only)

    # ------------------------------------------------------------------------------------------------ takes

    @answered
    async def sound(self, request: Request, visitor: Visitor) -> Response:
        """A take's mix as FLAC, with byte ranges."""
        take = await self._take(request, visitor)
        path = await in_thread(self._studio.store.audio_path, take.id)
        return FileResponse(path, media_type="audio/flac", headers=_KEEP_PRIVATE)

    @answered
    async def stem(self, request: Request, visitor: Visitor) -> Response:
        """One part of a take as FLAC, with byte ranges."""
        take = await self._take(request, visitor)
        path = await in_thread(self._studio.store.stem_path, take.id, request.path_params["name"])
        return FileResponse(path, media_type="audio/flac", headers=_KEEP_PRIVATE)

    @answered
    async def peaks(self, request: Request, visitor: Visitor) -> Response:
        """What the player shows of a take: title, waveform, sections, badges."""
        take = await self._take(request, visitor)
        peaks = await in_thread(self._studio.store.peaks, take.id)
        family = await in_thread(functools.partial(self._studio.history.family, take.id, owner=visitor.sees_only))
        return JSONResponse(take_shown(take, peaks, family), headers=_KEEP_PRIVATE)

    @answered
    async def export(self, request: Request, visitor: Visitor) -> Response:
        """A take in the format asked for, as a file to save: ?format=flac&provenance=true. HEAD makes it ready."""
        make = functools.partial(
            self._studio.export,
            request.path_params["take_id"],
            format=request.query_params.get("format", "flac"),
            provenance=_yes_or_no(request.query_params.get("provenance")),
            owner=visitor.sees_only,
            taken=request.method != "HEAD",
        )
        made = await in_thread(make)
        headers = {**_KEEP_PRIVATE, **saved_as(made.filename, made.ascii_filename)}
        return FileResponse(made.path, media_type=made.media_type, headers=headers)

    # ------------------------------------------------------------------------------------------------- rest

    @answered
    async def static(self, request: Request, visitor: Visitor) -> Response:
        """A file of the page's own, by its plain name."""
        name = request.path_params["name"]
        path = STATIC_DIR / name
        if not _STATIC_NAME.fullmatch(name) or not path.is_file() or path.is_symlink():
            raise NotFound
        data = await in_thread(path.read_bytes)
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()[:32]}"', "Cache-Control": "no-cache"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        media_type = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(name)[0]
        return Response(data, media_type=media_type or "application/octet-stream", headers=headers)

    @answered
    async def nothing(self, request: Request, visitor: Visitor) -> Response:
        """Anything else under /studio."""
        raise NotFound

    async def _take(self, request: Request, visitor: Visitor) -> Take:
        find = functools.partial(self._studio.entry, request.path_params["take_id"], owner=visitor.sees_only)
        return (await in_thread(find)).take


def saved_as(filename: str, ascii_filename: str) -> dict[str, str]:
    """The header that makes a browser save a reply under this name, whatever letters it has (RFC 6266, RFC 8187)."""
    plain = re.sub(r"[^A-Za-z0-9 ._()#-]", "_", ascii_filename)
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"}


def _yes_or_no(word: str | None) -> bool | None:
    """A yes or no out of an address; None where it says nothing, so that the settings decide."""
    return None if word is None else word.strip().lower() not in ("false", "0", "no", "off", "")
