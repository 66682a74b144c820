"""Which pitches a clip holds, stretch by stretch, and how it is tuned.

A pitch profile after Gómez (2006), "Tonal description of polyphonic audio": spectral peaks, folded to one octave. Knows
nothing of keys or chords.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from audio.clip import Clip

_RATE_HZ = 11_025
_SIZE = 4_096
_HOP = 1_024
_LOW_HZ, _HIGH_HZ = 60.0, 2_000.0
_FINE = 10  # steps a semitone
_STRETCH_SECONDS = 20


@dataclass(frozen=True, slots=True)
class PitchProfile:
    """What was heard in each stretch.

    classes: (stretches, 12), C first, each row summing to 1 (a row of zeros where nothing has a pitch). cents: how far
    the whole lies from A = 440 Hz, -50 to 50. certainty: 0 to 1, how much the peaks agree on that tuning.
    stretch_cents, stretch_certainty: the same for each stretch.
    """

    classes: np.ndarray
    cents: float
    certainty: float
    stretch_cents: np.ndarray
    stretch_certainty: np.ndarray


def pitch_profile(clip: Clip, *, edges_seconds: Sequence[float]) -> PitchProfile:
    """The profile of each stretch between two neighbouring edges."""
    stretches = max(0, len(edges_seconds) - 1)
    fine = np.zeros((stretches, 12 * _FINE))
    turns = np.zeros(stretches, complex)
    weights = np.zeros(stretches)
    edges = np.asarray(edges_seconds, float)
    for seconds, pitches, strengths in spectral_peaks(clip):
        into = np.searchsorted(edges, seconds, side="right") - 1
        inside = (into >= 0) & (into < stretches)
        into, pitches, strengths = into[inside], pitches[inside], strengths[inside]
        bins = np.round(pitches * _FINE).astype(int) % (12 * _FINE)
        np.add.at(fine, (into, bins), strengths)
        np.add.at(turns, into, strengths * np.exp(2j * np.pi * pitches))
        np.add.at(weights, into, strengths)
    whole = turns.sum()
    cents = float(np.angle(whole) / (2 * np.pi) * 100) if weights.sum() > 0 else 0.0
    turned = np.roll(fine, _FINE // 2 - round(cents / 100 * _FINE), axis=1)
    classes = turned.reshape(stretches, 12, _FINE).sum(axis=2)
    total = classes.sum(axis=1, keepdims=True)
    return PitchProfile(
        classes=np.divide(classes, total, out=np.zeros_like(classes), where=total > 0),
        cents=cents,
        certainty=float(abs(whole) / max(1e-9, weights.sum())),
        stretch_cents=np.angle(turns) / (2 * np.pi) * 100,
        stretch_certainty=np.abs(turns) / np.maximum(1e-9, weights),
    )


def spectral_peaks(clip: Clip) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(seconds, MIDI pitches, strengths) of the spectral peaks, some seconds at a time."""
    from scipy.signal import resample_poly

    rate = clip.sample_rate_hz
    common = gcd(_RATE_HZ, rate)
    step = _STRETCH_SECONDS * rate
    window = np.hanning(_SIZE)
    hertz = np.arange(_SIZE // 2 + 1) * _RATE_HZ / _SIZE
    usable = (hertz[1:-1] >= _LOW_HZ) & (hertz[1:-1] <= _HIGH_HZ)
    overlap = round((_SIZE + 2 * _HOP) / _RATE_HZ * rate)
    for start in range(0, clip.frames, step):
        piece = clip.samples[:, start : start + step + overlap].mean(axis=0)
        low = resample_poly(piece, _RATE_HZ // common, rate // common)
        if len(low) < _SIZE:
            low = np.pad(low, (0, _SIZE - len(low)))
        frames = np.lib.stride_tricks.sliding_window_view(low, _SIZE)[::_HOP] * window
        size = np.abs(np.fft.rfft(frames, axis=1))
        if len(size) >= 3:  # a drum is gone in the next frame, a note is not
            size[1:-1] = np.minimum(np.minimum(size[:-2], size[1:-1]), size[2:])
        middle, left, right = size[:, 1:-1], size[:, :-2], size[:, 2:]
        floor = 0.004 * size.max(initial=0.0)
        rows, columns = np.nonzero((middle > left) & (middle >= right) & (middle > floor) & usable)
        a, b, c = (np.log(part[rows, columns] + 1e-12) for part in (left, middle, right))
        bins = columns + 1 + np.clip(0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9), -0.5, 0.5)
        pitches = 69 + 12 * np.log2(bins * _RATE_HZ / _SIZE / 440.0)
        yield start / rate + (rows * _HOP + _SIZE / 2) / _RATE_HZ, pitches, np.sqrt(np.exp(b))
