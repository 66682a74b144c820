"""Refinement through the studio: takes, parents, samples, crash, cancel. The engine is the real one, and errs on purpose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np
import pytest

from agents.orchestrator import Budget
from agents.structure_agent import plan_from_brief
from agents.types import Brief, SongPlan
from audio.io import read_clip
from benchmarks.erring import ErringEngine
from benchmarks.refine import OneEngine, others_stayed
from studio.engines.base import EngineError, Listener, Rendering, Sampling
from studio.engines.sketch.engine import SketchEngine
from studio.engines.sketch.exchange import section_spans, shares, tracks_of
from studio.history.agent_history import AgentHistory
from studio.history.history import History
from studio.refine import RefineError, Refinements, RefineRequest, rendering_of
from studio.takes import TakeStore

BRIEF = Brief(words="house at night", seconds=20.0)
Begin = Callable[..., Refinements]


@pytest.fixture
def store(tmp_path: Path) -> TakeStore:
    return TakeStore(tmp_path / "takes", tmp_path / "bin")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    opened = History(tmp_path / "history.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def begin(store: TakeStore, history: History) -> Begin:
    def begin(engine: ErringEngine | None = None) -> Refinements:
        pipeline = OneEngine(engine or ErringEngine(SketchEngine(), seed=2))
        return Refinements(pipeline=pipeline, planner=plan_from_brief, store=store, history=history)

    return begin


def request(**budget: float) -> RefineRequest:
    return RefineRequest(brief=BRIEF, sampling=Sampling(seed=2), budget=Budget.model_validate(budget))


def test_sending_back_makes_the_take_better_and_touches_only_what_failed(
    begin: Begin, store: TakeStore, history: History
) -> None:
    refinements = begin()
    view = refinements.wait(refinements.start(request(passes=4)).id, timeout_seconds=200)
    scores = [one.verdict.score for one in view.passes]
    assert len(scores) > 1 and max(scores) > scores[0] + 10
    assert view.ended in ("score", "passes") and not view.running
    assert all(others_stayed(store, view, number) for number in range(1, len(view.passes)))
    second = view.passes[1]
    assert second.changes and all(change.before != change.after for change in second.changes)
    take = store.read(second.ref)
    assert take.parent == view.passes[second.parent or 0].ref and take.request["refinement"] == view.id
    assert history.get(second.ref) is not None
    steps = AgentHistory(history).steps(about=view.id)
    assert [step.agent for step in steps[:3]] == ["structure", "orchestrator", "quality"]
    assert sum(step.agent == "quality" for step in steps) == len(view.passes)
    assert all(step.tier == "built-in" and step.seconds > 0 for step in steps)


class Pulled(BaseException):
    """The plug."""


class PulledEngine(ErringEngine):
    """Loses its power in the second pass."""

    def regenerate(
        self, plan: SongPlan, previous: Rendering, sections: Collection[int], sampling: Sampling, listener: Listener
    ) -> Rendering:
        raise Pulled


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_crash_goes_on_from_the_last_finished_pass(begin: Begin, store: TakeStore) -> None:
    crashed = begin(PulledEngine(SketchEngine(), seed=2))
    before = crashed.wait(crashed.start(request(passes=3)).id, timeout_seconds=200)
    assert len(before.passes) == 1
    again = begin(ErringEngine(SketchEngine(), chance=0.0, seed=2))
    shown = again.view(before.id)
    assert shown.can_resume and shown.passes == before.passes and "can go on" in shown.ended_words
    again.resume(before.id)
    after = again.wait(before.id, timeout_seconds=200)
    assert after.passes[0] == before.passes[0] and len(after.passes) > 1
    assert after.passes[1].parent in (0, None) and after.passes[1].verdict.score > before.passes[0].verdict.score


def test_stopping_keeps_the_passes_made_and_overruling_is_refused_meanwhile(begin: Begin) -> None:
    refinements = begin(ErringEngine(SketchEngine(), chance=1.0, halved=False, seed=1))
    started = refinements.start(request(passes=20))
    with pytest.raises(RefineError, match="stop it first"):
        refinements.overrule(started.id, redo=[0])
    refinements.stop(started.id)
    view = refinements.wait(started.id, timeout_seconds=200)
    assert view.ended == "stopped" and view.can_resume


def test_the_user_may_overrule_the_judge(begin: Begin) -> None:
    refinements = begin(ErringEngine(SketchEngine(), chance=0.0, seed=2))
    first = refinements.wait(refinements.start(request(passes=1, score=0)).id, timeout_seconds=200)
    assert first.best == 0
    refinements.overrule(first.id, redo=[1])
    view = refinements.wait(first.id, timeout_seconds=200)
    assert view.passes[1].sections == (1,) and view.passes[1].parent == 0
    assert refinements.overrule(first.id, best=0).best_take == view.passes[0].ref
    with pytest.raises(RefineError):
        refinements.overrule(first.id, best=7)


def test_nobody_sees_somebody_elses_refinement(begin: Begin) -> None:
    refinements = begin(ErringEngine(SketchEngine(), chance=0.0, seed=2))
    mine = refinements.wait(refinements.start(request(passes=1), owner="ana").id, timeout_seconds=200)
    with pytest.raises(RefineError):
        refinements.view(mine.id, owner="ben")
    assert refinements.list(owner="ben") == [] and refinements.list(owner="ana")[0].id == mine.id


def test_one_section_is_played_anew_and_every_other_sample_stays(store: TakeStore) -> None:
    engine = SketchEngine()
    plan = plan_from_brief(BRIEF, seed=3)
    old = engine.generate(plan, Sampling(seed=3), Listener())
    new = engine.regenerate(plan, old, {1}, Sampling(seed=4), Listener())
    share = shares(section_spans(plan, {1}, seconds=old.clip.seconds), frames=old.clip.frames, sample_rate_hz=44_100)
    assert np.array_equal(old.clip.samples[:, share == 0], new.clip.samples[:, share == 0])
    inside, across = share == 1, (share > 0) & (share < 1)
    assert not np.array_equal(old.clip.samples[:, inside], new.clip.samples[:, inside])
    assert across.sum() / 44_100 <= 2 * new.identity["crossfade_seconds"] + 0.001
    total = sum(stem.samples for stem in new.stems.values())
    assert float(np.abs(total - new.clip.samples).max()) < 1e-3
    power = [float((clip.samples[:, inside] ** 2).mean()) for clip in (old.clip, new.clip)]
    assert abs(10 * np.log10(power[1] / power[0])) < 3
    start, end = section_spans(plan, {1}, seconds=old.clip.seconds)[0]
    ticks = plan.tempo_bpm.value / 60 * 960
    assert old.midi is not None and new.midi is not None

    def outside(data: bytes) -> set[tuple[int, int]]:
        return {(n[0], n[2]) for t in tracks_of(data) for n in t.notes if not start - 0.1 < n[0] / ticks < end + 0.1}

    assert outside(old.midi) == outside(new.midi)


def test_a_section_that_is_not_there_is_refused_in_words() -> None:
    engine = SketchEngine()
    plan = plan_from_brief(BRIEF, seed=3)
    old = engine.generate(plan, Sampling(seed=3), Listener())
    with pytest.raises(EngineError, match="sections between 1 and"):
        engine.regenerate(plan, old, {99}, Sampling(), Listener())
    longer = plan_from_brief(Brief(words="house at night", seconds=30.0), seed=3)
    with pytest.raises(EngineError, match="whole take again"):
        engine.regenerate(longer, old, {1}, Sampling(), Listener())


def test_a_kept_take_is_read_back_as_it_was_made(store: TakeStore, begin: Begin) -> None:
    refinements = begin(ErringEngine(SketchEngine(), chance=0.0, seed=2))
    view = refinements.wait(refinements.start(request(passes=1)).id, timeout_seconds=200)
    ref = view.passes[0].ref
    assert np.array_equal(rendering_of(store, ref).clip.samples, read_clip(store.audio_path(ref)).samples)


def test_the_studio_refines_and_remembers(tmp_path: Path) -> None:
    from studio.settings import Settings
    from studio.studio import Studio

    with Studio(Settings(data_dir=tmp_path / "data")) as studio:
        view = studio.refinements.wait(studio.refinements.start(request(passes=2)).id, timeout_seconds=200)
        assert view.passes and view.passes[0].verdict.score > 80
        assert studio.takes().total == len(view.passes)
    with Studio(Settings(data_dir=tmp_path / "data")) as studio:
        assert studio.refinements.list()[0] == view
