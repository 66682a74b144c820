"""Plans that hold for any words, any length and any seed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import knowledge
from agents.harmony import Chord, Key, Meter
from agents.layout import shared_out
from agents.planner import BriefError, EmptyBrief, make_brief, plan_from_brief, plan_song, read_brief
from agents.types import SongPlan

_WORDS = sorted(
    {alias for kind in (knowledge.genres(), knowledge.moods(), knowledge.instruments()) for one in kind.values() for alias in one.aliases}
    | set(knowledge.words().tempo_words)
    | {phrase for phrases in knowledge.words().sections.values() for phrase in phrases}
    | {"no", "without", "only", "then", "until the", "in", "F# minor", "a minor", "3/4", "7/8", "90s", "120 bpm", "30 seconds",
       "1:30", ",", ".", "and", "or", "with", "16 bars", "fade out", "builds up to a", "half the tempo", "drumless", "¦", "in C"}
)  # fmt: skip
MUSIC_TALK = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=14).map(" ".join)
ANY_WORDS = st.one_of(MUSIC_TALK, st.text(min_size=1, max_size=200))
LENGTHS = st.floats(1, 600, allow_nan=False)


def holds(plan: SongPlan) -> None:
    """What is true of every plan."""
    again = SongPlan.model_validate_json(plan.model_dump_json())
    assert again == plan
    known, bar = knowledge.instruments(), plan.bar_seconds
    ring = plan.seconds.value - plan.music_seconds
    assert -0.001 <= ring < bar + 0.001, "whole bars fill the length, and less than a bar rings"
    assert 1 <= len(plan.title.value) <= 120
    assert any(section.instruments.value for section in plan.sections)
    for section in plan.sections:
        assert section.instruments.value, "nobody plays"
        assert set(section.instruments.value) <= set(plan.instruments.value) <= set(known)
        assert len(section.chords.value) <= max(section.bars.value, 1)
        for symbol in section.chords.value:
            Chord.parse(symbol)
    last = plan.sections[-1]
    if last.bars.value <= 64:
        final = last.chords.value[(last.bars.value - 1) % len(last.chords.value)]
        assert Chord.parse(final).root == plan.key.value.tonic, "the song comes home"


@settings(max_examples=150, deadline=None)
@given(words=ANY_WORDS, seconds=LENGTHS, seed=st.integers(0, 2**32 - 1))
def test_any_words_at_any_length_become_a_plan(words: str, seconds: float, seed: int) -> None:
    plan = plan_from_brief(make_brief(words=words, seconds=seconds), seed=seed)
    holds(plan)
    assert plan.seconds.value == seconds and plan.seconds.by == "asked"
    assert plan.brief.words.strip() in plan.prompt.value


@settings(max_examples=150, deadline=None)
@given(words=ANY_WORDS)
def test_any_words_alone_become_a_plan(words: str) -> None:
    brief = make_brief(words=words)
    if not brief.words.strip():
        with pytest.raises(EmptyBrief):
            plan_from_brief(brief)
        return
    holds(plan_from_brief(brief))


@settings(max_examples=150, deadline=None)
@given(
    words=MUSIC_TALK,
    seconds=LENGTHS,
    tempo_bpm=st.floats(30, 300),
    tonic=st.integers(0, 11),
    mode=st.sampled_from(("major", "minor", "dorian", "phrygian", "lydian", "mixolydian", "locrian")),
)
def test_settings_are_kept_to_the_digit_whatever_the_words_say(
    words: str, seconds: float, tempo_bpm: float, tonic: int, mode: Any
) -> None:
    key = Key(tonic=tonic, mode=mode)
    plan = plan_from_brief(make_brief(words=words, seconds=seconds, tempo_bpm=tempo_bpm, key=key))
    holds(plan)
    assert (plan.seconds.value, plan.tempo_bpm.value, plan.key.value) == (seconds, tempo_bpm, key)
    assert plan.seconds.by == plan.tempo_bpm.by == plan.key.by == "asked"


@settings(max_examples=80, deadline=None)
@given(seconds=LENGTHS, beats=st.integers(2, 15), unit=st.sampled_from((2, 4, 8, 16)), tempo=st.floats(30, 300))
def test_a_meter_is_kept_wherever_one_bar_of_it_fits(seconds: float, beats: int, unit: Any, tempo: float) -> None:
    meter = Meter(beats=beats, unit=unit)
    plan = plan_from_brief(make_brief(words="jazz", seconds=seconds, meter=meter, tempo_bpm=tempo))
    holds(plan)
    if meter.bar_seconds(tempo) <= seconds:
        assert plan.meter.value == meter
    else:
        assert any("bar" in note for note in plan.notes), "what could not be kept is said"


@settings(max_examples=100, deadline=None)
@given(words=MUSIC_TALK, seed=st.integers(0, 1000))
def test_no_drums_means_no_drums_in_any_section(words: str, seed: int) -> None:
    plan = plan_from_brief(make_brief(words=words + ". no drums"), seed=seed)
    kits = {name for name, one in knowledge.instruments().items() if "drums" in one.roles}
    assert not kits & {one for section in plan.sections for one in section.instruments.value}


@pytest.mark.parametrize("genre", knowledge.genres())
@pytest.mark.parametrize("seconds", [15.0, 30.0, 60.0, 180.0])
def test_a_free_tempo_stays_in_the_genres_range_and_leaves_the_last_chord_room(genre: str, seconds: float) -> None:
    known = knowledge.genres()[genre]
    plan = plan_from_brief(make_brief(words=known.label, seconds=seconds), seed=3)
    assert plan.genre.value == genre
    assert known.tempo_bpm[0] <= plan.tempo_bpm.value <= known.tempo_bpm[1]
    ring = plan.seconds.value - plan.music_seconds
    assert 0.4 <= ring < plan.bar_seconds
    holds(plan)


@pytest.mark.parametrize("genre", knowledge.genres())
def test_verse_and_chorus_differ(genre: str) -> None:
    plan = plan_from_brief(make_brief(words=knowledge.genres()[genre].label, seconds=90), seed=1)
    charts = {section.name.value: tuple(section.chords.value) for section in plan.sections[:-1]}
    assert len(set(charts.values())) >= 2


@pytest.mark.parametrize("seconds", [1.0, 1.5, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("words", ["slow ambient", "techno", "waltz", "slow 12/8 blues", "punk", "7/8 metal, 60 bpm"])
def test_a_very_short_song_is_still_a_song(words: str, seconds: float) -> None:
    plan = plan_from_brief(make_brief(words=words, seconds=seconds))
    holds(plan)
    assert plan.seconds.value == seconds
    if "60 bpm" in words:
        assert plan.tempo_bpm.value == 60


def test_an_asked_tempo_leaves_what_is_left_to_the_ring() -> None:
    plan = plan_from_brief(make_brief(words="house, 121 bpm", seconds=30))
    assert plan.tempo_bpm.value == 121
    assert plan.bars == math.floor(30 / (240 / 121))


def test_the_same_brief_and_seed_give_the_same_plan() -> None:
    brief = make_brief(words="dreamy synthwave with a long intro")
    assert plan_from_brief(brief, seed=7).model_dump_json() == plan_from_brief(brief, seed=7).model_dump_json()


def test_another_seed_changes_what_was_left_open_and_nothing_asked() -> None:
    wishes = read_brief(make_brief(words="soul in D minor, 96 bpm, with trumpet, verse, chorus", seconds=40))
    plans = [plan_song(wishes, seed=seed) for seed in range(12)]
    assert len({plan.title.value for plan in plans}) > 3
    assert len({tuple(plan.instruments.value) for plan in plans}) > 3
    assert len({tuple(tuple(section.chords.value) for section in plan.sections) for plan in plans}) > 2
    for plan in plans:
        assert plan.key.value.name == "D minor" and plan.tempo_bpm.value == 96 and plan.seconds.value == 40
        assert [section.name.value for section in plan.sections] == ["verse", "chorus"]
        assert any(one in plan.instruments.value for one in ("trumpet", "muted_trumpet"))


def test_instruments_enter_and_leave() -> None:
    plan = plan_from_brief(make_brief(words="pop", seconds=60), seed=2)
    sizes = [len(section.instruments.value) for section in plan.sections]
    assert min(sizes) < max(sizes)
    strongest = max(plan.sections, key=lambda section: section.energy.value)
    assert len(strongest.instruments.value) == max(sizes)


def test_an_empty_brief_asks_for_a_description() -> None:
    with pytest.raises(EmptyBrief, match="Describe the music first"):
        plan_from_brief(make_brief(words="   "))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"words": "a " * 10_000}, r"10,000 words.*at most 2,000"),
        ({"words": "x", "seconds": 0}, r"1 to 600 seconds"),
        ({"words": "x", "seconds": 3600}, r"1 to 600 seconds"),
        ({"words": "x", "seconds": float("nan")}, r"1 to 600 seconds"),
        ({"words": "x", "tempo_bpm": 3}, r"30 to 300 bpm"),
        ({"words": "x", "key": "H major"}, r"not a key"),
        ({"words": "x", "meter": "5/3"}, r"not a meter"),
        ({"words": "x", "sekonds": 3}, r"no setting called “sekonds”"),
    ],
)
def test_a_brief_out_of_bounds_is_one_clear_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(BriefError, match=said) as refusal:
        make_brief(**values)
    assert "validation error" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_prompt_says_it_all_in_a_models_words() -> None:
    plan = plan_from_brief(
        make_brief(words="a lighthouse in fog, jazz waltz, 140 bpm, in G major, with clarinet, no trumpet")
    )
    prompt = plan.prompt.value
    assert prompt.startswith("a lighthouse in fog")
    for said in ("140 bpm", "G major", "clarinet", "3/4", "no trumpet"):
        assert said in prompt
    assert "trumpet" in plan.negative_prompt.value
    assert all("lighthouse" in section.prompt.value for section in plan.sections)


@settings(max_examples=200, deadline=None)
@given(bars=st.integers(1, 400), weights=st.lists(st.sampled_from((0.5, 1.0, 2.0, 3.0, 4.0)), min_size=1, max_size=12))
def test_bars_are_shared_out_whole_and_nobody_goes_without(bars: int, weights: list[float]) -> None:
    if bars < len(weights):
        return
    shares = shared_out(bars, weights)
    assert sum(shares) == bars and min(shares) >= 1
    if bars >= 8 * len(weights):
        assert all(share % 4 == 0 for share in shares[:-1]), "phrases are of four bars where there is room"
        assert shares[-1] <= bars * weights[-1] / sum(weights) + 11, "the ending takes what is odd and no more"


def test_a_song_of_sixteen_bars_lasts_sixteen_bars_and_a_ring() -> None:
    plan = plan_from_brief(make_brief(words="funk, 16 bars, 100 bpm"))
    assert plan.bars == 16
    assert 0.5 <= plan.seconds.value - 16 * 2.4 < 2.4
