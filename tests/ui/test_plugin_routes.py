"""The plug-in's door: its token or nothing, no web page whatever it brings, and answers in lines."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from studio.daw.lines import read
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.build import build_page
from studio.ui.serve import Serving, serve
from tests.plugin.known_takes import clicks, keep


@pytest.fixture
def served(data_dir: Path) -> Iterator[tuple[Serving, Studio, str]]:
    take_id = keep(data_dir, "Clicks, and “more”", clicks())
    settings = Settings(port=0)
    with Studio(settings) as studio:
        serving = serve(build_page(studio), studio, settings, say=lambda greeting: None)
        try:
            yield serving, studio, take_id
        finally:
            serving.close()


def asked(served: tuple[Serving, Studio, str], path: str, **changes: str) -> httpx.Response:
    headers = {"X-Studio-Token": served[1].plug_ins.place.token, "X-Studio-Protocol": "1", **changes}
    return httpx.get(f"{served[0].url}/studio/plugin{path}", headers=headers)


def test_a_plug_in_of_this_user_is_served(served: tuple[Serving, Studio, str]) -> None:
    place = read(served[1].plug_ins.place.path.read_text())
    assert f"http://{place['address']}:{place['port']}" == served[0].url
    listed = asked(served, "/takes")
    assert listed.headers["x-studio-protocol"] == "1"
    assert listed.text == f"{served[2]}\tClicks, and “more”\t120 bpm, C major, 4 bars\n"
    facts = read(asked(served, f"/takes/{served[2]}").text)
    assert (float(facts["tempo"]), float(facts["end"]), facts["rings"]) == (120.0, 8.0, "1")
    for _ in range(200):
        sound = asked(served, f"/takes/{served[2]}/sound.wav?bpm=174&rate=48000&for=me")
        if sound.status_code == 200:
            break
        assert sound.status_code == 202 and 0 <= float(read(sound.text)["progress"]) <= 1
    assert sound.content[:4] == b"RIFF" and float(sound.headers["x-studio-tempo"]) == 174.0


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"X-Studio-Token": "guessed"}, 401),
        ({"X-Studio-Token": ""}, 401),
        ({"Origin": "http://127.0.0.1:7860"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 403),
        ({"Host": "elsewhere.example"}, 403),
        ({"X-Studio-Protocol": "2"}, 426),
    ],
)
def test_whoever_else_asks_is_refused(
    served: tuple[Serving, Studio, str], changes: dict[str, str], status: int
) -> None:
    for path in ("/takes", f"/takes/{served[2]}", f"/takes/{served[2]}/sound.wav?bpm=97&rate=48000", "/jobs/1"):
        answer = asked(served, path, **changes)
        assert answer.status_code == status
        assert "Clicks" not in answer.text
    headers = {"X-Studio-Token": served[1].plug_ins.place.token, "X-Studio-Protocol": "1", **changes}
    for path in ("/jobs", "/instances/me"):
        assert (
            httpx.post(f"{served[0].url}/studio/plugin{path}", headers=headers, content="words x").status_code == status
        )
    assert served[1].jobs.list(None) == () or not served[1].jobs.list(None)
    assert served[1].plug_ins.instances.listing() == []


def test_what_there_cannot_be_is_refused_in_a_sentence(served: tuple[Serving, Studio, str]) -> None:
    assert asked(served, "/takes/20200101-000000-000000").status_code == 404
    assert asked(served, "/jobs/nothing").status_code == 404
    assert asked(served, "/takes/..%2f..%2fsecret/sound.wav?bpm=97&rate=48000").status_code == 404
    for query in ("bpm=97&rate=1", "bpm=100000&rate=48000", "bpm=0.2&rate=48000"):
        wrong = asked(served, f"/takes/{served[2]}/sound.wav?{query}")
        assert wrong.status_code == 400 and read(wrong.text)["sentence"]
    headers = {"X-Studio-Token": served[1].plug_ins.place.token, "X-Studio-Protocol": "1"}
    much = httpx.post(f"{served[0].url}/studio/plugin/jobs", headers=headers, content="words " + "x" * 2**20)
    assert much.status_code == 400


def test_the_page_tells_a_plug_in_what_to_play(served: tuple[Serving, Studio, str]) -> None:
    base = f"{served[0].url}/studio/plug-in/instances"
    assert httpx.get(base).json() == {
        "takes": [{"id": served[2], "title": "Clicks, and “more”"}], "instances": [],
    }  # fmt: skip
    assert httpx.post(f"{base}/me", json={"take": served[2]}).status_code == 404
    headers = {"X-Studio-Token": served[1].plug_ins.place.token, "X-Studio-Protocol": "1"}

    def greet(obeyed: str = "0") -> dict[str, str]:
        greeting = f"program Reaper\nstatus Ready\ntempo 97.5\nrate 48000\nobeyed {obeyed}\n"
        return read(httpx.post(f"{served[0].url}/studio/plugin/instances/me", headers=headers, content=greeting).text)

    assert "wish" not in greet()
    assert httpx.post(f"{base}/me", json={"take": "no-such-take"}).status_code == 404
    assert httpx.post(f"{base}/me", json={"words": "  "}).status_code == 400
    assert httpx.post(f"{base}/me", json={"bars": 9_000, "words": "x"}).status_code == 400
    shown = httpx.post(f"{base}/me", json={"take": served[2]}).json()["instances"]
    assert (shown[0]["program"], shown[0]["tempo_bpm"], shown[0]["waiting"]) == ("Reaper", 97.5, True)
    heard = greet()
    assert heard["choose"] == served[2]
    assert "wish" not in greet(heard["wish"])
    httpx.post(f"{base}/me", json={"words": "techno, 100 %", "bars": 4})
    assert {name: greet(heard["wish"])[name] for name in ("make", "bars")} == {
        "make": "techno%2C%20100%20%25",
        "bars": "4",
    }
    assert (
        httpx.post(f"{base}/me", json={"take": served[2]}, headers={"Origin": "https://elsewhere.example"}).status_code
        == 403
    )


def test_the_page_offers_what_is_built_here(served: tuple[Serving, Studio, str], tmp_path: Path) -> None:
    plug_ins = served[1].plug_ins
    plug_ins.built_dir = tmp_path / "bin"  # type: ignore[misc]
    assert httpx.get(f"{served[0].url}/studio/plug-in/vst3.zip").status_code == 404
    inside = plug_ins.built_dir / "MusicGenStudio.vst3" / "Contents" / "x86_64-linux"
    inside.mkdir(parents=True)
    (inside / "MusicGenStudio.so").write_bytes(os.urandom(1000))
    sent = httpx.get(f"{served[0].url}/studio/plug-in/vst3.zip")
    names = zipfile.ZipFile(io.BytesIO(sent.content)).namelist()
    assert names == ["MusicGenStudio.vst3/Contents/x86_64-linux/MusicGenStudio.so"]
    assert httpx.get(f"{served[0].url}/studio/plug-in/..%2fvst3.zip").status_code == 404


def test_the_page_copies_what_the_file_says_and_no_other_page_can(served: tuple[Serving, Studio, str]) -> None:
    url = f"{served[0].url}/studio/plug-in/place"
    told = httpx.get(url)
    assert told.json()["lines"] == served[1].plug_ins.place.path.read_text()
    assert told.headers["cache-control"] == "no-store" and "access-control-allow-origin" not in told.headers
    rebound = httpx.get(url, headers={"Host": "evil.example"})
    assert rebound.status_code == 403 and served[1].plug_ins.place.token not in rebound.text


def test_while_shared_no_plug_in_gets_in(data_dir: Path) -> None:
    take_id = keep(data_dir, "Clicks", clicks())
    settings = Settings(port=0, host="0.0.0.0")
    with Studio(settings) as studio:
        serving = serve(build_page(studio), studio, settings, say=lambda greeting: None)
        try:
            place = read(studio.plug_ins.place.path.read_text())
            assert place["shared"] == "yes" and "token" not in place
            headers = {"X-Studio-Token": studio.plug_ins.place.token, "X-Studio-Protocol": "1"}
            assert httpx.get(f"{serving.url}/studio/plugin/takes/{take_id}", headers=headers).status_code == 401
            for path in ("vst3.zip", "instances", "place"):
                assert httpx.get(f"{serving.url}/studio/plug-in/{path}").status_code == 401
        finally:
            serving.close()
        assert not studio.plug_ins.place.path.exists()
