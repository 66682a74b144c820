"""The Library's routes over a real server: what is found and heard, what is refused, and to whom."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents.planner import plan_from_brief
from agents.types import Brief
from audio.io import encode
from rag.tracks import Track
from rag.vectordb import EdgeStore
from studio.engines.base import Listener, Sampling
from studio.engines.sketch.engine import SketchEngine
from tests.ui.studios import Served, owner_of, served_studio

GENRES = ("techno", "bossa nova", "ambient")


@pytest.fixture(scope="module")
def sounds() -> dict[str, bytes]:
    """A short sketch of each genre, as FLAC."""
    engine = SketchEngine()
    made = {}
    for genre in GENRES:
        plan = plan_from_brief(Brief(words=genre, seconds=12.0), seed=2)
        made[genre] = encode(engine.generate(plan, Sampling(seed=2), Listener()).clip, format="flac16")
    return made


@pytest.fixture(scope="module")
def music(sounds: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sketches as files in a folder, and one that is no sound."""
    folder = tmp_path_factory.mktemp("music")
    for genre, data in sounds.items():
        (folder / f"{genre}.flac").write_bytes(data)
    (folder / "broken.mp3").write_text("this is text")
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, music: Path) -> Iterator[Served]:
    """A studio on this machine alone, the folder imported."""
    with served_studio(tmp_path_factory.mktemp("library-here"), library_workers=1) as served:
        with served.browser() as client:
            reply = client.post("/studio/library/import", json={"path": str(music)})
            assert reply.status_code == 200, reply.text
        job = served.studio.library.jobs.wait(timeout_seconds=120)
        assert job is not None and job.state == "done", job
        yield served


@pytest.fixture
def client(here: Served) -> Iterator[httpx.Client]:
    with here.browser() as client:
        yield client


def _held_elsewhere(folder: Path, *, closing: EdgeStore) -> subprocess.Popen[str]:
    """Another process that has this store open."""
    closing.close()
    script = (
        "import sys, time, qdrant_edge as edge\n"
        f"shard = edge.EdgeShard.load({str(folder / 'shard')!r})\nprint('held', flush=True)\ntime.sleep(120)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline().strip() == "held"
    return holder


def tracks(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """What is found, once it is found by meaning too."""
    deadline = time.monotonic() + 60
    while True:
        reply = client.get("/studio/library/tracks", params=query, timeout=60)
        assert reply.status_code == 200, reply.text
        if not reply.json().get("pending") or time.monotonic() > deadline:
            return reply.json()["tracks"]
        time.sleep(0.2)


def test_an_import_tells_what_came_and_what_did_not(client: httpx.Client) -> None:
    status = client.get("/studio/library/status").json()
    assert status["tracks"] == 3 and status["tier"] == "built-in"
    assert status["job"]["report"]["added"] == 3
    assert [name for name, _ in status["broken"]] == ["broken.mp3"]
    assert status["folders"][0][1:] == [False, 3] and status["may_import"]


def test_tracks_are_listed_with_their_figures_and_narrowed(client: httpx.Client) -> None:
    everything = tracks(client)
    assert {track["title"] for track in everything} == set(GENRES)
    assert all(track["features"]["tempo_bpm"] > 0 and track["features"]["key_name"] for track in everything)
    lively = max(track["features"]["energy"] for track in everything)
    assert len(tracks(client, energy=f"{lively - 0.001}-")) == 1
    assert tracks(client, seconds="100-") == []
    key = everything[0]["features"]["key"]
    assert everything[0]["id"] in [track["id"] for track in tracks(client, key=str(key), harmonic="1")]


def test_like_this_leaves_the_song_out_and_says_why(client: httpx.Client) -> None:
    first = tracks(client)[0]
    found = tracks(client, like=f"{first['id']}:1")
    assert len(found) == 2 and first["id"] not in [track["id"] for track in found]


def test_a_dropped_clip_finds_its_song_and_is_not_kept(client: httpx.Client, sounds: dict[str, bytes]) -> None:
    reply = client.post("/studio/library/clip", params={"name": "hum.flac"}, content=sounds["techno"], timeout=60)
    assert reply.status_code == 200, reply.text
    heard = reply.json()
    assert heard["copy"]["label"] == "techno" and heard["copy"]["share"] > 0.9 and max(heard["peaks"]) > 20
    found = tracks(client, clip=heard["clip"])
    assert found[0]["title"] == "techno" and "hum.flac" in found[0]["why"][0]
    assert client.get("/studio/library/status").json()["tracks"] == 3


def test_words_find_a_title(client: httpx.Client) -> None:
    assert tracks(client, words="bossa")[0]["title"] == "bossa nova"


def test_a_track_is_heard_by_ranges(client: httpx.Client, sounds: dict[str, bytes]) -> None:
    track = next(track for track in tracks(client) if track["title"] == "techno")
    base = f"/studio/library/tracks/{track['id']}"
    part = client.get(f"{base}/sound", headers={"Range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == sounds["techno"][100:200]
    shown = client.get(f"{base}/peaks.json").json()
    assert len(shown["peaks"]) > 500 and max(shown["peaks"]) > 20


def test_a_track_whose_file_went_says_so_and_where_to_look(client: httpx.Client, music: Path) -> None:
    track = next(track for track in tracks(client) if track["title"] == "techno")
    base = f"/studio/library/tracks/{track['id']}"
    assert client.get(f"{base}/peaks.json").status_code == 200
    file = music / "techno.flac"
    try:
        file.rename(music / "techno.away")
        for kind in ("sound", "peaks.json"):  # its peaks are known, and yet it cannot be heard
            reply = client.get(f"{base}/{kind}")
            assert reply.status_code == 400 and "is not where it was" in reply.json()["detail"]
    finally:
        (music / "techno.away").rename(file)


def test_words_are_found_by_letter_at_once_and_by_meaning_once_their_model_is_there(
    here: Served, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, go_on = here.studio.library, threading.Event()
    assert tracks(client, words="dance floor")  # by meaning
    monkeypatch.setattr(library, "_readying", None)
    monkeypatch.setattr(library.words, "load", lambda: go_on.wait(30))
    assert client.post("/studio/library/ready").status_code == 200
    by_letter = client.get("/studio/library/tracks", params={"words": "bossa"}).json()
    assert by_letter["pending"] and [track["title"] for track in by_letter["tracks"]] == ["bossa nova"]
    assert by_letter["by"] == "words by their letter" and by_letter["tracks"][0]["why"] == ["Says “bossa”."]
    assert not client.get("/studio/library/tracks", params={"words": "floor for dancing"}).json()["tracks"]
    go_on.set()
    assert tracks(client, words="floor for dancing")


def test_the_dashboard_counts_what_the_filters_leave(client: httpx.Client) -> None:
    seen = client.get("/studio/library/overview").json()
    assert seen["tracks"] == 3 and sum(seen["keys"]) == 3 and sum(count for _, count in seen["tempos"]) == 3
    one = tracks(client)[0]
    narrowed = client.get("/studio/library/overview", params={"among": str(one["id"])}).json()
    assert narrowed["tracks"] == 1 and narrowed["keys"][one["features"]["key"]] == 1


def test_a_recording_that_is_here_twice_is_shown_once_as_a_group(
    here: Served, client: httpx.Client, music: Path
) -> None:
    twin = here.studio.settings.data_dir / "twin.flac"
    twin.write_bytes((music / "ambient.flac").read_bytes())
    track = here.studio.library.importer().add_known(Track(path=str(twin)))
    try:
        assert client.get("/studio/library/duplicates").json()["groups"] is None
        assert client.post("/studio/library/duplicates", json={}).status_code == 200
        found = searched(client)
        assert [[each["title"] for each in group] for group in found["groups"]] == [["ambient", "twin"]]
        assert (found["count"], found["old"], found["error"]) == (1, False, "")
    finally:
        here.studio.library.index.store.delete([track.id])
        here.studio.library.tracks.forget([track.id])
    assert client.get("/studio/library/duplicates").json()["old"]


def searched(client: httpx.Client) -> dict[str, Any]:
    """The search for duplicates once it is over."""
    deadline = time.monotonic() + 60
    while (found := client.get("/studio/library/duplicates").json())["running"] and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_the_map_is_drawn_in_the_background(here: Served, client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while (answer := client.get("/studio/library/map").json())["map"] is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert sorted(answer["map"]["ids"]) == sorted(track["id"] for track in tracks(client))


@pytest.mark.parametrize(
    "query",
    [
        {"tempo": "fast"},
        {"key": "H major"},
        {"like": "x:y"},
        {"order": "path"},
        {"clip": "made-up"},
        {"cluster": "old.0"},
    ],
)
def test_a_question_that_makes_no_sense_gets_a_sentence(client: httpx.Client, query: dict[str, str]) -> None:
    reply = client.get("/studio/library/tracks", params=query)
    assert reply.status_code == 400 and len(reply.json()["detail"]) > 20


@pytest.mark.parametrize("path", ["", "/no/such/folder"])
def test_a_folder_that_is_not_there_is_said(client: httpx.Client, path: str) -> None:
    assert client.post("/studio/library/import", json={"path": path}).status_code == 400


def test_what_is_no_sound_is_not_kept(client: httpx.Client) -> None:
    for place in ("clip", "upload"):
        for body in (b"", b"not a sound at all" * 100):
            reply = client.post(f"/studio/library/{place}", params={"name": "x.mp3"}, content=body)
            assert reply.status_code == 400, reply.text
    assert client.get("/studio/library/status").json()["tracks"] == 3


@pytest.mark.parametrize("road", ["clip", "upload"])
def test_a_file_of_hours_is_refused_by_its_name_and_nothing_of_it_stays(
    client: httpx.Client, here: Served, tmp_path: Path, road: str
) -> None:
    import numpy as np
    import soundfile

    long = tmp_path / "night.flac"
    with soundfile.SoundFile(long, "w", 8_000, 1, "PCM_16") as file:
        for _ in range(70):
            file.write(np.zeros((60 * 8_000, 1)))
    reply = client.post(f"/studio/library/{road}", params={"name": "Die Nacht.flac"}, content=long.read_bytes())
    assert reply.status_code == 400 and "“Die Nacht.flac” lasts 70 minutes; 60 are the most" in reply.text
    assert not list((here.studio.library.folder / "incoming").iterdir())


def test_a_full_disk_is_said_when_a_file_arrives(
    client: httpx.Client, sounds: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os
    import tempfile

    def full(**_: object) -> tuple[int, str]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkstemp", full)
    reply = client.post("/studio/library/upload", params={"name": "a.flac"}, content=sounds["ambient"])
    assert reply.status_code == 400 and "No space left on device. Make room" in reply.text


def test_a_playlist_is_described_and_matched_to_ones_own(client: httpx.Client) -> None:
    table = "Track Name,Tempo,Genres\nTechno,130,techno\nSomething else,90,pop\n"
    reply = client.post("/studio/library/outside/table", params={"name": "mine.csv"}, content=table.encode())
    said = reply.json()
    assert reply.status_code == 200 and said["tracks"] == 2 and len(said["matched"]) == 1
    assert any("between" in sentence for sentence in said["sentences"])


def test_nothing_is_fetched_without_the_right_or_from_elsewhere(client: httpx.Client) -> None:
    for body in (
        {"address": "https://www.youtube.com/watch?v=x", "rights": False},
        {"address": "http://127.0.0.1:1/x", "rights": True},
    ):
        assert client.post("/studio/library/outside/youtube", json=body).status_code == 400


def test_what_hears_is_chosen_on_the_page_and_a_model_that_is_not_here_is_said(client: httpx.Client) -> None:
    ears = client.get("/studio/library/status").json()["ears"]
    assert (ears["model"], ears["decided"]) == ("built-in", False)
    assert [(one["state"], one["licence"]) for one in ears["models"]] == [("absent", "Apache-2.0")] * 2
    asked = {"do": "use", "model": ears["models"][0]["id"]}
    reply = client.post("/studio/library/ears", json=asked)
    assert reply.status_code == 400 and "not on this machine yet" in reply.json()["detail"]
    assert client.post("/studio/library/ears", json={"do": "use", "model": "built-in"}).status_code == 200
    assert client.post("/studio/library/ears", json={"do": "sell", "model": "built-in"}).status_code == 404


def test_charts_are_drawn_by_this_studios_own_script(client: httpx.Client) -> None:
    reply = client.get("/studio/library/plotly.js")
    assert reply.status_code == 200 and b"plotly" in reply.content[:400]


def test_a_store_that_another_studio_holds_is_said_in_a_sentence(tmp_path: Path, sounds: dict[str, bytes]) -> None:
    with served_studio(tmp_path / "data", library_workers=1) as served, served.browser() as client:
        library = served.studio.library
        index = library.index
        index.close()
        elsewhere = EdgeStore(library.folder / "vectors", index.schema)
        holder = _held_elsewhere(elsewhere.folder, closing=elsewhere)
        try:
            reply = client.post(
                "/studio/library/upload", params={"name": "x.flac"}, content=sounds["ambient"], timeout=60
            )
            assert (
                reply.status_code == 400 and "Another MusicGen Studio has this library open" in reply.json()["detail"]
            )
        finally:
            holder.kill()
            holder.wait(10)


# ------------------------------------------------------------------------------------------------------ shared


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("library-shared")
    with served_studio(folder, host="0.0.0.0", auth=("anna:a", "ben:b"), requests_a_minute=100_000) as served:
        yield served


def test_a_guest_sees_and_hears_only_what_that_guest_brought(shared: Served, sounds: dict[str, bytes]) -> None:
    anna, ben = shared.serving.logins[1:]
    with shared.browser(anna) as hers, shared.browser(ben) as his, shared.browser(shared.owner) as owner:
        reply = hers.post(
            "/studio/library/upload", params={"name": "../mine.flac"}, content=sounds["techno"], timeout=60
        )
        assert reply.status_code == 200, reply.text
        track = reply.json()
        assert "file" not in track and track["title"] == "mine"
        kept = shared.studio.library.tracks.get(track["id"])
        assert kept is not None and kept.owner == owner_of(hers, shared)
        assert Path(kept.path).is_relative_to(shared.studio.settings.library_dir)
        assert [each["id"] for each in tracks(hers)] == [track["id"]]
        assert tracks(his) == []
        for route in ("sound", "peaks.json"):
            assert hers.get(f"/studio/library/tracks/{track['id']}/{route}").status_code == 200
            assert his.get(f"/studio/library/tracks/{track['id']}/{route}").status_code == 404
            assert owner.get(f"/studio/library/tracks/{track['id']}/{route}").status_code == 200
        assert his.get("/studio/library/tracks", params={"like": f"{track['id']}:1"}).status_code == 404
        assert his.get("/studio/library/overview").json()["tracks"] == 0
        assert his.get("/studio/library/map").json()["map"] is None
        heard = hers.post("/studio/library/clip", params={"name": "x.flac"}, content=sounds["ambient"], timeout=60)
        assert his.get("/studio/library/tracks", params={"clip": heard.json()["clip"]}).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "import"), ("POST", "work"), ("POST", "forget"), ("POST", "ears"), ("POST", "outside/table"),
        ("POST", "outside/youtube"),
        ("POST", "outside/spotify/sign-in"), ("POST", "outside/spotify/playlist"), ("GET", "outside/spotify/back"),
    ],
)  # fmt: skip
def test_while_shared_nobody_imports_folders_or_from_outside(shared: Served, method: str, path: str) -> None:
    for login in (shared.guest, shared.owner):
        with shared.browser(login) as client:
            reply = client.request(method, f"/studio/library/{path}", json={"path": "/etc", "what": "rescan"})
            assert reply.status_code == 403, path
    with shared.browser(shared.guest) as guest:
        assert guest.post("/studio/library/stop", json={}).status_code == 404
        status = guest.get("/studio/library/status").json()
        assert not status["may_import"] and not status["may_fetch"] and "folders" not in status and not status["job"]
