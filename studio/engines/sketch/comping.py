"""Chord players and pads: the groove's comping on voice-led chords, strummed, struck or held."""

from __future__ import annotations

from studio.engines.sketch.bass import _until
from studio.engines.sketch.grooves import steps_of
from studio.engines.sketch.score import Note
from studio.engines.sketch.stage import Feel, Stage, Step, held_breath, in_range
from studio.engines.sketch.timeline import Bar
from studio.engines.sketch.voicing import power_chord, voice

PLUCKED_PROGRAMS = frozenset({24, 25, 26, 27, 28, 29, 30, 45, 46, 104, 105, 106, 107})
DISTORTED_PROGRAMS = frozenset({29, 30})
SUSTAINED_PROGRAMS = frozenset({*range(16, 24), *range(40, 45), *range(48, 55), *range(56, 80), *range(88, 96)})
_LOUD = {"X": 1.0, "x": 0.86, "o": 0.66, "s": 0.84, "d": 0.92, "u": 0.74, "b": 0.85}


def play_chords(
    stage: Stage, bars: list[Bar], *, name: str, program: int, low: int, high: int, order: int, final_tick: int | None
) -> list[Note]:
    """Comping in these bars. order: how many chord players sit above; the second plays higher and calmer."""
    rng = stage.dice.of("chords", name)
    feel = Feel(stage, rng, milliseconds=6.0)
    lines = (
        stage.groove.comp_plucked if program in PLUCKED_PROGRAMS and stage.groove.comp_plucked else stage.groove.comp
    )
    if program in SUSTAINED_PROGRAMS and any(symbol.isdigit() for symbol in "".join(lines)):
        lines = stage.groove.comp
    before: tuple[int, ...] | None = None
    notes: list[Note] = []
    for bar in bars:
        chord = _voicing(bar, program, low, high, order, before)
        before = chord
        energy = bar.drive * (0.75 if order else 1.0)
        line = stage.choose(lines, energy)
        for step in stage.lay(steps_of(line), bar, bar_number=bar.in_section + order):
            notes += _stroke(stage, feel, bar, step, chord, program, low)
    notes = _no_overlaps(_until(held_breath(stage, notes, bars), stage))
    if final_tick is not None:
        last = bars[-1]
        chord = voice(
            stage.final_chord,
            before=before,
            low=low,
            high=high,
            centre=_centre(low, high, last.energy, order),
            voices=4,
        )
        if program in DISTORTED_PROGRAMS:
            chord = power_chord(stage.final_chord, low=max(low, 40))
        gap = stage.ticks(0.012) if program in PLUCKED_PROGRAMS else 0
        notes += [
            feel.note(final_tick + k * gap, stage.end_tick, p, 0.6 + 0.25 * last.energy) for k, p in enumerate(chord)
        ]
    return notes


def play_pad(
    stage: Stage, bars: list[Bar], *, name: str, low: int, high: int, order: int, final_tick: int | None
) -> list[Note]:
    """Held chords, wide and voice-led; a note common to two chords is tied over."""
    rng = stage.dice.of("pad", name)
    feel = Feel(stage, rng, milliseconds=3.0)
    notes: list[Note] = []
    before: tuple[int, ...] | None = None
    held: dict[int, tuple[int, float]] = {}
    for number, bar in enumerate(bars):
        joined = number > 0 and bars[number - 1].index + 1 == bar.index and not bar.is_first
        centre = min(max(60 + 7 * order + round(4 * bar.energy), low + 8), high - 8)
        chord = voice(
            bar.chord, before=before, low=low, high=high, centre=centre, voices=4 if bar.energy > 0.3 else 3, spread=19
        )
        before = chord
        for pitch in [p for p in held if not joined or p not in chord]:
            start, loud = held.pop(pitch)
            end = bar.start_tick if joined else bars[number - 1].start_tick + bars[number - 1].ticks
            notes.append(feel.note(start, end, pitch, loud))
        for pitch in chord:
            held.setdefault(pitch, (bar.start_tick, 0.5 + 0.3 * bar.energy))
    end = bars[-1].start_tick + bars[-1].ticks if bars else 0
    notes += [feel.note(start, end, pitch, loud) for pitch, (start, loud) in held.items()]
    notes = _no_overlaps(_until(notes, stage))
    if final_tick is not None and bars:
        centre = min(max(60 + 7 * order, low + 8), high - 8)
        chord = voice(stage.final_chord, before=before, low=low, high=high, centre=centre, voices=4, spread=19)
        notes += [feel.note(final_tick, stage.end_tick, p, 0.5 + 0.3 * bars[-1].energy) for p in chord]
    return notes


def _centre(low: int, high: int, energy: float, order: float) -> int:
    return min(max(58 + round(6 * energy + 8 * order), low + 6), high - 6)


def _voicing(
    bar: Bar, program: int, low: int, high: int, order: int, before: tuple[int, ...] | None
) -> tuple[int, ...]:
    if program in DISTORTED_PROGRAMS:
        return power_chord(bar.chord, low=max(low, 40))
    voices = 3 if bar.energy < 0.3 else 4
    return voice(
        bar.chord,
        before=before,
        low=low,
        high=high,
        centre=_centre(low, high, bar.energy, order + bar.occurrence % 2 * 0.6),
        voices=voices,
    )


def _stroke(
    stage: Stage, feel: Feel, bar: Bar, step: Step, chord: tuple[int, ...], program: int, low: int
) -> list[Note]:
    symbol = step.symbol
    level = 0.52 + 0.32 * bar.energy
    length = step.end_tick - step.start_tick
    if symbol.isdigit():
        # The chord opened upward, over the bar: each string rings on a little.
        index = int(symbol) - 1
        pitch = chord[index % len(chord)] + 12 * (index // len(chord))
        return [
            feel.note(step.start_tick, step.end_tick + length // 2, pitch, level * (1.0 if step.is_strong else 0.85))
        ]
    if symbol == "b":
        root = bar.chord.root if bar.chord.bass is None else bar.chord.bass
        pitch = in_range(chord[0] - (chord[0] - root) % 12, low, chord[0])
        return [feel.note(step.start_tick, step.end_tick, pitch, level * _LOUD["b"])]
    length = min(length, 200) if symbol == "s" else round(length * 0.94)
    strum = stage.ticks(0.011) if program in PLUCKED_PROGRAMS else stage.ticks(0.0015)
    order = list(reversed(chord)) if symbol == "u" else list(chord)
    if symbol == "u":
        order = order[:3]
    loud = level * _LOUD[symbol]
    return [
        feel.note(step.start_tick + k * strum, step.start_tick + length, pitch, loud * (1 - 0.03 * k))
        for k, pitch in enumerate(order)
    ]


def _no_overlaps(notes: list[Note]) -> list[Note]:
    """A string is let go before it is struck again."""
    ordered = sorted(notes)
    following: dict[int, int] = {}
    out = []
    for note in reversed(ordered):
        limit = following.get(note.pitch)
        end = note.end_tick if limit is None else min(note.end_tick, limit - 1)
        if end > note.start_tick:
            out.append(Note(note.start_tick, end, note.pitch, note.velocity))
            following[note.pitch] = note.start_tick
    return out[::-1]
