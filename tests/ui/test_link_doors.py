"""Ableton Link asked by the page and by other programs: the owner's alone, stamped by the studio's clock, refused in words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client

from studio.ui.build import build_page
from studio.ui.link_panel import followed
from tests.link_room import Room, until
from tests.ui.studios import Served, served_studio


@pytest.fixture(scope="module")
def local(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_studio(room.install_in(tmp_path_factory.mktemp("link")), build=build_page) as served:
        yield served


@pytest.fixture
def page(local: Served) -> Iterator[httpx.Client]:
    with local.browser() as client:
        yield client
        client.post("/studio/link/leave")


def test_the_page_is_told_the_session_with_stamps_to_set_its_clock_by(local: Served, page: httpx.Client) -> None:
    before = page.get("/studio/link").json()
    assert before["available"] and not before["joined"] and before["beat"] is None
    sent = time.monotonic()
    told = page.post("/studio/link/join", json={"tempo_bpm": 93}).json()
    assert sent <= told["received"] <= told["sent"] <= time.monotonic()
    assert told["joined"] and told["tempo_bpm"] == pytest.approx(93.0, abs=0.001)
    assert abs(told["seconds"] - told["sent"]) < 0.5
    later = page.get("/studio/link").json()
    went = later["beat"] - told["beat"]
    assert went == pytest.approx((later["seconds"] - told["seconds"]) * 93.0 / 60.0, abs=0.01)


def test_news_comes_at_once_and_silence_after_a_second(local: Served, page: httpx.Client) -> None:
    version = page.post("/studio/link/join").json()["version"]
    began = time.monotonic()
    quiet = page.get("/studio/link", params={"since": version}).json()
    assert quiet["version"] == version and 0.9 < time.monotonic() - began < 5.0
    local.studio.link.set_tempo(101.0)
    news = page.get("/studio/link", params={"since": version}).json()
    assert news["version"] > version and news["tempo_bpm"] == pytest.approx(101.0, abs=0.001)


def test_tempo_transport_and_choices_go_through_the_door(local: Served, page: httpx.Client, room: Room) -> None:
    page.post("/studio/link/join")
    with room.peer() as peer:
        until(lambda: peer.told["peers"] == 1, "the two did not meet")
        page.post("/studio/link/tempo", json={"tempo_bpm": 88})
        until(lambda: abs(peer.told["tempo_bpm"] - 88.0) < 0.001, "the tempo did not arrive")
        page.post("/studio/link/play")
        until(lambda: peer.told["playing"], "the start did not arrive")
        page.post("/studio/link/stop")
        until(lambda: not peer.told["playing"], "the stop did not arrive")
    chosen = page.post("/studio/link/choose", json={"beats_a_bar": 3, "latency_ms": 20}).json()
    assert (chosen["beats_a_bar"], chosen["latency_ms"]) == (3, 20.0)
    page.post("/studio/link/choose", json={"beats_a_bar": 4, "latency_ms": 0})


@pytest.mark.parametrize(
    ("verb", "body", "said"),
    [
        ("tempo", {"tempo_bpm": 5}, "between 20 and 999"),
        ("tempo", {}, "between 20 and 999"),
        ("tempo", {"tempo_bpm": "fast"}, "tempo_bpm"),
        ("choose", {"latency_ms": 5_000}, "latency_ms"),
        ("choose", {"tempo": 3}, "tempo"),
        ("join", [], "cannot be read"),
        ("choose", {"x": "y" * 5_000}, "more than Link has to be told"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(page: httpx.Client, verb: str, body: object, said: str) -> None:
    page.post("/studio/link/join")
    reply = page.post(f"/studio/link/{verb}", json=body)
    assert reply.status_code == 400 and said in reply.json()["detail"]


def test_outside_a_session_and_off_the_map_there_is_an_answer(page: httpx.Client) -> None:
    reply = page.post("/studio/link/play")
    assert reply.status_code == 400 and "join first" in reply.json()["detail"]
    assert page.post("/studio/link/explode").status_code == 404


def test_a_takes_bars_and_its_sound_at_a_tempo(local: Served, page: httpx.Client) -> None:
    take = local.take(seconds=3.0)
    music = page.get(f"/studio/link/takes/{take.id}").json()
    assert music["tempo_bpm"] == take.plan.tempo_bpm.value and not music["exact"]
    tempo = take.plan.tempo_bpm.value * 1.2
    sound = page.get(f"/studio/link/takes/{take.id}/sound", params={"tempo_bpm": tempo})
    assert sound.headers["content-type"] == "audio/flac" and sound.content[:4] == b"fLaC"
    assert float(sound.headers["x-studio-tempo"]) == pytest.approx(tempo)
    for wrong in ("", "fast", "nan", "5", str(take.plan.tempo_bpm.value * 3)):
        assert page.get(f"/studio/link/takes/{take.id}/sound", params={"tempo_bpm": wrong}).status_code == 400
    for nothing in (
        "takes/20200101-000000-aaaaaa",
        f"takes/track:{take.id}",
        f"sounds/{take.id}",
        "tracks/999",
        "tracks/x",
    ):
        assert page.get(f"/studio/link/{nothing}").status_code in (400, 404), nothing


def test_other_programs_ask_by_functions(local: Served) -> None:
    client = Client(local.url, verbose=False)
    assert not client.predict(api_name="/link_status")["joined"]
    assert client.predict(tempo_bpm=90, api_name="/link_join")["joined"]
    assert client.predict(tempo_bpm=95, api_name="/link_tempo")["joined"]
    until(lambda: abs(client.predict(api_name="/link_status")["tempo_bpm"] - 95.0) < 0.001, "the tempo did not change")
    client.predict(playing=True, api_name="/link_transport")
    until(lambda: client.predict(api_name="/link_status")["playing"], "it did not start")
    with pytest.raises(Exception, match="between 20 and 999"):
        client.predict(tempo_bpm=5, api_name="/link_tempo")
    assert not client.predict(api_name="/link_leave")["joined"]
    with pytest.raises(Exception, match="join first"):
        client.predict(playing=True, api_name="/link_transport")


def test_guests_have_no_link(room: Room, tmp_path: Path) -> None:
    data = room.install_in(tmp_path)
    with served_studio(data, build=build_page, host="0.0.0.0", auth=("anna:a",)) as shared:
        owner, anna = shared.serving.logins
        with shared.browser(anna) as hers, shared.browser(owner) as ours:
            take = shared.take().id
            for method, path in [
                ("GET", "/studio/link"), ("POST", "/studio/link/join"), ("POST", "/studio/link/leave"),
                ("POST", "/studio/link/install"), ("GET", f"/studio/link/takes/{take}"),
                ("GET", f"/studio/link/takes/{take}/sound?tempo_bpm=120"),
            ]:  # fmt: skip
                assert hers.request(method, path).status_code == 404, path
            assert not shared.studio.link.state().joined
            assert ours.post("/studio/link/join").json()["joined"]
            assert ours.post("/studio/link/install").status_code == 404, "nothing is installed while it is shared"
        guest = Client(shared.url, auth=("anna", "a"), verbose=False)
        with pytest.raises(Exception, match="Only the studio's owner"):
            guest.predict(api_name="/link_status")
        with pytest.raises(Exception, match="Only the studio's owner"):
            guest.predict(api_name="/link_leave")
        assert shared.studio.link.state().joined


@pytest.mark.parametrize(
    ("written", "meter", "tempo", "held", "field", "kept"),
    [
        ("140", "", 97.0, None, "97", {"before": "140", "put": "97"}),
        ("97", "", 99.5, {"before": "140", "put": "97"}, "99.5", {"before": "140", "put": "99.5"}),
        ("", "6/8", 180.0, None, "120", {"before": "", "put": "120"}),
        ("99.5", "", None, {"before": "140", "put": "99.5"}, "140", None),
    ],
)
def test_the_tempo_field_follows_and_is_given_back(
    written: str, meter: str, tempo: float | None, held: dict[str, str] | None, field: str, kept: object
) -> None:
    import json

    shown, browser = followed(written, meter, tempo, held)
    assert shown == field and json.loads(browser) == kept


def test_what_the_user_wrote_meanwhile_stays(local: Served) -> None:
    shown, _ = followed("128", "", None, {"before": "140", "put": "97"})
    assert not isinstance(shown, str)
