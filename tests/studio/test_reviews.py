"""Every take is judged after it is kept: kept beside it, never before its first sound, and never twice."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from agents.structure_agent import plan_from_brief
from agents.types import Brief
from audio.clip import Clip
from studio.engines.base import Listener, Rendering, Sampling
from studio.engines.sketch.engine import SketchEngine
from studio.jobs import GenerateRequest
from studio.reviews import FILE, Reviews
from studio.settings import Settings
from studio.studio import Studio
from studio.takes import EngineFacts, Take
from tests.tiny_clap import save_tiny_clap

FACTS = EngineFacts(name="sketch", label="Sketch", tier="built-in")


def made(studio: Studio, words: str = "house at night", seconds: float = 8.0) -> str:
    job = studio.generate(GenerateRequest(brief=Brief(words=words, seconds=seconds), sampling=Sampling(seed=3)))
    take_id = studio.jobs.wait(job.id, timeout_seconds=60).take_id
    assert take_id
    return take_id


def put(studio: Studio, clip: Clip, seconds: float = 8.0) -> Take:
    plan = plan_from_brief(Brief(words="house at night", seconds=seconds), seed=3)
    take = studio.store.write(Rendering(clip=clip, complete=True), plan=plan, sampling=Sampling(), engine=FACTS)
    studio.history.add(take)
    return take


def test_a_take_that_is_kept_is_judged_and_remembered(data_dir: Path) -> None:
    with Studio(Settings(data_dir=data_dir)) as studio:
        take_id = made(studio)
        review = studio.reviews.wait(take_id, timeout_seconds=60)
        assert review is not None and review.verdict.score > 80
        assert {"tempo", "key", "length", "loudness"} <= {part.name for part in review.verdict.parts}
        assert review.worded_by == "built-in rules" and review.metadata.tags
        assert any("CLAP" in one for one in review.verdict.unheard)
        assert studio.reviews.fresh("") == {take_id: round(review.verdict.score, 1)}
        assert studio.reviews.fresh("somebody") == {}
        assert [step.agent for step in studio.desk.notes.steps(about=take_id)] == ["metadata", "quality"]
    with Studio(Settings(data_dir=data_dir)) as again:
        assert again.reviews.of(take_id) == review
        assert again.reviews.scores([take_id, "20250101-000000-abcdef"]) == {take_id: review.verdict.score}


def test_a_ruined_take_scores_low_and_says_where_it_hurts(data_dir: Path) -> None:
    with Studio(Settings(data_dir=data_dir)) as studio:
        plan = plan_from_brief(Brief(words="house at night", seconds=12.0), seed=3)
        clip = SketchEngine().generate(plan, Sampling(seed=3), Listener()).clip
        samples = clip.samples.copy()
        third = samples.shape[1] // 3
        samples[:, third : third + clip.sample_rate_hz] = 0
        whole, holed = put(studio, clip, 12.0), put(studio, Clip(samples, clip.sample_rate_hz), 12.0)
        for take in (whole, holed):
            studio.reviews.ask(take.id)
        good, bad = (studio.reviews.wait(take.id, timeout_seconds=60) for take in (whole, holed))
        assert good is not None and bad is not None and good.verdict.score > bad.verdict.score + 15
        assert bad.verdict.named == "silence" and "stops for 1.0 s at 0:04" in bad.verdict.words


def test_nothing_is_judged_while_a_take_waits_for_its_first_sound(data_dir: Path) -> None:
    with Studio(Settings(data_dir=data_dir)) as studio:
        busy = threading.Event()
        busy.set()
        reviews = Reviews(store=studio.store, history=studio.history, desk=studio.desk, busy=busy.is_set)
        take = put(studio, Clip(np.zeros((1, 16_000), np.float32), 8_000))
        reviews.ask(take.id)
        assert reviews.wait(take.id, timeout_seconds=1.0) is None
        assert reviews.scores([take.id]) == {take.id: None}
        busy.clear()
        review = reviews.wait(take.id, timeout_seconds=60)
        assert review is not None and review.verdict.score < 30  # silence
        reviews.close()


def test_the_queue_says_when_a_first_sound_is_awaited(data_dir: Path) -> None:
    with Studio(Settings(data_dir=data_dir)) as studio:
        assert not studio.jobs.waits_for_sound
        job = studio.generate(GenerateRequest(brief=Brief(words="house", seconds=20.0)))
        assert studio.jobs.waits_for_sound
        studio.jobs.wait(job.id, timeout_seconds=60)
        assert not studio.jobs.waits_for_sound


def test_a_refinements_passes_are_judged_once_by_the_refinement(data_dir: Path) -> None:
    from agents.orchestrator import Budget
    from studio.refine import RefineRequest

    with Studio(Settings(data_dir=data_dir)) as studio:
        request = RefineRequest(brief=Brief(words="house", seconds=8.0), budget=Budget(passes=1))
        view = studio.refinements.wait(studio.refinements.start(request).id, timeout_seconds=90)
        review = studio.reviews.of(view.passes[0].ref)
        assert review is not None and review.verdict == view.passes[0].verdict


def test_a_damaged_review_is_as_none(data_dir: Path) -> None:
    with Studio(Settings(data_dir=data_dir)) as studio:
        take = put(studio, Clip(np.zeros((1, 8_000), np.float32), 8_000))
        (studio.store.folder(take.id) / FILE).write_text('{"version": 1, "verdict"', encoding="utf-8")
        assert studio.reviews.of(take.id) is None
        studio.reviews.ask(take.id)
        assert studio.reviews.wait(take.id, timeout_seconds=60) is not None


@pytest.mark.parametrize("take_id", ["nothing", "20250101-000000-abcdef"])
def test_a_take_that_is_not_there_has_no_review(data_dir: Path, take_id: str) -> None:
    with Studio(Settings(data_dir=data_dir)) as studio:
        assert studio.reviews.of(take_id) is None
        studio.reviews.ask(take_id)
        assert studio.reviews.wait(take_id, timeout_seconds=10) is None


def test_with_a_clap_model_a_take_is_held_against_its_words(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir)
    save_tiny_clap(settings.models_dir / "laion--clap-htsat-unfused")
    with Studio(settings) as studio:
        assert studio.library.ears.models.status("laion/clap-htsat-unfused").state == "present"
        take_id = made(studio)
        review = studio.reviews.wait(take_id, timeout_seconds=120)
        assert review is not None
        part = review.verdict.part("prompt")
        assert part is not None and part.label == "Fits the words" and part.measured.endswith(" of 1")
        assert not any("CLAP" in one for one in review.verdict.unheard)
        assert any("audiobox" in one for one in review.verdict.unheard)
