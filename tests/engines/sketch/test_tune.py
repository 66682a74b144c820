"""The sketch plays a given melody: the very notes, in the bars where the song states them, and nothing else at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from agents.harmony import Chord
from agents.knowledge import instruments
from agents.planner import plan_from_brief
from agents.tune import Tune, laid_out, lead_of
from agents.tune_plan import planned_round
from agents.types import Brief, SongPlan
from studio.engines.sketch.compose import compose
from studio.engines.sketch.score import TICKS_PER_QUARTER, Note, Part, Score
from tests.tunes import AMAZING_GRACE, FOUR, GREENSLEEVES, KNOWN, ODE_TO_JOY, THREE, TWINKLE, tune_of


def played(words: str, tune: Tune, *, seed: int = 1) -> tuple[SongPlan, Score]:
    plan = planned_round(Brief(words=words), tune, lambda lent: plan_from_brief(lent, seed=seed), name="Your melody")
    return plan, compose(plan, seed=seed, tune=tune)


def singer(score: Score) -> Part:
    return next(part for part in score.parts if part.sings)


def in_bar(notes: list[Note], bar: int, ticks: int) -> list[tuple[int, int]]:
    return [(n.start_tick - bar * ticks, n.pitch) for n in notes if bar * ticks <= n.start_tick < (bar + 1) * ticks]


@pytest.mark.parametrize("words", ["pop song", "lo-fi hip hop", "jazz ballad", "techno", "orchestral film music"])
@pytest.mark.parametrize("name", KNOWN)
def test_every_bar_that_states_it_has_its_very_notes(name: str, words: str) -> None:
    written, meter, _ = KNOWN[name]
    tune = tune_of(written, meter)
    plan, score = played(words, tune)
    lead, ticks = singer(score), round(plan.meter.value.quarters_per_bar * TICKS_PER_QUARTER)
    octaves = {note.pitch - own.pitch for note in lead.notes for own in tune.notes if note.pitch % 12 == own.pitch % 12}
    assert all(step % 12 == 0 for step in octaves)
    checked = 0
    passages = laid_out(plan, tune)
    for place, passage in enumerate(passages):
        if passage.use != "stated":
            continue
        own = tune.in_bar(passage.bar, plan.meter.value)
        start = passage.bar * plan.meter.value.quarters_per_bar
        wanted = [(round((n.start_quarters - start) * TICKS_PER_QUARTER), n.pitch % 12) for n in own]
        found = [(at, pitch % 12) for at, pitch in in_bar(lead.notes, place, ticks)]
        follows = passages[place + 1] if place + 1 < len(passages) else None
        if tune.has_pickup and follows is not None and follows.use == "stated" and follows.bar == 0:
            found = found[: len(wanted)]  # the pickup to another round
        assert found[: len(wanted)] == wanted, (name, words, place)
        checked += len(wanted)
    assert checked >= len([n for n in tune.notes if n.start_quarters >= 0])


def test_on_an_instrument_that_reaches_it_the_octave_is_the_melodys_own() -> None:
    _, score = played("jazz ballad with flute", tune_of(ODE_TO_JOY))
    assert singer(score).instrument_id == "flute"
    assert [note.pitch for note in singer(score).notes[:8]] == [64, 64, 65, 67, 67, 65, 64, 62]


def test_a_pickup_comes_before_its_bar() -> None:
    tune = tune_of(AMAZING_GRACE, THREE)
    plan, score = played("folk song", tune)
    ticks = round(plan.meter.value.quarters_per_bar * TICKS_PER_QUARTER)
    first = next(place for place, passage in enumerate(laid_out(plan, tune)) if passage.use == "stated")
    begins = singer(score).notes[0]
    assert begins.start_tick == first * ticks - TICKS_PER_QUARTER and begins.pitch % 12 == 2


def test_what_is_developed_has_the_melodys_rhythm_and_stays_in_the_key() -> None:
    tune = tune_of(GREENSLEEVES, THREE)
    plan, score = played("jazz ballad", tune)
    lead, ticks = singer(score), round(plan.meter.value.quarters_per_bar * TICKS_PER_QUARTER)
    places = [place for place, passage in enumerate(laid_out(plan, tune)) if passage.use == "developed"]
    chords = [Chord.parse(s.chords.value[b % len(s.chords.value)]) for s in plan.sections for b in range(s.bars.value)]
    assert places
    for place in places:
        own = tune.in_bar(laid_out(plan, tune)[place].bar, THREE)
        found = in_bar(lead.notes, place, ticks)[: len(own)]
        assert len(found) == len(own)
        assert all(pitch % 12 in {*plan.key.value.scale, *chords[place].pitch_classes} for _, pitch in found)


def test_nobody_hears_two_notes_of_it_at_once() -> None:
    for words in ("pop song", "jazz ballad", "techno"):
        notes = singer(played(words, tune_of(GREENSLEEVES, THREE))[1]).notes
        assert all(a.end_tick <= b.start_tick for a, b in pairwise(notes))


def test_a_lone_piano_plays_chords_with_its_other_hand() -> None:
    _, score = played("solo piano", tune_of(TWINKLE))
    assert {part.instrument_id for part in score.parts} == {"piano"}
    assert {part.role for part in score.parts} == {"melody", "chords"}


def test_without_a_melody_a_song_is_what_it_was(make_plan: Callable[..., SongPlan]) -> None:
    plan = make_plan()
    first, second = compose(plan, seed=4), compose(plan, seed=4, tune=None)
    assert [part.notes for part in first.parts] == [part.notes for part in second.parts]
    assert not any(part.sings for part in first.parts)


def test_whoever_leads_has_the_first_place_among_singers() -> None:
    plan, score = played("jazz ballad with trumpet and saxophone", tune_of(TWINKLE, FOUR))
    assert singer(score).instrument_id == lead_of(plan) and singer(score).order == 0
    assert lead_of(plan) in instruments()
