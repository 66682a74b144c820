"""The drummer and the percussionist: patterns by energy, fills at section ends, crashes at section starts."""

from __future__ import annotations

import numpy as np

from studio.engines.sketch.grooves import Lanes, lanes_of, steps_of
from studio.engines.sketch.score import Note
from studio.engines.sketch.stage import Feel, Stage, Step, in_range
from studio.engines.sketch.timeline import Bar, pulses_of

# General MIDI's percussion keys.
KEYS = {
    "kick": 36, "rim": 37, "snare": 38, "clap": 39, "swirl": 40, "toml": 43, "tomm": 47, "tomh": 50, "hat": 42,
    "pedal": 44, "open": 46, "crash": 49, "ride": 51, "bell": 53, "tamb": 54, "cow": 56, "bongo_hi": 60,
    "bongo_lo": 61, "conga_mute": 62, "conga_hi": 63, "conga_lo": 64, "timb_hi": 65, "timb_lo": 66, "agogo_hi": 67,
    "agogo_lo": 68, "shaker": 70, "maracas": 70, "guiro": 73, "claves": 75, "wood_hi": 76, "wood_lo": 77,
    "triangle": 80, "triangle_open": 81,
}  # fmt: skip
_LOUDNESS = {"X": 0.98, "x": 0.8, "o": 0.58, "g": 0.36, "?": 0.5}
# Struck softer than the rest: cymbals and shakers would hide the drums.
_SOFTER = {"hat": 0.78, "open": 0.72, "ride": 0.74, "shaker": 0.7, "maracas": 0.7, "tamb": 0.68, "crash": 0.85}

# Fills, written for the last two beats of four; any other meter takes its last pulses.
_FILLS: dict[str, tuple[str, ...]] = {
    "toms": (
        "snare x.x. ....\ntomh .... xx..\ntoml .... ..xx",
        "snare xxxx ....\ntomh .... x.x.\ntoml .... .x.X",
        "tomh x.x. ....\ntomm .x.x x...\ntoml .... .xxX",
        "snare ..xx ..xX\ntoml xx.. xx..",
    ),
    "snare_roll": ("snare x.xx xxxX", "snare ooox xxXX", "snare x..x .xxX\nkick ..x. x..."),
    "electronic": ("clap x.x. xxxx", "snare oooo xxXX", "clap ..x. x.xX\nhat xxxx xxxx"),
    "hats": ("hat xxxx xxxx\nsnare .... ..xX", "hat xxxx xxxx\nopen .... ...x\nclap .... .x.X"),
    "latin": ("timb_hi x.xx ....\ntimb_lo .... xxxX", "timb_hi xxx. x.x.\ntimb_lo ...x .x.X"),
    "jazz": ("snare o.x o.X\nkick .x. .x.", "snare xox xoX\ntoml ... ..x"),
    "timpani": ("toml oooo xxxX", "toml o.o. xxxX\nsnare ..oo ooxx"),
    "soft": ("snare .... ..og", "rim .... o.o.\nhat ..o. ...."),
    "none": (),
}  # fmt: skip


def play_drums(stage: Stage, bars: list[Bar], *, name: str, final_tick: int | None) -> list[Note]:
    """The kit's notes in these bars. final_tick: where the last crash falls, None when the kit is silent by then."""
    rng = stage.dice.of("drums", name)
    feel = Feel(stage, rng, milliseconds=4.0)
    notes: list[Note] = []
    for number, bar in enumerate(bars):
        lanes = _second_time(lanes_of(stage.choose(stage.groove.drums, bar.drive)), bar)
        if bar.kind.startswith(_THIN) and bar.energy < 0.6:
            calm = lanes_of(stage.groove.drums[0])
            lanes = {lane: steps for lane, steps in calm.items() if lane not in _THINNED} or calm
        follows = number + 1 < len(bars) and bars[number + 1].index == bar.index + 1
        fill = bar.is_last and (follows or bar.index + 1 == len(stage.bars)) and bar.bars_in_section > 1
        fill_lanes, fill_from = _fill(stage, bar, rng) if fill else ({}, bar.start_tick + bar.ticks)
        crashes = bar.is_first and bar.index > 0 and stage.groove.fill != "none"
        notes += _bar(stage, bar, lanes, feel, rng, before=fill_from, skip_hat_at=bar.start_tick if crashes else -1)
        for lane, steps in fill_lanes.items():
            grow = 0.75 + 0.25 * bar.energy
            notes += [_hit(stage, feel, lane, s, grow) for s in steps if s.start_tick >= fill_from]
        if crashes:
            crash = (0.72 if stage.groove.crash else 0.42) + 0.27 * bar.energy
            notes.append(feel.note(bar.start_tick, bar.start_tick + 960, KEYS["crash"], crash))
            notes.append(feel.note(bar.start_tick, bar.start_tick + 240, KEYS["kick"], 0.7 + 0.25 * bar.energy))
        if bar.in_section and bar.in_section % 4 == 3 and not fill and bar.energy > 0.35:
            notes += _pickup(stage, bar, feel, lanes)
    notes = [note for note in notes if note.start_tick < stage.final_tick - stage.ticks(0.02)]
    if final_tick is not None:
        notes += _last_hit(stage, feel, bars[-1].energy, final_tick)
    return _no_doubles(notes)


def play_percussion(stage: Stage, bars: list[Bar], *, name: str, final_tick: int | None) -> list[Note]:
    """Hand percussion: the groove's own pattern, or a shaker and a tambourine where it has none."""
    rng = stage.dice.of("percussion", name)
    feel = Feel(stage, rng, milliseconds=5.0)
    three = "shaker o.x o.x o.x o.x"
    text = stage.groove.percussion or (
        three if stage.is_triplet else "shaker o.xo o.xo o.xo o.xo\nconga_hi .... ..x. .... .xx."
    )
    lanes = lanes_of(text)
    notes: list[Note] = []
    for bar in bars:
        # A calm passage keeps only the first voice.
        some = dict(list(lanes.items())[: 1 if bar.energy < 0.35 else len(lanes)])
        notes += _bar(stage, bar, some, feel, rng, before=bar.start_tick + bar.ticks, skip_hat_at=-1)
    notes = [note for note in notes if note.start_tick < stage.final_tick - stage.ticks(0.02)]
    if final_tick is not None:
        notes.append(feel.note(final_tick, final_tick + 480, KEYS[next(iter(lanes))], 0.7))
    return _no_doubles(notes)


def play_pitched_percussion(
    stage: Stage, bars: list[Bar], *, name: str, low: int, high: int, final_tick: int | None
) -> list[Note]:
    """Timpani and taiko: the low drum's pattern on the bass note and its fifth, in their own range."""
    rng = stage.dice.of("pitched percussion", name)
    feel = Feel(stage, rng, milliseconds=5.0)
    patterns = ("X... .... .... ....", "X... .... x... ..xx", "X..x ..x. X..x ..xx")
    if stage.is_triplet:
        patterns = ("X.. ... ... ...", "X.. ... x.. x.x", "X.x ..x X.. xxx")
    notes: list[Note] = []
    for bar in bars:
        steps = stage.lay(steps_of(stage.choose(patterns, bar.energy)), bar, bar_number=0)
        root = bar.chord.bass if bar.chord.bass is not None else bar.chord.root
        fifth = next((p for p in bar.chord.pitch_classes if (p - bar.chord.root) % 12 in (6, 7, 8)), root)
        for step in steps:
            pitch = in_range(low + ((root if step.symbol == "X" else fifth) - low) % 12, low, high)
            loud = (0.6 + 0.35 * bar.energy) * (1.0 if step.symbol == "X" else 0.8)
            notes.append(feel.note(step.start_tick, step.start_tick + 900, pitch, loud))
        if bar.is_last and bar.energy > 0.5 and bar.bars_in_section > 1:
            pulse = pulses_of(stage.meter)[-1]
            start = bar.start_tick + round(pulse.start_quarters * 960)
            pitch = in_range(low + (root - low) % 12, low, high)
            notes += [
                feel.note(start + k * 120, start + k * 120 + 110, pitch, 0.4 + 0.05 * k)
                for k in range(round(pulse.quarters * 8))
            ]
    notes = [note for note in notes if note.start_tick < stage.final_tick - stage.ticks(0.02)]
    if final_tick is not None:
        pitch = in_range(low + (stage.final_chord.root - low) % 12, low, high)
        notes.append(feel.note(final_tick, stage.end_tick, pitch, 0.85))
    return _no_doubles(notes)


def _bar(
    stage: Stage, bar: Bar, lanes: Lanes, feel: Feel, rng: np.random.Generator, *, before: int, skip_hat_at: int
) -> list[Note]:
    notes = []
    level = 0.68 + 0.32 * bar.energy
    for lane, steps in lanes.items():
        for step in stage.lay(steps, bar, bar_number=bar.in_section):
            if step.start_tick >= before or (step.symbol == "?" and rng.random() < 0.6):
                continue
            if step.symbol == "g" and bar.energy < 0.3 and lane in ("snare", "kick"):
                continue
            if lane in ("hat", "ride", "open") and step.start_tick == skip_hat_at:
                continue
            notes.append(_hit(stage, feel, lane, step, level))
    return notes


_THIN = ("breakdown", "bridge", "break")
_THINNED = ("kick", "snare", "clap")


def _second_time(lanes: Lanes, bar: Bar) -> Lanes:
    """When a loud section comes again the hat moves to the ride, or a tambourine joins: the same, and more."""
    if bar.occurrence % 2 == 0 or bar.energy < 0.5:
        return lanes
    if "ride" not in lanes and "hat" in lanes:
        return {("ride" if lane == "hat" else lane): steps for lane, steps in lanes.items()}
    extra = {key: steps for key, steps in lanes.items() if key == "ride"}
    return {**lanes, "tamb": next(iter(extra.values()))} if extra and "tamb" not in lanes else lanes


def _hit(stage: Stage, feel: Feel, lane: str, step: Step, level: float) -> Note:
    # The backbeat of a machine is even; a hand leans on the beat and lightens what lies between.
    lean = 1.0 if step.is_strong else 0.93
    loud = _LOUDNESS[step.symbol] * _SOFTER.get(lane, 1.0) * level * lean
    return feel.note(
        step.start_tick, step.start_tick + 120, KEYS[lane], loud, late_seconds=stage.groove.drag.get(lane, 0.0)
    )


def _fill(stage: Stage, bar: Bar, rng: np.random.Generator) -> tuple[dict[str, list[Step]], int]:
    """A fill over the bar's last pulses: one when it is calm, two when it is loud."""
    fills = _FILLS[stage.groove.fill]
    pulses = pulses_of(stage.meter)
    bar_end = bar.start_tick + bar.ticks
    if not fills:
        return {}, bar_end
    length = min(len(pulses), 2 if bar.energy >= 0.5 or stage.groove.fill == "electronic" else 1)
    start = bar.start_tick + round(pulses[-length].start_quarters * 960)
    lanes: dict[str, list[Step]] = {}
    for line in fills[int(rng.integers(len(fills)))].splitlines():
        lane, *beats = line.split()
        padded = tuple([".." * 2] * max(0, len(pulses) - 2) + beats[-min(2, len(pulses)) :])
        lanes[lane] = stage.lay((padded,), bar, bar_number=0)
    return lanes, start


def _pickup(stage: Stage, bar: Bar, feel: Feel, lanes: Lanes) -> list[Note]:
    """One extra stroke before every fourth bar line, so that four bars are felt as four."""
    lane = next((lane for lane in ("open", "snare", "rim", "toml", "shaker") if lane in lanes), None)
    if lane is None:
        return []
    pulse = pulses_of(stage.meter)[-1]
    start = bar.start_tick + round((pulse.start_quarters + pulse.quarters * (2 / 3 if pulse.triple else 0.5)) * 960)
    return [feel.note(start, start + 120, KEYS[lane], 0.5 + 0.2 * bar.energy)]


def _last_hit(stage: Stage, feel: Feel, energy: float, tick: int) -> list[Note]:
    lanes = set(lanes_of(stage.groove.drums[-1]))
    hits = [("kick", 0.9)] if "kick" in lanes else []
    if stage.groove.crash:
        hits.append(("crash", 0.85))
    elif "ride" in lanes:
        hits.append(("ride", 0.8))
    else:
        hits.append(("open" if "hat" in lanes else next(iter(lanes & set(KEYS))) if lanes else "crash", 0.6))
    return [feel.note(tick, tick + 960, KEYS[lane], loud * (0.7 + 0.3 * energy)) for lane, loud in sorted(hits)]


def _no_doubles(notes: list[Note]) -> list[Note]:
    """Of two strokes on one drum within 15 ms of ticks, the louder."""
    kept: dict[int, Note] = {}
    out: list[Note] = []
    for note in sorted(notes):
        last = kept.get(note.pitch)
        if last is not None and note.start_tick - last.start_tick < 40:
            if note.velocity > last.velocity:
                out[out.index(last)] = note
                kept[note.pitch] = note
            continue
        kept[note.pitch] = note
        out.append(note)
    return sorted(out)
