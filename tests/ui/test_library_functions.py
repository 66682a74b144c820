"""The library's public functions, called over HTTP as other programs do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client

from rag.tracks import Track
from studio.ui.build import build_page
from tests.rag.music import piece, written
from tests.ui.studios import Served, served_studio


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A studio on this machine with two tracks and one of a guest's."""
    folder = tmp_path_factory.mktemp("functions")
    with served_studio(folder / "data", build=build_page, library_workers=1) as served:
        importer = served.studio.library.importer()
        for name, tempo, owner in (("slow", 80.0, ""), ("fast", 150.0, ""), ("hers", 100.0, "anna")):
            path = written(folder / f"{name}.flac", piece(tempo_bpm=tempo, seed=len(name)))
            importer.add_known(Track(path=str(path), owner=owner))
        yield served


@pytest.fixture(scope="module")
def client(here: Served) -> Client:
    return Client(here.url, verbose=False)


def test_tracks_are_found_by_figures_and_by_their_like(client: Client) -> None:
    found = client.predict(words="fast", limit=1, api_name="/find_tracks")
    assert [track["title"] for track in found["tracks"]] == ["fast"] and found["tracks"][0]["ref"].startswith("track:")
    fast, heard = found["tracks"][0]["id"], found["tracks"][0]["features"]
    span = f"{heard['tempo_bpm'] - 0.5}-{heard['tempo_bpm'] + 0.5}"
    assert "fast" in [track["title"] for track in client.predict(tempo=span, api_name="/find_tracks")["tracks"]]
    like = client.predict(track_id=fast, api_name="/like_this")
    assert {track["title"] for track in like["tracks"]} == {"slow", "hers"}
    middle = client.predict(track_id=0, weights=f"{fast}:1, {like['tracks'][0]['id']}:0.5", api_name="/like_this")
    assert len(middle["tracks"]) == 1


def test_the_library_says_how_it_stands(client: Client) -> None:
    status = client.predict(api_name="/library_status")
    assert status["tracks"] == 3 and status["tier"] == "built-in" and sum(status["keys"]) == 3


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("find_tracks", {"tempo": "fast"}, "80-100"),
        ("find_tracks", {"key": "H minor"}, "not a key"),
        ("like_this", {"track_id": 999}, "no such track"),
        ("import_music", {"path": "/no/such/folder"}, "not there"),
        ("generate", {"words": "", "references": [{"id": "track:999"}]}, "not in your library"),
        ("generate", {"words": "", "references": [{"id": "/etc/passwd"}]}, "could not be read"),
    ],
)
def test_what_makes_no_sense_gets_a_sentence(client: Client, name: str, values: dict, says: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(Exception, match=says):
        client.predict(**values, api_name=f"/{name}")


def test_a_take_is_made_after_a_track(client: Client, here: Served, tmp_path: Path) -> None:
    track = client.predict(words="slow", api_name="/find_tracks")["tracks"][0]
    job = client.predict(
        words="", seconds=2.0, references=[{"id": track["ref"], "weight": 1.0}], wait=True, api_name="/generate"
    )
    assert job["state"] == "done", job
    shaped = here.studio.store.read(job["take_id"]).plan.shaped_by
    assert [one.id for one in shaped] == [track["ref"]]
