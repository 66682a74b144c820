"""The knowledge base against itself: everything it names exists, and every progression belongs to its mode."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from agents import knowledge
from agents.harmony import SCALES, Key, Meter, chord_of_numeral
from agents.knowledge import GROOVES, Progression

GENRES, MOODS, INSTRUMENTS, WORDS = knowledge.genres(), knowledge.moods(), knowledge.instruments(), knowledge.words()

# Words that rightly stand for two things at once.
_BOTH = {"epic", "orchestra", "honky tonk"}


def chromatic_tones_are_meant(numeral: str, key: Key) -> bool:
    """Whether a chord's notes outside the mode are ones that the numeral spells out.

    A leading b or #, a capital V in a minor mode, sevenths of dominant kind (blues, secondary dominants), diminished
    sevenths, the minor fourth of a major key and the major close of a phrygian one.
    """
    chord = chord_of_numeral(numeral, key)
    if set(chord.pitch_classes) <= set(key.scale):
        return True
    degree = re.match(r"[IViv]+", numeral)
    return (
        numeral[0] in "b#"
        or (degree is not None and degree[0] == "V" and key.is_minor)
        or chord.quality in ("7", "9", "7b9", "dim7")
        or (numeral == "iv" and key.mode == "major")
        or (numeral == "I" and key.mode == "phrygian")
    )


def test_there_is_enough_to_know() -> None:
    assert len(GENRES) >= 44
    assert len(MOODS) >= 32


def test_every_groove_has_a_genre_and_every_genre_a_groove() -> None:
    assert {genre.groove for genre in GENRES.values()} == set(GROOVES)


@pytest.mark.parametrize("name", GENRES)
def test_a_genre_is_playable(name: str) -> None:
    genre = GENRES[name]
    low, high = genre.tempo_bpm
    assert 40 <= low <= genre.typical_tempo_bpm <= high <= 220
    assert high / low <= 2.2, "a genre's tempos stay within about an octave"
    assert genre.meters and all(Meter.parse(meter) for meter in genre.meters)
    assert len(genre.progressions) >= 3
    assert genre.form and max(part.energy for part in genre.form) > min(part.energy for part in genre.form)
    assert genre.production
    assert {"chords", "pad"} & set(genre.palette), "somebody plays the harmony"
    for role, voices in genre.palette.items():
        assert voices and len(set(voices)) == len(voices)
        for voice in voices:
            assert voice in INSTRUMENTS
            assert role in INSTRUMENTS[voice].roles, f"{voice} does not play {role}"


@pytest.mark.parametrize("name", GENRES)
def test_every_mode_of_a_genre_has_a_progression_and_every_progression_its_mode(name: str) -> None:
    genre = GENRES[name]
    assert {progression.mode for progression in genre.progressions} == set(genre.modes)
    assert len({progression.numerals for progression in genre.progressions}) >= 3


def _progressions() -> list[tuple[str, Progression]]:
    own = [(name, one) for name, genre in GENRES.items() for one in genre.progressions]
    return own + [(mode, one) for mode, rows in knowledge.progressions().items() for one in rows]


@pytest.mark.parametrize("tonic", range(12))
def test_progressions_stay_in_their_mode_in_every_key(tonic: int) -> None:
    for name, progression in _progressions():
        key = Key(tonic=tonic, mode=progression.mode)
        for numeral in progression.numerals:
            chord = chord_of_numeral(numeral, key)
            assert chord.root in key.scale or numeral[0] in "b#", f"{name}: {numeral} in {key}"
            assert chromatic_tones_are_meant(numeral, key), f"{name}: {numeral} in {key}"


def test_progressions_have_lengths_that_phrases_have() -> None:
    for name, progression in _progressions():
        assert len(progression.numerals) in (4, 8, 12), name


def test_every_mode_has_progressions_to_fall_back_on() -> None:
    assert set(knowledge.progressions()) == set(SCALES)
    assert all(len(rows) >= 3 for rows in knowledge.progressions().values())


@pytest.mark.parametrize("name", MOODS)
def test_a_mood_bends_music_with_voices_that_exist(name: str) -> None:
    mood = MOODS[name]
    assert mood.prompt
    assert set(mood.instruments) <= set(INSTRUMENTS)
    assert WORDS.mood_genres[name] in GENRES


def test_everyday_words_lead_to_things_that_exist() -> None:
    for family in WORDS.families.values():
        assert set(family.members) | set(family.also) <= set(INSTRUMENTS)
    assert set(WORDS.decade_genres.values()) <= set(GENRES)
    assert set(WORDS.title_genre) <= set(GENRES)
    assert set(WORDS.title_nouns) <= set(MOODS)
    assert set(WORDS.sections) == set(WORDS.section_energies) == set(WORDS.section_weights)


def test_no_two_things_of_a_kind_share_a_name() -> None:
    for kind in (GENRES, MOODS, INSTRUMENTS):
        owners: dict[str, set[str]] = defaultdict(set)
        for name, one in kind.items():
            for alias in (one.label, *one.aliases):
                owners[alias.lower().replace("-", " ")].add(name)
        shared = {alias: names for alias, names in owners.items() if len(names) > 1}
        assert not shared


def test_names_across_kinds_collide_only_where_they_mean_both() -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for kind, things in (("genre", GENRES), ("mood", MOODS), ("instrument", INSTRUMENTS)):
        for one in things.values():
            for alias in (one.label, *one.aliases):
                owners[alias.lower().replace("-", " ")].add(kind)
    shared = {alias for alias, kinds in owners.items() if len(kinds) > 1}
    assert shared <= _BOTH


def test_a_drum_kit_is_no_melody_and_a_range_is_a_range() -> None:
    for name, one in INSTRUMENTS.items():
        assert one.low < one.high, name
        if one.kit is not None:
            assert set(one.roles) <= {"drums", "percussion"}, name


def test_the_genres_people_ask_for_are_found_under_the_names_they_use() -> None:
    from agents.planner import make_brief, read_brief

    asked = {
        "lofi": "lofi_hip_hop", "lo-fi hip hop": "lofi_hip_hop", "hip hop": "boom_bap", "trap": "trap", "drill": "drill",
        "house": "house", "deep house": "deep_house", "techno": "techno", "trance": "trance", "dnb": "drum_and_bass",
        "drum'n'bass": "drum_and_bass", "drum & bass": "drum_and_bass", "dubstep": "dubstep", "ukg": "uk_garage",
        "2-step": "uk_garage", "breakbeat": "breakbeat", "electro": "electro", "synthwave": "synthwave", "8-bit": "chiptune",
        "ambient": "ambient", "trip hop": "downtempo", "pop": "pop", "indie rock": "indie_rock", "rock": "rock",
        "punk": "punk", "metal": "metal", "funk": "funk", "disco": "disco", "soul": "soul", "R&B": "rnb",
        "gospel": "gospel", "blues": "blues", "jazz": "jazz", "jazz ballad": "jazz_ballad", "bossa nova": "bossa_nova",
        "samba": "samba", "salsa": "salsa", "cumbia": "cumbia", "tango": "tango", "reggae": "reggae", "dub": "dub",
        "dancehall": "dancehall", "reggaeton": "reggaeton", "afrobeat": "afrobeat", "afrobeats": "afrobeats",
        "amapiano": "amapiano", "country": "country", "folk": "folk", "celtic": "celtic", "orchestral": "classical",
        "epic score": "cinematic", "waltz": "waltz", "march": "march", "meditation": "meditation", "new age": "meditation",
    }  # fmt: skip
    found = {words: read_brief(make_brief(words=f"some {words} please")).genre.value for words in asked}
    assert found == asked
