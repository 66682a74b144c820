"""The bass player: the groove's line on this bar's chord, walking where it walks, always landing on the root."""

from __future__ import annotations

import numpy as np

from agents.harmony import Chord
from studio.engines.sketch.grooves import steps_of
from studio.engines.sketch.score import Note
from studio.engines.sketch.stage import Feel, Stage, Step, held_breath, in_range, nearest
from studio.engines.sketch.timeline import Bar


def bass_root(chord: Chord) -> int:
    """The pitch class the bass stands on."""
    return chord.root if chord.bass is None else chord.bass


def _tone(chord: Chord, *distances: int) -> int:
    """The chord's note at one of these distances above its root, else the root."""
    return next((p for d in distances for p in chord.pitch_classes if (p - chord.root) % 12 == d), chord.root)


def play_bass(
    stage: Stage, bars: list[Bar], *, name: str, low: int, high: int, doubling: bool, final_tick: int | None
) -> list[Note]:
    """Bass notes in these bars. doubling: a second bass, which only holds the roots."""
    rng = stage.dice.of("bass", name)
    feel = Feel(stage, rng, milliseconds=4.0)
    notes: list[Note] = []
    centre = low + 7
    last = centre
    for bar in bars:
        root = in_range(nearest(bass_root(bar.chord), round(0.6 * centre + 0.4 * last)), low, min(high, low + 17))
        line = "R--- ---- ---- ----" if doubling else stage.choose(stage.groove.bass, bar.drive)
        steps = stage.lay(steps_of(line), bar, bar_number=bar.in_section)
        walking = any(step.symbol == "W" for step in steps)
        line_now = root
        for number, step in enumerate(steps):
            if walking:
                pitch = _walk(bar, step, number, len(steps), root, line_now, rng)
            else:
                pitch = _pitch(bar, step.symbol, root)
            pitch = in_range(pitch, low, high)
            line_now = pitch
            loud = (0.66 + 0.28 * bar.energy) * (0.82 if step.symbol == "r" else 1.0)
            loud *= 1.0 if step.is_strong else 0.94
            end = step.end_tick - (step.end_tick - step.start_tick) // 12
            if step.symbol == "n":
                end += bar.ticks // 8  # taken early, it is held over the bar line
            notes.append(feel.note(step.start_tick, end, pitch, loud))
        last = root
    notes = _until(held_breath(stage, notes, bars), stage)
    if final_tick is not None:
        pitch = in_range(nearest(bass_root(stage.final_chord), centre), low, min(high, low + 17))
        notes.append(feel.note(final_tick, stage.end_tick, pitch, 0.72 + 0.2 * bars[-1].energy))
    return notes


def _pitch(bar: Bar, symbol: str, root: int) -> int:
    chord = bar.chord
    if symbol == "8":
        return root + 12
    if symbol in "53l":
        above = {"5": _tone(chord, 7, 6, 8), "l": _tone(chord, 7, 6, 8), "3": _tone(chord, 4, 3, 5, 2)}[symbol]
        up = (above - root) % 12
        return root + up - (12 if symbol == "l" and up else 0)
    if symbol == "7":
        return root + ((_tone(chord, 10, 11, 9, 7) - root) % 12)
    if symbol == "n":
        return nearest(bass_root(bar.next_chord), root)
    if symbol == "a":
        return _approach(bar, root)
    return root


def _approach(bar: Bar, root: int) -> int:
    """A neighbour, inside the key, of the note the next bar starts on."""
    target = nearest(bass_root(bar.next_chord), root)
    side = -1 if target > root else 1
    for distance in (1, 2, 3):
        for sign in (side, -side):
            if (target + sign * distance) % 12 in bar.scale:
                return target + sign * distance
    return target


def _walk(bar: Bar, step: Step, number: int, count: int, root: int, now: int, rng: np.random.Generator) -> int:
    """Root, then chord and scale steps toward the next root, a neighbour of it last."""
    if number == 0:
        return root
    if number == count - 1:
        return _approach(bar, now)
    target = nearest(bass_root(bar.next_chord), now)
    up = target >= now if rng.random() < 0.7 else target < now
    wanted = bar.chord.pitch_classes if step.pulse % 2 == 0 or rng.random() < 0.5 else bar.scale
    for distance in range(1, 8):
        pitch = now + (distance if up else -distance)
        if pitch % 12 in wanted:
            return pitch
    return root


def _until(notes: list[Note], stage: Stage) -> list[Note]:
    """Only what starts before the last chord, and nothing that rings into it."""
    final = stage.final_tick
    before = stage.ticks(0.02)
    return [
        Note(n.start_tick, min(n.end_tick, final), n.pitch, n.velocity) for n in notes if n.start_tick < final - before
    ]
