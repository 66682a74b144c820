"""The Library tab's routes: what is there, what is found, tracks to hear, the map, the dashboard, sounds brought in.

A guest sees and hears only tracks of their own, and what is another's is answered like what does not exist. Knows nothing of
logins: the guard stands before it.
"""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from rag.copies import Copy
from rag.filters import Filters
from rag.overview import overview_of
from rag.retriever import HeardClip, Query
from rag.tracks import Track
from studio.library.map import LibraryMap
from studio.library.sounds import LibrarySounds, sound_named
from studio.library.twins import Twins
from studio.studio import Studio
from studio.ui.incoming import incoming
from studio.ui.library_asked import Asked, BadQuestion, asked_in
from studio.ui.library_shown import (
    answer_shown,
    copy_shown,
    ears_shown,
    features_shown,
    job_shown,
    map_shown,
    overview_shown,
    track_shown,
)
from studio.ui.library_tools import NOT_KEPT, in_sentences, sent
from studio.ui.route_tools import NotFound, answered, in_thread
from studio.ui.visitors import Visitor, features

_KEEP_PRIVATE = {"Cache-Control": "private, no-cache"}
_CLIPS, _GROUPS = 40, 60


class LibraryRoutes:
    """The routes over one studio's library."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._library = studio, studio.library
        self._map = LibraryMap(studio.library)
        self._sounds = LibrarySounds(studio.library)
        self._twins = Twins(studio.library)
        self._clips: OrderedDict[str, tuple[str, HeardClip]] = OrderedDict()

    def routes(self) -> list[Route]:
        base, track = "/studio/library", "/studio/library/tracks/{track_id:int}"
        return [
            Route(f"{base}/status", self.status, methods=["GET"]),
            Route(f"{base}/ready", self.ready, methods=["POST"]),
            Route(f"{base}/tracks", self.find, methods=["GET"]),
            Route(f"{track}/sound", self.sound, methods=["GET"]),
            Route(f"{track}/peaks.json", self.peaks, methods=["GET"]),
            Route(f"{base}/overview", self.overview, methods=["GET"]),
            Route(f"{base}/map", self.map, methods=["GET"]),
            Route(f"{base}/duplicates", self.duplicates, methods=["GET"]),
            Route(f"{base}/duplicates", self.seek_duplicates, methods=["POST"]),
            Route(f"{base}/clip", self.clip, methods=["POST"]),
            Route(f"{base}/upload", self.upload, methods=["POST"]),
            Route(f"{base}/plotly.js", self.plotly, methods=["GET"]),
        ]

    # ---------------------------------------------------------------------------------------------- looking

    @in_sentences
    async def status(self, request: Request, visitor: Visitor) -> Response:
        """How many tracks there are, what hears them, and the work under way."""
        return JSONResponse(await in_thread(self._status, visitor), headers=NOT_KEPT)

    def _status(self, visitor: Visitor) -> dict[str, Any]:
        library, may = self._library, features(self._studio.settings, visitor)
        own = Filters(owner=visitor.sees_only)
        shown: dict[str, Any] = {
            "tracks": library.tracks.count(own), "hears": library.sound.label, "tier": library.sound.tier,
            "job": job_shown(library.jobs.view()) if visitor.is_host else None, "notice": library.tracks.notice,
            "may_import": may.import_folders, "may_fetch": may.import_urls,
        }  # fmt: skip
        if visitor.is_host:
            broken = library.tracks.listing(own, state="broken", limit=50)
            shown["broken"] = [[Path(each.path).name, each.reason] for each in broken]
            shown["gone"] = library.tracks.count(own, state="gone")
        if may.import_folders:
            shown["folders"] = [
                [str(path), watched, len(library.tracks.ids_under(path, state="present"))]
                for path, watched in library.tracks.folders().items()
            ]
            shown["to_be_heard"] = library.to_be_heard() if shown["tracks"] else 0
        if may.manage_models:
            shown["ears"] = ears_shown(library.ears)
        return shown

    @in_sentences
    async def ready(self, request: Request, visitor: Visitor) -> Response:
        """Load what the first question needs: the page says that the tab is open."""
        await in_thread(self._library.get_ready)
        return JSONResponse({}, headers=NOT_KEPT)

    @in_sentences
    async def find(self, request: Request, visitor: Visitor) -> Response:
        """Tracks by words, songs, a clip and filters, each with why it matched; see `asked_in`."""
        asked = self._asked(request, visitor)
        clip = self._clip(asked.clip, visitor) if asked.clip else None
        query = Query(
            words=asked.words, like=asked.like, clip=clip, filters=asked.filters, order=asked.order, limit=asked.limit,
            offset=asked.offset,
        )  # fmt: skip
        shown = await in_thread(self._find, query, visitor)
        return JSONResponse(shown, headers=NOT_KEPT)

    def _asked(self, request: Request, visitor: Visitor) -> Asked:
        """The question, a style of the map in it told as its tracks."""
        asked = asked_in(request.query_params, owner=visitor.sees_only)
        if not asked.cluster:
            return asked
        style, among = self._map.style(visitor.sees_only, asked.cluster), set(asked.filters.ids)
        ids = tuple(each for each in style if not among or each in among)
        return replace(asked, filters=replace(asked.filters, ids=ids or (0,)))  # there is no track 0

    def _find(self, query: Query, visitor: Visitor) -> dict[str, Any]:
        for track_id in query.like:
            self._track(track_id, visitor)
        if query.asks_nothing or not self._library.tracks.count(query.filters):
            tracks = self._library.tracks
            listed = tracks.listing(query.filters, order=query.order, limit=query.limit, offset=query.offset)
            shown = [{**track_shown(track, host=visitor.is_host), "why": [], "nearness": {}} for track in listed]
            return {"tracks": shown, "total": tracks.count(query.filters), "by": ""}
        if query.words.strip():  # what is written is found at once; the page asks again for what is meant
            self._library.get_ready()
            query = replace(query, by_letter=self._library.is_getting_ready)
        answer = self._studio.inspirations.retriever.find(query)
        return {**answer_shown(answer, host=visitor.is_host), "pending": query.by_letter}

    @in_sentences
    async def overview(self, request: Request, visitor: Visitor) -> Response:
        """What the dashboard draws, of what the filters leave."""
        asked = self._asked(request, visitor)
        seen = await in_thread(overview_of, self._library.tracks, asked.filters)
        return JSONResponse(overview_shown(seen), headers=NOT_KEPT)

    @in_sentences
    async def map(self, request: Request, visitor: Visitor) -> Response:
        """The map of styles: the last one drawn, and whether a newer one is on its way."""
        return JSONResponse(await in_thread(self._drawn, visitor), headers=NOT_KEPT)

    def _drawn(self, visitor: Visitor) -> dict[str, Any]:
        drawn = self._map.look(visitor.sees_only)
        prompts = {
            each.number: self._studio.inspirations.prompt_of(
                [drawn.tracks[one] for one in each.tracks if one in drawn.tracks]
            )
            for each in (drawn.map.clusters if drawn.map else ())
        }
        return {"map": map_shown(drawn, prompts), "drawing": drawn.drawing, "error": drawn.error}

    @in_sentences
    async def duplicates(self, request: Request, visitor: Visitor) -> Response:
        """Groups of tracks that are one recording, as found last, and how far a search for them is."""
        return JSONResponse(await in_thread(self._duplicates, visitor), headers=NOT_KEPT)

    @in_sentences
    async def seek_duplicates(self, request: Request, visitor: Visitor) -> Response:
        """Begin to look for them, or stop: {stop}."""
        stop = bool((await sent(request)).get("stop"))
        await in_thread(self._twins.stop if stop else self._twins.begin, visitor.sees_only)
        return JSONResponse(await in_thread(self._duplicates, visitor), headers=NOT_KEPT)

    def _duplicates(self, visitor: Visitor) -> dict[str, Any]:
        look = self._twins.look(visitor.sees_only)
        groups = None if look.result is None else [
            [track_shown(track, host=visitor.is_host) for track in group] for group in look.result[:_GROUPS]
        ]  # fmt: skip
        return {
            "groups": groups, "count": len(look.result or ()), "old": self._twins.is_old(visitor.sees_only),
            "running": look.running, "done": look.done, "total": look.total, "error": look.error,
        }  # fmt: skip

    # ---------------------------------------------------------------------------------------------- hearing

    @in_sentences
    async def sound(self, request: Request, visitor: Visitor) -> Response:
        """A track as a browser can play it, with byte ranges."""
        track = await in_thread(self._track, request.path_params["track_id"], visitor)
        path, media_type = await in_thread(self._sounds.playable, track)
        return FileResponse(path, media_type=media_type, headers=_KEEP_PRIVATE)

    @in_sentences
    async def peaks(self, request: Request, visitor: Visitor) -> Response:
        """What the player shows of a track."""
        track = await in_thread(self._track, request.path_params["track_id"], visitor)
        peaks = await in_thread(self._sounds.peaks, track)
        heard = track.features
        badges = [track.genre.replace("_", " ")] if track.genre else []
        badges += [f"{heard.tempo_bpm:.0f} bpm", heard.key_name] if heard else []
        shown = {
            "track": track.id, "title": track.label, "seconds": track.seconds, "peaks": peaks, "sections": [],
            "badges": [{"text": text, "kind": ""} for text in badges], "versions": [],
        }  # fmt: skip
        return JSONResponse(shown, headers=_KEEP_PRIVATE)

    @in_sentences
    async def clip(self, request: Request, visitor: Visitor) -> Response:
        """Hear a sound that is not to be kept, so that its like can be looked for. The body is the file."""
        name = _file_name(request)
        async with incoming(request, self._sounds.incoming, name=name) as file:
            heard, copy, peaks = await in_thread(self._hear, file, name, visitor)
        token = secrets.token_urlsafe(12)
        self._clips[token] = (visitor.owner, heard)
        while len(self._clips) > _CLIPS:
            self._clips.popitem(last=False)
        shown: dict[str, Any] = {
            "clip": token, "name": name, "features": features_shown(heard.features), "copy": copy_shown(copy), "peaks": peaks,
        }  # fmt: skip
        return JSONResponse(shown, headers=NOT_KEPT)

    def _hear(self, file: Path, name: str, visitor: Visitor) -> tuple[HeardClip, Copy | None, list[int]]:
        with sound_named(file, name):
            heard, copy = self._studio.inspirations.hear(file, name=name, owner=visitor.sees_only)
            return heard, copy, self._sounds.peaks_of_clip(file)

    @in_sentences
    async def upload(self, request: Request, visitor: Visitor) -> Response:
        """Keep a sound in the library, as this visitor's. The body is the file."""
        name = _file_name(request)
        async with incoming(request, self._sounds.incoming, name=name) as file:
            track = await in_thread(functools.partial(self._sounds.keep, file, name=name, owner=visitor.owner))
        return JSONResponse(track_shown(track, host=visitor.is_host), headers=NOT_KEPT)

    @answered
    async def plotly(self, request: Request, visitor: Visitor) -> Response:
        """The script that draws, out of the installed package: nothing is fetched from elsewhere."""
        path = await in_thread(_plotly_path)
        return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "private, max-age=86400"})

    # ---------------------------------------------------------------------------------------------- the rest

    def _track(self, track_id: int, visitor: Visitor) -> Track:
        track = self._library.tracks.get(int(track_id), owner=visitor.sees_only)
        if track is None:
            raise NotFound
        return track

    def _clip(self, token: str, visitor: Visitor) -> HeardClip:
        owner, heard = self._clips.get(token, ("", None))
        if heard is None or not visitor.may_see(owner):
            raise BadQuestion("The clip is not here any more: drop it again.")
        return heard


@functools.cache
def _plotly_path() -> Path:
    """Found without importing plotly."""
    import importlib.util

    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound
    return Path(next(iter(spec.submodule_search_locations))) / "package_data" / "plotly.min.js"


def _file_name(request: Request) -> str:
    """The name a file is sent under, safe in a path."""
    named = request.query_params.get("name", "")
    plain = re.sub(r"[^\w .()\[\]&',+-]", "_", named.replace("\\", "/").rpartition("/")[2]).strip(". ")
    return plain[-120:] or f"sound-{hashlib.sha256(named.encode()).hexdigest()[:8]}"
