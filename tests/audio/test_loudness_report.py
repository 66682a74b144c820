"""The meters against EBU Tech 3341 and 3342: a few signals of each kind here, all of them by benchmarks/loudness.py."""

from __future__ import annotations

import numpy as np
import pytest

from audio.clip import Clip
from audio.loudness import integrated_lufs
from audio.loudness_report import loudness_report
from benchmarks.ebu_signals import Signal, read, signals
from tests.audio.sounds import ODD, RATE, band, mixed

ALL = {f"{signal.document}-{signal.number} {signal.reading}": signal for signal in signals()}
SOME = [
    name for name in ALL
    if name.split()[0].split("-")[1] in
    {"6", "9", "10.1", "10.7", "10.20", "11.13", "12", "13.1", "13.9", "13.20", "14.5", "20", "21", "22", "23"}
]  # fmt: skip


def test_every_signal_that_can_be_synthesised_is_here():
    numbers = {(signal.document, signal.number.split(".")[0]) for signal in ALL.values()}
    assert {number for document, number in numbers if document == "3341"} == {
        str(number) for number in range(1, 24) if number not in (7, 8)
    }
    assert {number for document, number in numbers if document == "3342"} == {"1", "2", "3", "4"}


@pytest.mark.parametrize("name", SOME)
def test_the_meters_meet_tech_3341(name):
    signal: Signal = ALL[name]
    value = read(signal, signal.make())
    assert signal.passes(value), f"{value:.3f}, not {signal.wanted}"


def test_a_wrong_reading_would_not_pass():
    signal = ALL["3341-9 S max"]
    clip = signal.make()
    assert not signal.passes(read(signal, Clip(clip.samples * 1.02, clip.sample_rate_hz)))


@pytest.mark.parametrize("kind", ODD)
def test_any_sound_has_a_report(kind):
    report = loudness_report(ODD[kind])
    assert -1.0 <= report.lowest_correlation <= report.correlation + 1e-6 <= 1.0 + 2e-6
    assert report.is_silent == (kind == "silence")
    assert report.integrated_lufs == pytest.approx(integrated_lufs(ODD[kind]), abs=0.02) or kind == "silence"
    assert all(np.isfinite(report.spectrum_db))


def test_the_worst_second_of_a_mix_is_found():
    samples = mixed(band(4.0)).samples.copy()
    samples[1, RATE : 2 * RATE] *= -1
    report = loudness_report(Clip(samples, RATE))
    assert report.lowest_correlation < -0.5 < 0.3 < report.correlation
