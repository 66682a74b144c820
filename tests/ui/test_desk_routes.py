"""The desk over HTTP: each visitor finds only their own on it, and every refusal is a sentence."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import gradio as gr
import httpx
import numpy as np
import pytest
import soundfile

from studio import api
from studio.studio import Studio
from tests.ui.studios import Served, owner_of, served_studio


def page_with_api(studio: Studio) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Markdown("A page.")
        api.register(studio)
    return blocks


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_studio(
        tmp_path_factory.mktemp("desk"), build=page_with_api, host="0.0.0.0", max_upload_mb=1,
        requests_a_minute=100_000, auth=("anna:a", "ben:b"),
    ) as served:  # fmt: skip
        yield served


@pytest.fixture(scope="module")
def anna(shared: Served) -> Iterator[httpx.Client]:
    with shared.browser(shared.serving.logins[1]) as client:
        yield client


@pytest.fixture(scope="module")
def ben(shared: Served) -> Iterator[httpx.Client]:
    with shared.browser(shared.serving.logins[2]) as client:
        yield client


@pytest.fixture(scope="module")
def owner(shared: Served) -> Iterator[httpx.Client]:
    with shared.browser(shared.owner) as client:
        yield client


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_studio(tmp_path_factory.mktemp("desk-local"), build=page_with_api) as served:
        yield served


def wav(seconds: float = 0.5, *, channels: int = 2, rate: int = 8_000, value: float = 0.2) -> bytes:
    buffer = io.BytesIO()
    samples = value * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(buffer, np.stack([samples] * channels, axis=1), rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def bring(client: httpx.Client, data: bytes = wav(), name: str = "loop.wav") -> httpx.Response:
    return client.post(f"/studio/desk/uploads?name={quote(name)}", content=data)


def item(source: str, rest: str = "") -> str:
    return f"/studio/desk/items/{quote(source, safe='')}{rest}"


def ended(client: httpx.Client, source: str, kind: str, **options: Any) -> dict[str, Any]:
    work = client.post(item(source, "/work"), json={"kind": kind, "options": options}).json()
    until = time.monotonic() + 60
    while (
        not (told := client.get(f"/studio/desk/work/{work['id']}").json())["is_finished"] and time.monotonic() < until
    ):
        time.sleep(0.05)
    return told


def routes_about(source: str, work: str = "0" * 16) -> list[tuple[str, str, Any]]:
    """Every route that concerns one item."""
    return [
        ("GET", item(source), None),
        ("GET", item(source, "/peaks.json"), None),
        ("GET", item(source, "/strips/low"), None),
        ("GET", item(source, "/strips/low?dry=1"), None),
        ("GET", item(source, "/strips/low/levels.json"), None),
        ("PUT", item(source, "/mix"), {"strips": [{"name": "low"}, {"name": "high voice"}], "parts": "true"}),
        ("POST", item(source, "/undo"), {}),
        ("POST", item(source, "/redo"), {}),
        ("POST", item(source, "/parts"), {"key": "true"}),
        ("POST", item(source, "/work"), {"kind": "bounce"}),
        ("DELETE", item(source), None),
        ("GET", f"/studio/desk/work/{work}", None),
        ("POST", f"/studio/desk/work/{work}/stop", None),
        ("GET", f"/studio/desk/work/{work}/files/mix.flac", None),
    ]


def test_a_take_is_on_its_owners_desk_with_its_parts_and_their_sound(shared: Served, anna: httpx.Client) -> None:
    take = shared.take(owner=owner_of(anna, shared))
    sheet = anna.get(item(f"take:{take.id}")).json()
    assert [strip["name"] for strip in sheet["parts"]["strips"]] == ["low", "high voice"]
    assert sheet["parts"]["label"].startswith("true stems") and not sheet["plugins"]
    sound = anna.get(item(f"take:{take.id}", "/strips/high%20voice"))
    assert sound.headers["content-type"] == "audio/flac"
    assert soundfile.info(io.BytesIO(sound.content)).duration == pytest.approx(1.0)
    peaks = anna.get(item(f"take:{take.id}", "/peaks.json")).json()["peaks"]
    assert max(peaks["low"]) == 25 and len(peaks["low"]) > 500


def test_nothing_of_anothers_is_there_not_even_a_hint(shared: Served, anna: httpx.Client, ben: httpx.Client) -> None:
    take = shared.take(owner=owner_of(anna, shared))
    upload = bring(anna).json()["source"]
    work = ended(anna, f"take:{take.id}", "hear")["id"]
    nobodys = routes_about("take:20250101-000000-abcdef")
    for source in (f"take:{take.id}", upload):
        for (method, path, body), (_, missing, _) in zip(routes_about(source, work), nobodys, strict=True):
            reply, as_if = ben.request(method, path, json=body), ben.request(method, missing, json=body)
            assert (reply.status_code, reply.content) == (404, as_if.content), path
    assert ben.get("/studio/desk/work").json()["work"] == []
    assert ben.get("/studio/desk/uploads").json()["uploads"] == []
    assert upload not in ben.get("/studio/desk/sources").text and take.id not in ben.get("/studio/desk/sources").text
    assert anna.get(item(upload)).status_code == 200, "and it is still there"


def test_the_owner_sees_what_guests_have_on_their_desks(owner: httpx.Client, anna: httpx.Client) -> None:
    source = bring(anna).json()["source"]
    assert owner.get(item(source)).status_code == 200
    assert source in owner.get("/studio/desk/sources").text


def test_a_stranger_gets_nothing(shared: Served) -> None:
    with shared.browser() as stranger:
        for method, path, body in routes_about("take:20250101-000000-abcdef"):
            assert stranger.request(method, path, json=body).status_code == 401


def test_a_mix_is_saved_undone_and_redone(shared: Served, anna: httpx.Client) -> None:
    source = f"take:{shared.take(owner=owner_of(anna, shared)).id}"
    mix = anna.get(item(source)).json()["mix"]
    mix["strips"][0]["gain_db"] = -6.0
    assert anna.put(item(source, "/mix"), json=mix).json()["can_undo"]
    undone = anna.post(item(source, "/undo")).json()
    assert undone["mix"]["strips"][0]["gain_db"] == 0.0 and undone["can_redo"]
    assert anna.post(item(source, "/redo")).json()["mix"]["strips"][0]["gain_db"] == -6.0


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"strips": 3}', b'{"gain_db": 1e999}', b"\xff\xfe", b"[" * 5000])
def test_what_is_no_mix_is_refused_in_a_sentence(shared: Served, anna: httpx.Client, body: bytes) -> None:
    source = f"take:{shared.take(owner=owner_of(anna, shared)).id}"
    reply = anna.put(item(source, "/mix"), content=body)
    assert reply.status_code == 400 and reply.json()["detail"].endswith(".")


def test_a_guest_lays_no_plug_in_of_the_machine_on_a_strip(shared: Served, anna: httpx.Client) -> None:
    source = f"take:{shared.take(owner=owner_of(anna, shared)).id}"
    mix = anna.get(item(source)).json()["mix"]
    mix["strips"][0]["chain"]["effects"] = [{"kind": "plugin", "path": "/etc/passwd"}]
    reply = anna.put(item(source, "/mix"), json=mix)
    assert reply.status_code == 400 and "not shared" in reply.json()["detail"]
    assert anna.post("/studio/desk/plugins", json={"path": "/etc/passwd"}).status_code == 400


def test_an_upload_that_is_too_large_or_no_sound_is_refused(anna: httpx.Client) -> None:
    large = bring(anna, b"x" * 1_500_000)
    assert large.status_code == 413 and "1 MB" in large.json()["detail"]
    assert bring(anna, b"words, not music").status_code == 400
    assert bring(anna, wav(0.0)).status_code == 400


def test_a_brought_sounds_name_is_only_a_name(anna: httpx.Client) -> None:
    told = bring(anna, name="../../etc/<b>passwd</b>.wav").json()
    assert told["title"] == "<b>passwd<" or "/" not in told["title"]
    assert anna.delete(item(told["source"])).json() == {"gone": told["source"]}
    assert anna.get(item(told["source"])).status_code == 404


def test_separators_are_not_fetched_while_the_studio_is_shared(anna: httpx.Client, owner: httpx.Client) -> None:
    for client in (anna, owner):
        told = client.get("/studio/desk/separators").json()
        assert told["separators"][0]["id"] == "built-in" and not told["may_manage"]
        assert client.post("/studio/desk/separators/htdemucs/download").status_code == 400


def test_effects_are_described_with_their_ranges(anna: httpx.Client) -> None:
    told = anna.get("/studio/desk/effects.json").json()
    assert told["kinds"]["compressor"]["threshold_db"] == {
        "default": -18.0,
        "least": -60.0,
        "most": 0.0,
        "options": None,
    }
    assert len(told["presets"]) > 10 and all(preset["effects"] for preset in told["presets"])
    assert anna.post("/studio/desk/effects.json", json={"name": "Mine", "effects": []}).status_code == 400


def test_a_room_answers_at_the_rate_asked_for(anna: httpx.Client) -> None:
    reply = anna.get("/studio/desk/rooms/hall.wav?rate=32000")
    assert soundfile.info(io.BytesIO(reply.content)).samplerate == 32_000
    for wrong in ("rooms/attic.wav", "rooms/hall.wav?rate=x", "rooms/hall.wav?rate=999999999"):
        assert anna.get(f"/studio/desk/{wrong}").status_code == 404


def test_work_goes_on_and_its_files_can_be_fetched(shared: Served, anna: httpx.Client) -> None:
    source = f"take:{shared.take(owner=owner_of(anna, shared)).id}"
    told = ended(anna, source, "export", what="mix", format="wav16")
    assert told["state"] == "done" and told["files"]
    reply = anna.get(f"/studio/desk/work/{told['id']}/files/{quote(told['files'][0])}")
    assert "attachment" in reply.headers["content-disposition"]
    assert soundfile.info(io.BytesIO(reply.content)).subtype == "PCM_16"
    assert anna.get(f"/studio/desk/work/{told['id']}/files/..%2Fparts.json").status_code == 404


def test_a_guest_has_only_so_much_work_under_way(shared: Served, anna: httpx.Client) -> None:
    source = bring(anna, wav(2.0)).json()["source"]
    replies = [
        anna.post(item(source, "/work"), json={"kind": "separate", "options": {"model": "built-in"}}) for _ in range(9)
    ]
    assert any(reply.status_code == 400 and "under way" in reply.json()["detail"] for reply in replies)


# ------------------------------------------------------------------------------------------- other programs' functions


def test_another_program_separates_mixes_and_carries_off(local: Served) -> None:
    from gradio_client import Client

    take = local.take(seconds=2.0)
    client = Client(local.url, verbose=False)
    shown = client.predict(source=take.id, api_name="/desk")
    mix = shown["mix"]
    mix["strips"][1]["mute"] = True
    assert client.predict(source=take.id, document=mix, api_name="/mix")["can_undo"]
    made = client.predict(source=take.id, what="mix", format="flac", api_name="/carry_off")
    sound, rate = soundfile.read(io.BytesIO(httpx.get(made["files"][0]["url"]).content))
    assert rate == 8_000 and float(np.abs(sound).max()) == pytest.approx(0.25, abs=0.01)
    kept = client.predict(source=take.id, title="Half", wait=True, api_name="/keep_mix")
    assert local.studio.store.read(kept["result"]["take"]).title == "Half"
    separated = client.predict(source=take.id, model="built-in", wait=True, api_name="/separate")
    assert separated["state"] == "done" and "built-in" in json.dumps(separated["result"])
    mastered = client.predict(source=take.id, target_lufs=-20.0, keep=True, wait=True, api_name="/master")
    assert mastered["result"]["integrated_lufs"] == pytest.approx(-20.0, abs=0.2)
    assert local.studio.store.read(mastered["result"]["take"]).parent == take.id
    faster = client.predict(source=take.id, tempo_bpm=300.0, wait=True, api_name="/change_tempo")
    assert faster["state"] == "done" or faster["error"]


def test_another_program_is_told_in_a_sentence_what_is_not_there(local: Served) -> None:
    from gradio_client import Client

    client = Client(local.url, verbose=False)
    for name in ("/desk", "/separate", "/find_loops"):
        with pytest.raises(Exception, match="no such"):
            client.predict(source="20250101-000000-abcdef", api_name=name)
