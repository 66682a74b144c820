"""Chords under a melody, one a bar: of all the key and the genre offer, those that hold its notes and lead on well.

Each chord is scored against a bar's notes by how long they last and how strong the beat is that they begin on; the best
way through all bars is found as Viterbi's algorithm does. Knows nothing of sections or of sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents import knowledge
from agents.harmony import Chord, Key, Meter, chord_of_numeral
from agents.tune import Tune, TuneNote

_DOWNBEAT, _BEAT, _OFF_BEAT = 2.0, 1.3, 0.8
_TRIAD, _ADDED, _RUB, _FALSE = 1.0, 0.7, -0.5, -0.8
_MAIN_NOTE, _AT_HOME, _OF_THE_GENRE, _AS_PLANNED = 0.35, 0.2, 0.12, 0.1
_CLOSING, _HALF_WAY = 0.5, 0.15
_DEGREES = {0: 0.1, 5: 0.1, 7: 0.1, 9: 0.05, 2: 0.02, 4: -0.05}
_DEGREES_MINOR = {0: 0.1, 5: 0.1, 7: 0.1, 8: 0.06, 3: 0.05, 10: 0.05}
_MOTIONS = {0: -0.08, 5: 0.08, 7: 0.04}  # semitones up from root to root
_TRIADS = {True: ("i", "III", "iv", "v", "V", "VI", "VII"), False: ("I", "ii", "iii", "IV", "V", "vi")}


@dataclass(frozen=True, slots=True)
class BarOfTune:
    """What a bar's melody weighs by pitch class, and the one that weighs most (None in a rest)."""

    weights: tuple[float, ...]
    main: int | None


def bar_of_tune(notes: Sequence[TuneNote], *, start_quarters: float, meter: Meter) -> BarOfTune:
    """A bar's notes weighed: each by its length inside the bar, more on the downbeat and on a beat than between."""
    weights = [0.0] * 12
    for note in notes:
        place = note.start_quarters - start_quarters
        lasts = min(note.end_quarters - start_quarters, meter.quarters_per_bar) - max(0.0, place)
        beat = meter.quarters_per_felt_beat
        off = abs(place / beat - round(place / beat))
        strength = _DOWNBEAT if abs(place) < 0.1 else _BEAT if off < 0.1 else _OFF_BEAT
        weights[note.pitch % 12] += max(0.05, lasts) * strength
    total = sum(weights)
    if not total:
        return BarOfTune(tuple(weights), None)
    return BarOfTune(tuple(each / total for each in weights), max(range(12), key=lambda pitch: weights[pitch]))


def bars_of_tune(tune: Tune, meter: Meter, *, bars: int) -> list[BarOfTune]:
    """So many bars of the melody, those after its end at rest."""
    length = meter.quarters_per_bar
    return [bar_of_tune(tune.in_bar(bar, meter), start_quarters=bar * length, meter=meter) for bar in range(bars)]


def chords_under(
    bars: Sequence[BarOfTune], *, key: Key, genre: str, planned: Sequence[Chord | None] = ()
) -> list[Chord]:
    """A chord for each bar. planned: what would stand there without the melody; kept where it does as well."""
    choices, own = _choices(key, genre)
    before: list[tuple[float, list[Chord]]] = []
    for number, bar in enumerate(bars):
        here = []
        usual = planned[number] if number < len(planned) else None
        for chord in choices:
            worth = _fit(chord, bar, key) + _place(chord, number, len(bars), key)
            worth += _OF_THE_GENRE * (chord in own) + _AS_PLANNED * (chord == usual)
            if before:
                way, path = max(((w + _motion(p[-1], chord), p) for w, p in before), key=lambda found: found[0])
                here.append((way + worth, [*path, chord]))
            else:
                here.append((worth, [chord]))
        before = here
    return max(before, key=lambda found: found[0])[1] if before else []


def _choices(key: Key, name: str) -> tuple[list[Chord], set[Chord]]:
    """The chords to choose from, and which of them are the genre's own."""
    genre = knowledge.genres().get(name)
    numerals = [n for each in (genre.progressions if genre else ()) if each.mode == key.mode for n in each.numerals]
    own = list(dict.fromkeys(chord_of_numeral(numeral, key) for numeral in numerals))
    if key.mode in ("major", "minor"):
        plain = [chord_of_numeral(numeral, key) for numeral in _TRIADS[key.is_minor]]
    else:
        usual = knowledge.progressions()[key.mode]
        plain = [chord_of_numeral(numeral, key) for each in usual for numeral in each.numerals]
        plain.append(chord_of_numeral("i" if key.is_minor else "I", key))
    return list(dict.fromkeys([*own, *plain])), set(own)


def _fit(chord: Chord, bar: BarOfTune, key: Key) -> float:
    """-1 to about 1.4: what the bar's notes are to the chord, and whether it holds the main one."""
    if bar.main is None:
        return 0.0
    tones, scale = chord.pitch_classes, key.scale
    triad, added = tones[:3], tones[3:]
    worth = 0.0
    for pitch, weight in enumerate(bar.weights):
        if pitch in triad:
            worth += _TRIAD * weight
        elif pitch in added:
            worth += _ADDED * weight
        elif any((pitch - tone) % 12 in (1, 11) and tone not in scale for tone in tones):
            worth += _FALSE * weight
        elif any((pitch - tone) % 12 == 1 for tone in triad):
            worth += _RUB * weight
    return worth + (_MAIN_NOTE if bar.main in tones else -_MAIN_NOTE)


def _place(chord: Chord, bar: int, bars: int, key: Key) -> float:
    """What a chord is worth by its degree and by where in the melody it stands."""
    degree = (chord.root - key.tonic) % 12
    worth = (_DEGREES_MINOR if key.is_minor else _DEGREES).get(degree, -0.1)
    if chord.quality in ("dim", "aug", "dim7", "m7b5"):
        worth -= 0.2
    if bar == 0 and degree == 0:
        worth += _AT_HOME
    if bar == bars - 1 and degree == 0:
        worth += _CLOSING
    if degree == 7 and (bar == bars - 2 or (bars >= 8 and bar == bars // 2 - 1)):
        worth += _HALF_WAY
    return worth


def _motion(before: Chord, after: Chord) -> float:
    return _MOTIONS.get((after.root - before.root) % 12, 0.0) if before != after else _MOTIONS[0]
