"""No dead silence: where everybody rests too long, somebody keeps the pulse, softly.

Works on what notes are likely to sound, not on sound: a stroke is short whatever its written length.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from agents.knowledge import Role
from studio.engines.sketch.drums import KEYS
from studio.engines.sketch.score import TICKS_PER_QUARTER, Note, Part
from studio.engines.sketch.stage import Stage, in_range, nearest
from studio.engines.sketch.timeline import Bar, pulses_of

LONGEST_REST_SECONDS = 0.7
_STROKE_SECONDS = 0.25
_CYMBAL_SECONDS = 1.0
_PLUCK_SECONDS = 0.45
# General MIDI programs that die away at once: mallets, plucks, pizzicato, muted and folk strings.
_SHORT_PROGRAMS = frozenset({6, 7, 10, 12, 13, 15, 28, 45, 84, 105, 106, 107, 108, 112, 113, 115, 116})
_FILLERS: tuple[Role, ...] = ("chords", "pad", "bass", "melody", "counter", "drums", "percussion")


def without_dead_silence(stage: Stage, parts: Sequence[Part], playing: Sequence[frozenset[str]]) -> None:
    """Put soft notes into every rest of the whole band longer than LONGEST_REST_SECONDS, up to the last chord."""
    for start, end in _rests(stage, parts):
        for tick, length in _pulses_within(stage, start, end):
            bar = stage.bars[min(tick // stage.bars[0].ticks, len(stage.bars) - 1)]
            able = [part for part in parts if not part.sings]
            here = [part for part in able if part.instrument_id in playing[bar.section]] or able
            if not here:
                return
            filler = min(here, key=lambda part: (_FILLERS.index(part.role), part.order))
            filler.notes.append(_soft_note(filler, bar, tick, length))
    for part in parts:
        part.notes.sort()


def _rests(stage: Stage, parts: Sequence[Part]) -> list[tuple[int, int]]:
    """Where nothing is likely to sound, in ticks."""
    spans = sorted((n.start_tick, n.start_tick + _sounding(stage, part, n)) for part in parts for n in part.notes)
    longest = stage.ticks(LONGEST_REST_SECONDS)
    rests, heard_until = [], 0
    for start, end in [*spans, (stage.final_tick, stage.final_tick)]:
        if start - heard_until > longest and start <= stage.final_tick:
            rests.append((heard_until, start))
        heard_until = max(heard_until, end)
    return rests


def _sounding(stage: Stage, part: Part, note: Note) -> int:
    written = note.end_tick - note.start_tick
    if part.is_kit:
        ringing = note.pitch in (KEYS["crash"], KEYS["ride"], KEYS["triangle_open"])
        return stage.ticks(_CYMBAL_SECONDS if ringing else _STROKE_SECONDS)
    if part.instrument.program in _SHORT_PROGRAMS:
        return min(written, stage.ticks(_PLUCK_SECONDS))
    return written


def _pulses_within(stage: Stage, start: int, end: int) -> list[tuple[int, int]]:
    """The pulses inside a rest, or its half pulses when they are slow: (tick, ticks to the next)."""
    pulses = pulses_of(stage.meter)
    grid: list[int] = []
    for bar in stage.bars[start // stage.bars[0].ticks : end // stage.bars[0].ticks + 1]:
        for pulse in pulses:
            length = round(pulse.quarters * TICKS_PER_QUARTER)
            first = bar.start_tick + round(pulse.start_quarters * TICKS_PER_QUARTER)
            parts = 1
            while length // parts > stage.ticks(LONGEST_REST_SECONDS):
                parts *= 3 if pulse.triple and parts == 1 else 2
            grid += [first + k * length // parts for k in range(parts)]
    near = stage.ticks(0.1)
    inside = [tick for tick in grid if start - near <= tick < min(end, stage.final_tick) - near]
    return [(a, b - a) for a, b in pairwise([*inside, max(end, inside[-1] + 1)])] if inside else []


def _soft_note(part: Part, bar: Bar, tick: int, length: int) -> Note:
    if part.is_kit:
        key = KEYS["shaker"] if part.role == "percussion" else KEYS["hat"]
        return Note(tick, tick + 120, key, 52)
    low, high = part.instrument.low, part.instrument.high
    earlier = [note.pitch for note in part.notes if note.start_tick <= tick]
    around = earlier[-1] if earlier else (low + high) // 2
    tones = (bar.chord.root,) if part.role == "bass" else bar.chord.pitch_classes
    pitch = min((nearest(tone, around) for tone in tones), key=lambda p: (abs(p - around), p))
    return Note(tick, tick + max(24, length - 20), in_range(pitch, low, high), 58)
