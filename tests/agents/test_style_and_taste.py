"""Style cards, taste and metadata by rules: from what was measured and what was liked."""

from __future__ import annotations

import numpy as np
import pytest

from agents.harmony import Key
from agents.metadata_agent import describe_song
from agents.planner import make_brief, plan_from_brief, read_brief
from agents.prompt_agent import Context, enhance
from agents.style_agent import Reference, StyleCard, listen, style_card
from agents.taste import Taste, suggestions, taste_of
from audio.analysis import TooShort
from audio.character import character
from audio.clip import Clip

RATE = 22_050


def tone(hz: float, *, seconds: float = 4.0, channels: int = 1) -> Clip:
    times = np.arange(round(seconds * RATE)) / RATE
    return Clip(np.tile((0.3 * np.sin(2 * np.pi * hz * times)).astype(np.float32), (channels, 1)), RATE)


def clicks(*, bpm: float, seconds: float = 12.0) -> Clip:
    rng = np.random.default_rng(0)
    samples = np.zeros(round(seconds * RATE), np.float32)
    for beat in np.arange(0.1, seconds - 0.1, 60 / bpm):
        start = round(beat * RATE)
        samples[start : start + 800] += 0.5 * rng.standard_normal(800) * np.exp(-np.arange(800) / 120)
    return Clip(samples, RATE)


def test_a_high_tone_is_brighter_than_a_low_one_and_a_low_one_is_bass() -> None:
    low, high = character(tone(80)), character(tone(5_000))
    assert low.brightness_hz < 400 < 4_000 < high.brightness_hz
    assert low.low_share > 0.9 and high.low_share < 0.01


def test_clicks_are_struck_and_tones_are_sustained() -> None:
    assert character(clicks(bpm=120)).percussive > 0.6 > 0.1 > character(tone(440)).percussive


def test_opposite_channels_are_wide_and_equal_ones_are_not() -> None:
    wide = tone(300, channels=2).samples * np.array([[1], [-1]])
    assert character(Clip(wide, RATE)).width > 0.99
    assert character(tone(300, channels=2)).width < 0.01


def test_silence_has_no_character() -> None:
    with pytest.raises(TooShort):
        character(Clip.silence(seconds=5, sample_rate_hz=RATE))


def test_a_reference_is_measured_and_silence_leaves_it_empty() -> None:
    heard = listen(clicks(bpm=100), name="clicks", tags=["techno"])
    assert heard.tempo_bpm is not None and min(abs(heard.tempo_bpm * factor - 100) for factor in (0.5, 1, 2)) < 2
    silent = listen(Clip.silence(seconds=5, sample_rate_hz=RATE))
    assert silent.tempo_bpm is None and silent.key is None and silent.brightness_hz is None


def test_tags_name_the_genre_and_measures_only_what_they_allow() -> None:
    tagged = style_card([Reference(tempo_bpm=124, tags=("Deep House", "Rhodes"))]).value
    assert tagged.genre == "deep_house" and tagged.groove and "electric_piano" in tagged.instruments
    measured = style_card([Reference(tempo_bpm=174, percussive=0.6)]).value
    assert measured.genre is None and "drum_and_bass" in measured.genres_possible
    assert "No tag names a genre" in " ".join(measured.because)


def test_a_tempo_read_at_double_speed_is_folded_to_the_others() -> None:
    card = style_card([Reference(tempo_bpm=tempo) for tempo in (84.0, 86.0, 170.0)]).value
    assert card.tempo_bpm == (84.0, 86.0)


def test_a_key_is_shared_only_when_half_of_the_references_have_it() -> None:
    minor, major = Key.parse("A minor"), Key.parse("E major")
    assert style_card([Reference(key=minor), Reference(key=minor), Reference(key=major)]).value.key == minor
    assert style_card([Reference(key=Key.parse(one)) for one in ("A minor", "E major", "F major")]).value.key is None


def test_no_reference_makes_an_empty_card_and_says_why() -> None:
    answer = style_card([])
    assert answer.value == StyleCard() and answer.tier == "built-in" and answer.why_fallback


def test_taste_is_what_liked_takes_share_and_disliked_ones_do_not() -> None:
    liked = [plan_from_brief(make_brief(words=words)) for words in (
        "lo-fi, 84 bpm, rhodes, brushed drums", "lo-fi, 88 bpm, rhodes, cello", "lo-fi, 92 bpm, rhodes")]  # fmt: skip
    disliked = [plan_from_brief(make_brief(words="metal, 180 bpm, distorted guitar"))]
    taste = taste_of(liked, disliked)
    assert taste.genres == ("lofi_hip_hop",) and "electric_piano" in taste.instruments
    assert taste.tempo_bpm is not None and 84 <= taste.tempo_bpm[0] <= taste.tempo_bpm[1] <= 92
    assert taste.sentence.startswith("You like Lo-fi hip hop, 84-92 bpm")
    assert taste_of(liked, liked * 2).genres == ()


def test_suggestions_are_near_the_taste_and_differ() -> None:
    taste = Taste(
        takes=4, tempo_bpm=(84, 92), genres=("lofi_hip_hop",), moods=("rainy",), instruments=("electric_piano",)
    )
    found = suggestions(taste)
    assert len({one.words for one in found}) == 3
    for one in found:
        plan = plan_from_brief(make_brief(words=one.words))
        assert plan.genre.value == "lofi_hip_hop" and 80 <= plan.tempo_bpm.value <= 92
        assert "New here" in one.why
    assert len(suggestions(Taste())) == 3


def test_taste_and_references_enter_an_enhanced_wish_and_never_overrule_it() -> None:
    taste = Taste(takes=3, tempo_bpm=(84, 92), instruments=("electric_piano",))
    card = StyleCard(instruments=("cello", "drum_kit"), tempo_bpm=(70.0, 70.0), key=Key.parse("D minor"))
    free = enhance(make_brief(words="lo-fi"), context=Context(taste=taste)).value
    assert "88 bpm" in free.after
    bound = make_brief(words="lo-fi at 76 bpm in G minor, no drums")
    wishes = read_brief(bound)
    after = read_brief(make_brief(words=enhance(bound, context=Context(taste=taste, style=card)).value.after))
    assert after.tempo == wishes.tempo and after.key == wishes.key and after.without == wishes.without
    assert "cello" in enhance(bound, context=Context(style=card)).value.after


def test_metadata_by_rules_tells_the_plans_facts() -> None:
    plan = plan_from_brief(make_brief(words="sad waltz in D minor, cello and piano, 90 bpm, 40 seconds"))
    told = describe_song(plan).value
    assert told.title == plan.title.value and told.mood == "sad"
    assert told.description.endswith("90 bpm, D minor, 3/4, 40 s.")
    assert {"waltz", "sad", "cello", "instrumental"} <= set(told.tags)
