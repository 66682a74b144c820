"""The functions other programs call: through REST with gradio_client, and through MCP with its own client."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from gradio_client import Client
from gradio_client.exceptions import AppError

from agents.planner import plan_from_brief
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.build import build_page
from studio.ui.serve import Serving, serve
from tests.ui.api_clients import ask, client_of, page_with_api, with_mcp
from tests.ui.studios import Served, served_studio

WANTED = {
    "/plan",
    "/generate",
    "/continue_take",
    "/repaint",
    "/vary",
    "/enhance",
    "/suggest",
    "/verdict",
    "/refine",
    "/refinement",
    "/steer_refinement",
    "/agents",
    "/link_status",
    "/link_join",
    "/link_leave",
    "/link_tempo",
    "/link_transport",
    "/midi_status",
    "/midi_port",
    "/midi_play",
    "/midi_set",
    "/midi_stop",
    "/midi_panic",
    "/find_tracks",
    "/like_this",
    "/library_status",
    "/import_music",
    "/desk",
    "/separate",
    "/mix",
    "/keep_mix",
    "/master",
    "/change_tempo",
    "/find_loops",
    "/transcribe",
    "/carry_off",
    "/desk_work",
    "/stop_desk_work",
    "/vote",
    "/prefer",
    "/songs",
    "/run_grid",
    "/grid",
    "/trends",
    "/status",
    "/cancel",
    "/list_takes",
    "/export",
    "/engines",
}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_studio(tmp_path_factory.mktemp("api"), build=page_with_api, planner=plan_from_brief) as served:
        yield served


@pytest.fixture(scope="module")
def client(local: Served) -> Client:
    return client_of(local)


# ------------------------------------------------------------------------------------------------- through REST


def test_the_public_functions_are_these_and_each_says_what_it_does(client: Client) -> None:
    listed = client.view_api(return_format="dict", print_info=False)
    assert set(listed["named_endpoints"]) == WANTED
    assert listed["unnamed_endpoints"] == {}
    for name, endpoint in listed["named_endpoints"].items():
        assert len(endpoint["description"]) > 20, name
        assert all(parameter["type"] for parameter in endpoint["parameters"]), name


def test_music_is_planned_made_listed_and_brought_home(local: Served, client: Client) -> None:
    plan = ask(client, "plan", words="slow lo-fi hip hop, rainy", tempo_bpm=80, seconds=12)
    assert plan["tempo_bpm"] == {"value": 80.0, "by": "asked", "why": plan["tempo_bpm"]["why"]}
    assert sum(section["bars"]["value"] for section in plan["sections"]) >= 3

    job = ask(client, "generate", words="", plan=plan, seed=7, wait=True)
    assert job["state"] == "done" and job["seconds_total"] == pytest.approx(12.0)
    assert ask(client, "status", job_id=job["job_id"])["take_id"] == job["take_id"]

    listed = ask(client, "list_takes", words="rainy")
    assert [take["take_id"] for take in listed["takes"]] == [job["take_id"]]
    assert listed["takes"][0]["tempo_bpm"] == 80.0 and listed["takes"][0]["seed"] == 7

    file = ask(client, "export", take_id=job["take_id"], format="wav24")
    sound = httpx.get(file["url"], trust_env=False)
    assert len(sound.content) == file["bytes"] and sound.headers["content-type"] == file["media_type"]
    samples, rate_hz = soundfile.read(io.BytesIO(sound.content))
    assert len(samples) / rate_hz == pytest.approx(12.0)
    assert file["filename"].endswith(".wav") and "80bpm" in file["filename"]


def test_a_job_is_watched_and_stopped_and_keeps_its_part(local: Served, client: Client) -> None:
    local.engine.hold(after_tenths=5)
    try:
        job = ask(client, "generate", words="a long drone", seconds=60)
        local.studio.jobs.live(job["job_id"], timeout_seconds=10.0)
        assert job["state"] in ("queued", "planning", "rendering") and job["take_id"] is None
        ask(client, "cancel", job_id=job["job_id"])
    finally:
        local.engine.let_go()
    local.studio.jobs.wait(job["job_id"], timeout_seconds=10.0)
    stopped = ask(client, "status", job_id=job["job_id"])
    assert stopped["state"] == "stopped" and stopped["take_id"]
    assert 0.0 < stopped["seconds_done"] < 60.0
    assert httpx.get(stopped["sound_url"], trust_env=False).content[:4] == b"fLaC"


def test_a_job_can_be_heard_by_its_address_while_it_is_made(local: Served, client: Client) -> None:
    local.engine.hold(after_tenths=5)
    try:
        job = ask(client, "generate", words="a drone", seconds=5)
        local.studio.jobs.live(job["job_id"], timeout_seconds=10.0)
        address = ask(client, "status", job_id=job["job_id"])["sound_url"]
        head = httpx.get(address, headers={"Range": "bytes=0-3"}, trust_env=False)
        assert head.status_code == 206 and head.content == b"RIFF"
    finally:
        ask(client, "cancel", job_id=job["job_id"])
        local.engine.let_go()


def test_seeds_are_drawn_anew_unless_given(client: Client, local: Served) -> None:
    for _ in range(3):
        ask(client, "generate", words="dice", seconds=1, wait=True)
    seeds = [take["seed"] for take in ask(client, "list_takes", words="dice")["takes"]]
    assert len(set(seeds)) == 3


def test_the_engines_are_listed_with_what_they_need(client: Client) -> None:
    engines = ask(client, "engines")["engines"]
    assert [(engine["name"], engine["tier"], engine["ready"]) for engine in engines] == [("tone", "built-in", True)]


@pytest.mark.parametrize(
    ("name", "named", "said"),
    [
        ("plan", {"words": ""}, "Describe|words|want"),
        ("plan", {"words": "a waltz", "seconds": 3_600}, "600"),
        ("plan", {"words": "a waltz", "seconds": 0}, "1"),
        ("plan", {"words": "a waltz", "key": "H sharp"}, "H sharp"),
        ("generate", {"words": "a waltz", "engine": "kazoo"}, "kazoo"),
        ("generate", {"words": "a waltz", "seed": -1}, "seed"),
        ("generate", {"words": "a waltz", "plan": {"title": "half a plan"}}, "plan|required|Field"),
        ("generate", {"words": "a waltz", "steering": {"melody": "take:20200101-000000-abcdef"}}, "no such take"),
        ("generate", {"words": "a waltz", "steering": {"tune": "hum"}}, "tune"),
        ("generate", {"words": "a waltz", "adapters": [{"name": "brass", "strength": 2}]}, "strength"),
        ("status", {"job_id": "nothing"}, "no such job"),
        ("cancel", {"job_id": "nothing"}, "no such job"),
        ("export", {"take_id": "nothing"}, "no such take"),
        ("export", {"take_id": "../../guests.key"}, "no such take"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(client: Client, name: str, named: dict[str, Any], said: str) -> None:
    with pytest.raises(AppError, match=said) as refusal:
        ask(client, name, **named)
    text = str(refusal.value)
    assert "Traceback" not in text and "\n" not in text and "pydantic" not in text.lower()


def test_an_unknown_format_is_answered_with_the_known_ones(local: Served, client: Client) -> None:
    with pytest.raises(AppError, match="flac"):
        ask(client, "export", take_id=local.take().id, format="exe")


def test_takes_are_edited_by_engines_that_can_and_others_say_so(client: Client) -> None:
    job = ask(client, "generate", words="a tone", seconds=2, wait=True)
    assert job["take_ids"] == [job["take_id"]]
    for name, named in (
        ("continue_take", {"seconds": 2}),
        ("repaint", {"start_seconds": 0, "end_seconds": 1}),
        ("vary", {"closeness": 0.3}),
    ):
        with pytest.raises(AppError, match="download a MusicGen model first"):
            ask(client, name, take_id=job["take_id"], **named)
        with pytest.raises(AppError, match="no such take"):
            ask(client, name, take_id="20200101-000000-abcdef", **named)
    with pytest.raises(AppError, match="closeness"):
        ask(client, "vary", take_id=job["take_id"], closeness=2.0)


# ---------------------------------------------------------------------------------------------------- through MCP


def test_an_assistant_finds_the_tools_described_and_makes_music(local: Served) -> None:
    wish = {"words": "an assistant's waltz", "seconds": 3}
    tools, answers = asyncio.run(
        with_mcp(
            local.url, {}, [("plan", wish), ("generate", {**wish, "wait": True}), ("status", {"job_id": "nothing"})]
        )
    )
    assert {f"/{tool.name}" for tool in tools} == WANTED
    generate = next(tool for tool in tools if tool.name == "generate")
    assert "music" in generate.description
    assert set(generate.inputSchema["required"]) == {"words"}
    assert all(field["description"] for field in generate.inputSchema["properties"].values())
    plan, made = (json.loads(answer.content[0].text) for answer in answers[:2])
    assert plan["brief"]["words"] == wish["words"]
    assert made["state"] == "done" and local.studio.store.read(made["take_id"]).seconds == pytest.approx(3.0)
    assert answers[2].isError and answers[2].content[0].text.startswith("There is no such job")


# ------------------------------------------------------------------------------------------------- the real page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, Serving]]:
    """The studio as it is shipped: its own page, planner and engines, on localhost."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("page"), port=0)
    with Studio(settings) as studio:
        serving = serve(build_page(studio), studio, settings, say=lambda greeting: None)
        yield studio, serving
        serving.close()


def test_the_page_shows_the_world_these_functions_and_nothing_of_its_wiring(page: tuple[Studio, Serving]) -> None:
    client = Client(page[1].url, verbose=False, analytics_enabled=False)
    listed = client.view_api(return_format="dict", print_info=False)
    assert set(listed["named_endpoints"]) == WANTED
    wiring = [each for each in client.config["dependencies"] if each["api_visibility"] != "public"]
    assert len(wiring) > 5, "the page's own events were not found"
    public = {each["api_name"] for each in client.config["dependencies"] if each["api_visibility"] == "public"}
    assert public == {name.removeprefix("/") for name in WANTED}


def test_the_sketch_engine_is_driven_from_words_to_files(page: tuple[Studio, Serving]) -> None:
    client = Client(page[1].url, verbose=False, analytics_enabled=False)
    plan = ask(client, "plan", words="gentle piano waltz in D major, 150 bpm", seconds=8, seed=3)
    assert plan["tempo_bpm"]["value"] == 150.0 and plan["meter"]["value"]["beats"] == 3
    job = ask(client, "generate", words="", plan=plan, engine="sketch", seed=3, wait=True)
    assert job["state"] == "done", job["error"]
    listed = ask(client, "list_takes", words="waltz")["takes"]
    assert [(take["take_id"], take["has_midi"]) for take in listed] == [(job["take_id"], True)]
    for wanted, head in (("mp3", b"ID3"), ("midi", b"MThd"), ("stems", b"PK"), ("ogg", b"OggS")):
        file = ask(client, "export", take_id=job["take_id"], format=wanted)
        content = httpx.get(file["url"], trust_env=False).content
        assert len(content) == file["bytes"] and content.startswith(head), wanted
    again = ask(client, "generate", words="", plan=plan, engine="sketch", seed=3, wait=True)
    sounds = [httpx.get(each["sound_url"], trust_env=False).content for each in (job, again)]
    assert np.array_equal(*(soundfile.read(io.BytesIO(sound), dtype="int32")[0] for sound in sounds))


# --------------------------------------------------------------------------------------------------- the agents


def test_words_are_enhanced_and_music_is_suggested(client: Client) -> None:
    ways = ask(client, "enhance", words="a tango for two, no drums")["ways"]
    assert len(ways) == 3 and all(way["words"].startswith("a tango for two, no drums") for way in ways)
    assert all(way["by"] == "built-in rules" and way["added"] for way in ways)
    assert len(ask(client, "suggest", count=2)["suggestions"]) == 2
    agents = ask(client, "agents")["agents"]
    assert len(agents) == 6 and all(agent["tier"] == "built-in" and agent["why"] for agent in agents)


def test_a_take_is_judged_for_other_programs_too(client: Client) -> None:
    job = ask(client, "generate", words="a tone", seconds=3, wait=True)
    verdict = ask(client, "verdict", take_id=job["take_id"])
    assert verdict["judged"] and 0 <= verdict["score"] <= 100 and verdict["words"]
    assert {"tempo", "key", "length"} <= {part["name"] for part in verdict["parts"]}
    listed = ask(client, "list_takes", limit=1)["takes"][0]
    assert listed["score"] == verdict["score"]
    with pytest.raises(AppError, match="no such take"):
        ask(client, "verdict", take_id="20250101-000000-abcdef")


def test_a_refinement_runs_and_is_overruled_from_elsewhere(client: Client) -> None:
    done = ask(client, "refine", words="a tone", seconds=2, passes=2, score=100, wait=True)
    assert not done["running"] and done["passes"] and done["passes"][0]["take"]
    again = ask(client, "refinement", refinement_id=done["refinement_id"])
    assert again["passes"] == done["passes"]
    chosen = ask(client, "steer_refinement", refinement_id=done["refinement_id"], best=0)
    assert chosen["best"] == 0
    with pytest.raises(AppError, match="no pass 10 yet"):
        ask(client, "steer_refinement", refinement_id=done["refinement_id"], best=9)
    with pytest.raises(AppError, match="no such refinement"):
        ask(client, "refinement", refinement_id="0" * 16)
