"""Tempo and key change as they are asked to, and the rest stays."""

from __future__ import annotations

import numpy as np
import pytest

from audio.clip import Clip
from audio.stretch import (
    TempoOutOfRange,
    shift_key,
    stretch,
    stretch_and_shift,
    stretch_to_tempo,
)
from audio.work import SoundUnusable
from tests.audio.sounds import BROKEN, ODD, RATE, onsets_of_clicks


def clicks_and_tone(seconds: float = 8.0, *, apart: float = 0.5, hertz: float = 440.0) -> Clip:
    """Short clicks from 0.25 s on, over a soft tone."""
    frames = round(seconds * RATE)
    time = np.arange(frames) / RATE
    samples = 0.05 * np.sin(2 * np.pi * hertz * time)
    for start in np.arange(0.25, seconds - 0.1, apart):
        place = round(start * RATE)
        samples[place : place + 60] += 0.8 * np.exp(-np.arange(60) / 12)
    return Clip(np.stack([samples, samples]), RATE)


def clicks_at(clip: Clip) -> np.ndarray:
    """Seconds of the clicks: what rises steeply over the tone."""
    rise = np.abs(np.diff(clip.samples[0]))
    return onsets_of_clicks(Clip(rise, clip.sample_rate_hz))


def pitch_hertz(clip: Clip) -> float:
    """The strongest partial, by the phase's advance: within a hundredth of a hertz."""
    middle = clip.samples[0, RATE // 2 : -RATE // 2].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 20))
    place = int(spectrum.argmax())
    left, top, right = np.log(spectrum[place - 1 : place + 2])
    return (place + 0.5 * (left - right) / (left - 2 * top + right)) * clip.sample_rate_hz / (1 << 20)


def cents(heard: float, wanted: float) -> float:
    return 1200 * float(np.log2(heard / wanted))


@pytest.mark.parametrize("to_bpm", [84, 108, 128, 168])
def test_beats_land_where_the_new_tempo_has_them(to_bpm):
    clip = clicks_and_tone()
    made = stretch_to_tempo(clip, from_bpm=120, to_bpm=to_bpm)
    assert made.frames == round(clip.frames * 120 / to_bpm)
    heard, wanted = clicks_at(made), clicks_at(clip) * 120 / to_bpm
    off = [np.abs(heard - moment).min() for moment in wanted]
    assert np.median(off) < 0.003
    assert abs(cents(pitch_hertz(made), 440)) < 2


@pytest.mark.parametrize("semitones", [-5, -2, 1, 3.5, 5])
def test_a_key_shift_moves_the_pitch_and_nothing_else(semitones):
    clip = clicks_and_tone()
    made = shift_key(clip, semitones=semitones)
    assert made.frames == clip.frames
    assert abs(cents(pitch_hertz(made), 440 * 2 ** (semitones / 12))) < 5
    assert np.median([np.abs(clicks_at(made) - moment).min() for moment in clicks_at(clip)]) < 0.004


def test_both_at_once():
    clip = clicks_and_tone()
    made = stretch_to_tempo(clip, from_bpm=100, to_bpm=125, semitones=-3)
    assert made.frames == round(clip.frames * 0.8)
    assert abs(cents(pitch_hertz(made), 440 * 2 ** (-3 / 12))) < 5


def test_the_same_request_gives_the_same_samples():
    clip = clicks_and_tone(2.0)
    one, two = (stretch_and_shift(clip, factor=1.1, semitones=2) for _ in range(2))
    assert np.array_equal(one.samples, two.samples)
    assert stretch(clip, factor=1.0) is clip and shift_key(clip, semitones=0) is clip


def test_too_far_is_refused_in_words():
    clip = clicks_and_tone(1.0)
    with pytest.raises(TempoOutOfRange, match=r"halved at most"):
        stretch_to_tempo(clip, from_bpm=60, to_bpm=180)
    with pytest.raises(TempoOutOfRange, match=r"semitones"):
        shift_key(clip, semitones=13)
    for wrong in (0.0, -120.0, float("nan")):
        with pytest.raises(TempoOutOfRange):
            stretch_to_tempo(clip, from_bpm=wrong, to_bpm=120)


@pytest.mark.parametrize("kind", ODD)
def test_any_sound_can_be_stretched(kind):
    clip = ODD[kind]
    made = stretch_and_shift(clip, factor=0.8, semitones=-2)
    assert made.samples.shape == (min(clip.channels, 2), round(clip.frames / 0.8))
    assert np.isfinite(made.samples).all()


def test_samples_that_are_no_numbers_are_refused():
    for kind in ("NaN", "infinity"):
        with pytest.raises(SoundUnusable):
            shift_key(BROKEN[kind], semitones=1)
