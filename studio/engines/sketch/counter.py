"""The second line: broken chords, held guide tones, answers where the tune rests, stabs, an ostinato."""

from __future__ import annotations

from studio.engines.sketch.bass import _until
from studio.engines.sketch.comping import _no_overlaps
from studio.engines.sketch.melody import CELLS, Motif, _centre, _one_voice, _sing, cell_steps, make_motif
from studio.engines.sketch.score import Note
from studio.engines.sketch.stage import Feel, Stage, nearest
from studio.engines.sketch.timeline import Bar
from studio.engines.sketch.voicing import voice

_ARPS = {
    "arp": ("x.x. x.x. x.x. x.x.", "x-x x-x x-x x-x"),
    "arp16": ("xxxx xxxx xxxx xxxx", "xxx xxx xxx xxx"),
    "arp_slow": ("x--- ---- x--- ----", "x-- --- x-- ---"),
    "ostinato": ("x.xx x.xx x.xx x.xx", "xxx xxx xxx xxx"),
}
_SHAPES = ((0, 1, 2, 3), (0, 2, 1, 2), (3, 2, 1, 0), (0, 1, 2, 1), (0, 2, 3, 1))
_STABS = ("..x. .... ..x. ....", ".... ..xx .... ..x.", "x... ..x. .... .xx.")


def play_counter(
    stage: Stage, bars: list[Bar], *, name: str, low: int, high: int, sustained: bool, final_tick: int | None
) -> list[Note]:
    """The second line in these bars. sustained: the instrument can hold, so it takes long lines where the style arpeggiates fast."""
    rng = stage.dice.of("counter", name)
    feel = Feel(stage, rng, milliseconds=6.0)
    style = stage.groove.counter
    if sustained and style in ("arp16", "arp", "arp_slow"):
        style = "long"
    if not sustained and style in ("long", "strings"):
        style = "arp"
    centre = _centre(low, high, 0.4) - (5 if low < 55 else 0)
    shape = _SHAPES[int(rng.integers(len(_SHAPES)))]
    stab = _STABS[int(rng.integers(len(_STABS)))]
    idea = make_motif(rng, stage.groove.melody, 0.5)
    notes: list[Note] = []
    before: tuple[int, ...] | None = None
    last: int | None = None
    for bar in bars:
        if style in _ARPS:
            before = voice(bar.chord, before=before, low=low, high=high, centre=centre, voices=4)
            notes += _arpeggio(stage, feel, bar, style, before, shape)
        elif style == "stabs":
            before = voice(bar.chord, before=before, low=low, high=high, centre=centre, voices=3)
            for step in cell_steps(stage, stab, bar) if bar.energy > 0.3 or bar.in_section % 2 else []:
                loud = 0.6 + 0.3 * bar.energy
                notes += [feel.note(step.start_tick, step.start_tick + 260, p, loud) for p in before[-2:]]
        elif style == "answer":
            answer, last = _answer(stage, feel, bar, idea, low, high, last)
            notes += answer
        else:
            line, last = _long_line(stage, feel, bar, centre, low, high, last, moving=style == "strings")
            notes += line
    notes = _until(notes, stage)
    notes = _no_overlaps(notes) if style == "stabs" else _one_voice(notes)
    if final_tick is not None:
        options = [p for p in range(low, high + 1) if p % 12 in stage.final_chord.pitch_classes]
        pitch = min(options, key=lambda p: (abs(p - (last or centre)), p)) if options else centre
        notes.append(feel.note(final_tick, stage.end_tick, pitch, 0.6 + 0.2 * bars[-1].energy))
    return notes


def _arpeggio(
    stage: Stage, feel: Feel, bar: Bar, style: str, chord: tuple[int, ...], shape: tuple[int, ...]
) -> list[Note]:
    line = _ARPS[style][1 if stage.is_triplet else 0]
    if bar.energy < 0.35 and style == "arp16":
        line = _ARPS["arp"][1 if stage.is_triplet else 0]
    notes = []
    for number, step in enumerate(cell_steps(stage, line, bar)):
        pitch = chord[shape[number % len(shape)] % len(chord)]
        loud = (0.5 + 0.28 * bar.energy) * (1.0 if step.is_strong else 0.85)
        notes.append(feel.note(step.start_tick, step.end_tick, pitch, loud))
    return notes


def _answer(
    stage: Stage, feel: Feel, bar: Bar, idea: Motif, low: int, high: int, last: int | None
) -> tuple[list[Note], int | None]:
    """The second half of every other bar, where the tune has said its piece."""
    if bar.in_section % 2 == 0 or bar.energy < 0.25:
        return [], last
    busy = Motif(CELLS[stage.groove.melody][min(2, len(CELLS[stage.groove.melody]) - 1)], idea.contour)
    sung, last = _sing(stage, feel, bar, busy, low, high, -3, last, rest=False)
    half = bar.start_tick + bar.ticks // 2 - 60
    return [note for note in sung if note.start_tick >= half], last


def _long_line(
    stage: Stage, feel: Feel, bar: Bar, centre: int, low: int, high: int, last: int | None, *, moving: bool
) -> tuple[list[Note], int]:
    """The third or seventh, a step from where it was; strings add a run into the next bar every fourth."""
    guides = [p for p in bar.chord.pitch_classes if (p - bar.chord.root) % 12 in (3, 4, 10, 11, 9, 2, 5)] or list(
        bar.chord.pitch_classes
    )
    here = centre if last is None else round(0.7 * last + 0.3 * centre)
    pitch = min((nearest(p, here) for p in guides), key=lambda p: (abs(p - here), p))
    pitch = pitch if low <= pitch <= high else nearest(pitch % 12, centre)
    loud = 0.52 + 0.3 * bar.energy
    end = bar.start_tick + bar.ticks
    if moving and bar.in_section % 4 == 3 and bar.energy > 0.4:
        run = [p for p in range(pitch, pitch + 13) if p % 12 in bar.scale][1:5]
        start = end - bar.ticks // 2
        length = (end - start) // max(1, len(run))
        held = feel.note(bar.start_tick, start, pitch, loud)
        return [
            held,
            *(feel.note(start + k * length, start + (k + 1) * length, p, loud) for k, p in enumerate(run)),
        ], pitch
    return [feel.note(bar.start_tick, end - 40, pitch, loud)], pitch
