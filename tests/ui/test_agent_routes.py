"""The agents' routes: verdicts, refinements and the microphone, each for whoever may see them and nobody else."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from agents.orchestrator import Budget
from studio.refine import RefineRequest
from tests.tiny_whisper import write_whisper
from tests.ui.studios import Served, owner_of, served_studio

WISH = "a slow waltz with cello"


def babble(seconds: float = 2.0, *, rate_hz: int = 16_000) -> np.ndarray:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    syllables = np.clip(np.sin(2 * np.pi * 3 * times), 0, None) ** 2
    return (0.1 * syllables * sum(np.sin(2 * np.pi * 140 * n * times) / n for n in range(1, 12))).astype(np.float32)


def recording(samples: np.ndarray, *, rate_hz: int = 16_000) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_studio(tmp_path_factory.mktemp("agents")) as served:
        yield served


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("agents-shared")
    with served_studio(folder, host="0.0.0.0", auth=("anna:a", "ben:b")) as served:
        yield served


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_whisper(tmp_path_factory.mktemp("whisper") / "base.pt", says=WISH).read_bytes()


def put_whisper(served: Served, data: bytes) -> Path:
    home = served.studio.settings.models_dir / "speech" / "base.pt"
    home.parent.mkdir(parents=True, exist_ok=True)
    home.write_bytes(data)
    return home


def refine(served: Served, *, owner: str = "", passes: int = 1) -> str:
    request = RefineRequest.model_validate(
        {"brief": {"words": "a tone", "seconds": 2.0}, "engine": "tone", "budget": Budget(passes=passes)}
    )
    return served.studio.refinements.start(request, owner=owner).id


# --------------------------------------------------------------------------------------------------- verdicts


def test_a_takes_verdict_opens_with_its_reasons(local: Served) -> None:
    take = local.take(words="a <b>bold</b> tone")
    review = local.studio.reviews.wait(take.id, timeout_seconds=30)
    assert review is not None
    with local.browser() as client:
        page = client.get(f"/studio/takes/{take.id}/verdict.html")
        assert page.status_code == 200 and f">{review.verdict.score:.0f}<" in page.text
        assert 'data-part="tempo"' in page.text and "<b>bold</b>" not in page.text
        assert "built-in rules" in page.text and "CLAP" in page.text
        assert client.get("/studio/takes/20250101-000000-abcdef/verdict.html").status_code == 404


def test_a_take_that_was_never_judged_can_be(local: Served) -> None:
    take = local.take()
    local.studio.reviews.wait(take.id, timeout_seconds=30)
    (local.studio.store.folder(take.id) / "review.json").unlink()
    local.studio.reviews._known.pop(take.id)
    with local.browser() as client:
        assert client.get(f"/studio/takes/{take.id}/verdict.html").status_code == 404
        assert client.post(f"/studio/takes/{take.id}/judge").status_code == 200
        assert local.studio.reviews.wait(take.id, timeout_seconds=30) is not None
        assert client.get(f"/studio/takes/{take.id}/verdict.html").status_code == 200


def test_verdicts_and_refinements_of_another_do_not_exist(shared: Served) -> None:
    anna, ben = shared.serving.logins[1:]
    with shared.browser(anna) as hers, shared.browser(ben) as his:
        take = shared.take(owner=owner_of(hers, shared))
        shared.studio.reviews.wait(take.id, timeout_seconds=30)
        refinement = refine(shared, owner=owner_of(hers, shared))
        shared.studio.refinements.wait(refinement, timeout_seconds=60)
        for method, path in (
            ("GET", f"/studio/takes/{take.id}/verdict.html"), ("POST", f"/studio/takes/{take.id}/judge"),
            ("POST", f"/studio/refinements/{refinement}/stop"), ("POST", f"/studio/refinements/{refinement}/overrule"),
        ):  # fmt: skip
            assert his.request(method, path).status_code == 404, path
            assert hers.request(method, path).status_code == 200, path
        assert his.get("/studio/refinements").json() == {"refinements": []}
        assert [one["id"] for one in hers.get("/studio/refinements").json()["refinements"]] == [refinement]


# ------------------------------------------------------------------------------------------------- refinements


def test_a_refinement_tells_each_pass_and_can_be_overruled(local: Served) -> None:
    refinement = refine(local, passes=2)
    local.studio.refinements.wait(refinement, timeout_seconds=60)
    with local.browser() as client:
        shown = client.get("/studio/refinements").json()["refinements"][0]
        assert shown["id"] == refinement and not shown["running"] and len(shown["passes"]) == 2
        second = shown["passes"][1]
        assert second["changes"][0]["what"] == "drawn anew" and second["changes"][0]["why"]
        other = 1 - shown["best"]
        kept = client.post(f"/studio/refinements/{refinement}/overrule", json={"best": other})
        assert kept.status_code == 200 and kept.json()["best"] == other
        assert client.get("/studio/refinements").json()["refinements"][0]["best"] == other


@pytest.mark.parametrize("body", [b'{"best": 99}', b'{"best": "x"}', b'{"redo": [1000]}', b"[]", b"{", b'{"leave": 3}'])
def test_an_overruling_that_makes_no_sense_is_refused_in_words(local: Served, body: bytes) -> None:
    refinement = refine(local)
    local.studio.refinements.wait(refinement, timeout_seconds=60)
    with local.browser() as client:
        reply = client.post(f"/studio/refinements/{refinement}/overrule", content=body)
        assert reply.status_code == 400 and reply.json()["detail"]
        assert client.post(f"/studio/refinements/{refinement}/dance").status_code == 404


# --------------------------------------------------------------------------------------------------- the voice


def test_without_a_speech_model_the_microphone_says_so_and_offers_the_download(local: Served, shared: Served) -> None:
    with local.browser() as client, shared.browser(shared.guest) as guest:
        reply = client.post("/studio/voice", content=recording(babble()))
        assert reply.status_code == 409 and reply.json()["download"] == "whisper-base"
        assert "download it (0.1 GB)" in reply.json()["detail"]
        state = client.get("/studio/voice/model").json()
        assert not state["ready"] and state["may_download"]
        refused = guest.post("/studio/voice", content=recording(babble()))
        assert refused.status_code == 409 and refused.json()["download"] == ""
        assert guest.post("/studio/voice/model").status_code == 403
        assert not shared.studio.desk.downloads.any_running


def test_a_spoken_wish_comes_back_in_words_for_owner_and_guest(local: Served, shared: Served, whisper: bytes) -> None:
    homes = [put_whisper(served, whisper) for served in (local, shared)]
    try:
        with local.browser() as client, shared.browser(shared.guest) as guest, shared.browser() as stranger:
            for asking in (client, guest):
                said = asking.post("/studio/voice", content=recording(babble())).json()
                assert (said["text"], said["language"]) == (WISH, "en")
            assert stranger.post("/studio/voice", content=recording(babble())).status_code == 401
    finally:
        for home in homes:
            home.unlink()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (recording(np.zeros(32_000, np.float32)), "silent"),
        (recording(np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)), "steady noise"),
        (recording(np.zeros(2, np.float32)), "too short"),
        (recording(np.tile(babble(10.0, rate_hz=8_000), 100), rate_hz=8_000), "1000 s; at most 900 s"),
        (b"RIFF but no sound", "sound"),
        (b"", "sound"),
    ],
    ids=["silence", "noise", "a click", "a quarter of an hour", "no sound file", "nothing"],
)
def test_what_is_no_spoken_wish_is_a_sentence_within_seconds(
    local: Served, whisper: bytes, data: bytes, sentence: str
) -> None:
    home = put_whisper(local, whisper)
    try:
        with local.browser() as client:
            began = time.monotonic()
            reply = client.post("/studio/voice", content=data)
            assert reply.status_code == 422 and time.monotonic() - began < 10
            detail = reply.json()["detail"]
            assert sentence in detail
    finally:
        home.unlink()


def test_two_hours_of_sound_are_refused_without_being_read(local: Served) -> None:
    read = 0

    def hours() -> Iterator[bytes]:
        nonlocal read
        for _ in range(2 * 3_600):
            read += 32_000
            yield bytes(32_000)

    with local.browser() as client:
        try:
            reply = client.post("/studio/voice", content=hours())
            assert reply.status_code == 413 and "too long" in reply.json()["detail"]
        except httpx.TransportError:
            pass  # the door was shut while the client still pushed: refused all the same
        assert read < 100_000_000
        assert client.post("/studio/voice", content=recording(np.zeros(32_000, np.float32))).status_code in (409, 422)
