"""A track cut into segments worth learning from, and segments that are the same music found out.

Two segments are near-duplicates when how their energy moves, band by band, agrees at some shift: the same recording at
another level, in another file format or begun a little later does; another song of the same kind does not. Knows
nothing of files or of captions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio.clip import Clip

SEGMENT_SECONDS = 30.0
LEAST_REAL = 0.8  # of a segment's thirty seconds that must be sound
LEAST_SECONDS = 3.0
SILENT_DB = -60.0
REST_SECONDS = 2.0  # silence longer than this is no rest of the music any more
_STEP_SECONDS = 0.05
_BANDS_HZ = (40, 90, 160, 260, 400, 600, 900, 1_350, 2_000, 3_000, 4_500, 7_000, 10_500)
_LOOK_HZ = 22_050
# Measured on sketches: copies (as MP3, at 0.4 of the level, begun 0.7 s late) agree by 0.998 and more, different songs,
# those of one genre included, by 0.93 at most.
ALIKE = 0.97
_SWINGS_ALIKE = 0.25  # copies move by like amounts in every band; comparing that first spares most comparisons


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of a track. real: the share of `seconds` at the full length asked for that is sound."""

    start_seconds: float
    seconds: float
    real: float


def cuts(
    clip: Clip, *, segment_seconds: float = SEGMENT_SECONDS, least_real: float = LEAST_REAL, keep_short: bool = True
) -> list[Cut]:
    """The stretches of a track that are sound enough, one after another.

    A segment is kept when at least `least_real` of the full length is above -60 dB of full scale; short rests count as sound. keep_short: a track
    shorter than one segment counts by its own length.
    """
    loud = _loud_steps(clip)
    length = min(segment_seconds, clip.seconds) if keep_short else segment_seconds
    found, at = [], 0.0
    while clip.seconds - at >= LEAST_SECONDS:
        seconds = min(length, clip.seconds - at)
        steps = loud[round(at / _STEP_SECONDS) : round((at + seconds) / _STEP_SECONDS)]
        real = float(steps.sum() * _STEP_SECONDS / length)
        if real >= least_real:
            found.append(Cut(round(at, 3), round(seconds, 3), round(min(1.0, real), 3)))
        at += length
    return found


def duplicates(prints: Sequence[np.ndarray], *, alike: float = ALIKE) -> dict[int, int]:
    """Which segments are near-duplicates of an earlier one: {the later: the earlier}.

    prints: as `fingerprint` makes them.
    """
    found: dict[int, int] = {}
    swings = np.log(np.stack([one.std(axis=1) for one in prints]) + 1e-4) if prints else np.zeros((0, 1))
    for later in range(len(prints)):
        apart = np.abs(swings[:later] - swings[later]).mean(axis=1)
        for earlier in np.flatnonzero(apart < _SWINGS_ALIKE).tolist():
            if earlier not in found and likeness(prints[later], prints[earlier]) >= alike:
                found[later] = earlier
                break
    return found


def fingerprint(clip: Clip) -> np.ndarray:
    """How a clip's energy moves: float32 (bands, steps), 20 steps a second, each band's mean taken off."""
    from scipy.signal import resample_poly

    mono = clip.mono().samples[0]
    if clip.sample_rate_hz != _LOOK_HZ:
        from math import gcd

        common = gcd(_LOOK_HZ, clip.sample_rate_hz)
        mono = resample_poly(mono, _LOOK_HZ // common, clip.sample_rate_hz // common)
    hop = round(_LOOK_HZ * _STEP_SECONDS)
    window = 2 * hop
    if mono.shape[0] < window:
        mono = np.pad(mono, (0, window - mono.shape[0]))
    frames = np.lib.stride_tricks.sliding_window_view(mono, window)[::hop] * np.hanning(window)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    edges = [round(hz * window / _LOOK_HZ) for hz in _BANDS_HZ]
    bands = np.stack([power[:, low : max(low + 1, high)].sum(1) for low, high in itertools.pairwise(edges)])
    levels = np.log10(bands + 1e-6 * max(1e-12, float(bands.max())))
    return np.asarray(levels - levels.mean(axis=1, keepdims=True), np.float32)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """The strongest correlation of two fingerprints over all shifts that leave half of the shorter in common."""
    steps = min(one.shape[1], other.shape[1])
    if min(one.std(), other.std()) < 1e-6:
        return 0.0
    size = 1 << int(one.shape[1] + other.shape[1] - 1).bit_length()
    products = _correlate(one, other, size).sum(0)
    energies_one = _correlate(np.square(one), np.ones_like(other), size).sum(0)
    energies_other = _correlate(np.ones_like(one), np.square(other), size).sum(0)
    overlap = _correlate(np.ones((1, one.shape[1])), np.ones((1, other.shape[1])), size)[0]
    enough = overlap >= steps / 2 - 0.5
    scale = np.sqrt(np.maximum(energies_one * energies_other, 1e-9))
    return float(np.where(enough, products / scale, -1.0).max())


def _correlate(one: np.ndarray, other: np.ndarray, size: int) -> np.ndarray:
    spectra = np.fft.rfft(one, size, axis=1) * np.conj(np.fft.rfft(other, size, axis=1))
    return np.fft.irfft(spectra, size, axis=1)


def _loud_steps(clip: Clip) -> np.ndarray:
    """For every step of 50 ms, whether it is above -60 dB of full scale, or in a rest of less than two seconds."""
    hop = max(1, round(clip.sample_rate_hz * _STEP_SECONDS))
    energy = np.square(clip.samples, dtype=np.float64).max(axis=0)
    whole = np.pad(energy, (0, -energy.shape[0] % hop)).reshape(-1, hop).mean(1)
    loud = whole > 10 ** (SILENT_DB / 10)
    sounding = np.flatnonzero(loud)
    for before, after in itertools.pairwise(sounding.tolist()):
        if (after - before) * _STEP_SECONDS < REST_SECONDS:
            loud[before:after] = True
    return np.asarray(loud)
