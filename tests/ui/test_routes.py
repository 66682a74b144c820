"""The studio's own routes, over a real server: live sound, news of jobs, takes and exports."""

from __future__ import annotations

import io
import json
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
import soundfile

from studio.ui.live_wav import asked_range
from studio.ui.routes import STATIC_DIR
from tests.ui.studios import RATE_HZ, Served, served_studio

HEADER_BYTES = 44


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_studio(tmp_path_factory.mktemp("routes")) as served:
        yield served


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    with served.browser() as client:
        yield client


@pytest.fixture
def held_job(served: Served) -> Iterator[str]:
    """A job of four seconds that has played exactly one second so far."""
    served.engine.hold(after_tenths=10)
    job = served.submit(seconds=4.0)
    sound = served.studio.jobs.live(job, timeout_seconds=10.0)
    assert sound is not None
    until = time.monotonic() + 10.0
    while sound.seconds < 1.0:
        assert time.monotonic() < until
        time.sleep(0.01)
    yield job
    served.studio.jobs.cancel(job)
    served.engine.let_go()
    served.studio.jobs.wait(job, timeout_seconds=10.0)


def total_bytes(seconds: float) -> int:
    return HEADER_BYTES + round(seconds * RATE_HZ) * 2


# ----------------------------------------------------------------------------------------------------- live sound


def test_the_whole_length_is_announced_while_the_sound_is_being_made(browser: httpx.Client, held_job: str) -> None:
    with browser.stream("GET", f"/studio/jobs/{held_job}/sound.wav") as reply:
        assert reply.status_code == 200
        assert reply.headers["accept-ranges"] == "bytes"
        head = next(reply.iter_bytes(HEADER_BYTES))
    assert head[:4] == b"RIFF" and head[8:12] == b"WAVE"
    assert struct.unpack("<I", head[40:44])[0] == 4 * RATE_HZ * 2


def test_safari_asks_for_two_bytes_first_and_gets_them_with_the_total(browser: httpx.Client, held_job: str) -> None:
    reply = browser.get(f"/studio/jobs/{held_job}/sound.wav", headers={"Range": "bytes=0-1"})
    assert reply.status_code == 206
    assert reply.content == b"RI"
    assert reply.headers["content-range"] == f"bytes 0-1/{total_bytes(4.0)}"
    assert reply.headers["content-length"] == "2"


def test_bytes_that_are_still_to_come_arrive_when_they_are_made(served: Served, held_job: str) -> None:
    first = total_bytes(3.0)
    heard: list[tuple[float, bytes]] = []

    def listen() -> None:
        with served.browser() as client:
            reply = client.get(f"/studio/jobs/{held_job}/sound.wav", headers={"Range": f"bytes={first}-{first + 99}"})
            heard.append((time.monotonic(), reply.content))

    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(0.7)
    assert not heard
    opened = time.monotonic()
    served.engine.let_go()
    listener.join(60.0)
    assert heard[0][0] > opened
    served.studio.jobs.wait(held_job, timeout_seconds=10.0)
    assert len(heard[0][1]) == 100
    assert any(heard[0][1])


def test_a_listener_hears_the_same_samples_that_the_take_keeps(served: Served, browser: httpx.Client) -> None:
    job = served.submit(seconds=2.0)
    reply = browser.get(f"/studio/jobs/{job}/sound.wav")
    live, _ = soundfile.read(io.BytesIO(reply.content), dtype="int16")
    done = served.studio.jobs.wait(job, timeout_seconds=10.0)
    kept, _ = soundfile.read(io.BytesIO(browser.get(f"/studio/takes/{done.take_id}/sound.flac").content), dtype="int16")
    assert len(live) == len(kept) == 2 * RATE_HZ
    assert abs(live.astype(int) - kept).max() <= 1


def test_stopping_a_job_ends_its_stream_cleanly_where_the_sound_ends(served: Served, held_job: str) -> None:
    lengths: list[int] = []

    def listen() -> None:
        with served.browser() as client:
            lengths.append(len(client.get(f"/studio/jobs/{held_job}/sound.wav", headers={"Range": "bytes=0-"}).content))

    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(0.3)
    with served.browser() as client:
        reply = client.post(f"/studio/jobs/{held_job}/cancel")
    assert reply.status_code == 200
    listener.join(60.0)
    kept = served.studio.jobs.wait(held_job, timeout_seconds=10.0)
    assert kept.state == "stopped" and kept.take_id
    assert served.studio.store.read(kept.take_id).seconds == 1.0
    assert lengths == [total_bytes(1.0)]


def test_after_its_memory_is_given_back_a_jobs_sound_is_the_kept_takes(served: Served, browser: httpx.Client) -> None:
    job = served.submit()
    done = served.studio.jobs.wait(job, timeout_seconds=10.0)
    served.studio.jobs._jobs[job].let_live_sound_go()
    reply = browser.get(f"/studio/jobs/{job}/sound.wav", follow_redirects=True)
    assert reply.url.path == f"/studio/takes/{done.take_id}/sound.flac"
    assert reply.content == served.studio.store.audio_path(done.take_id or "").read_bytes()


def test_bytes_past_a_stopped_sound_are_not_satisfiable(served: Served, browser: httpx.Client, held_job: str) -> None:
    served.studio.jobs.cancel(held_job)
    served.studio.jobs.wait(held_job, timeout_seconds=10.0)
    reply = browser.get(f"/studio/jobs/{held_job}/sound.wav", headers={"Range": f"bytes={total_bytes(3.0)}-"})
    assert reply.status_code == 416
    assert reply.headers["content-range"] == f"bytes */{total_bytes(4.0)}"


def test_waiting_listeners_hold_up_nobody_and_have_a_limit(served: Served, held_job: str) -> None:
    with served.browser(limits=httpx.Limits(max_connections=20)) as client:
        open_streams = []
        for _ in range(6):
            request = client.build_request(
                "GET", f"/studio/jobs/{held_job}/sound.wav", headers={"Range": f"bytes={total_bytes(2.0)}-"}
            )
            open_streams.append(client.send(request, stream=True))
        assert client.get("/studio/jobs").status_code == 200, "the six that wait hold nobody up"
        refused = client.get(f"/studio/jobs/{held_job}/sound.wav")
        assert refused.status_code == 429 and refused.headers["retry-after"]
        for stream in open_streams:
            stream.close()
        until = time.monotonic() + 30.0
        while (again := client.head(f"/studio/jobs/{held_job}/sound.wav")).status_code == 429:
            assert time.monotonic() < until, "places are not given back"
            time.sleep(0.1)
        assert again.status_code == 200


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        (None, None), ("bytes=0-", (0, 100)), ("bytes=10-19", (10, 20)), ("bytes=90-500", (90, 100)),
        ("bytes=-5", (95, 100)), ("bytes=-500", (0, 100)), ("bytes=0-1,5-6", None), ("items=0-1", None),
        ("bytes=-", None), ("bytes=x-y", None),
    ],
)  # fmt: skip
def test_a_range_is_read_as_the_standard_says(header: str | None, asked: tuple[int, int] | None) -> None:
    assert asked_range(header, 100) == asked


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=20-10", "bytes=-0"])
def test_a_range_outside_the_sound_is_refused(header: str) -> None:
    with pytest.raises(ValueError):
        asked_range(header, 100)


# ------------------------------------------------------------------------------------------------------------ jobs


def told(reply: httpx.Response) -> Iterator[str]:
    """The stream's lines about jobs; what goes on beside them (a take judged, an agent at work) has a name and is left out."""
    beside = False
    for line in reply.iter_lines():
        if line and not beside and not line.startswith("event: "):
            yield line
        beside = line.startswith("event: ") or (beside and bool(line))


def events(reply: httpx.Response) -> Iterator[dict]:
    for line in told(reply):
        if line.startswith("data: "):
            yield json.loads(line[6:])


def test_news_of_a_job_come_as_they_happen(served: Served, browser: httpx.Client) -> None:
    with browser.stream("GET", "/studio/events") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        news = events(reply)
        next(news)
        job = served.submit(seconds=1.0, words="news of me")
        seen = []
        for each in news:
            mine = [shown for shown in each["jobs"] if shown["id"] == job]
            seen += mine
            if mine and mine[0]["state"] == "done":
                break
    last = seen[-1]
    assert last["take_id"] and last["fraction"] == 1.0 and len(last["peaks"]) == 10
    assert last["sections"][0]["name"] == "all"
    assert {"id", "title", "sounding", "badges", "seconds_total", "position", "stage", "error"} <= last.keys()
    assert "owner" not in last


def test_silence_is_broken_by_a_heartbeat_and_by_nothing_else(
    served: Served, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.routes.HEARTBEAT_SECONDS", 0.6)
    with browser.stream("GET", "/studio/events") as reply:
        lines = told(reply)
        assert next(lines).startswith("data: ")
        assert [next(lines), next(lines)] == [": heartbeat", ": heartbeat"]


def test_the_queue_is_told_with_its_version(served: Served, browser: httpx.Client) -> None:
    before = browser.get("/studio/jobs").json()
    job = served.submit(words="one more")
    after = browser.get("/studio/jobs").json()
    assert after["version"] > before["version"]
    assert job in [shown["id"] for shown in after["jobs"]]


def test_open_streams_end_when_the_studio_closes(tmp_path: Path) -> None:
    with served_studio(tmp_path / "closing") as served, served.browser() as client:
        served.engine.hold(after_tenths=3)
        job = served.submit(seconds=5.0)
        served.studio.jobs.live(job, timeout_seconds=5.0)
        ended: list[str] = []
        open_now = threading.Barrier(3)

        def watch(path: str) -> None:
            with served.browser() as mine, mine.stream("GET", path) as reply:
                pieces = reply.iter_bytes()
                next(pieces)
                open_now.wait(30.0)
                for _ in pieces:
                    pass
                ended.append(path)

        paths = ["/studio/events", f"/studio/jobs/{job}/sound.wav"]
        watchers = [threading.Thread(target=watch, args=(path,)) for path in paths]
        for watcher in watchers:
            watcher.start()
        open_now.wait(30.0)
        served.serving.close()
        for watcher in watchers:
            watcher.join(30.0)
        assert sorted(ended) == sorted(paths)
        with pytest.raises(httpx.TransportError):
            client.get("/studio/jobs")


# ----------------------------------------------------------------------------------------------------------- takes


def test_a_take_is_heard_from_any_second(served: Served, browser: httpx.Client) -> None:
    take = served.take()
    whole = browser.get(f"/studio/takes/{take.id}/sound.flac")
    part = browser.get(f"/studio/takes/{take.id}/sound.flac", headers={"Range": "bytes=100-199"})
    assert whole.headers["content-type"] == "audio/flac" and whole.content[:4] == b"fLaC"
    assert part.status_code == 206 and part.content == whole.content[100:200]


def test_a_take_shows_its_waveform_and_sections(served: Served, browser: httpx.Client) -> None:
    take = served.take(seconds=2.0)
    shown = browser.get(f"/studio/takes/{take.id}/peaks.json").json()
    assert shown["title"] == take.title and shown["seconds"] == 2.0
    assert max(shown["peaks"]) == 50  # the tone plays at half of full scale
    assert shown["sections"] == [{"name": "all", "start": 0.0, "end": 2.0, "energy": 0.5}]


def test_each_part_of_a_take_is_heard_alone(served: Served, browser: httpx.Client) -> None:
    take = served.take()
    mix, _ = soundfile.read(io.BytesIO(browser.get(f"/studio/takes/{take.id}/sound.flac").content))
    part, _ = soundfile.read(io.BytesIO(browser.get(f"/studio/takes/{take.id}/stems/high voice.flac").content))
    assert abs(part * 2 - mix).max() < 1e-4
    assert browser.get(f"/studio/takes/{take.id}/stems/kazoo.flac").status_code == 404


def test_an_export_is_saved_under_a_telling_name_in_any_alphabet(served: Served, browser: httpx.Client) -> None:
    take = served.take()
    reply = browser.get(f"/studio/takes/{take.id}/export", params={"format": "wav16"})
    disposition = reply.headers["content-disposition"]
    assert disposition.startswith("attachment; filename=")
    assert unquote(disposition.split("filename*=UTF-8''")[1]) == "A test – 240bpm – C.wav"
    samples, rate_hz = soundfile.read(io.BytesIO(reply.content), dtype="int16")
    assert rate_hz == RATE_HZ and len(samples) == RATE_HZ


def test_a_file_made_ready_counts_as_exported_only_when_it_is_taken(served: Served, browser: httpx.Client) -> None:
    take = served.take()
    address = f"/studio/takes/{take.id}/export?format=flac"
    ready = browser.head(address)
    assert ready.status_code == 200 and not served.studio.ledger.deeds.all(take_id=take.id)
    assert len(browser.get(address).content) == int(ready.headers["content-length"])
    assert [deed.detail for deed in served.studio.ledger.deeds.all(take_id=take.id)] == ["flac"]


def test_the_words_are_in_an_export_unless_one_asks_for_none(served: Served, browser: httpx.Client) -> None:
    take = served.take(words="a very particular tone")
    address = f"/studio/takes/{take.id}/export?format=flac"
    assert b"a very particular tone" in browser.get(address).content
    assert b"a very particular tone" not in browser.get(f"{address}&provenance=false").content


@pytest.mark.parametrize(("query", "said"), [("format=exe", "exe"), ("format=midi", "MIDI")])
def test_an_export_that_cannot_be_is_refused_in_one_sentence(
    served: Served, browser: httpx.Client, query: str, said: str
) -> None:
    reply = browser.get(f"/studio/takes/{served.take().id}/export?{query}")
    assert reply.status_code == 400 and said in reply.json()["detail"]


def test_a_deleted_take_is_no_longer_heard_until_it_is_restored(served: Served, browser: httpx.Client) -> None:
    take = served.take()
    served.studio.delete_take(take.id)
    assert browser.get(f"/studio/takes/{take.id}/sound.flac").status_code == 404
    served.studio.restore_take(take.id)
    assert browser.get(f"/studio/takes/{take.id}/sound.flac").status_code == 200


# ------------------------------------------------------------------------------------------------------- the rest


def test_the_pages_own_files_are_sent_once_and_then_only_checked(browser: httpx.Client) -> None:
    name = "studio.css"
    reply = browser.get(f"/studio/static/{name}")
    assert reply.content == (STATIC_DIR / name).read_bytes()
    assert reply.headers["cache-control"] == "no-cache"
    again = browser.get(f"/studio/static/{name}", headers={"If-None-Match": reply.headers["etag"]})
    assert again.status_code == 304 and not again.content


@pytest.mark.parametrize(
    "path",
    [
        "/studio", "/studio/", "/studio/nowhere", "/studio/static/", "/studio/static/theme.py", "/studio/static/..",
        "/studio/static/..%2ftheme.py", "/studio/takes/", "/studio/takes/x/sound.flac", "/studio/jobs/x/sound.wav",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(browser: httpx.Client, path: str) -> None:
    assert browser.get(path).status_code == 404
