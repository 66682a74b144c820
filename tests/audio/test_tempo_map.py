"""Quarters and seconds are one timeline, through every change of tempo."""

from __future__ import annotations

import io

import mido
import numpy as np
import pretty_midi
import pytest

from audio.beats import Beats, steady_beats
from audio.midi import midi_of_notes
from audio.tempo_map import TempoMap
from audio.transcription import Note


def test_a_change_of_tempo_counts_from_where_it_stands() -> None:
    tempos = TempoMap(((0.0, 120.0), (8.0, 60.0)))
    assert tempos.seconds_at(8) == pytest.approx(4.0)
    assert tempos.seconds_at(10) == pytest.approx(6.0)
    for seconds in (0.3, 3.99, 4.01, 9.0):
        assert tempos.seconds_at(tempos.quarter_at(seconds)) == pytest.approx(seconds)


def test_a_drifting_band_keeps_its_beats_on_the_quarters() -> None:
    lengths = 0.5 * (1 + 0.05 * np.sin(np.arange(60) / 6))
    times = 0.83 + np.concatenate([[0.0], np.cumsum(lengths)])
    tempos = TempoMap.following(Beats(tuple(times.tolist()), tuple(times[2::4].tolist()), 120.0, 4, 1.0))
    first = round(tempos.quarter_at(times[2]))
    assert first % 4 == 0
    for number, time in enumerate(times[2:]):
        assert tempos.seconds_at(first + number) == pytest.approx(time, abs=0.0025)
    assert tempos.seconds_at(tempos.sound_quarter) == pytest.approx(0.0)
    assert len(tempos.points) < len(times)


def test_steady_beats_need_one_tempo() -> None:
    tempos = TempoMap.following(steady_beats(seconds=30, tempo_bpm=93.0))
    assert len(tempos.points) == 1
    assert tempos.points[0][1] == pytest.approx(93.0)
    assert tempos.sound_quarter == 0.0


def test_notes_in_seconds_are_the_same_seconds_in_the_midi_file() -> None:
    tempos = TempoMap(((0.0, 100.0), (4.0, 140.0), (9.0, 70.0)), 3, 4)
    notes = [Note(0.5 * k, 0.5 * k + 0.3, 60 + k, 90) for k in range(16)]
    data = midi_of_notes({"Lead": notes, "Drums": notes[:3]}, tempos, drums=["Drums"], markers_seconds=[(2.4, "Verse")])
    read = pretty_midi.PrettyMIDI(io.BytesIO(data))
    assert [note.start for note in read.instruments[0].notes] == pytest.approx(
        [n.start_seconds for n in notes], abs=0.001
    )
    assert [instrument.is_drum for instrument in read.instruments] == [False, True]
    file = mido.MidiFile(file=io.BytesIO(data))
    assert sum(message.type == "set_tempo" for message in file.tracks[0]) == 3
    assert any(message.type == "marker" and message.text == "Verse" for message in file.tracks[0])
