"""The beats heard are the beats played, and the bars begin where the band begins them."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest

from audio.beats import NoBeat, steady_beats, track_beats
from audio.clip import Clip
from tests.audio.rhythms import band


@pytest.mark.parametrize("tempo_bpm", [72.0, 96.5, 128.0, 167.0])
def test_a_steady_band_is_followed_to_a_few_milliseconds(tempo_bpm: float) -> None:
    clip, beats = band(tempo_bpm=tempo_bpm, bars=10, lead_seconds=0.37)
    heard = track_beats(clip)
    assert heard.tempo_bpm == pytest.approx(tempo_bpm, abs=0.1)
    assert mir_eval.beat.f_measure(beats, np.array(heard.beats_seconds)) > 0.95
    near = [min(abs(time - beat) for time in heard.beats_seconds) for beat in beats]
    assert np.median(near) < 0.008


@pytest.mark.parametrize("beats_a_bar", [3, 4])
def test_bars_begin_where_the_chords_change(beats_a_bar: int) -> None:
    clip, beats = band(tempo_bpm=110, bars=12, beats_a_bar=beats_a_bar, lead_seconds=0.8)
    heard = track_beats(clip)
    assert heard.beats_a_bar == beats_a_bar
    assert mir_eval.beat.f_measure(beats[::beats_a_bar], np.array(heard.downbeats_seconds), 0.07) > 0.9
    assert set(heard.downbeats_seconds) <= set(heard.beats_seconds)


def test_a_band_that_hurries_is_followed_too() -> None:
    drift = 1.0 + 0.05 * np.sin(np.linspace(0, 3.5, 80))
    clip, beats = band(tempo_bpm=112, bars=20, drift=drift)
    heard = np.array(track_beats(clip).beats_seconds)
    assert mir_eval.beat.f_measure(beats, heard) > 0.95
    assert np.median([np.abs(heard - beat).min() for beat in beats]) < 0.02


def test_what_is_said_about_the_tempo_is_heeded() -> None:
    clip, _ = band(tempo_bpm=120, bars=10)
    assert track_beats(clip, tempo_bpm=60).tempo_bpm == pytest.approx(60, abs=0.5)
    assert track_beats(clip, tempo_bpm=122, beats_a_bar=4).tempo_bpm == pytest.approx(120, abs=0.2)


def test_the_rate_and_the_channels_of_a_file_change_nothing() -> None:
    clip, _ = band(tempo_bpm=104, bars=8)
    expected = track_beats(clip).beats_seconds
    eight = Clip(np.repeat(clip.samples[:1], 8, axis=0), clip.sample_rate_hz)
    assert np.allclose(track_beats(eight).beats_seconds, expected, atol=0.002)
    other, _ = band(tempo_bpm=104, bars=8, rate_hz=32_000)
    assert np.allclose(track_beats(other).beats_seconds, expected, atol=0.01)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1.9])
def test_too_little_sound_has_no_beat(seconds: float) -> None:
    with pytest.raises(NoBeat):
        track_beats(Clip.silence(seconds=seconds, sample_rate_hz=44_100))


def test_silence_a_held_tone_and_broken_samples_have_no_beat() -> None:
    broken = np.full((2, 200_000), np.nan, np.float32)
    for samples in (np.zeros((2, 200_000)), broken, np.full((1, 200_000), 0.2)):
        with pytest.raises(NoBeat):
            track_beats(Clip(samples, 44_100))


def test_beats_and_seconds_turn_into_each_other() -> None:
    beats = steady_beats(seconds=20, tempo_bpm=90, first_downbeat_seconds=0.5)
    assert beats.seconds_at(beats.beat_at(7.3)) == pytest.approx(7.3)
    assert beats.seconds_at(-2) == pytest.approx(beats.beats_seconds[0] - 2 * 60 / 90)
    assert beats.downbeats_seconds[0] == pytest.approx(0.5)
    assert beats.beats_seconds[beats.first_downbeat] == beats.downbeats_seconds[0]
