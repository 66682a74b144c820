"""The drawn waveform is the sound's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.clip import Clip
from audio.peaks import PeakMeter, bucket_peaks


def test_a_single_click_shows_where_it_is_and_how_loud() -> None:
    samples = np.zeros((2, 20_000), np.float32)
    samples[1, 15_005] = -0.8
    peaks = bucket_peaks(Clip(samples, 44_100), buckets=2_000)
    assert len(peaks) == 2_000
    assert peaks[1_500] == 80
    assert peaks.sum() == 80


def test_a_short_clip_gives_a_peak_a_frame() -> None:
    assert list(bucket_peaks(Clip(np.array([[0.1, -1.5]]), 8_000), buckets=2_000)) == [10, 100]
    assert len(bucket_peaks(Clip.silence(seconds=0, sample_rate_hz=8_000), buckets=10)) == 0


@given(lengths=st.lists(st.integers(0, 500), max_size=12), seed=st.integers(0, 1_000))
@settings(max_examples=50, deadline=None)
def test_however_the_sound_arrives_its_peaks_are_the_same(lengths: list[int], seed: int) -> None:
    clip = Clip(np.random.default_rng(seed).uniform(-1, 1, (2, sum(lengths))), 1_000)
    at_once, in_pieces = PeakMeter(sample_rate_hz=1_000), PeakMeter(sample_rate_hz=1_000)
    at_once.feed(clip)
    start = 0
    for length in lengths:
        in_pieces.feed(Clip(clip.samples[:, start : start + length], 1_000))
        start += length
    expected = [round(float(np.abs(clip.samples[:, at : at + 100]).max()) * 100) for at in range(0, clip.frames, 100)]
    assert at_once.peaks == in_pieces.peaks
    assert np.abs(np.array(at_once.peaks) - expected).max(initial=0) <= 1
