"""Spotify's Web API as of 2026, answered on this machine: sign-in, pages, refusals."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from studio.references.playlist import ReferenceError
from studio.references.spotify import SCOPE, Spotify

CLIENT = "0123456789abcdef0123456789abcdef"
REDIRECT = "http://127.0.0.1:7860/studio/references/spotify"
TOKEN = {"access_token": "t", "refresh_token": "r", "token_type": "Bearer", "expires_in": 3600, "scope": SCOPE}


class Service:
    """What the local Spotify answers and what it was asked."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows, self.status, self.url = rows, 200, ""
        self.asked: list[str] = []
        self.posted: list[dict[str, list[str]]] = []

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if self.status != 200:
            return self.status, {"error": {"status": self.status, "message": "no"}}
        parts = urlsplit(path)
        if parts.path.endswith("/items"):
            query = parse_qs(parts.query)
            offset, limit = int(query["offset"][0]), int(query["limit"][0])
            return 200, {"items": self.rows[offset : offset + limit], "total": len(self.rows)}
        return 200, {"name": "Rainy days"}


def row(title: str, **changes: Any) -> dict[str, Any]:
    item = {
        "name": title, "type": "track", "uri": "spotify:track:1", "duration_ms": 184_000, "artists": [{"name": "Ana"}],
        "album": {"name": "W", "release_date": "1999-05"}, **changes,
    }  # fmt: skip
    return {"item": item, "is_local": False}


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service([row(f"Song {number}") for number in range(120)])

    class Handler(BaseHTTPRequestHandler):
        def reply(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.reply(*service.answer(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            service.posted.append(parse_qs(body))
            ok = service.posted[-1].get("code") != ["wrong"]
            self.reply(200 if ok else 400, TOKEN if ok else {"error": "invalid_grant"})

        def log_message(self, *said: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield service
    server.shutdown()
    server.server_close()


@pytest.fixture
def spotify(service: Service, tmp_path: Path) -> Spotify:
    return Spotify(
        CLIENT,
        redirect_uri=REDIRECT,
        cache=tmp_path / "spotify.json",
        api=f"{service.url}v1/",
        token_url=f"{service.url}token",
    )


def sign_in(spotify: Spotify, code: str = "right") -> None:
    query = parse_qs(urlsplit(spotify.sign_in_url()).query)
    assert query["redirect_uri"] == [REDIRECT] and query["code_challenge_method"] == ["S256"]
    spotify.come_back(code=code, state=query["state"][0])


def test_a_playlist_is_read_to_its_end(service: Service, spotify: Spotify, tmp_path: Path) -> None:
    service.rows[3] = {"track": row("Old style")["item"], "is_local": False}
    service.rows[5] = {"item": None, "is_local": False}
    service.rows[7] = row("A podcast", type="episode")
    sign_in(spotify)
    heard: list[tuple[int, int]] = []
    playlist = spotify.playlist("37i9dQZF1DX4WYpdgoIcn6", progress=lambda done, total: heard.append((done, total)))
    assert playlist.name == "Rainy days" and len(playlist.tracks) == 118
    assert playlist.tracks[3].title == "Old style" and playlist.tracks[0].year == 1999
    assert playlist.tracks[0].tempo_bpm is None
    assert any("no tempo, key or energy" in note for note in playlist.notes)
    assert heard[-1] == (120, 120)
    assert all("/tracks" not in path and "audio-features" not in path for path in service.asked)
    assert (tmp_path / "spotify.json").stat().st_mode & 0o077 == 0


def test_the_sign_in_is_kept_for_the_next_start(service: Service, spotify: Spotify, tmp_path: Path) -> None:
    assert not spotify.is_signed_in
    sign_in(spotify)
    again = Spotify(CLIENT, redirect_uri=REDIRECT, cache=tmp_path / "spotify.json")
    assert again.is_signed_in


def test_an_answer_to_somebody_elses_question_is_refused(spotify: Spotify, service: Service) -> None:
    spotify.sign_in_url()
    with pytest.raises(ReferenceError, match="another sign-in"):
        spotify.come_back(code="right", state="made up")
    assert service.posted == []


def test_a_wrong_code_is_said(spotify: Spotify) -> None:
    with pytest.raises(ReferenceError, match="client ID"):
        sign_in(spotify, code="wrong")


@pytest.mark.parametrize(("status", "says"), [(403, "Premium"), (404, "no such playlist"), (401, "sign in again")])
def test_refusals_are_sentences(service: Service, spotify: Spotify, status: int, says: str) -> None:
    sign_in(spotify)
    service.status = status
    with pytest.raises(ReferenceError, match=says):
        spotify.playlist("37i9dQZF1DX4WYpdgoIcn6")


def test_nothing_is_asked_before_the_sign_in(service: Service, spotify: Spotify) -> None:
    with pytest.raises(ReferenceError, match="Sign in"):
        spotify.playlist("37i9dQZF1DX4WYpdgoIcn6")
    assert service.asked == []


def test_a_client_id_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(ReferenceError, match="client ID"):
        Spotify("  ", redirect_uri=REDIRECT, cache=tmp_path / "x.json")
