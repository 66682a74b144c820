"""The judge hears what was done to a take, names it, and lets good takes pass. Sketches are real; ruins are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from agents.quality_agent import failed_sections
from agents.structure_agent import plan_from_brief
from agents.types import Brief, SongPlan, Verdict
from audio.clip import Clip
from benchmarks.ruins import RUINS
from studio.engines.base import Listener, Sampling
from studio.engines.sketch.engine import SketchEngine
from studio.listening import judge_clip

BRIEFS = ("synthwave", "house", "cumbia", "funk", "jazz ballad", "cinematic")


@cache
def take(words: str, seconds: float = 24.0) -> tuple[SongPlan, Clip]:
    plan = plan_from_brief(Brief(words=words, seconds=seconds), seed=4)
    return plan, SketchEngine().generate(plan, Sampling(seed=4), Listener()).clip


@cache
def good(words: str) -> Verdict:
    plan, clip = take(words)
    return judge_clip(plan, clip, engine_channels=2)


@cache
def ruined(words: str, ruin: str) -> Verdict:
    plan, clip = take(words)
    return judge_clip(plan, RUINS[ruin][0](clip, plan, np.random.default_rng(len(words))), engine_channels=2)


def section_changed(words: str, number: int, change) -> tuple[SongPlan, Clip]:
    plan, clip = take(words)
    starts = [*plan.section_starts_seconds(), clip.seconds]
    a, b = round((starts[number] + 0.06) * 44_100), round((starts[number + 1] - 0.1) * 44_100)
    out = clip.samples.copy()
    out[:, a:b] = change(out[:, a:b])
    return plan, Clip(out, clip.sample_rate_hz)


@pytest.mark.parametrize("words", BRIEFS)
def test_a_good_take_scores_high_in_every_section(words: str) -> None:
    verdict = good(words)
    assert verdict.score >= 90, verdict.words
    assert failed_sections(verdict) == ()
    assert len(verdict.sections) == len(take(words)[0].sections)


@pytest.mark.parametrize("ruin", RUINS)
def test_every_ruin_scores_under_the_good_take_and_nearly_all_are_named(ruin: str) -> None:
    words = BRIEFS[:3]
    assert all(ruined(w, ruin).score < good(w).score - 5 for w in words)
    named = [ruined(w, ruin).named for w in words]
    assert named.count(RUINS[ruin][1]) >= 2, named


def test_every_part_says_what_was_asked_and_heard_and_every_fault_why() -> None:
    verdict = ruined("funk", "wrong tempo")
    part = verdict.part("tempo")
    assert part is not None
    assert part.asked.endswith("bpm") and part.measured.endswith("bpm") and part.asked != part.measured
    assert "bpm" in part.reason and part.reason in verdict.words
    assert all(one.reason for one in verdict.parts if one.cost > 0.03)


def test_a_dropped_section_is_told_by_its_name() -> None:
    plan, clip = take("synthwave")
    starts = [*plan.section_starts_seconds(), plan.music_seconds]
    a, b = round(starts[1] * 44_100), round(starts[2] * 44_100)
    verdict = judge_clip(plan, Clip(np.concatenate([clip.samples[:, :a], clip.samples[:, b:]], axis=1), 44_100))
    part = verdict.part("sections")
    assert part is not None and plan.sections[1].name.value in part.reason and part.sections == (1,)
    assert verdict.named == "sections"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("clipping", lambda x: np.clip(x * 4, -0.8, 0.8)),
        ("stereo", lambda x: np.repeat(x.mean(axis=0, keepdims=True), 2, axis=0)),
        ("sections", lambda x: x * np.float32(0.0005)),
    ],
)
def test_a_fault_in_one_section_is_marked_there_and_nowhere_else(kind: str, change) -> None:
    plan, clip = section_changed("synthwave", 1, change)
    verdict = judge_clip(plan, clip, engine_channels=2)
    assert failed_sections(verdict) == (1,), verdict.words
    mark = verdict.sections[1]
    part = verdict.part(kind)
    assert part is not None and part.reason in mark.reasons and mark.advice


def test_a_section_played_far_too_softly_should_be_louder() -> None:
    plan, clip = section_changed("synthwave", 1, lambda x: x * np.float32(0.16))
    verdict = judge_clip(plan, clip, engine_channels=2)
    assert 1 in failed_sections(verdict)
    assert "louder" in {advice.kind for advice in verdict.sections[1].advice}


def test_a_mono_engine_is_not_blamed_for_mono() -> None:
    plan, clip = take("funk")
    mono = clip.mono()
    assert judge_clip(plan, mono, engine_channels=1).score > judge_clip(plan, mono, engine_channels=2).score + 10


def test_what_no_model_heard_is_said_and_what_one_heard_counts() -> None:
    plan, clip = take("funk")
    assert {"CLAP", "audiobox"} <= {word for line in good("funk").unheard for word in line.replace(",", "").split()}
    unlike = judge_clip(plan, clip, fits_words=lambda c, words: 0.1, aesthetics=lambda c: 0.9)
    assert unlike.unheard == () and unlike.score < good("funk").score - 10 and unlike.named == "prompt"


def test_a_language_model_words_the_verdict_and_never_changes_a_number() -> None:
    plan, clip = take("funk")

    def word(verdict: Verdict, plan: SongPlan) -> str:
        return "Lovely. I give it 3 of 100."

    worded = judge_clip(plan, clip, engine_channels=2, word=word, worded_by="tiny.gguf")
    assert worded.words == "Lovely. I give it 3 of 100." and worded.worded_by == "tiny.gguf"
    assert (worded.score, worded.parts) == (good("funk").score, good("funk").parts)

    def broken(verdict: Verdict, plan: SongPlan) -> str:
        raise ValueError("no answer")

    assert judge_clip(plan, clip, engine_channels=2, word=broken).words == good("funk").words


@pytest.mark.parametrize("seconds", [0.0, 3.0, 24.0])
def test_silence_is_judged_as_silence(seconds: float) -> None:
    plan, _ = take("funk")
    verdict = judge_clip(plan, Clip.silence(seconds=seconds, sample_rate_hz=44_100))
    assert verdict.score < 20


def test_noise_is_not_music() -> None:
    plan, clip = take("funk")
    noise = Clip(0.2 * np.random.default_rng(0).normal(size=clip.samples.shape), 44_100)
    assert judge_clip(plan, noise).score < 75


def test_a_verdict_survives_the_wire() -> None:
    verdict = ruined("funk", "hum")
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
