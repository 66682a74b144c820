"""Melodies that everybody knows, written out, as notes and as MIDI files. All are in the public domain."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from agents.harmony import Meter, pitch_class
from agents.tune import Tune, TuneNote, from_first_bar
from audio.clip import Clip
from audio.midi import MidiTrack, midi_file
from tests.audio.rhythms import RATE_HZ, tone

ODE_TO_JOY = (
    "E4:1 E4:1 F4:1 G4:1 G4:1 F4:1 E4:1 D4:1 C4:1 C4:1 D4:1 E4:1 E4:1.5 D4:.5 D4:2 "
    "E4:1 E4:1 F4:1 G4:1 G4:1 F4:1 E4:1 D4:1 C4:1 C4:1 D4:1 E4:1 D4:1.5 C4:.5 C4:2"
)
TWINKLE = "C4:1 C4:1 G4:1 G4:1 A4:1 A4:1 G4:2 F4:1 F4:1 E4:1 E4:1 D4:1 D4:1 C4:2"
GREENSLEEVES = (
    "-:2 A4:1 C5:2 D5:1 E5:1.5 F5:.5 E5:1 D5:2 B4:1 G4:1.5 A4:.5 B4:1 C5:2 A4:1 A4:1.5 G#4:.5 A4:1 B4:2 G#4:1 E4:2 "
    "A4:1 C5:2 D5:1 E5:1.5 F5:.5 E5:1 D5:2 B4:1 G4:1.5 A4:.5 B4:1 C5:1.5 B4:.5 A4:1 G#4:1.5 F#4:.5 G#4:1 A4:3 A4:2"
)
AMAZING_GRACE = "-:2 D4:1 G4:2 B4:.5 G4:.5 B4:2 A4:1 G4:2 E4:1 D4:2 D4:1 G4:2 B4:.5 G4:.5 B4:2 A4:1 D5:5"

FOUR, THREE = Meter(beats=4), Meter(beats=3)
KNOWN = {
    "Ode to Joy": (ODE_TO_JOY, FOUR, "C major"),
    "Twinkle": (TWINKLE, FOUR, "C major"),
    "Greensleeves": (GREENSLEEVES, THREE, "A minor"),
    "Amazing Grace": (AMAZING_GRACE, THREE, "G major"),
}


def notes_of(written: str, *, semitones: int = 0) -> list[TuneNote]:
    """“C4:1 -:.5 G#4:2”: pitches and rests with their quarters."""
    found, at = [], 0.0
    for name, octave, quarters in re.findall(r"([A-G]#?|-)(\d?):([\d.]+)", written):
        if name != "-":
            pitch = 12 * (int(octave) + 1) + pitch_class(name) + semitones
            found.append(TuneNote(at, at + float(quarters), pitch))
        at += float(quarters)
    return found


def tune_of(written: str, meter: Meter = FOUR, *, semitones: int = 0, tempo_bpm: float | None = 100.0) -> Tune:
    notes = from_first_bar(notes_of(written, semitones=semitones), meter)
    return Tune("midi:written", notes, "midi", tempo_bpm, meter)


def midi_of(
    notes: Sequence[TuneNote], *, tempo_bpm: float = 96.0, meter: Meter = FOUR, name: str = "Lead",
    others: Sequence[MidiTrack] = (),
) -> bytes:  # fmt: skip
    """The notes as a file of 480 ticks a quarter."""
    rows = [(round(n.start_quarters * 480), round(n.end_quarters * 480), n.pitch, n.velocity) for n in notes]
    return midi_file(
        [*others, MidiTrack(name, 0, False, rows)], ticks_per_quarter=480, quarters_a_minute=tempo_bpm,
        beats=meter.beats, unit=meter.unit,
    )  # fmt: skip


def hummed(notes: list[TuneNote], *, tempo_bpm: float, loose_seconds: float = 0.0) -> Clip:
    """The notes in a plain voice, after a short silence, each a little off the beat."""
    dice = np.random.default_rng(3)
    samples = np.zeros(round((notes[-1].end_quarters + 2) * 60 / tempo_bpm * RATE_HZ), np.float32)
    for note in notes:
        lasts = (note.end_quarters - note.start_quarters) * 60 / tempo_bpm
        sound = 0.3 * tone(note.pitch, 0.9 * lasts)
        at = round((0.4 + note.start_quarters * 60 / tempo_bpm + dice.normal(0, loose_seconds)) * RATE_HZ)
        samples[at : at + len(sound)] += sound[: len(samples) - at]
    return Clip(samples, RATE_HZ)
