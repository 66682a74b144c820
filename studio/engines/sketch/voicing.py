"""Chords on an instrument: which notes, how wide, and the least motion from the chord before."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

from agents.harmony import Chord


def essential(chord: Chord, *, voices: int) -> tuple[int, ...]:
    """The chord's pitch classes that say most, in order of stacking: the fifth goes first, then the root."""
    tones = list(dict.fromkeys(chord.pitch_classes))
    while len(tones) > voices:
        fifths = [p for p in tones if (p - chord.root) % 12 == 7]
        tones.remove(fifths[0] if fifths else tones[0])
    return tuple(tones)


@lru_cache(maxsize=4096)
def _candidates(tones: tuple[int, ...], low: int, high: int, spread: int) -> tuple[tuple[int, ...], ...]:
    """Every voicing of these tones between low and high, no wider than `spread`, no cluster of semitones at the bottom."""
    pitches = [p for p in range(low, high + 1) if p % 12 in tones]
    found = []
    for chosen in combinations(pitches, len(tones)):
        if chosen[-1] - chosen[0] > spread or len({p % 12 for p in chosen}) < len(tones):
            continue
        if chosen[0] < 52 and len(chosen) > 1 and chosen[1] - chosen[0] < 4:
            continue
        found.append(chosen)
    return tuple(found)


@lru_cache(maxsize=4096)
def voice(
    chord: Chord, *, before: tuple[int, ...] | None, low: int, high: int, centre: int, voices: int, spread: int = 14
) -> tuple[int, ...]:
    """The voicing nearest to the one before (least total motion), pulled gently to the centre of its range."""
    tones = essential(chord, voices=voices)
    low, high = min(low, centre - 12), max(high, centre + 12)
    options = _candidates(tones, max(low, centre - 13), min(high, centre + 14), spread)
    if not options:
        return tuple(sorted(centre + (p - centre + 6) % 12 - 6 for p in tones))

    def cost(option: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        middle = sum(option) / len(option)
        pull = abs(middle - centre) * (1.2 if before is None else 0.35)
        if before is None:
            return pull, option
        return pull + _motion(before, option), option

    return min(options, key=cost)


def _motion(before: tuple[int, ...], after: tuple[int, ...]) -> float:
    """Semitones travelled by each voice to the nearest note of the other chord, both ways."""
    there = sum(min(abs(a - b) for b in before) for a in after)
    back = sum(min(abs(a - b) for a in after) for b in before)
    return (there + back) / 2


def power_chord(chord: Chord, *, low: int) -> tuple[int, ...]:
    """Root, fifth and octave, for a distorted guitar: thirds turn to mud there. Altered fifths stay out."""
    root = low + (chord.root - low) % 12
    fifth = (root + 7,) if (chord.root + 7) % 12 in chord.pitch_classes else ()
    return (root, *fifth, root + 12)
