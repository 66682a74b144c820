"""The plan laid out bar by bar, and the pulse inside a bar.

A bar is felt in pulses: quarters in 4/4, dotted quarters in 6/8, 2+2+3 eighths in 7/8. Patterns are written beat by
beat, so any of them can be laid over any meter: a beat of the pattern for each pulse of the bar. Knows nothing of
instruments.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache

import numpy as np

from agents.harmony import Chord, Key, Meter
from agents.types import SongPlan
from studio.engines.sketch.score import TICKS_PER_QUARTER


@dataclass(frozen=True, slots=True)
class Pulse:
    """One felt beat inside a bar, in quarter notes; `triple` when it divides in three."""

    start_quarters: float
    quarters: float
    triple: bool


@cache
def pulses_of(meter: Meter) -> tuple[Pulse, ...]:
    """How a bar is felt: 4/4 in four, 6/8 in two dotted quarters, 7/8 as 2+2+3, 5/8 as 3+2, 3/8 in one."""
    unit = 4 / meter.unit
    if meter.unit <= 4:
        lengths = [1.0] * round(meter.quarters_per_bar)
    elif meter.beats % 3 == 0:
        lengths = [3 * unit] * (meter.beats // 3)
    elif meter.beats == 5:
        lengths = [3 * unit, 2 * unit]
    else:
        twos = meter.beats // 2
        lengths = [2 * unit] * twos
        if meter.beats % 2:
            lengths[-1] = 3 * unit
    starts = np.cumsum([0.0, *lengths[:-1]])
    return tuple(
        Pulse(float(start), length, meter.unit > 4 and abs(length - 3 * unit) < 1e-9)
        for start, length in zip(starts, lengths, strict=True)
    )


@cache
def beats_for(pulses: int, beats: int) -> tuple[int, ...]:
    """Which beat of a pattern of `beats` each pulse of the bar plays.

    A bar one pulse short leaves out the last but one, so that the last backbeat stays: rock in 3/4 is kick, snare,
    snare. Five pulses are 3+2, seven 4+3.
    """
    if pulses == beats:
        return tuple(range(beats))
    if pulses < beats:
        if pulses == beats - 1:
            return (*range(beats - 2), beats - 1)
        return tuple(range(pulses))
    if beats == 4 and pulses == 5:
        return (0, 1, 3, 2, 3)
    return beats_for(beats, beats) + beats_for(pulses - beats, beats)


def place_in_pulse(step: int, steps: int, pulse: Pulse, *, swing: float, swing_unit: int) -> float:
    """Where a pattern's step falls inside a pulse, 0 to 1.

    swing: 0 straight to 1 full triplets; swing_unit: 8 or 16, the note that is delayed. Triple pulses never swing:
    their third eighth already is the swung one.
    """
    if pulse.triple and steps == 4:
        return (0.0, 1 / 3, 2 / 3, 5 / 6)[step]
    place = step / steps
    if pulse.triple or steps != 4 or swing <= 0:
        return place
    if swing_unit == 8:
        late = 0.5 + swing / 6
        return place * late / 0.5 if place <= 0.5 else late + (place - 0.5) * (1 - late) / 0.5
    return place + (swing / 12 if step % 2 else 0.0)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the song, with all that a player needs to know of it.

    scale: pitch classes that may be played here: the key's, bent where the chord borrows. occurrence: how many
    sections of the same kind came before. next_energy: the next section's.
    """

    index: int
    section: int
    kind: str
    occurrence: int
    in_section: int
    bars_in_section: int
    energy: float
    next_energy: float
    chord: Chord
    next_chord: Chord
    scale: tuple[int, ...]
    start_tick: int
    ticks: int

    @property
    def is_first(self) -> bool:
        return self.in_section == 0

    @property
    def drive(self) -> float:
        """How busy the patterns are: the energy, but a song winds down in its outro however loud that is."""
        return min(self.energy, 0.5) if self.kind.startswith(("outro", "coda", "ending")) else self.energy

    @property
    def breaks(self) -> bool:
        """True in the last bar before a section at least as loud: the band holds its breath on its last beat."""
        return self.is_last and self.bars_in_section > 1 and self.next_energy >= max(0.55, self.energy - 0.05)

    @property
    def is_last(self) -> bool:
        return self.in_section == self.bars_in_section - 1


def scale_over(key: Key, chord: Chord) -> tuple[int, ...]:
    """The key's scale with the chord's foreign notes in the place of their neighbours: G7 in A minor turns G# in for G.

    Never holds two notes of one letter against each other: a scale note a semitone from a foreign chord note that is
    not itself in the chord gives way.
    """
    inside = set(key.scale)
    tones = {*chord.pitch_classes, *(() if chord.bass is None else (chord.bass,))}
    foreign = tones - inside
    kept = {p for p in inside if p in tones or not any((p - f) % 12 in (1, 11) for f in foreign)}
    return tuple(sorted(kept | tones))


def section_kind(name: str) -> str:
    """ "Verse 2" and "verse" are one kind: they share their material."""
    return "".join(letter for letter in name.lower() if letter.isalpha()) or "section"


def bars_of(plan: SongPlan) -> list[Bar]:
    """Every bar of the plan, in order."""
    key = plan.key.value
    ticks = round(plan.meter.value.quarters_per_bar * TICKS_PER_QUARTER)
    chords = [
        Chord.parse(section.chords.value[bar % len(section.chords.value)])
        for section in plan.sections
        for bar in range(section.bars.value)
    ]
    seen: dict[str, int] = {}
    bars: list[Bar] = []
    for number, section in enumerate(plan.sections):
        kind = section_kind(section.name.value)
        after = plan.sections[min(number + 1, len(plan.sections) - 1)].energy.value
        for bar in range(section.bars.value):
            index = len(bars)
            chord = chords[index]
            bars.append(
                Bar(
                    index=index,
                    section=number,
                    kind=kind,
                    occurrence=seen.get(kind, 0),
                    in_section=bar,
                    bars_in_section=section.bars.value,
                    energy=section.energy.value,
                    next_energy=after,
                    chord=chord,
                    next_chord=chords[min(index + 1, len(chords) - 1)],
                    scale=scale_over(key, chord),
                    start_tick=index * ticks,
                    ticks=ticks,
                )
            )
        seen[kind] = seen.get(kind, 0) + 1
    return bars


class Dice:
    """Random choices that depend on the seed, the song and the purpose, and on nothing else.

    A purpose has its own stream, so that editing one section leaves the others as they were.
    """

    def __init__(self, plan: SongPlan, seed: int) -> None:
        about = [
            plan.key.value.name, plan.meter.value.name, plan.genre.value, plan.groove.value,
            round(plan.tempo_bpm.value, 3),
        ]  # fmt: skip
        self._root = json.dumps([seed, *about])

    def of(self, *purpose: object) -> np.random.Generator:
        """A generator for this purpose; the same purpose always gives the same stream."""
        digest = hashlib.sha256(json.dumps([self._root, *map(str, purpose)]).encode()).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
