"""Synced music lies on the grid it was given, and sounds at its old pitch."""

from __future__ import annotations

import numpy as np
import pytest

from audio.beats import Beats, steady_beats, track_beats
from audio.clip import Clip
from audio.stretch import TempoOutOfRange
from audio.sync import Synced, sync_to_beats, sync_to_tempo
from tests.audio.rhythms import RATE_HZ, band


def clicks(beats: np.ndarray, *, seconds: float) -> Clip:
    """A click at each beat over a soft held tone."""
    samples = (0.02 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)
    for beat in beats:
        at = round(beat * RATE_HZ)
        length = min(200, len(samples) - at)
        samples[at : at + length] += 0.8 * np.exp(-np.arange(length) / 30)
    return Clip(np.stack([samples, samples]), RATE_HZ)


def loudest_near(clip: Clip, seconds: float) -> float:
    start = max(0, round((seconds - 0.05) * RATE_HZ))
    piece = np.abs(np.diff(clip.samples[0, start : round((seconds + 0.05) * RATE_HZ)]))
    return (start + int(np.argmax(piece))) / RATE_HZ


def known(beats: np.ndarray, tempo_bpm: float) -> Beats:
    return Beats(tuple(beats.tolist()), tuple(beats[::4].tolist()), tempo_bpm, 4, 1.0)


def off_the_grid(synced: Synced) -> np.ndarray:
    return np.array([loudest_near(synced.clip, beat) - beat for beat in synced.beats.beats_seconds])


@pytest.mark.parametrize("tempo_bpm", [100.0, 128.0, 140.0])
def test_a_steady_take_lies_on_the_new_grid(tempo_bpm: float) -> None:
    beats = 0.3 + np.arange(32) * 60 / 120
    synced = sync_to_tempo(clicks(beats, seconds=16.5), known(beats, 120), tempo_bpm=tempo_bpm)
    assert np.diff(synced.beats.beats_seconds) == pytest.approx(60 / tempo_bpm, abs=1.01 / RATE_HZ)
    assert np.median(np.abs(off_the_grid(synced))) < 0.002
    assert np.abs(off_the_grid(synced)).max() < 0.005
    assert synced.clip.seconds == pytest.approx(16.5 * 120 / tempo_bpm, abs=0.001)


def test_drift_is_taken_out() -> None:
    lengths = 0.5 * (1 + 0.06 * np.sin(np.arange(40) / 5))
    beats = 0.2 + np.concatenate([[0.0], np.cumsum(lengths)])
    synced = sync_to_tempo(clicks(beats, seconds=beats[-1] + 0.5), known(beats, 120), tempo_bpm=120)
    assert np.diff(synced.beats.beats_seconds) == pytest.approx(0.5, abs=1.01 / RATE_HZ)
    assert np.median(np.abs(off_the_grid(synced))) < 0.002
    assert np.abs(off_the_grid(synced)).max() < 0.006


def test_joints_between_pieces_are_not_louder_than_the_music() -> None:
    drift = 1 + 0.05 * np.sin(np.arange(32) / 4)
    clip, beats = band(tempo_bpm=110, bars=8, drift=drift)
    synced = sync_to_tempo(clip, known(beats, 110), tempo_bpm=110)
    before = np.abs(np.diff(clip.samples[0])).max()
    assert np.abs(np.diff(synced.clip.samples[0])).max() < 1.3 * before


def test_a_take_lies_on_another_tracks_beats() -> None:
    mine = 0.1 + np.arange(24) * 0.5
    theirs = 0.7 + np.concatenate([[0.0], np.cumsum(0.52 * (1 + 0.03 * np.sin(np.arange(30) / 6)))])
    synced = sync_to_beats(clicks(mine, seconds=12.3), known(mine, 120), to=known(theirs, 60 / 0.52))
    assert synced.beats.beats_seconds == pytest.approx(theirs[:24], abs=1 / RATE_HZ)
    assert np.abs(off_the_grid(synced)).max() < 0.006


def test_the_pitch_stays() -> None:
    samples = 0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ * 8) / RATE_HZ)
    synced = sync_to_tempo(Clip(samples, RATE_HZ), steady_beats(seconds=8, tempo_bpm=100), tempo_bpm=112)
    spectrum = np.abs(np.fft.rfft(synced.clip.samples[0, RATE_HZ : 5 * RATE_HZ] * np.hanning(4 * RATE_HZ)))
    assert np.argmax(spectrum) / 4 == pytest.approx(440, abs=0.5)


def test_what_was_tracked_and_synced_is_tracked_at_the_new_tempo() -> None:
    clip, _ = band(tempo_bpm=97.3, bars=8, lead_seconds=0.4)
    synced = sync_to_tempo(clip, track_beats(clip), tempo_bpm=105)
    assert track_beats(synced.clip).tempo_bpm == pytest.approx(105, abs=0.1)


def test_a_tempo_out_of_reach_is_refused() -> None:
    clip, beats = band(tempo_bpm=100, bars=2)
    with pytest.raises(TempoOutOfRange):
        sync_to_tempo(clip, known(beats, 100), tempo_bpm=260)
