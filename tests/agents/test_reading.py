"""What words mean to a musician: the traps of English around lengths, meters, tempos, keys and forms."""

from __future__ import annotations

import pytest

from agents.lexicon import blanked, lowered
from agents.reading import decades, lengths, meters, number, tempos
from agents.reading_form import read_form
from agents.reading_keys import keys


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30 seconds", [30]), ("30s", [30]), ("30-second loop", [30]), ("two minutes", [120]), ("1:30", [90]),
        ("a minute and a half", [90]), ("one and a half minutes", [90]), ("half a minute", [30]), ("1m30s", [90]),
        ("2 min 15 sec", [135]), ("an hour", [3600]), ("for 90s", [90]), ("90s", [90]), ("60s long", [60]),
        ("90s pop", []), ("the 90s", []), ("1980s", []), ("80s synthwave, 45s", [45]), ("drop at 0:45", []),
        ("after 10 seconds", []), ("fade over the last 5 seconds", []), ("808s", []), ("every 4 seconds", []),
        ("20s jazz", []), ("20s", [20]), ("2 minutes 20 seconds", [140]), ("3 s delay", []),
    ],
)  # fmt: skip
def test_lengths_are_told_from_decades_and_cues(text: str, seconds: list[float]) -> None:
    low = lowered(text)
    aged = blanked(low, [(one.start, one.end) for one in decades(low)])
    assert [one.value for one in lengths(aged)] == seconds


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("3/4", ["3/4"]), ("in six eight", ["6/8"]), ("six-eight time", ["6/8"]), ("7/8", ["7/8"]), ("in 5", ["5/4"]),
        ("waltz time", ["3/4"]), ("three-four time", ["3/4"]), ("cut time", ["2/2"]), ("12/8", ["12/8"]),
        ("24/7", []), ("1/4 notes", []), ("3/4 of the song", []), ("in five seconds", []), ("two four bar phrases", []),
    ],
)  # fmt: skip
def test_meters_are_told_from_fractions(text: str, names: list[str]) -> None:
    assert [one.value.name for one in meters(lowered(text))] == names


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("80 bpm", (80, 80)), ("at 92", (92, 92)), ("around 100bpm", (100, 100)), ("tempo of 90", (90, 90)),
        ("bpm: 128", (128, 128)), ("120-130 bpm", (120, 130)), ("between 80 and 90 bpm", (80, 90)), ("92.5 bpm", (92.5, 92.5)),
        ("a hundred and twenty bpm", (120, 120)), ("90 beats per minute", (90, 90)), ("techno 140", (140, 140)),
        ("at 12:30", None), ("at 440 hz", None), ("at 30 seconds", None), ("at 90%", None), ("summer of 69", None),
    ],
)  # fmt: skip
def test_tempos_are_told_from_other_numbers(text: str, bpm: tuple[float, float] | None) -> None:
    found = [(one.value.low_bpm, one.value.high_bpm) for one in tempos(lowered(text)) if one.value.low_bpm]
    assert found == ([] if bpm is None else [bpm])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("in F# minor", ["F# minor"]), ("Bb major", ["Bb major"]), ("D dorian", ["D dorian"]), ("in C", ["C major"]),
        ("in A minor", ["A minor"]), ("in a minor", ["A minor"]), ("in Am", ["A minor"]), ("F#m", ["F# minor"]),
        ("key of G", ["G major"]), ("E flat major", ["Eb major"]), ("in e flat", ["Eb major"]), ("in A flat", ["Ab major"]),
        ("F sharp minor", ["F# minor"]), ("C# harmonic minor", ["C# minor"]), ("in A, 90 bpm", ["A major"]),
        ("A minor waltz", ["A minor"]), ("in a minor key", ["minor"]), ("phrygian metal", ["phrygian"]),
        ("a minor change", []), ("A minor change of mood", []), ("in a flat tone", []), ("in A room", []), ("in C++", []),
        ("in G-funk style", []), ("Am I alone?", []), ("vitamin C", []), ("Am F C G", []), ("the chorus is a major lift", []),
    ],
)  # fmt: skip
def test_keys_are_told_from_plain_english(text: str, names: list[str]) -> None:
    assert [one.value.key.name if one.value.key else one.value.mode for one in keys(text)] == names


@pytest.mark.parametrize(
    ("text", "names", "in_order"),
    [
        ("intro then a big chorus", ["intro", "chorus"], True),
        ("verse, chorus, verse", ["verse", "chorus", "verse"], True),
        ("intro-verse-chorus-outro", ["intro", "verse", "chorus", "outro"], True),
        ("builds up to a drop", ["build", "drop"], False),
        ("with a breakdown and a drop", ["breakdown", "drop"], False),
        ("with a guitar solo", ["solo"], False),
        ("head, solo, head", ["head", "solo", "head"], True),
        ("rain drops", [], False),
        ("chorus guitar effect", [], False),
        ("solo piano", [], False),
        ("a happy ending", [], False),
    ],
)
def test_sections_are_told_from_other_words(text: str, names: list[str], in_order: bool) -> None:
    form = read_form(lowered(text))
    assert [section.name for section in form.sections] == names
    assert form.in_order == in_order


def test_what_is_said_of_a_section_stays_with_it() -> None:
    form = read_form(lowered("short quiet intro with only a cello, then a huge 16 bar chorus with brass"))
    intro, chorus = form.sections
    assert (intro.length, intro.energy, intro.alone) == (0.5, 0.25, True)
    assert intro.voices[0][0] == "cello"
    assert chorus.energy == 0.95 and chorus.bars == 16
    assert "trumpet" in chorus.voices[0] and not chorus.alone


@pytest.mark.parametrize(
    ("text", "rule", "section"),
    [
        ("no drums until the chorus", "from", "chorus"),
        ("drums come in at the drop", "from", "drop"),
        ("strings only in the bridge", "only", "bridge"),
        ("no bass in the intro", "not", "intro"),
        ("it starts with a solo piano", "opens", ""),
        ("ends with just strings", "closes", ""),
    ],
)
def test_cues_say_who_plays_where(text: str, rule: str, section: str) -> None:
    (cue,) = read_form(lowered(text)).cues
    assert (cue.rule, cue.section) == (rule, section)


@pytest.mark.parametrize(
    ("text", "value"), [("ninety", 90), ("a hundred and twenty", 120), ("2,5", 2.5), ("sixty four", 64)]
)
def test_numbers_are_read_as_words_and_digits(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["İstanbul’da 90 bpm", "♭♯ ﬁne 🎹 in F♯ minor", "ẞTRASSE"])
def test_lowering_keeps_every_position(text: str) -> None:
    assert len(lowered(text)) == len(text)
