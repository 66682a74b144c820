"""Routes to music named outside the studio: playlists as tables or from Spotify, one sound from YouTube.

The owner's alone, and off for everybody while the studio is shared. What a playlist says is described and matched to the
user's own tracks, and goes no further.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from audio.io import AudioError
from rag.database import LibraryError
from rag.embeddings import EmbeddingError
from rag.tracks import Track
from rag.vectordb import VectorStoreError
from studio.library.sounds import LibrarySounds
from studio.references.playlist import OwnTrack, Playlist, ReferenceError, match_own, profile_of
from studio.references.spotify import Spotify
from studio.references.table import MAX_TABLE_BYTES, read_table
from studio.references.youtube import Limits, fetch_sound
from studio.studio import Studio
from studio.ui.guard import refusal
from studio.ui.library_shown import track_shown
from studio.ui.route_tools import answered, in_thread
from studio.ui.visitors import Visitor, features

REDIRECT = "/studio/library/outside/spotify/back"
_NOT_KEPT = {"Cache-Control": "no-store"}
_TROUBLE = (ReferenceError, AudioError, LibraryError, EmbeddingError, VectorStoreError)
_CLOSED = "References from outside are for the studio's owner on this machine, while the studio is not shared."
Handler = Callable[["OutsideRoutes", Request, Visitor], Awaitable[Response]]


def owners_only(handler: Handler) -> Callable[[OutsideRoutes, Request], Awaitable[Response]]:
    """Refuse everybody while the studio is shared, and turn refusals into sentences."""

    @functools.wraps(handler)
    async def answer(self: OutsideRoutes, request: Request, visitor: Visitor) -> Response:
        if not features(self._studio.settings, visitor).import_urls:
            return refusal(403, _CLOSED)
        try:
            return await handler(self, request, visitor)
        except _TROUBLE as trouble:
            return refusal(400, str(trouble))

    return answered(answer)


class OutsideRoutes:
    """Over one studio. limits: what may be fetched."""

    def __init__(self, studio: Studio, *, limits: Limits | None = None) -> None:
        self._studio, self._library = studio, studio.library
        self._sounds = LibrarySounds(studio.library)
        self._limits = limits or Limits()
        self._spotify: Spotify | None = None

    def routes(self) -> list[Route]:
        base = "/studio/library/outside"
        return [
            Route(f"{base}/table", self.table, methods=["POST"]),
            Route(f"{base}/youtube", self.youtube, methods=["POST"]),
            Route(f"{base}/spotify/sign-in", self.sign_in, methods=["POST"]),
            Route(f"{base}/spotify/playlist", self.spotify_playlist, methods=["POST"]),
            Route(REDIRECT, self.come_back, methods=["GET"]),
        ]

    @owners_only
    async def table(self, request: Request, visitor: Visitor) -> Response:
        """Describe a playlist's CSV and match it to the user's own tracks. The body is the file."""
        data = b""
        async for part in request.stream():
            data += part
            if len(data) > MAX_TABLE_BYTES:
                raise ReferenceError(
                    f"The table is larger than {MAX_TABLE_BYTES // 10**6} MB: is it really a playlist?"
                )
        name = request.query_params.get("name", "The playlist")[:120]
        playlist = await in_thread(functools.partial(read_table, data, name=name))
        return JSONResponse(await in_thread(self._described, playlist), headers=_NOT_KEPT)

    @owners_only
    async def youtube(self, request: Request, visitor: Visitor) -> Response:
        """Fetch one sound into the library: {address, rights}."""
        body = await _json(request)
        address, rights = str(body.get("address") or ""), body.get("rights") is True
        track = await in_thread(self._fetch, address, rights, visitor.owner)
        return JSONResponse(track_shown(track, host=True), headers=_NOT_KEPT)

    @owners_only
    async def sign_in(self, request: Request, visitor: Visitor) -> Response:
        """Where the user says yes to Spotify: {client_id}."""
        client = str((await _json(request)).get("client_id") or "")
        redirect = f"http://127.0.0.1:{request.url.port or 80}{REDIRECT}"
        self._spotify = await in_thread(self._door, client, redirect)
        return JSONResponse({"address": self._spotify.sign_in_url(), "redirect": redirect}, headers=_NOT_KEPT)

    @owners_only
    async def come_back(self, request: Request, visitor: Visitor) -> Response:
        """Where Spotify sends the browser back to."""
        query = request.query_params
        if self._spotify is None or "code" not in query:
            raise ReferenceError("Spotify did not say yes: begin the sign-in again in the Library.")
        come = functools.partial(self._spotify.come_back, code=query["code"], state=query.get("state", ""))
        await in_thread(come)
        return HTMLResponse("<p>You are signed in. Close this window and read the playlist in the studio.</p>")

    @owners_only
    async def spotify_playlist(self, request: Request, visitor: Visitor) -> Response:
        """Describe a playlist of Spotify's and match it: {client_id, playlist}."""
        body = await _json(request)
        redirect = f"http://127.0.0.1:{request.url.port or 80}{REDIRECT}"
        if self._spotify is None:
            self._spotify = await in_thread(self._door, str(body.get("client_id") or ""), redirect)
        playlist = await in_thread(self._spotify.playlist, str(body.get("playlist") or ""))
        return JSONResponse(await in_thread(self._described, playlist), headers=_NOT_KEPT)

    # ---------------------------------------------------------------------------------------- how it is done

    def _door(self, client: str, redirect: str) -> Spotify:
        return Spotify(client, redirect_uri=redirect, cache=self._studio.settings.data_dir / "spotify.json")

    def _fetch(self, address: str, rights: bool, owner: str) -> Track:
        self._sounds.incoming.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="fetched-", dir=self._sounds.incoming))
        try:
            got = fetch_sound(address, folder=folder, rights_confirmed=rights, limits=self._limits)
            name = f"{got.title[:90]}{got.path.suffix}".replace("/", "_").replace("\0", "")
            track = self._sounds.keep(got.path, name=name, owner=owner)
            return self._library.tracks.update(track.id, title=got.title, artist=got.artist)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _described(self, playlist: Playlist) -> dict[str, Any]:
        own = [
            OwnTrack(str(track.id), track.title or Path(track.path).stem, track.artist, track.seconds)
            for track in self._library.tracks.stream()
        ]
        matches = match_own(playlist, own)
        profile = profile_of(playlist)
        tempo = profile.tempo_bpm
        return {
            "name": playlist.name, "source": playlist.source, "tracks": profile.tracks,
            "sentences": profile.sentences, "notes": list(playlist.notes),
            "tempo": [tempo.low, tempo.high] if tempo else None, "keys": profile.keys, "genres": profile.genres[:20],
            "decades": profile.decades, "matched": [int(match.own.id) for match in matches],
            "sure": sum(match.sure for match in matches),
        }  # fmt: skip


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as wrong:
        raise ReferenceError("The page sent what cannot be read: reload it.") from wrong
    return body if isinstance(body, dict) else {}
