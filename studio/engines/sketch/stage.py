"""What every player shares: the song's frame, the groove, the feel of a band, and patterns laid over bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agents.harmony import Chord, Key, Meter
from studio.engines.sketch.grooves import Groove
from studio.engines.sketch.score import TICKS_PER_QUARTER, Note
from studio.engines.sketch.timeline import Bar, Dice, beats_for, place_in_pulse, pulses_of


@dataclass(frozen=True, slots=True)
class Step:
    """One symbol of a pattern at its place: ticks from the song's start, and the pulse and step it came from."""

    symbol: str
    start_tick: int
    end_tick: int
    pulse: int
    step: int

    @property
    def is_strong(self) -> bool:
        return self.step == 0


@dataclass(frozen=True)
class Stage:
    """The frame of one song. final_tick: where the last chord falls; nothing new starts after it."""

    key: Key
    meter: Meter
    groove_name: str
    groove: Groove
    swing: float
    bars: list[Bar]
    dice: Dice
    seconds_per_tick: float
    final_tick: int
    final_chord: Chord
    end_tick: int

    @cached_property
    def is_triplet(self) -> bool:
        """True when the groove itself is written in triplets: sixteenth lines then swing fully."""
        return len(next(iter(self.groove.bass[0].split()))) == 3

    def ticks(self, seconds: float) -> int:
        return round(seconds / self.seconds_per_tick)

    def lay(self, bars_of_pattern: tuple[tuple[str, ...], ...], bar: Bar, *, bar_number: int) -> list[Step]:
        """A pattern's symbols over one bar, rests left out, each lasting through the "-" that follow it."""
        pattern = bars_of_pattern[bar_number % len(bars_of_pattern)]
        pulses = pulses_of(self.meter)
        places: list[tuple[str, int, int, int]] = []
        for number, beat in enumerate(beats_for(len(pulses), len(pattern))):
            pulse, symbols = pulses[number], pattern[beat]
            swing, unit = self.swing, self.groove.swing_unit
            if self.is_triplet and len(symbols) == 4:
                swing, unit = 1.0, 8
            for step, symbol in enumerate(symbols):
                place = place_in_pulse(step, len(symbols), pulse, swing=swing, swing_unit=unit)
                quarters = pulse.start_quarters + place * pulse.quarters
                places.append((symbol, bar.start_tick + round(quarters * TICKS_PER_QUARTER), number, step))
        steps: list[Step] = []
        bar_end = bar.start_tick + bar.ticks
        for index, (symbol, start, number, step) in enumerate(places):
            if symbol in ".-":
                continue
            end = next((later[1] for later in places[index + 1 :] if later[0] != "-"), bar_end)
            steps.append(Step(symbol, start, end, number, step))
        return steps

    def choose(self, lines: tuple[str, ...], energy: float) -> str:
        """The line for this energy, the calmest first."""
        return lines[min(len(lines) - 1, int(energy * len(lines) * 0.999 + 0.12))]


def held_breath(stage: Stage, notes: list[Note], bars: list[Bar]) -> list[Note]:
    """The notes without those in a break: nothing starts in the last beat before a section that bursts in, nor rings into it."""
    spans = []
    for bar in bars:
        if bar.breaks and bar.index + 1 < len(stage.bars):
            pulse = pulses_of(stage.meter)[-1]
            spans.append((bar.start_tick + round(pulse.start_quarters * TICKS_PER_QUARTER), bar.start_tick + bar.ticks))
    early = stage.ticks(0.02)
    for start, end in spans:
        kept = []
        for note in notes:
            if start - early <= note.start_tick < end - early:
                continue
            if note.start_tick < start < note.end_tick <= end + early:
                note = Note(note.start_tick, start, note.pitch, note.velocity)
            kept.append(note)
        notes = kept
    return notes


class Feel:
    """A player's hands: a few milliseconds round the grid, never drifting, and a touch that varies."""

    def __init__(self, stage: Stage, rng: np.random.Generator, *, milliseconds: float) -> None:
        self._stage = stage
        self._rng = rng
        self._sigma = milliseconds / 1000 * stage.groove.loose

    def note(self, start_tick: int, end_tick: int, pitch: int, loudness: float, *, late_seconds: float = 0.0) -> Note:
        """A note as a hand would play it; loudness 0 to 1, late_seconds behind the beat on purpose."""
        stray, touch = self._rng.standard_normal(2)
        shift = self._stage.ticks(float(np.clip(stray * self._sigma, -0.014, 0.014)) + late_seconds)
        start = max(0, start_tick + shift)
        velocity = round(127 * loudness * (1 + 0.05 * touch))
        return Note(start, max(start + 24, end_tick + min(shift, 0)), pitch, int(np.clip(velocity, 8, 127)))


def in_range(pitch: int, low: int, high: int) -> int:
    """The same pitch class inside a range, moved by as few octaves as possible."""
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch if pitch >= low else pitch + 12


def nearest(pitch_class: int, to: int) -> int:
    """The pitch of this class nearest to another pitch."""
    return to + (pitch_class - to + 6) % 12 - 6
