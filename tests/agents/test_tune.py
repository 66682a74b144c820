"""A song round a melody: its key is heard, its bars have their places, and chords hold its notes."""

from __future__ import annotations

import pytest

from agents.harmony import Chord, Key
from agents.planner import plan_from_brief
from agents.tune import Tune, laid_out, lead_of, unheard_bars
from agents.tune_chords import bars_of_tune
from agents.tune_plan import brief_round, plan_round, planned_round
from agents.types import Brief, SongPlan
from tests.tunes import FOUR, GREENSLEEVES, KNOWN, ODE_TO_JOY, THREE, TWINKLE, tune_of


def song(words: str, tune: Tune, *, seed: int = 1, to_key: bool = False) -> SongPlan:
    return planned_round(
        Brief(words=words), tune, lambda lent: plan_from_brief(lent, seed=seed), name="Your melody", to_key=to_key
    )


def chart(plan: SongPlan) -> list[Chord]:
    return [
        Chord.parse(section.chords.value[bar % len(section.chords.value)])
        for section in plan.sections
        for bar in range(section.bars.value)
    ]


@pytest.mark.parametrize("semitones", [0, 3, -4])
@pytest.mark.parametrize("name", KNOWN)
def test_the_key_is_what_a_musician_would_call_it(name: str, semitones: int) -> None:
    written, meter, key = KNOWN[name]
    home = Key.parse(key)
    heard = tune_of(written, meter, semitones=semitones).key
    assert (heard.tonic, heard.mode) == ((home.tonic + semitones) % 12, home.mode)


def test_a_late_beginning_is_a_pickup_and_silence_before_it_is_not_counted() -> None:
    assert tune_of(GREENSLEEVES, THREE).has_pickup and tune_of(GREENSLEEVES, THREE).bars(THREE) == 16
    later = tune_of("-:4 -:4 " + ODE_TO_JOY)
    assert not later.has_pickup and later.notes == tune_of(ODE_TO_JOY).notes


@pytest.mark.parametrize("words", ["pop song", "lo-fi hip hop", "jazz ballad", "techno", "bossa nova"])
@pytest.mark.parametrize("name", KNOWN)
def test_each_bars_chord_holds_the_melodys_main_note(name: str, words: str) -> None:
    written, meter, _ = KNOWN[name]
    tune = tune_of(written, meter)
    plan = song(words, tune)
    bars = bars_of_tune(tune, plan.meter.value, bars=tune.bars(plan.meter.value))
    stated = [(chord, bars[p.bar].main) for chord, p in zip(chart(plan), laid_out(plan, tune), strict=True) if p.use == "stated"]  # fmt: skip
    assert len(stated) >= tune.bars(plan.meter.value)
    assert sum(main in chord.pitch_classes for chord, main in stated) >= 0.85 * len(stated)


@pytest.mark.parametrize("words", ["pop song", "lo-fi hip hop", "jazz ballad"])
def test_an_open_length_is_long_enough_for_all_of_it(words: str) -> None:
    tune = tune_of(GREENSLEEVES, THREE)
    plan = song(words, tune)
    assert unheard_bars(plan, tune) == 0
    heard = [passage.bar for passage in laid_out(plan, tune) if passage.use == "stated"]
    assert set(heard) == set(range(16)) and heard[0] == 0


def test_a_song_that_is_too_short_says_what_is_missing() -> None:
    plan = song("jazz ballad, 20 seconds", tune_of(GREENSLEEVES, THREE))
    assert plan.seconds.value == 20.0
    assert any("has no room for the last" in note for note in plan.notes)


def test_tempo_key_and_meter_are_the_melodys_where_the_words_leave_them_open() -> None:
    plan = song("folk song", tune_of(GREENSLEEVES, THREE, tempo_bpm=90.0))
    assert (plan.tempo_bpm.value, plan.key.value.name, plan.meter.value) == (90.0, "A minor", THREE)
    assert {plan.tempo_bpm.by, plan.key.by, plan.meter.by} == {"inferred"}
    assert plan.brief == Brief(words="folk song")
    assert [one.gave for one in plan.shaped_by] == [("90 bpm", "A minor", "the chords", "the tune")]


def test_what_the_words_ask_for_stays() -> None:
    plan = song("folk song, 120 bpm, in E minor, 4/4", tune_of(GREENSLEEVES, THREE, tempo_bpm=90.0))
    assert (plan.tempo_bpm.value, plan.key.value.name, plan.meter.value) == (120.0, "E minor", FOUR)
    assert {plan.tempo_bpm.by, plan.key.by, plan.meter.by} == {"asked"}


def test_another_key_is_said_and_the_notes_stay_unless_they_may_be_moved() -> None:
    tune = tune_of(ODE_TO_JOY)
    kept, moved = song("pop song in E major", tune), song("pop song in E major", tune, to_key=True)
    assert any("is in C major and the song was asked in E major" in note for note in kept.notes)
    assert any("moved from C major" in note for note in moved.notes)
    assert [note.pitch - 64 for note in tune.moved_to(Key.parse("E major")).notes[:3]] == [4, 4, 5]
    assert tune.moved_to(Key.parse("A major")).notes[0].pitch == 61  # down by three rather than up by nine


def test_asked_chords_are_never_changed() -> None:
    plan = plan_from_brief(Brief(words="pop song"), seed=1)
    for section in plan.sections:
        section.chords = section.chords.model_copy(update={"by": "asked", "value": ["F", "G"]})
    fitted = plan_round(plan, tune_of(ODE_TO_JOY), brief=plan.brief, name="Your melody")
    assert [section.chords.value for section in fitted.sections] == [["F", "G"]] * len(plan.sections)


def test_a_plan_already_round_it_is_played_as_it_is() -> None:
    tune = tune_of(ODE_TO_JOY)
    once = song("pop song", tune)
    edited = once.model_copy(deep=True)
    edited.sections[1].chords.value[0] = "Am"
    assert plan_round(edited, tune, brief=edited.brief, name="Your melody") == edited


def test_whoever_sings_plays_where_it_is_stated_and_words_are_not_needed() -> None:
    tune = tune_of(TWINKLE)
    plan = planned_round(Brief(), tune, lambda lent: plan_from_brief(lent, seed=2), name="Your melody")
    lead = lead_of(plan)
    stated = {p for p, passage in enumerate(laid_out(plan, tune)) if passage.use == "stated"}
    of_bar = [section for section in plan.sections for _ in range(section.bars.value)]
    assert lead and stated and all(lead in of_bar[place].instruments.value for place in stated)


def test_a_band_without_a_singer_gets_one() -> None:
    plan = song("only drums and bass", tune_of(TWINKLE))
    assert lead_of(plan) in plan.instruments.value


def test_a_tempo_beyond_what_can_be_planned_is_left_open() -> None:
    assert brief_round(Brief(words="pop"), tune_of(TWINKLE, tempo_bpm=400.0)).tempo_bpm is None
    assert brief_round(Brief(words="pop"), tune_of(TWINKLE, tempo_bpm=None)).tempo_bpm is None
