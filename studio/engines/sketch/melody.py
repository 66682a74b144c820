"""The tune: a motif of one bar, repeated, varied and answered through phrases that come to rest on the chord.

Rhythm is drawn from the style's cells, contour from a walk that prefers steps and turns after leaps; strong beats take
chord tones, the rest the scale over that chord, so nothing leaves the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from studio.engines.sketch.bass import _until
from studio.engines.sketch.comping import _no_overlaps
from studio.engines.sketch.grooves import steps_of
from studio.engines.sketch.score import Note
from studio.engines.sketch.stage import Feel, Stage, Step, nearest
from studio.engines.sketch.timeline import Bar

# Rhythms of one bar by style, the calmest first; "x" starts a note, "-" holds it.
CELLS: dict[str, tuple[str, ...]] = {
    "hook": ("x--- x--- ---- ....", "x-x- x--x ---- ....", "x--x --x- x--- ....", "x-x- x-x- x--x ----", "x-xx -x-x x--- ..x-"),
    "anthem": ("x--- ---- x--- ----", "x--- --x- x--- x---", "x--- x-x- x--- ----", "x-x- x--- x-x- x---", "x--x --x- x-x- x---"),
    "lyrical": ("x--- ---- ---- ----", "x--- ---- x--- x---", "x--- --x- x--- ----", "x--- x-x- x--- ----", "x-x- x--- x--- --x-"),
    "riff": ("x--- ..x- .... ....", "x..x ..x. x..x ....", "x.x. .x.x ..x- ....", "x.xx ..x. ..x. ..x.", "x.x. x..x .x.x x.x."),
    "sparse": ("x--- ---- ---- ----", "x--- ---- --x- ----", "..x- ---- x--- ----", "x--x ---- --x- ----"),
    "folk": ("x--- x--- x--- ----", "x-x- x-x- x--- x---", "x--x x-x- x-x- x---", "x-xx x-x- x-x- x-x-"),
    "blues": ("x-- --x x-- ---", "x-x x-- ... ..x", "..x x-x x-- ---", "x-- x-x ..x x--", "x-x x-x x-- ..x"),
    "bebop": ("x-- --x x-- ---", "x-- ..x x-x x--", "x-x x-x x-x x--", "..x x-x x-x x-x", "x-x xxx x-x x-x"),
    "latin": ("x--- --x- ---- ....", "x.x- .x-x .x-- ....", "..x- x-.x -.x- x-..", "x-.x -.x- x--- ..x-", "x.x. .x.x .x.x x.x."),
    "bossa": ("x--- ---- x--x ----", "x--x --x- --x- ----", "..x- x--x ---- x---", "x-x- .x-- x--x ----"),
    "tango": ("x--- ---- x-x- x---", "x--x x-x- x--- ....", "x-x- xxxx x--- ....", "x--x x--x x-x- x---"),
    "fanfare": ("x--- ---- x--- ----", "x--- x-xx x--- x---", "x--x x--- x-x- x---", "x-xx x-x- x-xx x---"),
    "chip": ("x.x. x.x. x--- ....", "x.x. xx.x x.x. x...", "xx.x x.x. xxx. x.x.", "xxxx x.x. xxxx x.x."),
}  # fmt: skip
_CADENCES = ("x--- ---- ---- ....", "x-x- x--- ---- ....", "x--- x--- ---- ----")
_CADENCES_TRIPLET = ("x-- --- --- ...", "x-x x-- --- ...", "..x x-- --- ---")


@dataclass(frozen=True, slots=True)
class Motif:
    """A rhythm and a line over it, in scale steps from the bar's starting note."""

    line: str
    contour: tuple[int, ...]


def make_motif(rng: np.random.Generator, style: str, energy: float) -> Motif:
    """A bar's idea, busier where there is more energy."""
    cells = CELLS[style]
    wanted = energy * (len(cells) - 1)
    weights = np.exp(-1.2 * np.abs(np.arange(len(cells)) - wanted))
    line = cells[int(rng.choice(len(cells), p=weights / weights.sum()))]
    steps, place, turn = [0], 0, 0
    for _ in range(15):
        if turn:
            move, turn = -turn, 0
        else:
            move = int(
                rng.choice([-4, -3, -2, -1, 0, 1, 2, 3, 4], p=[0.02, 0.04, 0.13, 0.27, 0.1, 0.25, 0.13, 0.04, 0.02])
            )
            turn = int(np.sign(move)) if abs(move) >= 3 else 0
        if abs(place + move) > 5:
            move = -move
        place += move
        steps.append(place)
    return Motif(line, tuple(steps))


def phrase_of(
    rng: np.random.Generator, motif: Motif, other: Motif, cadences: tuple[str, ...], *, closed: bool
) -> list[Motif]:
    """Four bars out of two motifs: idea, answer, idea moved, rest."""
    cadence = Motif(cadences[int(rng.integers(len(cadences)))], motif.contour)
    moved = Motif(
        motif.line, tuple(c + int(rng.choice([-1, 1, 2])) if k % 3 == 2 else c for k, c in enumerate(motif.contour))
    )
    varied = Motif(motif.line, motif.contour[:3] + other.contour[3:])
    forms = ((motif, other, moved, cadence), (motif, varied, other, cadence), (motif, moved, varied, cadence))
    form = list(forms[int(rng.integers(len(forms)))])
    return form if closed else [form[0], form[1], form[2], Motif(other.line, form[3].contour)]


def play_melody(
    stage: Stage,
    bars: list[Bar],
    *,
    name: str,
    low: int,
    high: int,
    turns: tuple[int, int] = (0, 1),
    alone: bool = False,
    final_tick: int | None,
) -> list[Note]:
    """The tune in these bars.

    turns: (which, of how many) when several take the tune by phrases; loud sections bring them together. alone: nobody
    else plays, so the tune may not pause.
    """
    rng_touch = stage.dice.of("melody hand", name)
    feel = Feel(stage, rng_touch, milliseconds=6.0)
    style = stage.groove.melody
    cadences = _CADENCES_TRIPLET if len(CELLS[style][0].split()[0]) == 3 else _CADENCES
    phrases: dict[tuple[str, int], list[Motif]] = {}
    notes: list[Note] = []
    last: int | None = None
    for bar in bars:
        number, place = divmod(bar.in_section, 4)
        which, players = turns
        if players > 1 and bar.energy < 0.72 and (number + bar.section) % players != which:
            continue
        if not alone and _silent(stage, style, bar, place):
            continue
        closed = bar.in_section + 4 >= bar.bars_in_section or number % 2 == 1
        phrase_key = (bar.kind, number % 2)
        if phrase_key not in phrases:
            rng = stage.dice.of("melody", bar.kind)
            motif, other = make_motif(rng, style, bar.energy), make_motif(rng, style, bar.energy)
            phrases[bar.kind, 0] = phrase_of(rng, motif, other, cadences, closed=False)
            phrases[bar.kind, 1] = phrase_of(rng, motif, other, cadences, closed=True)
        motif = phrases[phrase_key][place]
        if bar.is_last and bar.bars_in_section > 1:
            motif = Motif(cadences[bar.section % len(cadences)], motif.contour)
        rise = (0, 1, 3, 0)[place] + (5 if bar.occurrence % 2 and bar.energy > 0.5 else 0)
        bar_notes, last = _sing(
            stage, feel, bar, motif, low, high, rise, last, rest=closed and (place == 3 or bar.is_last)
        )
        notes += bar_notes
    notes = _one_voice(_until(notes, stage))
    if alone:
        notes = _without_pauses(notes, stage)
    if final_tick is not None:
        pitch = _tonic_near(stage, last if last is not None else (low + high) // 2, low, high)
        notes.append(feel.note(final_tick, stage.end_tick, pitch, 0.7 + 0.2 * bars[-1].energy))
    return notes


def _silent(stage: Stage, style: str, bar: Bar, place: int) -> bool:
    """Where the tune breathes: every other bar of a calm passage."""
    if bar.energy < 0.3 and place % 2 == 1:
        return True
    return style == "sparse" and bar.energy < 0.6 and place == 3


def _sing(
    stage: Stage, feel: Feel, bar: Bar, motif: Motif, low: int, high: int, rise: int, last: int | None, *, rest: bool
) -> tuple[list[Note], int | None]:
    steps = stage.lay(steps_of(motif.line), bar, bar_number=0)
    middle = _centre(low, high, bar.energy) + rise
    home = middle if last is None else round(0.55 * middle + 0.45 * last)
    anchor = min((nearest(p, home) for p in bar.chord.pitch_classes), key=lambda p: (abs(p - home), p))
    ladder = [p for p in range(low, high + 1) if p % 12 in bar.scale]
    if not ladder:
        return [], last
    start = min(range(len(ladder)), key=lambda k: (abs(ladder[k] - anchor), k))
    notes: list[Note] = []
    beat = 960
    for number, step in enumerate(steps):
        index = min(max(start + motif.contour[number % len(motif.contour)], 0), len(ladder) - 1)
        pitch = ladder[index]
        length = step.end_tick - step.start_tick
        is_last = number == len(steps) - 1
        if step.is_strong or length >= beat or is_last:
            pitch = _chord_tone(bar, pitch, low, high, home=rest and is_last, stage=stage)
        if notes and abs(pitch - notes[-1].pitch) > 9:
            pitch = min(max(pitch + (12 if pitch < notes[-1].pitch else -12), low), high)
            pitch = _chord_tone(bar, pitch, low, high, home=False, stage=stage)
        lean = 1.0 if step.is_strong else 0.9
        loud = (0.6 + 0.3 * bar.energy) * lean * (1.04 if number == 0 else 1.0)
        notes.append(feel.note(step.start_tick, step.end_tick - length // 14, pitch, loud))
        last = pitch
    return notes, last


def _centre(low: int, high: int, energy: float) -> int:
    """Where a tune lies well: a third up the instrument, near the octave above middle C, higher when it is loud."""
    comfortable = min(max(70, low + (high - low) // 3), high - (high - low) // 4)
    return comfortable + round((energy - 0.5) * 8)


def _chord_tone(bar: Bar, pitch: int, low: int, high: int, *, home: bool, stage: Stage) -> int:
    """The chord's note nearest to a pitch; at home the key's tonic where the chord has it."""
    tones = bar.chord.pitch_classes
    if home:
        tones = (stage.key.tonic,) if stage.key.tonic in tones else (bar.chord.root, *tones[1:2])
    options = [p for p in range(low, high + 1) if p % 12 in tones]
    return min(options, key=lambda p: (abs(p - pitch), p)) if options else pitch


def _tonic_near(stage: Stage, pitch: int, low: int, high: int) -> int:
    options = [p for p in range(low, high + 1) if p % 12 == stage.final_chord.root]
    return min(options, key=lambda p: (abs(p - pitch), p)) if options else pitch


def _one_voice(notes: list[Note]) -> list[Note]:
    """A line: each note ends before the next begins."""
    ordered = sorted(notes)
    out = []
    for note, following in pairwise([*ordered, None]):
        assert note is not None
        end = note.end_tick if following is None else min(note.end_tick, following.start_tick)
        if end > note.start_tick:
            out.append(Note(note.start_tick, end, note.pitch, note.velocity))
    return _no_overlaps(out)


def _without_pauses(notes: list[Note], stage: Stage) -> list[Note]:
    """Each note held to the next: a lone voice is never silent."""
    return [
        Note(n.start_tick, (f.start_tick if f else stage.final_tick) - 1, n.pitch, n.velocity)
        for n, f in pairwise([*notes, None])
        if n and (f.start_tick if f else stage.final_tick) - 1 > n.start_tick
    ]


def cell_steps(stage: Stage, line: str, bar: Bar) -> list[Step]:
    """A rhythm cell over one bar."""
    return stage.lay(steps_of(line), bar, bar_number=0)
