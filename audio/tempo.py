"""The tempo of onsets, with a confidence and how sure it is against half and double.

A period is found by how the onsets repeat (`audio.analysis`); which of its readings, as found, half, double or in threes,
a listener would tap is then weighed by what each register does at and between the beats. The weights are learnt on the
studio's own sketches (`benchmarks/library_constants.py`) and lie in tempo_readings.json. Knows nothing of files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from audio.analysis import best_period, phase_of, sharpened_period

READINGS = (0.5, 2 / 3, 1.0, 1.5, 2.0)
_WEIGHTS = Path(__file__).with_name("tempo_readings.json")
_MULTIPLES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
_LAGS_BEATS = (0.5, 1.0, 2.0, 4.0)
_LEAST_MOMENTS = 250
_PART_SECONDS = 8.0
_MOST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class TempoReading:
    """tempo_bpm: beats a minute. confidence: how clearly the onsets gather on the beats. octave_confidence: how surely it
    is this and not half, double or threes of it. regularity: how little the beats wander. All 0 to 1."""

    tempo_bpm: float
    confidence: float
    octave_confidence: float
    regularity: float


def tempo_of(onsets: np.ndarray, *, seconds_a_frame: float) -> TempoReading:
    """The tempo most listeners would tap; confidences of 0 where there is too little to tell.

    onsets: (moments, registers), rises of the spectrum by register, low to high. Of more than ten minutes, the middle ten
    are read.
    """
    most = round(_MOST_SECONDS / seconds_a_frame)
    if len(onsets) > most:
        start = (len(onsets) - most) // 2
        onsets = onsets[start : start + most]
    strength = _without_slow(onsets.sum(axis=1))
    if len(strength) < _LEAST_MOMENTS or not strength.any():
        return TempoReading(120.0, 0.0, 0.0, 0.0)
    found = 60.0 / sharpened_period(strength, best_period(strength, seconds_a_frame), seconds_a_frame)
    likely = _likelihoods(onsets, found, seconds_a_frame)
    best = int(np.argmax(likely))
    period = 60.0 / (found * READINGS[best])
    if READINGS[best] != 1.0:
        period = sharpened_period(strength, period, seconds_a_frame)
    _, clear = phase_of(strength, period, seconds_a_frame)
    return TempoReading(60.0 / period, clear, float(likely[best]), _regularity(strength, period, seconds_a_frame))


def reading_features(onsets: np.ndarray, tempo_bpm: float, *, seconds_a_frame: float) -> np.ndarray:
    """What speaks for and against a tempo, (n,): each register's onset spectrum at parts and multiples of the beat, its
    repetition after beats and bars, and the tempo itself."""
    count = len(onsets)
    centred = onsets - onsets.mean(axis=0)
    size = 1 << (int(np.ceil(np.log2(count))) + 2)
    spectrum = np.abs(np.fft.rfft(centred * np.hanning(count)[:, np.newaxis], size, axis=0))
    hertz = np.fft.rfftfreq(size, seconds_a_frame)
    usual = spectrum[(hertz > 0.3) & (hertz < 16)].mean(axis=0) + 1e-9
    out = []
    for multiple in _MULTIPLES:
        wanted = tempo_bpm / 60 * multiple
        near = np.abs(hertz - wanted) < 0.5 / (count * seconds_a_frame) + 0.01 * wanted
        peak = spectrum[near].max(axis=0) if near.any() else np.zeros(onsets.shape[1])
        out.append(np.log(peak / usual + 0.2))
    repeats = np.fft.irfft(np.abs(np.fft.rfft(centred, 2 * count, axis=0)) ** 2, axis=0)[:count]
    repeats = repeats / (repeats[0] + 1e-9)
    for beats in _LAGS_BEATS:
        lag = beats * 60 / tempo_bpm / seconds_a_frame
        out.append(repeats[round(lag)] if lag < count * 0.8 else np.zeros(onsets.shape[1]))
    pace = float(np.log2(tempo_bpm / 110))
    density = np.log(onsets.mean(axis=0) + 1e-3)
    return np.concatenate([*out, [pace, pace**2, pace**3], density * pace])


def found_tempo(onsets: np.ndarray, *, seconds_a_frame: float) -> float:
    """The tempo by repetition alone, before its readings are weighed."""
    strength = _without_slow(onsets.sum(axis=1))
    return 60.0 / sharpened_period(strength, best_period(strength, seconds_a_frame), seconds_a_frame)


def _likelihoods(onsets: np.ndarray, tempo_bpm: float, seconds_a_frame: float) -> np.ndarray:
    """How likely each of READINGS is, summing to 1."""
    centre, scale, weights = _constants()
    rows = np.array([reading_features(onsets, tempo_bpm * each, seconds_a_frame=seconds_a_frame) for each in READINGS])
    score = np.clip((rows - centre) / scale, -4, 4) @ weights
    likely = np.exp(score - score.max())
    return np.asarray(likely / likely.sum())


def _regularity(strength: np.ndarray, period: float, seconds_a_frame: float) -> float:
    """How well the beats of one part lie where those of the whole do: the mean resultant of the parts' phases."""
    per = round(_PART_SECONDS / seconds_a_frame)
    turns = np.exp(-2j * np.pi * np.arange(len(strength)) * seconds_a_frame / period)
    parts = np.array([(strength[a : a + per] * turns[a : a + per]).sum() for a in range(0, len(strength), per)])
    size = np.abs(parts)
    return float(abs(parts.sum()) / max(1e-9, float(size.sum())))


def _without_slow(strength: np.ndarray) -> np.ndarray:
    return np.maximum(strength - np.convolve(strength, np.ones(87) / 87, mode="same"), 0.0)


@cache
def _constants() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kept = json.loads(_WEIGHTS.read_text(encoding="utf-8"))
    return np.array(kept["centre"]), np.array(kept["scale"]), np.array(kept["weights"])
