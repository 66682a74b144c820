"""How full, how bright and how wide a clip is over time, and how much of it comes back.

Knows nothing of sections or instruments; the stretches are named by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import numpy as np

from audio.clip import Clip

BAND_EDGES_HZ = (30.0, 90.0, 180.0, 400.0, 900.0, 2_000.0, 4_500.0, 9_000.0, 16_000.0)
BANDS = len(BAND_EDGES_HZ) - 1
STEP_SECONDS = 0.1
# What the bands of finished music hold of its power, in dB: even to 900 Hz, then about 4 to 5 dB less each octave, the
# slope of the long-term spectra of Pestana et al. (2013), "Spectral characteristics of popular commercial recordings".
NEUTRAL_DB = (-7.0, -7.0, -7.0, -8.0, -11.0, -14.0, -19.0, -25.0)
_SIZE = 2_048
_RATE_HZ = 44_100
_STRETCH_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Texture:
    """power: mean square in each band each STEP_SECONDS, (steps, BANDS). side: the part of all power that lies in the
    difference of the channels, (steps,), 0 to 1; zeros for one channel.
    """

    power: np.ndarray
    side: np.ndarray

    @property
    def level_db(self) -> np.ndarray:
        """Each step's level, full scale 0."""
        return 10 * np.log10(self.power.sum(axis=1) + 1e-12)

    def between(self, start_seconds: float, end_seconds: float) -> Texture:
        """The steps of a stretch, at least one where there is any."""
        first = min(max(0, round(start_seconds / STEP_SECONDS)), max(0, len(self.side) - 1))
        last = max(first + 1, round(end_seconds / STEP_SECONDS))
        return Texture(self.power[first:last], self.side[first:last])

    @property
    def mean_db(self) -> float:
        """The level of the whole stretch."""
        return 10 * float(np.log10(float(self.power.sum(axis=1).mean()) + 1e-12)) if len(self.side) else -120.0

    @property
    def band_db(self) -> np.ndarray:
        """What each band holds of the stretch's power, in dB: (BANDS,)."""
        power = self.power.sum(axis=0)
        return 10 * np.log10(power / max(1e-12, float(power.sum())) + 1e-9)

    @property
    def side_db(self) -> float:
        """The difference of the channels against all, in dB; -90 where they are the same."""
        power = self.power.sum(axis=1)
        return 10 * float(np.log10(float((self.side * power).sum()) / max(1e-12, float(power.sum())) + 1e-9))


def texture(clip: Clip) -> Texture:
    """The clip's texture, read a stretch at a time."""
    from scipy.signal import resample_poly

    rate = clip.sample_rate_hz
    common = gcd(rate, _RATE_HZ)
    hop = round(STEP_SECONDS * _RATE_HZ / 3)
    edges = np.round(np.array(BAND_EDGES_HZ) * _SIZE / _RATE_HZ).astype(int).clip(1, _SIZE // 2)
    window = np.hanning(_SIZE).astype(np.float32)
    scale = 2.0 / (window**2).sum() / _SIZE
    powers, sides = [], []
    for start in range(0, clip.frames, _STRETCH_SECONDS * rate):
        piece = clip.samples[:, start : start + _STRETCH_SECONDS * rate]
        steps = max(1, round(piece.shape[1] / rate / STEP_SECONDS))
        mid, side = _mid_side(piece)
        total = np.zeros((steps, BANDS))
        for channel in (mid, side):
            if channel is None:
                continue
            sound = channel if rate == _RATE_HZ else resample_poly(channel, _RATE_HZ // common, rate // common)
            needed = (3 * steps - 1) * hop + _SIZE
            sound = np.pad(sound.astype(np.float32), (0, max(0, needed - len(sound))))
            frames = np.lib.stride_tricks.sliding_window_view(sound, _SIZE)[::hop][: 3 * steps] * window
            power = np.abs(np.fft.rfft(frames, axis=1)) ** 2 * scale
            total += np.add.reduceat(power, edges, axis=1)[:, :BANDS].reshape(steps, 3, BANDS).mean(axis=1)
        powers.append(total)
        sides.append(_side_share(piece, side, steps, rate))
    if not powers:
        return Texture(np.zeros((0, BANDS)), np.zeros(0))
    return Texture(np.concatenate(powers), np.concatenate(sides))


def _mid_side(piece: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    if piece.shape[0] != 2:
        return piece.mean(axis=0), None
    return (piece[0] + piece[1]) * np.float32(np.sqrt(0.5)), (piece[0] - piece[1]) * np.float32(np.sqrt(0.5))


def _side_share(piece: np.ndarray, side: np.ndarray | None, steps: int, rate: int) -> np.ndarray:
    if side is None:
        return np.zeros(steps)
    edges = (np.arange(steps) * STEP_SECONDS * rate).astype(int).clip(0, piece.shape[1] - 1)
    both = np.add.reduceat((piece**2).sum(axis=0, dtype=np.float64), edges)
    return np.clip(np.add.reduceat((side**2).astype(np.float64), edges) / np.maximum(both, 1e-9), 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Repetition:
    """How much comes back. same_as_before: share of bars that sound like the bar before them; known: share that sound
    like any other bar. Both 0 to 1, None for fewer than four bars.
    """

    same_as_before: float | None
    known: float | None


def repetition(heard: Texture, classes: np.ndarray, *, edges_seconds: Sequence[float]) -> Repetition:
    """Self-similarity of the bars between neighbouring edges, by their quarters' bands and their pitches.

    classes: (bars, 12), a pitch profile of the same bars.
    """
    bars = min(len(edges_seconds) - 1, len(classes))
    if bars < 4:
        return Repetition(None, None)
    rows = []
    for number in range(bars):
        start, end = edges_seconds[number], edges_seconds[number + 1]
        quarters = np.linspace(start, end, 5)
        bands = [heard.between(a, b).power.mean(axis=0) for a, b in pairwise(quarters.tolist())]
        rows.append(np.concatenate([10 * np.log10(np.array(bands) + 1e-7).ravel() / 6, 20 * classes[number]]))
    features = np.array(rows)
    apart = np.sqrt(((features[:, None] - features[None]) ** 2).mean(axis=2))
    neighbours = np.diagonal(apart, offset=1)
    np.fill_diagonal(apart, np.inf)
    return Repetition(float((neighbours < 0.12).mean()), float((apart.min(axis=1) < 0.45).mean()))
