"""A given melody in the sketch: stated note by note, developed over other chords, resting where the song leaves it out.

What is stated is exact: its pitches (octaves apart where the instrument needs it), places and lengths; no hand strays.
What is developed keeps the melody's rhythm and goes along the scale to where the chord has its first note.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from agents.tune import Passage, Tune, octaves_into
from studio.engines.sketch.score import TICKS_PER_QUARTER, Note
from studio.engines.sketch.stage import Stage, nearest
from studio.engines.sketch.timeline import Bar

_DEVELOPED_SOFTER = 0.9
_DOUBLED_ABOVE = 0.72  # the energy from which other singers join in
_DOUBLED_SOFTER = 0.8


def play_tune(
    stage: Stage,
    bars: Sequence[Bar],
    tune: Tune,
    passages: Sequence[Passage],
    *,
    low: int,
    high: int,
    joining: bool = False,
) -> list[Note]:
    """The melody in these bars. passages: of the whole song. joining: another singer, who doubles what is loud."""
    octaves = octaves_into(tune, low=low, high=high)
    notes: list[Note] = []
    for bar in bars:
        passage = passages[bar.index]
        if passage.use == "rests" or (joining and (bar.energy < _DOUBLED_ABOVE or passage.use != "stated")):
            continue
        if passage.use == "developed":
            notes += _developed(stage, bar, tune, passage.bar, low=low, high=high, octaves=octaves)
            continue
        own = tune.in_bar(passage.bar, stage.meter)
        if passage.bar == 0 and bar.index > 0:
            own = [note for note in tune.notes if note.start_quarters < -1e-6] + own
        follows = _goes_on(passages, bar.index)
        first = bar.start_tick - round(passage.bar * stage.meter.quarters_per_bar * TICKS_PER_QUARTER)
        for note in own:
            start, end = (first + round(q * TICKS_PER_QUARTER) for q in (note.start_quarters, note.end_quarters))
            end = end if follows else min(end, bar.start_tick + bar.ticks)
            loud = note.velocity * (_DOUBLED_SOFTER if joining else 1.0)
            notes.append(_note(start, end, note.pitch + 12 * octaves, loud))
    return _one_at_a_time(notes)


def _goes_on(passages: Sequence[Passage], index: int) -> bool:
    """Whether the bar after this one is the melody's next, so that notes may be held over the line."""
    after = passages[index + 1] if index + 1 < len(passages) else Passage("rests")
    return after.use == "rests" or after.bar == passages[index].bar + 1


def _developed(stage: Stage, bar: Bar, tune: Tune, number: int, *, low: int, high: int, octaves: int) -> list[Note]:
    """A bar of the melody moved along this bar's scale until its longest note is one of the chord's."""
    own = tune.in_bar(number, stage.meter)
    ladder = [pitch for pitch in range(low - 24, high + 25) if pitch % 12 in bar.scale]
    if not own or not ladder:
        return []
    steps = [min(range(len(ladder)), key=lambda k: abs(ladder[k] - (n.pitch + 12 * octaves))) for n in own]
    longest = max(range(len(own)), key=lambda k: (own[k].end_quarters - own[k].start_quarters, -k))
    by = min((-1, 1, 2, -2, 3, -3, 0), key=lambda move: _strain(ladder, steps, longest, move, bar, low, high))
    first = bar.start_tick - round(number * stage.meter.quarters_per_bar * TICKS_PER_QUARTER)
    notes = []
    for note, step in zip(own, steps, strict=True):
        start, end = (first + round(q * TICKS_PER_QUARTER) for q in (note.start_quarters, note.end_quarters))
        pitch = ladder[min(max(step + by, 0), len(ladder) - 1)]
        end = min(end, bar.start_tick + bar.ticks)
        notes.append(
            _note(start, end, nearest(pitch % 12, min(max(pitch, low), high)), note.velocity * _DEVELOPED_SOFTER)
        )
    return notes


def _strain(
    ladder: Sequence[int], steps: Sequence[int], longest: int, move: int, bar: Bar, low: int, high: int
) -> tuple[bool, int]:
    """How ill a move suits: whether the longest note leaves the chord, and how many leave the instrument."""
    pitches = [ladder[min(max(step + move, 0), len(ladder) - 1)] for step in steps]
    outside = sum(not low <= pitch <= high for pitch in pitches)
    return pitches[longest] % 12 not in bar.chord.pitch_classes, outside


def _note(start: int, end: int, pitch: int, velocity: float) -> Note:
    return Note(max(0, start), max(start + 24, end), min(127, max(0, pitch)), min(127, max(1, round(velocity))))


def _one_at_a_time(notes: list[Note]) -> list[Note]:
    """A line: a note ends where the next begins, and of two that begin together the later given stays."""
    ordered = sorted({note.start_tick: note for note in notes}.values())
    return [
        note
        if after is None
        else Note(note.start_tick, min(note.end_tick, after.start_tick), note.pitch, note.velocity)
        for note, after in pairwise([*ordered, None])
        if note is not None
    ]
