"""A song plan becomes a score: every part's notes, from the first bar to the last chord.

Knows nothing of sound. The same plan and seed give the same notes.
"""

from __future__ import annotations

from agents.harmony import Chord, Key
from agents.knowledge import genres
from agents.tune import Tune, laid_out, lead_of
from agents.types import SongPlan
from studio.engines.sketch.bass import play_bass
from studio.engines.sketch.casting import cast
from studio.engines.sketch.comping import SUSTAINED_PROGRAMS, play_chords, play_pad
from studio.engines.sketch.counter import play_counter
from studio.engines.sketch.drums import play_drums, play_percussion, play_pitched_percussion
from studio.engines.sketch.grooves import Groove, groove_named
from studio.engines.sketch.melody import play_melody
from studio.engines.sketch.score import Note, Part, Score
from studio.engines.sketch.silence import without_dead_silence
from studio.engines.sketch.stage import Stage
from studio.engines.sketch.timeline import Bar, Dice, bars_of, pulses_of
from studio.engines.sketch.tune import play_tune

# Less than this is not enough for a chord to ring: the last bar then holds it.
SHORTEST_RING_SECONDS = 0.6
_LONGEST_LAST_BAR_SECONDS = 4.0


def compose(plan: SongPlan, *, seed: int, tune: Tune | None = None) -> Score:
    """The plan's score. tune: a melody that its lead plays; the plan's chords are those that fit it.

    The last chord falls where the sections end when the song's length leaves it time to ring, else within the last bar.
    """
    name, groove = groove_named(plan.groove.value, genre=plan.genre.value)
    bars = bars_of(plan)
    stage = _stage(plan, name, groove, bars, seed, tuned=tune is not None)
    lead = lead_of(plan) if tune is not None else None
    parts, playing = cast(plan, groove, lead=lead)
    if tune is not None:
        parts = _with_singer(parts, lead)
    passages = laid_out(plan, tune) if tune is not None else ()
    last_players = playing[-1]
    for part in parts:
        mine = [bar for bar in bars if part.instrument_id in playing[bar.section]]
        final = stage.final_tick if part.instrument_id in last_players else None
        if tune is not None and part.role == "melody":
            low, high = part.instrument.low, part.instrument.high
            notes = play_tune(stage, mine, tune, passages, low=low, high=high, joining=not part.sings)
        else:
            notes = _play(stage, part, mine, parts, playing, final)
            notes = _at_register(part, notes, plan.register_semitones)
        part.notes = _ready(notes, stage)
    parts = [part for part in parts if part.notes]
    without_dead_silence(stage, parts, playing)
    return Score(
        parts=parts,
        key=plan.key.value,
        meter=plan.meter.value,
        tempo_bpm=plan.tempo_bpm.value,
        groove_name=name,
        section_names=[section.name.value for section in plan.sections],
        section_ticks=[bar.start_tick for bar in bars if bar.is_first],
        section_energies=[section.energy.value for section in plan.sections],
        last_hit_seconds=stage.final_tick * stage.seconds_per_tick,
        seconds=plan.seconds.value,
    )


def _with_singer(parts: list[Part], lead: str | None) -> list[Part]:
    """The parts with the lead's marked; a lone one that can play chords has them beside its melody."""
    for part in parts:
        part.sings = part.instrument_id == lead and part.role == "melody"
    if len(parts) == 1 and parts[0].sings and "chords" in parts[0].instrument.roles:
        alone = parts[0]
        return [Part(f"{alone.name}_chords", alone.instrument_id, alone.instrument, "chords"), alone]
    return parts


def _at_register(part: Part, notes: list[Note], semitones: int) -> list[Note]:
    """The part an octave up or down: the tunes from 4 semitones on, the chords too from 8.

    Octaves keep every chord what it is. A part whose instrument has no room there stays, and so do drums and basses.
    """
    moves = {"melody": 4, "counter": 4, "chords": 8, "pad": 8}.get(part.role)
    if moves is None or abs(semitones) < moves or not notes:
        return notes
    by = 12 if semitones > 0 else -12
    inside = sum(part.instrument.low <= note.pitch + by <= part.instrument.high for note in notes)
    if inside < 0.95 * len(notes):
        return notes
    return [Note(note.start_tick, note.end_tick, note.pitch + by, note.velocity) for note in notes]


def _play(
    stage: Stage, part: Part, bars: list[Bar], parts: list[Part], playing: list[frozenset[str]], final: int | None
) -> list[Note]:
    """One part's notes in the bars it plays."""
    if not bars:
        return []
    instrument, name = part.instrument, part.name
    low, high = instrument.low, instrument.high
    program = instrument.program if instrument.program is not None else 0
    if part.role == "drums":
        return play_drums(stage, bars, name=name, final_tick=final)
    if part.role == "percussion":
        if part.is_kit:
            return play_percussion(stage, bars, name=name, final_tick=final)
        return play_pitched_percussion(stage, bars, name=name, low=low, high=high, final_tick=final)
    if part.role == "bass":
        return play_bass(stage, bars, name=name, low=low, high=high, doubling=part.order > 0, final_tick=final)
    if part.role == "chords":
        return play_chords(
            stage, bars, name=name, program=program, low=low, high=high, order=part.order, final_tick=final
        )
    if part.role == "pad":
        return play_pad(stage, bars, name=name, low=low, high=high, order=part.order, final_tick=final)
    if part.role == "melody":
        singers = [p for p in parts if p.role == "melody"]
        return play_melody(
            stage, bars, name=name, low=low, high=high, turns=(part.order, len(singers)),
            alone=len(parts) == 1, final_tick=final,
        )  # fmt: skip
    return play_counter(
        stage, bars, name=name, low=low, high=high, sustained=program in SUSTAINED_PROGRAMS, final_tick=final
    )


def _stage(plan: SongPlan, name: str, groove: Groove, bars: list[Bar], seed: int, *, tuned: bool) -> Stage:
    quarters_a_minute = plan.tempo_bpm.value * plan.meter.value.quarters_per_felt_beat
    seconds_per_tick = 60.0 / (quarters_a_minute * 960)
    end_tick = round(plan.seconds.value / seconds_per_tick)
    music_tick = bars[-1].start_tick + bars[-1].ticks
    ring_seconds = (end_tick - music_tick) * seconds_per_tick
    if ring_seconds >= SHORTEST_RING_SECONDS:
        final_tick, final_chord = music_tick, _home(plan)
    else:
        final_tick = _hit_in_last_bar(plan, bars[-1], len(bars), seconds_per_tick)
        asked = tuned or plan.sections[-1].chords.by == "asked"
        final_chord = bars[-1].chord if asked else _home(plan)
    return Stage(
        key=plan.key.value, meter=plan.meter.value, groove_name=name, groove=groove, swing=_swing(plan, groove),
        bars=bars, dice=Dice(plan, seed), seconds_per_tick=seconds_per_tick, final_tick=final_tick,
        final_chord=final_chord, end_tick=max(end_tick, final_tick + 1),
    )  # fmt: skip


def _hit_in_last_bar(plan: SongPlan, bar: Bar, bars: int, seconds_per_tick: float) -> int:
    """The downbeat of the last bar; its middle when the bar is very long or all there is."""
    if bars > 1 and bar.ticks * seconds_per_tick <= _LONGEST_LAST_BAR_SECONDS:
        return bar.start_tick
    pulses = pulses_of(plan.meter.value)
    middle = pulses[len(pulses) // 2]
    return bar.start_tick + round(middle.start_quarters * 960)


def _home(plan: SongPlan) -> Chord:
    """The tonic chord, as the plan's own chords spell it when they do."""
    key: Key = plan.key.value
    for section in reversed(plan.sections):
        for symbol in section.chords.value:
            chord = Chord.parse(symbol)
            if chord.root == key.tonic and chord.bass is None and _is_stable(chord, key):
                return chord
    return Chord(root=key.tonic, quality="m" if key.is_minor else "")


def _is_stable(chord: Chord, key: Key) -> bool:
    third = 3 if key.is_minor else 4
    return chord.quality in ("", "m", "6", "m6", "maj7", "m7", "add9", "madd9", "maj9", "m9", "5") and (
        (key.tonic + third) % 12 in chord.pitch_classes or chord.quality == "5"
    )


def _swing(plan: SongPlan, groove: Groove) -> float:
    try:
        known = genres()
    except (OSError, ValueError):
        return groove.swing
    return known[plan.genre.value].swing if plan.genre.value in known else groove.swing


def _ready(notes: list[Note], stage: Stage) -> list[Note]:
    """In order, inside the take, on keys that exist."""
    return sorted(
        Note(n.start_tick, min(n.end_tick, stage.end_tick), n.pitch, n.velocity)
        for n in notes
        if 0 <= n.pitch <= 127 and n.start_tick < stage.end_tick - 1 and n.end_tick > n.start_tick
    )
