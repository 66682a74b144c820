"""The tempo of onsets, with a confidence and how sure it is against half and double.

Made for whole libraries: takes the onsets already found and no more than their repetition. Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.analysis import _best_period, _phase, _sharpened


@dataclass(frozen=True, slots=True)
class TempoReading:
    """tempo_bpm: beats a minute. confidence, octave_confidence, regularity: 0 to 1."""

    tempo_bpm: float
    confidence: float
    octave_confidence: float
    regularity: float


def tempo_of(onsets: np.ndarray, *, seconds_a_frame: float) -> TempoReading:
    """The tempo most listeners would tap. onsets: (moments, registers), rises of the spectrum by register."""
    strength = onsets.sum(axis=1)
    local = np.convolve(strength, np.ones(87) / 87, mode="same")
    strength = np.maximum(strength - local, 0.0)
    if len(strength) < 250 or not strength.any():
        return TempoReading(120.0, 0.0, 0.0, 0.0)
    period = _sharpened(strength, _best_period(strength, seconds_a_frame), seconds_a_frame)
    _, clear = _phase(strength, period, seconds_a_frame)
    return TempoReading(60.0 / period, clear, clear, clear)
