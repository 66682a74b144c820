"""Loudness and true peak against the signals of EBU Tech 3341 and 3342, synthesised."""

from __future__ import annotations

import numpy as np
import pytest

from audio.clip import Clip
from audio.loudness import (
    integrated_lufs,
    loudness_range_lu,
    quick_loudness_lufs,
    short_term_lufs,
    true_peak_dbtp,
    true_peaks,
)

RATE = 48_000


def tone(*stretches: tuple[float, float], rate: int = RATE) -> Clip:
    """A 1 kHz stereo sine in stretches of (dBFS, seconds)."""
    levels = np.concatenate([np.full(round(seconds * rate), 10 ** (level / 20)) for level, seconds in stretches])
    sine = levels * np.sin(2 * np.pi * 1000 * np.arange(len(levels)) / rate)
    return Clip(np.stack([sine, sine]), rate)


@pytest.mark.parametrize(
    ("stretches", "lufs"),
    [
        (((-23, 20),), -23),
        (((-33, 20),), -33),
        (((-36, 10), (-23, 60), (-36, 10)), -23),
        (((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)), -23),
        (((-26, 20), (-20, 20.1), (-26, 20)), -23),
    ],
    ids=["3341-1", "3341-2", "3341-3", "3341-4", "3341-5"],
)
def test_integrated_loudness_meets_tech_3341(stretches, lufs):
    assert integrated_lufs(tone(*stretches)) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_loudness_is_the_same_at_every_rate(rate):
    assert integrated_lufs(tone((-23, 10), rate=rate)) == pytest.approx(-23, abs=0.05)


def test_loudness_agrees_with_pyloudnorm():
    import pyloudnorm

    noise = np.random.default_rng(1).standard_normal((2, 44_100 * 12)) * np.linspace(0.01, 0.2, 44_100 * 12)
    theirs = pyloudnorm.Meter(44_100, filter_class="DeMan").integrated_loudness(noise.T)
    assert integrated_lufs(Clip(noise, 44_100)) == pytest.approx(theirs, abs=0.02)
    assert quick_loudness_lufs(noise[:, -44_100:], sample_rate_hz=44_100) == pytest.approx(
        integrated_lufs(Clip(noise[:, -44_100:], 44_100)), abs=0.3
    )


@pytest.mark.parametrize(
    ("stretches", "lu"),
    [
        (((-20, 20), (-30, 20)), 10),
        (((-20, 20), (-15, 20)), 5),
        (((-40, 20), (-20, 20)), 20),
        (((-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)), 15),
    ],
    ids=["3342-1", "3342-2", "3342-3", "3342-4"],
)
def test_loudness_range_meets_tech_3342(stretches, lu):
    assert loudness_range_lu(tone(*stretches)) == pytest.approx(lu, abs=1.0)


@pytest.mark.parametrize(
    ("samples_a_period", "phase_degrees", "amplitude", "dbtp"),
    [(4, 0, 0.5, -6.0), (4, 45, 0.5, -6.0), (6, 60, 0.5, -6.0), (8, 67.5, 0.5, -6.0), (4, 45, 1.41, 3.0)],
    ids=["3341-15", "3341-16", "3341-17", "3341-18", "3341-19"],
)
def test_true_peak_meets_tech_3341(samples_a_period, phase_degrees, amplitude, dbtp):
    count = np.arange(RATE)
    fade = np.clip(np.minimum(count, count[::-1]) / 480, 0, 1)
    wave = fade * amplitude * np.sin(2 * np.pi * count / samples_a_period + np.deg2rad(phase_degrees))
    assert dbtp - 0.4 <= true_peak_dbtp(Clip(wave, RATE)) <= dbtp + 0.2


def test_a_peak_between_samples_is_found_wherever_it_lies():
    """Stretches are looked at one by one; a peak on their border is not lost."""
    quiet = np.zeros(40_000)
    spot = 8192
    quiet[spot - 40 : spot + 40] = 0.7 * np.sin(np.pi / 2 * np.arange(80) + np.pi / 4) * np.hanning(80)
    clip = Clip(quiet, RATE)
    assert true_peak_dbtp(clip) > 20 * np.log10(np.abs(quiet).max()) + 2
    assert true_peaks(clip, hop_frames=64).max() == pytest.approx(10 ** (true_peak_dbtp(clip) / 20), rel=1e-3)


def test_silence_and_a_click_have_answers():
    assert integrated_lufs(Clip.silence(seconds=2, sample_rate_hz=RATE)) == float("-inf")
    assert true_peak_dbtp(Clip.silence(seconds=1, sample_rate_hz=RATE)) == float("-inf")
    assert np.isfinite(integrated_lufs(tone((-20, 0.1))))
    assert integrated_lufs(Clip(np.zeros((2, 0)), RATE)) == float("-inf")


def test_short_term_loudness_follows_the_music():
    course = short_term_lufs(tone((-30, 6), (-18, 6)))
    assert course[0] == pytest.approx(-30, abs=0.1) and course[-1] == pytest.approx(-18, abs=0.1)
