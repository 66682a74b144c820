"""A playlist from Spotify's Web API, under the user's own client identifier, by spotipy.

Development mode since February 2026: the app's owner needs Premium, five users, `/playlists/{id}/items` whose rows hold
an `item`, and no audio features for new apps. So Spotify says which tracks, of which year, length and artists; tempo, key
and energy come from the user's own recordings of them. Its terms forbid handing its content to a model, and nothing of
it is. Knows nothing of pages.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.references.playlist import Playlist, PlaylistTrack, ReferenceError

API = "https://api.spotify.com/v1/"
SCOPE = "playlist-read-private playlist-read-collaborative"
MAX_TRACKS = 5_000
_PAGE = 50


class Spotify:
    """One user's way into Spotify: sign in once, then read playlists.

    client_id: of the app the user made at developer.spotify.com. redirect_uri: as registered there; 127.0.0.1, since
    Spotify refuses “localhost”. cache: where the sign-in is kept, readable by its owner only. api, token_url: where
    Spotify answers.
    """

    def __init__(
        self, client_id: str, *, redirect_uri: str, cache: Path, api: str = API, token_url: str | None = None
    ) -> None:
        from spotipy.cache_handler import CacheFileHandler
        from spotipy.oauth2 import SpotifyPKCE

        if not client_id.strip().isalnum():
            raise ReferenceError(
                "Enter the client ID of your own Spotify app: make one at developer.spotify.com/dashboard and add "
                f"{redirect_uri} as its redirect URI."
            )
        cache.parent.mkdir(parents=True, exist_ok=True)
        self._cache = cache
        self._state = ""
        self._api = api
        self._door = SpotifyPKCE(
            client_id=client_id.strip(), redirect_uri=redirect_uri, scope=SCOPE, open_browser=False,
            cache_handler=CacheFileHandler(cache_path=str(cache)),
        )  # fmt: skip
        if token_url:
            self._door.OAUTH_TOKEN_URL = token_url

    @property
    def is_signed_in(self) -> bool:
        """Whether a sign-in is kept that still holds or can be renewed."""
        with _in_words():
            return self._door.validate_token(self._door.cache_handler.get_cached_token()) is not None

    def sign_in_url(self) -> str:
        """Where the user says yes; Spotify then comes back to the redirect address with a code and our state."""
        self._state = secrets.token_urlsafe(16)
        return str(self._door.get_authorize_url(state=self._state))

    def come_back(self, *, code: str, state: str) -> None:
        """Take what Spotify came back with. Raises ReferenceError when it is no answer to our question."""
        if not self._state or not secrets.compare_digest(state, self._state):
            raise ReferenceError("That answer from Spotify belongs to another sign-in: begin again.")
        self._state = ""
        with _in_words():
            self._door.get_access_token(code=code, check_cache=False)
        if self._cache.exists():
            self._cache.chmod(0o600)

    def playlist(self, address: str, *, progress: Callable[[int, int], None] | None = None) -> Playlist:
        """A playlist by its link, URI or identifier. progress: called with (tracks read, tracks in all).

        Raises ReferenceError in the user's words: not signed in, no such playlist, not this app's to read.
        """
        import spotipy

        with _in_words():
            client = spotipy.Spotify(auth_manager=self._door, requests_timeout=15, retries=2)
            client.prefix = self._api
            if not self.is_signed_in:
                raise ReferenceError("Sign in to Spotify first.")
            about = client.playlist(address, fields="name")
            tracks: list[PlaylistTrack] = []
            odd = offset = 0
            while True:
                page = client.playlist_items(address, limit=_PAGE, offset=offset, additional_types=("track",))
                rows, total = page.get("items") or [], int(page.get("total") or 0)
                for row in rows:
                    if (track := _track(row)) is None:
                        odd += 1
                    else:
                        tracks.append(track)
                offset += len(rows)
                if progress:
                    progress(offset, total)
                if not rows or offset >= total or offset >= MAX_TRACKS:
                    break
        notes = ["Spotify gives new apps no tempo, key or energy: those are measured on your own recordings."]
        if odd:
            notes.append(f"{odd} entries are no tracks (local files, podcasts, or gone) and were left out.")
        if not tracks:
            raise ReferenceError("That playlist has no tracks that can be read.")
        name = str((about or {}).get("name") or "The playlist")
        return Playlist(name=name, source="Spotify", tracks=tuple(tracks), notes=tuple(notes))


def _track(row: dict[str, Any]) -> PlaylistTrack | None:
    """One row; the track stands in `item`, and stood in `track` until February 2026."""
    item = row.get("item") or row.get("track")
    if (
        not isinstance(item, dict)
        or not item.get("name")
        or item.get("type", "track") != "track"
        or row.get("is_local")
    ):
        return None
    released = str((item.get("album") or {}).get("release_date") or "")[:4]
    milliseconds = item.get("duration_ms")
    return PlaylistTrack(
        title=item["name"],
        artists=tuple(artist["name"] for artist in item.get("artists") or () if artist.get("name")),
        album=(item.get("album") or {}).get("name") or "",
        year=int(released) if released.isdecimal() else None,
        seconds=milliseconds / 1000 if milliseconds else None,
        uri=item.get("uri") or "",
    )


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn spotipy's and the network's refusals into sentences."""
    import requests
    from spotipy.exceptions import SpotifyException, SpotifyOauthError

    try:
        yield
    except SpotifyOauthError as error:
        raise ReferenceError(
            f"Spotify did not accept the sign-in ({error.error or error}). Check the client ID and the redirect URI of "
            "your app, then sign in again."
        ) from error
    except SpotifyException as error:
        raise ReferenceError(_refusal(error.http_status)) from error
    except requests.RequestException as error:
        raise ReferenceError("Spotify cannot be reached: check the network, then try again.") from error


def _refusal(status: int) -> str:
    known = {
        401: "Spotify’s sign-in has ended: sign in again.",
        403: "Spotify does not let this app read that playlist: in development mode the app’s owner needs Premium, and "
        "the playlist must be yours or shared with you.",
        404: "Spotify has no such playlist, or it is private: copy its link once more.",
        429: "Spotify was asked too often: wait a minute.",
    }
    return known.get(status, f"Spotify answered with an error ({status}): try again later.")
