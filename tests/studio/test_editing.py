"""Edits on their way through the studio: queued, kept beside what they came from, refused in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.extending import extended
from agents.types import BriefError, Decided, PlanError
from audio.clip import Clip
from audio.io import read_clip, write_clip
from studio.engines.base import Continue, Edit, EngineError, Repaint, Sampling, Vary
from studio.jobs import GenerateRequest, JobView
from studio.models.catalogue import Catalogue
from studio.settings import Settings
from studio.studio import NotYours, Studio
from studio.takes import Take
from tests import tiny_models
from tests.engines_for_tests import OneEngine, ToneEngine, plan_from_brief
from tests.tiny_plans import make_plan

TINY = "local/tiny"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build_mono(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def studio(data_dir: Path, model: Path) -> Iterator[Studio]:
    settings = Settings(device="cpu")
    Catalogue(settings.models_dir).add_local(model)
    with Studio(settings, planner=plan_from_brief) as opened:
        yield opened


def _done(studio: Studio, job: JobView) -> JobView:
    done = studio.jobs.wait(job.id, timeout_seconds=60)
    assert done.state == "done", done.error
    return done


def _take(studio: Studio, *, seconds: float = 2.0, owner: str = "", **sampling: Any) -> Take:
    request = GenerateRequest(plan=make_plan(seconds=seconds), engine=TINY, sampling=Sampling(seed=3, **sampling))
    done = _done(studio, studio.generate(request, owner=owner))
    return studio.store.read(done.take_id or "")


def _sound(studio: Studio, take_id: str) -> np.ndarray:
    return read_clip(studio.store.audio_path(take_id)).samples


def test_a_region_made_anew_is_kept_beside_the_take_it_came_from(studio: Studio) -> None:
    take = _take(studio)
    edit = Repaint(source=f"take:{take.id}", start_seconds=1.0, end_seconds=2.0, candidates=3)
    done = _done(studio, studio.edit(edit))
    assert len(done.take_ids) == 3 and done.take_ids[0] == done.take_id
    for take_id in done.take_ids:
        version = studio.store.read(take_id)
        assert (version.parent, version.job, version.engine.name) == (take.id, done.id, TINY)
        assert np.array_equal(_sound(studio, take_id)[:, :32_000], _sound(studio, take.id)[:, :32_000]), (
            "in the file too"
        )
    assert studio.store.read(take.id) == take, "the earlier version stays"
    listed = [entry.take.id for entry in studio.takes().entries]
    assert set(listed) == {take.id, *done.take_ids}


def test_a_take_goes_on_without_its_codes_being_heard_anew(studio: Studio) -> None:
    take = _take(studio)
    edit = Continue(source=f"take:{take.id}", from_seconds=1.5, seconds=2.0, words="bright acoustic folk")
    done = _done(studio, studio.edit(edit))
    longer = studio.store.read(done.take_id or "")
    codes, before = (np.load(studio.store.tokens_path(each))["tokens"] for each in (longer.id, take.id))
    assert longer.seconds == pytest.approx(3.5) and np.array_equal(codes[:, :75], before[:, :75])
    assert [section.name.value for section in longer.plan.sections] == ["all", "continuation"]
    assert longer.plan.sections[1].prompt.value == "bright acoustic folk"
    assert GenerateRequest.model_validate(longer.request).edit == edit


def test_variations_are_takes_and_can_be_made_again(studio: Studio) -> None:
    take = _take(studio)
    done = _done(studio, studio.edit(Vary(source=f"take:{take.id}", closeness=0.2, count=2)))
    again = _done(studio, studio.make_again(done.take_id or ""))
    assert len(done.take_ids) == len(again.take_ids) == 2
    for first, second in zip(done.take_ids, again.take_ids, strict=True):
        assert np.array_equal(_sound(studio, first), _sound(studio, second))
    assert not np.array_equal(*(_sound(studio, each) for each in done.take_ids))


def test_of_several_candidates_the_judge_takes_the_best_and_all_are_kept_if_wished(studio: Studio) -> None:
    studio.pipeline.judge = lambda clip, plan: -float(np.abs(clip.samples).mean())
    request = GenerateRequest(plan=make_plan(seconds=1.0), engine=TINY, sampling=Sampling(seed=1, candidates=4))
    done = _done(studio, studio.generate(request))
    levels = [float(np.abs(_sound(studio, each)).mean()) for each in done.take_ids]
    assert len(levels) == 4 and levels == sorted(levels)
    alone = _done(studio, studio.generate(request.model_copy(update={"keep_others": False})))
    assert alone.take_ids == (alone.take_id,)
    assert np.array_equal(_sound(studio, alone.take_id or ""), _sound(studio, done.take_ids[0]))


def test_an_uploaded_sound_is_edited_under_words(studio: Studio) -> None:
    at = np.arange(2 * 44_100) / 44_100
    name = studio.pipeline.sounds.keep(Clip(np.stack([0.3 * np.sin(2 * np.pi * 220 * at)] * 2), 44_100))
    with pytest.raises(EngineError, match="what the sound is"):
        studio.edit(Repaint(source=name, start_seconds=0.5, end_seconds=1.0, snap="off"))
    done = _done(
        studio, studio.edit(Repaint(source=name, start_seconds=0.5, end_seconds=1.0, snap="off"), words="a drone")
    )
    take = studio.store.read(done.take_id or "")
    assert (take.sample_rate_hz, take.channels, take.parent) == (44_100, 2, None)
    longer = _done(studio, studio.edit(Continue(source=name, seconds=1.0), words="a drone"))
    assert studio.store.read(longer.take_id or "").seconds == pytest.approx(3.0)


def test_a_track_of_the_library_is_gone_on_from(studio: Studio) -> None:
    from rag.tracks import Track

    rng = np.random.default_rng(0)
    path = studio.settings.data_dir / "mine.flac"
    write_clip(path, Clip(rng.normal(0, 0.1, (2, 3 * 44_100)).astype(np.float32), 44_100))
    track = studio.library.importer().add_known(Track(path=str(path)))
    done = _done(studio, studio.edit(Continue(source=f"track:{track.id}", seconds=1.0), words="noise of the sea"))
    take = studio.store.read(done.take_id or "")
    assert take.seconds == pytest.approx(4.0) and take.plan.brief.words == "noise of the sea"
    with pytest.raises(BriefError):
        studio.edit(Continue(source="track:999", seconds=1.0), words="nothing")
    with pytest.raises(BriefError):
        studio.edit(Continue(source=f"track:{track.id}", seconds=1.0), words="hers", owner="ben")


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda take: Repaint(source=take, start_seconds=1.0, end_seconds=9.0), "ends at 2.0 s: mark one within it"),
        (lambda take: Continue(source=take, from_seconds=9.0), "choose one before"),
        (lambda take: Continue(source=take, seconds=600.0), "600 s is the most"),
        (lambda take: Vary(source="sound:nothing"), "is not here any more"),
    ],
)  # fmt: skip
def test_what_lies_outside_is_refused_before_it_is_queued(studio: Studio, edit: Any, sentence: str) -> None:
    take = _take(studio)
    before = len(studio.jobs.list())
    with pytest.raises((EngineError, PlanError), match=sentence):
        studio.edit(edit(f"take:{take.id}"))
    assert len(studio.jobs.list()) == before


def test_nobody_edits_anothers_take(studio: Studio) -> None:
    take = _take(studio, owner="ada")
    with pytest.raises(NotYours):
        studio.edit(Vary(source=f"take:{take.id}"), owner="ben")
    assert studio.store.read(
        _done(studio, studio.edit(Vary(source=f"take:{take.id}", count=1), owner="ada")).take_id or ""
    )


def test_an_engine_that_cannot_edit_is_not_asked(data_dir: Path) -> None:
    class Listed(OneEngine):
        default = "tones"

        def engines(self) -> list[Any]:
            return []

    with Studio(Settings(), engines=Listed(ToneEngine()), planner=plan_from_brief) as opened:
        made = opened.generate(GenerateRequest(plan=make_plan(), engine="tones"))
        take_id = _done(opened, made).take_id
        with pytest.raises(EngineError, match=r"can make a part anew of a take is here: download a MusicGen model"):
            opened.edit(Repaint(source=f"take:{take_id}", start_seconds=0, end_seconds=1))
        edit: Edit = Vary(source=f"take:{take_id}")
        asked = opened.jobs.submit(GenerateRequest(plan=make_plan(), engine="tones", edit=edit))
        assert "cannot vary a take" in opened.jobs.wait(asked.id, timeout_seconds=20).error
        several = GenerateRequest(plan=make_plan(), engine="tones", sampling=Sampling(candidates=2))
        assert "one take at a time" in opened.jobs.wait(opened.jobs.submit(several).id, timeout_seconds=20).error


def test_a_job_stopped_while_it_edits_keeps_its_part(studio: Studio) -> None:
    take = _take(studio)
    job = studio.edit(Continue(source=f"take:{take.id}", seconds=500.0))
    live = studio.jobs.live(job.id, timeout_seconds=30)
    while live is not None and live.seconds < 3.0 and not live.closed:
        live.read(live.available_bytes, live.available_bytes + 1, timeout_seconds=1.0)
    studio.jobs.cancel(job.id)
    stopped = studio.jobs.wait(job.id, timeout_seconds=30)
    assert stopped.state == "stopped" and stopped.take_id
    part = studio.store.read(stopped.take_id)
    assert 3.0 <= part.seconds < 400.0 and not part.complete
    assert np.array_equal(_sound(studio, part.id)[:, :50_000], _sound(studio, take.id)[:, :50_000])


# ---------------------------------------------------------------------------------------------------- longer plans


def test_a_longer_plan_keeps_its_bars_and_goes_on_at_the_bar_line() -> None:
    plan = make_plan(seconds=8.5)
    longer = extended(plan, from_seconds=5.4, added_seconds=4.0, words="now louder")
    assert [(each.name.value, each.bars.value) for each in longer.sections] == [("all", 5), ("continuation", 4)]
    assert longer.seconds.value == pytest.approx(9.4) and longer.sections[1].prompt.by == "asked"
    assert plan.sections[0].bars.value == 8, "the plan it came from is not touched"
    same = extended(plan, from_seconds=8.5, added_seconds=10.0)
    assert same.sections[-1].prompt == plan.sections[-1].prompt
    assert extended(plan, from_seconds=0.5, added_seconds=0.7).bars == 1


def test_a_song_of_more_than_ten_minutes_is_refused() -> None:
    plan = make_plan(seconds=300.0).model_copy(update={"tempo_bpm": Decided(value=240.0)})
    with pytest.raises(PlanError, match="600 s is the most"):
        extended(plan, from_seconds=300.0, added_seconds=301.0)
    with pytest.raises(PlanError, match="Not even a bar"):
        extended(plan, from_seconds=0.1, added_seconds=0.5)


def test_a_take_of_a_model_says_what_tempo_was_measured(studio: Studio) -> None:
    take = _take(studio, seconds=4.0)
    assert take.identity["grid"].keys() == {"measured_bpm", "confidence"}, "noise has no tempo, so it is left as it is"
    assert "stretched_by" not in take.identity["grid"] and take.seconds == pytest.approx(4.0)
    unmeasured = _take(studio, seconds=4.0, true_tempo=False)
    assert np.array_equal(_sound(studio, take.id), _sound(studio, unmeasured.id))
