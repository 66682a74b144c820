"""The queue: in sight, in order, stoppable, and nothing made is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from agents.types import Brief
from audio.io import decode, read_clip
from studio.engines.base import EngineError, Sampling
from studio.history.history import History, HistoryError
from studio.jobs import LISTED_SECONDS, LIVE_SECONDS, GenerateRequest, JobError, Jobs, JobView, TooManyJobs, UnknownJob
from studio.takes import DiskFull, TakeStore
from tests.engines_for_tests import OneEngine, ToneEngine, leftovers, plan_from_brief, plan_of

Open = Callable[..., Jobs]


@pytest.fixture
def store(tmp_path: Path) -> TakeStore:
    return TakeStore(tmp_path / "takes", tmp_path / "bin")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "history.sqlite3")
    yield history
    history.close()


@pytest.fixture
def open_jobs(store: TakeStore, history: History) -> Iterator[Open]:
    opened: list[Jobs] = []

    def opens(engine: ToneEngine | None = None, **more: object) -> Jobs:
        face = OneEngine(engine or ToneEngine())
        jobs = Jobs(
            generate=face.generate, plan_from_brief=plan_from_brief, capabilities=face.capabilities, store=store,
            history=history, **more,
        )  # fmt: skip
        opened.append(jobs)
        return jobs

    yield opens
    for jobs in opened:
        jobs.close()


def request(*, seconds: float = 4.0, words: str = "four chords", seed: int = 1) -> GenerateRequest:
    return GenerateRequest(brief=Brief(words=words, seconds=seconds), engine="tones", sampling=Sampling(seed=seed))


def until(jobs: Jobs, job_id: str, true: Callable[[JobView], object]) -> JobView:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if true(view := jobs.get(job_id)):
            return view
        time.sleep(0.005)
    raise AssertionError(f"never: {jobs.get(job_id)}")


def test_a_brief_becomes_a_kept_and_listed_take(open_jobs: Open, store: TakeStore, history: History) -> None:
    jobs = open_jobs()
    done = jobs.wait(jobs.submit(request(seed=5), owner="ada").id, timeout_seconds=20)
    assert (done.state, done.error, done.fraction, done.owner) == ("done", "", 1.0, "ada")
    assert done.title == "Tones 5"
    assert done.seconds_done == done.seconds_total == 4.0
    assert done.take_id is not None
    take = store.read(done.take_id)
    assert (take.owner, take.job, take.sampling.seed, take.complete) == ("ada", done.id, 5, True)
    assert take.request["brief"]["words"] == "four chords"
    assert take.timings.first_sound_seconds == pytest.approx(done.first_sound_seconds)
    entry = history.get(done.take_id)
    assert entry is not None and entry.take == take


def test_the_peaks_are_the_sounds_own(open_jobs: Open, store: TakeStore) -> None:
    jobs = open_jobs()
    done = jobs.wait(jobs.submit(request()).id, timeout_seconds=20)
    clip = read_clip(store.audio_path(done.take_id or ""))
    expected = np.abs(clip.samples[:, : 2_205 * 40]).max(0).reshape(40, -1).max(1) * 100
    assert np.abs(np.array(done.peaks) - expected).max() <= 1


def test_a_given_plan_is_played_as_it_is(open_jobs: Open) -> None:
    engine = ToneEngine()
    jobs = open_jobs(engine)
    plan = plan_of(seconds=2.0, title="Edited by Hand")
    done = jobs.wait(jobs.submit(GenerateRequest(plan=plan, engine="tones")).id, timeout_seconds=20)
    plan.title = plan.title.model_copy(update={"value": "changed afterwards"})
    assert done.title == "Edited by Hand"
    assert engine.plans_played[0].title.value == "Edited by Hand"


def test_one_plays_while_the_others_wait_in_sight(open_jobs: Open) -> None:
    engine = ToneEngine(pause_seconds=0.02)
    jobs = open_jobs(engine)
    views = [jobs.submit(request(seed=seed)) for seed in range(4)]
    until(jobs, views[0].id, lambda view: view.state == "rendering")
    assert [jobs.get(view.id).position for view in views] == [0, 1, 2, 3]
    for view in views:
        assert jobs.wait(view.id, timeout_seconds=20).state == "done"
    assert [plan.title.value for plan in engine.plans_played] == ["Tones 0", "Tones 1", "Tones 2", "Tones 3"]
    assert engine.most_at_work == 1


def test_sound_is_heard_while_the_rest_is_made(open_jobs: Open, store: TakeStore) -> None:
    jobs = open_jobs(ToneEngine(pause_seconds=0.03))
    view = jobs.submit(request())
    live = jobs.live(view.id, timeout_seconds=10)
    assert live is not None
    first = live.read(0, live.total_bytes, timeout_seconds=10)
    assert first is not None
    assert jobs.get(view.id).state == "rendering"
    data = first
    while piece := live.read(len(data), live.total_bytes, timeout_seconds=10):
        data += piece
    assert len(data) == live.total_bytes
    done = jobs.wait(view.id, timeout_seconds=20)
    kept = read_clip(store.audio_path(done.take_id or ""))
    assert np.abs(decode(data).samples - kept.samples).max() < 1e-4
    assert done.first_sound_seconds is not None and done.first_sound_seconds < done.elapsed_seconds / 2


def test_the_seconds_left_follow_the_pace(open_jobs: Open) -> None:
    jobs = open_jobs(ToneEngine(pause_seconds=0.05))  # 0.25 s of sound each 0.05 s: 4 s take 0.8 s
    view = jobs.submit(request())
    assert view.seconds_left is None
    half = until(jobs, view.id, lambda view: view.seconds_done >= 2.0)
    assert half.seconds_left is not None
    assert 0.1 < half.seconds_left < 1.5
    assert half.seconds_total == 4.0
    assert 0.5 <= half.fraction < 1.0


def test_stopping_keeps_the_part_already_made(open_jobs: Open, store: TakeStore, history: History) -> None:
    jobs = open_jobs(ToneEngine(pause_seconds=0.03))
    view = jobs.submit(request(seconds=8))
    until(jobs, view.id, lambda view: view.seconds_done >= 1.0)
    jobs.cancel(view.id)
    stopped = jobs.wait(view.id, timeout_seconds=20)
    assert stopped.state == "stopped"
    take = store.read(stopped.take_id or "")
    assert not take.complete
    assert 1.0 <= take.seconds < 8.0
    assert read_clip(store.audio_path(take.id)).seconds == take.seconds == pytest.approx(stopped.seconds_done)
    assert history.search().total == 1


def test_a_waiting_take_is_stopped_without_a_sound(open_jobs: Open, store: TakeStore) -> None:
    engine = ToneEngine(pause_seconds=0.03)
    jobs = open_jobs(engine)
    first, second, third = (jobs.submit(request(seed=seed)) for seed in range(3))
    assert jobs.cancel(second.id).state == "stopped"
    assert jobs.get(third.id).position < 3
    assert [jobs.wait(view.id, timeout_seconds=20).state for view in (first, second, third)] == [
        "done",
        "stopped",
        "done",
    ]
    assert len(engine.plans_played) == 2
    assert len(store.list_ids()) == 2


def test_stopping_before_any_sound_keeps_nothing(open_jobs: Open, store: TakeStore) -> None:
    jobs = open_jobs(ToneEngine(pause_seconds=0.5, chunk_seconds=10))
    view = jobs.submit(request())
    jobs.cancel(view.id)
    stopped = jobs.wait(view.id, timeout_seconds=20)
    assert stopped.state == "stopped"
    assert (stopped.take_id is None) == (store.list_ids() == [])


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        (ToneEngine(breaks_after=0.0), "The oscillator fell over."),
        (ToneEngine(breaks_after=0.0, error=ZeroDivisionError("x")), "Something broke while making this take"),
        (ToneEngine(breaks_after=0.0, error=MemoryError()), "not enough memory"),
        (ToneEngine(max_seconds=3.0), "at most 3 s"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_the_queue_goes_on(open_jobs: Open, engine: ToneEngine, says: str) -> None:
    jobs = open_jobs(engine)
    failed = jobs.wait(jobs.submit(request()).id, timeout_seconds=20)
    assert failed.state == "failed"
    assert says in failed.error
    assert failed.can_run_again and failed.take_id is None
    engine.breaks_after, engine.max_seconds = None, 600.0
    again = jobs.run_again(failed.id)
    assert jobs.wait(again.id, timeout_seconds=20).state == "done"
    with pytest.raises(UnknownJob):
        jobs.get(failed.id)


def test_an_empty_brief_fails_with_the_planners_words(open_jobs: Open) -> None:
    jobs = open_jobs()
    failed = jobs.wait(jobs.submit(request(words="")).id, timeout_seconds=20)
    assert (failed.state, failed.error) == ("failed", "Say in a few words what you want to hear.")


def test_sound_made_before_a_breakdown_is_kept(open_jobs: Open, store: TakeStore) -> None:
    jobs = open_jobs(ToneEngine(breaks_after=2.0))
    failed = jobs.wait(jobs.submit(request()).id, timeout_seconds=20)
    assert failed.state == "failed"
    assert failed.error == "The oscillator fell over. The 2 s already made are kept."
    take = store.read(failed.take_id or "")
    assert 2.0 <= take.seconds < 2.3 and not take.complete
    assert read_clip(store.audio_path(take.id)).samples.any()


def test_a_full_disk_loses_no_sound(open_jobs: Open, store: TakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ToneEngine()
    jobs = open_jobs(engine)

    def full(*_: object, **__: object) -> None:
        raise DiskFull("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", full)
        failed = jobs.wait(jobs.submit(request()).id, timeout_seconds=20)
    assert (failed.state, failed.error, failed.can_keep_again) == ("failed", "The disk is full.", True)
    jobs.keep_again(failed.id)
    done = jobs.wait(failed.id, timeout_seconds=20)
    assert (done.state, done.error) == ("done", "")
    assert len(engine.plans_played) == 1, "written from memory, not made again"
    assert store.read(done.take_id or "").complete


def test_a_take_that_cannot_be_listed_is_kept_all_the_same(
    open_jobs: Open, store: TakeStore, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise HistoryError("The history is read-only.")

    monkeypatch.setattr(history, "add", broken)
    jobs = open_jobs()
    done = jobs.wait(jobs.submit(request()).id, timeout_seconds=20)
    assert done.state == "done"
    assert "could not be listed" in done.error
    assert store.list_ids() == [done.take_id]


def test_an_unknown_engine_is_refused_at_once(open_jobs: Open) -> None:
    jobs = open_jobs()
    with pytest.raises(EngineError, match="theremin"):
        jobs.submit(GenerateRequest(engine="theremin"))
    assert jobs.list() == []


def test_a_guest_has_only_so_many_under_way(open_jobs: Open) -> None:
    jobs = open_jobs(ToneEngine(pause_seconds=0.05))
    for _ in range(2):
        jobs.submit(request(), owner="guest", max_active=2)
    with pytest.raises(TooManyJobs, match="2 takes"):
        jobs.submit(request(), owner="guest", max_active=2)
    jobs.submit(request(), owner="other", max_active=2)


def test_a_guest_neither_sees_nor_stops_anothers_take(open_jobs: Open) -> None:
    jobs = open_jobs(ToneEngine(pause_seconds=0.02))
    mine, theirs = jobs.submit(request(), owner="ada"), jobs.submit(request(), owner="bob")
    assert [view.id for view in jobs.list("ada")] == [mine.id]
    for ask in (jobs.get, jobs.cancel, jobs.live, jobs.run_again, jobs.keep_again, jobs.dismiss):
        with pytest.raises(UnknownJob):
            ask(theirs.id, owner="ada")
    assert {view.owner for view in jobs.changed_since(0, owner="ada").jobs} == {"ada"}
    assert jobs.wait(theirs.id, timeout_seconds=20).state == "done"


def test_news_comes_when_something_changed_and_only_what_changed(open_jobs: Open) -> None:
    jobs = open_jobs()
    first = jobs.submit(request())
    jobs.wait(first.id, timeout_seconds=20)
    everything = jobs.changed_since(0, timeout_seconds=5)
    assert [view.id for view in everything.jobs] == [first.id]
    start = time.monotonic()
    nothing = jobs.changed_since(everything.version, timeout_seconds=0.2)
    assert nothing.jobs == () and time.monotonic() - start >= 0.19
    threading.Timer(0.1, lambda: jobs.submit(request(), owner="ada")).start()
    news = jobs.changed_since(everything.version, timeout_seconds=5)
    assert {view.owner for view in news.jobs} == {"ada"}
    assert len(news.listed) == 2


def test_versions_only_grow_until_a_job_is_done(open_jobs: Open) -> None:
    jobs = open_jobs(ToneEngine(pause_seconds=0.01))
    view = jobs.submit(request())
    version, fractions = 0, []
    while not fractions or not view.is_finished:
        changes = jobs.changed_since(version, timeout_seconds=5)
        assert changes.version > version
        version = changes.version
        view = changes.jobs[-1]
        fractions.append(view.fraction)
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 5


def test_memory_is_given_back_while_the_waveform_stays(open_jobs: Open) -> None:
    later = 0.0
    jobs = open_jobs(clock=lambda: time.monotonic() + later)
    view = jobs.submit(request())
    done = jobs.wait(view.id, timeout_seconds=20)
    assert jobs.live(view.id) is not None
    later = LIVE_SECONDS + 1
    jobs.list()
    assert jobs.live(view.id) is None
    assert jobs.get(view.id).peaks == done.peaks
    assert jobs.get(view.id).seconds_done == 4.0
    later = LISTED_SECONDS + 1
    assert jobs.list() == []


def test_closing_keeps_the_part_and_offers_the_rest_again(
    open_jobs: Open, store: TakeStore, history: History, tmp_path: Path
) -> None:
    jobs = open_jobs(ToneEngine(pause_seconds=0.03))
    running, waiting = jobs.submit(request(seconds=20), owner="ada"), jobs.submit(request(seed=9), owner="bob")
    until(jobs, running.id, lambda view: view.seconds_done >= 1.0)
    jobs.close()
    with pytest.raises(JobError, match="closing"):
        jobs.submit(request())
    assert [store.read(take).complete for take in store.list_ids()] == [False]
    assert leftovers(tmp_path) == []
    found = history.reconcile(store)
    assert found.interrupted == (waiting.id,)
    again = open_jobs()
    listed = {view.id: view for view in again.list()}
    assert {view.state for view in listed.values()} == {"interrupted"}
    assert (listed[running.id].owner, listed[waiting.id].owner) == ("ada", "bob")
    assert all(view.can_run_again for view in listed.values())
    done = again.wait(again.run_again(waiting.id, owner="bob").id, timeout_seconds=20)
    assert (done.state, done.owner, done.title) == ("done", "bob", "Tones 9")
    again.dismiss(running.id)
    assert history.jobs(state="interrupted") == []


def test_a_job_under_way_is_not_dismissed(open_jobs: Open) -> None:
    jobs = open_jobs(ToneEngine(pause_seconds=0.05))
    view = jobs.submit(request())
    for refused in (jobs.dismiss, jobs.run_again, jobs.keep_again):
        with pytest.raises(JobError):
            refused(view.id)
