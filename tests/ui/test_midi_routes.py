"""Live MIDI over HTTP: this machine's ports are its own user's, a guest has the browser's, and what makes no sense is a sentence."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import mido
import pytest
from gradio_client import Client

from studio.api import register
from studio.live_midi.live import now
from studio.studio import Studio
from tests.ui.studios import Served, owner_of, served_studio

KEYS = [[0.02, 60, 80], [0.4, 60, 0], [0.52, 64, 90], [0.9, 64, 0]]


def page_with_functions(studio: Studio) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as blocks:
        register(studio)
    return blocks


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A studio for this machine's user."""
    with served_studio(tmp_path_factory.mktemp("midi"), build=page_with_functions) as served:
        yield served


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_studio(
        tmp_path_factory.mktemp("shared-midi"), build=page_with_functions, host="0.0.0.0", requests_a_minute=100_000
    ) as served:
        yield served


@pytest.fixture
def host(alone: Served) -> Iterator[httpx.Client]:
    with alone.browser() as client:
        yield client


def test_the_clock_that_pages_measure_against_is_the_players(host: httpx.Client) -> None:
    before = now()
    told = host.get("/studio/midi/now").json()["sent"]
    assert before <= told <= now()


def test_looking_at_the_page_starts_no_process(host: httpx.Client, alone: Served) -> None:
    status = host.get("/studio/midi").json()
    assert (status["port"], status["playing"], status["score"]) == ("", False, None)
    assert not alone.studio.midi._client.is_running


def test_switches_are_kept_and_nonsense_changes_nothing(host: httpx.Client) -> None:
    assert host.post("/studio/midi/set", json={"clock_out": True, "offset_ms": -20}).json()["clock_out"]
    for wrong in (
        {"follows": "the moon"},
        {"offset_ms": 9_999},
        {"parts": {"0": {"channel": 16}}},
        {"parts": {"x": {"on": 1}}},
        {"parts": 3},
    ):
        reply = host.post("/studio/midi/set", json=wrong)
        assert reply.status_code == 400, wrong
        assert reply.json()["detail"].endswith(".")
    status = host.get("/studio/midi").json()
    assert (status["follows"], status["offset_ms"], status["clock_out"]) == ("page", -20.0, True)


def test_a_take_without_notes_says_where_to_write_them_down(host: httpx.Client, alone: Served) -> None:
    take = alone.take()
    reply = host.get(f"/studio/midi/score?source=take:{take.id}")
    assert reply.status_code == 400
    assert "Stems" in reply.json()["detail"]


def test_what_is_not_there_is_404_and_what_cannot_be_read_400(host: httpx.Client) -> None:
    assert host.get("/studio/midi/score?source=take:20250101-000000-abcdef").status_code == 404
    assert host.post("/studio/midi/dance", json={}).status_code == 404
    assert host.post("/studio/midi/set", content=b"[1]").status_code == 400
    assert host.post("/studio/midi/play", json={}).status_code == 400
    assert host.post("/studio/midi/recorded", json={}).status_code == 400
    assert host.post("/studio/midi/record", json={"tempo_bpm": 120}).status_code == 400  # no keyboard was chosen


@pytest.mark.parametrize(("grid", "starts"), [(0, [0.02, 0.52]), (4, [0.0, 0.5])])
def test_a_played_melody_becomes_a_midi_file_that_engines_follow(
    host: httpx.Client, alone: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, grid: int, starts: list[float]
) -> None:
    from studio.engines.musicgen.melody import from_midi
    from studio.sounds import SoundStore

    sounds = SoundStore(tmp_path, takes_dir=tmp_path, bin_dir=tmp_path)
    monkeypatch.setattr(alone.engine, "sounds", sounds, raising=False)
    asked = {"keys": KEYS, "seconds": 2.0, "tempo_bpm": 120, "beats_a_bar": 4, "grid": grid}
    told = host.post("/studio/midi/melody", json=asked).json()
    assert told["keys"] == 2
    data = sounds.get(told["melody"])
    assert isinstance(data, bytes)
    elapsed, found = 0.0, []
    for message in mido.MidiFile(file=io.BytesIO(data)):
        elapsed += message.time
        if message.type == "note_on":
            found.append((elapsed, message.note, message.velocity))
    assert [note[1:] for note in found] == [(60, 80), (64, 90)]
    assert [note[0] for note in found] == pytest.approx(starts, abs=1e-3)
    assert from_midi(data).seconds == pytest.approx(starts[1] + (0.38 if not grid else 0.375), abs=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        {"keys": [], "seconds": 1.0}, {"keys": [["a", 60, 80]], "seconds": 1.0}, {"keys": [[0.0, 200, 80]], "seconds": 1.0},
        {"keys": KEYS, "seconds": 1.0, "tempo_bpm": 5}, {"keys": KEYS, "seconds": 1.0, "grid": 99}, {"seconds": 1.0},
        {"keys": [[0.0, 60, 80]] * 30_000, "seconds": 1.0}, {"keys": [[5_000.0, 60, 80]], "seconds": 6_000.0},
    ],
)  # fmt: skip
def test_a_melody_that_is_none_is_refused(host: httpx.Client, wrong: dict[str, object]) -> None:
    reply = host.post("/studio/midi/melody", json=wrong)
    assert reply.status_code == 400
    assert len(reply.json()["detail"]) > 20
    assert host.post("/studio/midi/melody", content=b'{"keys": [[NaN, 60, 80]], "seconds": 1}').status_code == 400


def test_a_guest_has_the_browsers_midi_alone_and_no_port_of_the_machine(shared: Served) -> None:
    for login in (shared.guest, shared.owner):
        with shared.browser(login) as client:
            assert client.get("/studio/midi?look=1").json() == {"browser_only": True}
            for verb in ("choose", "set", "follow", "load", "play", "stop", "panic", "listen", "record", "recorded"):
                assert client.post(f"/studio/midi/{verb}", json={"port": "virtual"}).status_code == 404, verb
    assert not shared.studio.midi._client.is_running


def test_a_guests_browser_gets_no_notes_of_anothers(shared: Served) -> None:
    with shared.browser(shared.guest) as guest, shared.browser(shared.guest) as other:
        theirs = shared.take(owner=owner_of(other, shared))
        address = f"/studio/midi/score?source=take:{theirs.id}"
        assert guest.get(address).status_code == 404
        assert other.get(address).status_code == 400  # its own, which has no notes
    with shared.browser() as stranger:
        assert stranger.get(address).status_code == 401


def test_the_functions_are_there_for_programs(alone: Served) -> None:
    client = Client(alone.url, verbose=False)
    status = client.predict(changes={"clock_out": False, "programs": False}, api_name="/midi_set")
    assert (status["clock_out"], status["programs"]) == (False, False)
    with pytest.raises(Exception, match="write its notes down"):
        client.predict(take_id=alone.take().id, api_name="/midi_play")


def test_shared_functions_refuse_in_a_sentence(shared: Served) -> None:
    with shared.browser(shared.guest) as guest:
        reply = guest.post("/gradio_api/run/midi_status", json={"data": []})
        assert "not shared" in reply.text
