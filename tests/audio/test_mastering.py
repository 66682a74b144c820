"""The last stage: loud enough, never over, and the same on every stem."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from audio.clip import Clip
from audio.loudness import integrated_lufs, true_peak_dbtp
from audio.mastering import GlueCompressor, LiveLimiter, TooQuiet, master, mastering_gain

RATE = 44_100


def drummed(seconds: float = 8.0, *, level: float = 0.1) -> np.ndarray:
    """Noise with sharp strokes: hard to bring up without going over."""
    frames = round(seconds * RATE)
    noise = np.random.default_rng(3).standard_normal((2, frames)).astype(np.float32) * level
    return noise * (0.2 + 3 * np.exp(-(np.arange(frames) % (RATE // 2)) / 900)).astype(np.float32)


@pytest.mark.parametrize("level", [0.003, 0.1, 1.5])
def test_a_clip_reaches_its_loudness_under_the_ceiling(level):
    made = master(Clip(drummed(level=level), RATE), target_lufs=-14)
    assert made.loudness_lufs == pytest.approx(-14, abs=0.2)
    assert made.peak_dbtp < -1.0
    assert true_peak_dbtp(made.clip) == pytest.approx(made.peak_dbtp, abs=0.01)


def test_where_both_cannot_be_had_the_ceiling_wins():
    made = master(Clip(drummed(), RATE), target_lufs=-3)
    assert made.peak_dbtp < -1.0


def test_the_gain_of_the_mix_fits_its_parts():
    one, two = drummed(), drummed(level=0.02)[:, ::-1]
    gain = mastering_gain(Clip(one + two, RATE))
    np.testing.assert_allclose(one * gain + two * gain, (one + two) * gain, atol=1e-5)
    assert gain.shape == (one.shape[1],) and (gain > 0).all()


def test_silence_cannot_be_made_loud():
    with pytest.raises(TooQuiet):
        master(Clip.silence(seconds=2, sample_rate_hz=RATE))


def test_the_glue_does_not_care_how_the_sound_is_cut():
    sound = drummed(2.0)
    whole = GlueCompressor(sample_rate_hz=RATE).gain(sound, scale=2.0)
    glue = GlueCompressor(sample_rate_hz=RATE)
    parts = [glue.gain(sound[:, a : a + 25_600], scale=2.0) for a in range(0, sound.shape[1], 25_600)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=2e-3)
    assert whole.min() < 0.95


def test_the_live_limiter_loses_nothing_and_lets_nothing_over():
    sound = drummed(3.0, level=1.0)
    limiter = LiveLimiter(sample_rate_hz=RATE, ceiling_db=-1.5)
    cuts = [0, 100, 5_000, 60_000, 60_010, sound.shape[1]]
    out = np.concatenate([limiter.push(sound[:, a:b], last=b == cuts[-1]) for a, b in itertools.pairwise(cuts)], axis=1)
    assert out.shape == sound.shape
    assert np.abs(out).max() <= 10 ** (-1.5 / 20) + 1e-6
    quiet = sound * 0.01
    calm = LiveLimiter(sample_rate_hz=RATE)
    same = np.concatenate([calm.push(quiet[:, :70_000]), calm.push(quiet[:, 70_000:], last=True)], axis=1)
    np.testing.assert_allclose(same, quiet, atol=1e-6)


def test_loudness_is_what_a_listener_gets_not_what_the_gain_promised():
    made = master(Clip(drummed(), RATE), target_lufs=-16, glue=True)
    assert integrated_lufs(Clip(made.clip.samples, RATE)) == pytest.approx(-16, abs=0.2)
