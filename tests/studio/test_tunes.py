"""Melodies out of files and sounds: the notes somebody played, on the beat they were played to."""

from __future__ import annotations

import numpy as np
import pytest

from agents.tune import TuneNote
from audio.clip import Clip
from audio.midi import MidiTrack
from studio.engines.base import EngineError
from studio.live_midi.recording import Key, Recording
from studio.tunes import check_sound, tune_of_midi, tune_of_sound
from tests.tunes import FOUR, GREENSLEEVES, ODE_TO_JOY, THREE, TWINKLE, hummed, midi_of, notes_of, tune_of


def places(notes: tuple[TuneNote, ...] | list[TuneNote]) -> list[tuple[float, int]]:
    return [(note.start_quarters, note.pitch) for note in notes]


def test_a_file_on_the_grid_is_taken_note_for_note() -> None:
    tune = tune_of_midi(midi_of(notes_of(ODE_TO_JOY), tempo_bpm=96.0))
    assert tune.notes == tune_of(ODE_TO_JOY).notes
    assert (tune.tempo_bpm, tune.meter, tune.on_grid) == (96.0, FOUR, 0.0)
    waltz = tune_of_midi(midi_of(notes_of(GREENSLEEVES), meter=THREE))
    assert waltz.meter == THREE and waltz.has_pickup


def test_of_several_tracks_it_is_the_one_called_so_else_the_top_line() -> None:
    chords = [(1920 * bar, 1920 * (bar + 1), pitch, 80) for bar in range(4) for pitch in (48, 52, 79)]
    drums = [(480 * beat, 480 * beat + 100, 36, 100) for beat in range(16)]
    others = [MidiTrack("Drums", 0, True, drums), MidiTrack("High strings", 48, False, chords)]
    melody = notes_of(TWINKLE)
    named = tune_of_midi(midi_of(melody, name="Vocal melody", others=others))
    assert places(named.notes) == places(melody)
    low = [MidiTrack("Strings", 48, False, [row for row in chords if row[2] < 60]), others[0]]
    assert places(tune_of_midi(midi_of(melody, name="Track 2", others=low)).notes) == places(melody)


def test_legato_is_no_chord() -> None:
    held = [TuneNote(n.start_quarters, n.end_quarters + 0.2, n.pitch) for n in notes_of(ODE_TO_JOY)]
    assert places(tune_of_midi(midi_of(held)).notes) == places(notes_of(ODE_TO_JOY))


def test_loose_playing_is_drawn_to_the_beat_a_little_and_in_time_is_left_alone() -> None:
    dice = np.random.default_rng(1)
    exact = notes_of(ODE_TO_JOY)
    loose = [TuneNote(max(0.0, n.start_quarters + float(dice.normal(0, 0.05))), n.end_quarters, n.pitch) for n in exact]
    tune = tune_of_midi(midi_of(loose))
    before = np.array([n.start_quarters for n in loose]) - [n.start_quarters for n in exact]
    after = np.array([n.start_quarters for n in tune.notes]) - [n.start_quarters for n in exact]
    assert 0.1 * before.std() < after.std() < 0.4 * before.std()
    assert tune.on_grid > 0


def test_what_is_played_on_a_keyboard_against_the_click_is_a_melody() -> None:
    recording = Recording(begins=10.0, tempo_bpm=120.0, beats_a_bar=3, ends=16.0)
    for number, pitch in enumerate((67, 69, 71, 72, 71, 69)):
        recording.heard(10.0 + 0.5 * number, pitch, 90)
        recording.heard(10.4 + 0.5 * number, pitch, 0)
    assert [key for key in recording.keys if isinstance(key, Key)]
    tune = tune_of_midi(recording.file())
    assert (tune.tempo_bpm, tune.meter) == (120.0, THREE)
    assert places(tune.notes) == [(float(beat), pitch) for beat, pitch in enumerate((67, 69, 71, 72, 71, 69))]


def test_a_hummed_melody_is_heard_note_by_note_on_its_beat() -> None:
    written = notes_of(TWINKLE)
    tune = tune_of_sound(hummed(written, tempo_bpm=92.0, loose_seconds=0.02))
    assert tune.source == "heard" and tune.key.name == "C major"
    assert tune.tempo_bpm == pytest.approx(92.0, rel=0.03)
    assert [note.pitch for note in tune.notes] == [note.pitch for note in written]
    late = np.array([n.start_quarters for n in tune.notes]) - [n.start_quarters for n in written]
    assert np.abs(late).max() < 0.1


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (midi_of([]), "holds no notes but drums"),
        (midi_of([], others=[MidiTrack("Drums", 0, True, [(0, 100, 36, 90)])]), "holds no notes but drums"),
        (b"MThd\0\0\0\6\0\1", "cannot be read"),
        (midi_of(notes_of("C4:1 -:1000 C4:1"), tempo_bpm=60.0), "cut it to 600 s"),
    ],
)
def test_a_file_without_a_melody_is_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        tune_of_midi(data)


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        (Clip(np.zeros((1, 44_100), np.float32), 44_100), "is silent"),
        (Clip(np.full((1, 100), np.nan, np.float32), 44_100), "damaged"),
    ],
)
def test_a_silent_or_damaged_sound_is_a_sentence(clip: Clip, sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        check_sound(clip)


def test_noise_without_notes_is_a_sentence() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 2 * 44_100)).astype(np.float32)
    with pytest.raises(EngineError, match="No notes can be heard"):
        tune_of_sound(Clip(noise, 44_100))
