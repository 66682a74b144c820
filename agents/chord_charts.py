"""The key of a song and the chords of its sections, out of the genre's own progressions.

Knows nothing of tempos, voices or words.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from agents import knowledge
from agents.harmony import Key, Mode, chord_of_numeral
from agents.knowledge import Genre, Progression
from agents.layout import Part
from agents.types import Decided
from agents.wishes import Wishes

# Tonics players reach for first; guitars and horns agree on few, and the seed draws among them.
_TONICS: dict[bool, tuple[int, ...]] = {True: (9, 0, 2, 4, 7, 5, 11, 6), False: (0, 7, 2, 5, 9, 10, 3, 4)}
_WRITTEN_OUT = 64
_RELATED = {
    "intro": "verse", "introduction": "theme", "build": "verse", "pre-chorus": "verse", "solo": "chorus", "outro": "chorus",
    "head": "verse", "post-chorus": "chorus", "drop": "chorus", "climax": "chorus", "coda": "theme", "opening": "drift",
    "closing": "drift", "interlude": "verse", "aftermath": "opening",
}  # fmt: skip


def choose_key(wishes: Wishes, genre: Genre, rng: random.Random) -> Decided[Key]:
    """The key asked for, or a mode that suits the moods and the genre on a tonic the seed picks."""
    if wishes.key is not None:
        return wishes.key
    if wishes.mode is not None:
        mode, why = wishes.mode.value, f"{wishes.mode.value}, as you asked"
    else:
        mode, why = _mode(wishes, genre, rng)
    tonic = rng.choices(_TONICS[Key(tonic=0, mode=mode).is_minor], (5, 5, 4, 4, 4, 3, 2, 2))[0]
    return Decided(value=Key(tonic=tonic, mode=mode), by="inferred", why=why)


def _mode(wishes: Wishes, genre: Genre, rng: random.Random) -> tuple[Mode, str]:
    for mood in wishes.moods.value:
        liked = [mode for mode in knowledge.moods()[mood].modes if mode in genre.modes]
        if liked:
            known = [sum(one.mode == mode for one in genre.progressions) for mode in liked]
            mode = rng.choices(liked, [(0.5 + count) / (1 + place) for place, count in enumerate(known)])[0]
            return mode, f"suits {mood.replace('_', ' ')} {genre.label}"
        if knowledge.moods()[mood].modes and mood in ("happy", "sad", "melancholic", "triumphant", "scary"):
            return knowledge.moods()[mood].modes[0], f"suits the mood, {mood}"
    known = [sum(one.mode == mode for one in genre.progressions) for mode in genre.modes]
    mode = rng.choices(genre.modes, [count / (1 + place) for place, count in enumerate(known)])[0]
    return mode, f"usual for {genre.label.lower()}"


def chart_sections(
    parts: Sequence[Part],
    key: Key,
    genre: Genre,
    rng: random.Random,
    *,
    proposed: Mapping[str, Progression] | None = None,
) -> list[list[str]]:
    """Chord symbols for each section; like sections share a progression, verse and chorus differ, the end comes home.

    proposed: progressions to use, by section name.
    """
    available = [one for one in genre.progressions if one.mode == key.mode]
    available += [one for one in knowledge.progressions()[key.mode] if len(available) < 2 and one not in available]
    chosen: dict[str, Progression] = dict(proposed or {})
    names = {part.name for part in parts}
    charts: list[list[str]] = []
    for part in parts:
        source = _RELATED.get(part.name, part.name)
        source = source if source in names and part.name not in chosen else part.name
        if source not in chosen:
            bars = max(
                other.bars for other in parts if _RELATED.get(other.name, other.name) == source or other.name == source
            )
            chosen[source] = _progression(available, bars, list(chosen.values()), rng)
        charts.append(_symbols(chosen[source], key, bars=part.bars))
    charts[-1] = _come_home(charts[-1], available, key, bars=parts[-1].bars)
    return charts


def _progression(available: list[Progression], bars: int, used: list[Progression], rng: random.Random) -> Progression:
    """One that fills the section evenly and has not been used yet, as far as there is one."""
    fresh = [one for one in available if one not in used] or available
    fitting = [one for one in fresh if bars % len(one.numerals) == 0] or [
        one for one in fresh if len(one.numerals) <= bars
    ]
    return rng.choice(fitting or fresh)


def _symbols(progression: Progression, key: Key, *, bars: int) -> list[str]:
    return [chord_of_numeral(numeral, key).symbol(key) for numeral in progression.numerals[: max(1, bars)]]


def _come_home(chart: list[str], available: list[Progression], key: Key, *, bars: int) -> list[str]:
    """The last section's chords written out to its last bar, which is the tonic as this genre voices it."""
    homes = [chord_of_numeral(numeral, key) for one in available for numeral in one.numerals]
    homes = [chord for chord in homes if chord.root == key.tonic and set(chord.pitch_classes) <= set(key.scale)]
    home = (homes[0] if homes else chord_of_numeral("i" if key.is_minor else "I", key)).symbol(key)
    if (len(set(chart)) == 1 and chart[0] == home) or bars == 1:
        return [home]
    if bars > _WRITTEN_OUT:  # a chart repeats, so a divisor of the bars ends on the same chord
        bars = max(size for size in range(1, _WRITTEN_OUT + 1) if bars % size == 0)
        bars = bars if bars >= len(chart) else _WRITTEN_OUT
    return [*(chart[index % len(chart)] for index in range(bars - 1)), home]
