"""Loudness in bands over time, and the onsets in them: what beat tracking, loops and drum transcription listen to.

A stretch at a time, so that an hour of sound costs no more memory than its bands. Knows nothing of beats or of drums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np

from audio.clip import Clip

RATE_HZ = 44_100
_STRETCH_SECONDS = 20
_MARGIN = 4_410  # frames heard on each side of a stretch, so that its edges sound like its middle


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """Levels of a clip, in dB over a floor of -80. level_db: float32, (moments, bands). hop_seconds: from one to the next."""

    level_db: np.ndarray
    hop_seconds: float

    @property
    def rises_db(self) -> np.ndarray:
        """How far each band rose over the moment before, never negative: (moments, bands)."""
        return np.maximum(0.0, np.diff(self.level_db, axis=0, prepend=self.level_db[:1]))


def bands_of(clip: Clip, *, edges_hz: tuple[float, ...], hop_frames: int = 441, window_frames: int = 2_048) -> Bands:
    """The levels between each two neighbouring edges, a moment every `hop_frames` at 44.1 kHz, centred on it.

    Samples that are no numbers count as silence.
    """
    window = np.hanning(window_frames).astype(np.float32)
    bins = np.round(np.asarray(edges_hz) * window_frames / RATE_HZ).astype(int)
    bins = np.maximum.accumulate(np.maximum(bins, np.arange(1, len(bins) + 1)))
    scale = 2 / float(window.sum()) ** 2
    rows = []
    for samples in stretches_at(clip, RATE_HZ, hop_frames=hop_frames, window_frames=window_frames):
        frames = np.lib.stride_tricks.sliding_window_view(samples, window_frames)[::hop_frames]
        for first in range(0, len(frames), 512):
            power = np.abs(np.fft.rfft(frames[first : first + 512] * window, axis=1)) ** 2 * scale
            sums = np.add.reduceat(power, bins, axis=1)[:, : len(bins) - 1]
            rows.append((10 * np.log10(sums + 1e-8) + 80.0).astype(np.float32))
    level = np.concatenate(rows) if rows else np.zeros((0, len(bins) - 1), np.float32)
    return Bands(level, hop_frames / RATE_HZ)


def stretches_at(
    clip: Clip, rate_hz: int, *, hop_frames: int, window_frames: int, lead_frames: int | None = None
) -> Iterator[np.ndarray]:
    """The clip in mono at a rate, in stretches that windows of this length and hop cover exactly once between them.

    lead_frames: how long before the clip's first frame the first window begins; half a window when not said.
    """
    from scipy.signal import resample_poly

    rate = clip.sample_rate_hz
    common = gcd(rate_hz, rate)
    up, down = rate_hz // common, rate // common
    total = clip.frames * up // down
    lead = window_frames // 2 if lead_frames is None else lead_frames
    hops = max(1, _STRETCH_SECONDS * rate_hz // hop_frames)
    margin = -(-_MARGIN // down) * down  # a whole number of the source's periods
    moments = total // hop_frames + 1 if clip.frames else 0
    for first in range(0, moments, hops):
        count = min(hops, moments - first)
        start = first * hop_frames - lead
        end = (first + count - 1) * hop_frames + window_frames - lead
        source_start = max(0, start * down // up // down * down - margin)
        source_end = min(clip.frames, end * down // up + margin)
        piece = np.nan_to_num(clip.samples[:, source_start:source_end], nan=0.0, posinf=0.0, neginf=0.0).mean(axis=0)
        low = piece if up == down else resample_poly(piece, up, down).astype(np.float32)
        begins = source_start * up // down
        before, after = max(0, begins - start), max(0, end - begins - len(low))
        yield np.pad(low, (before, after))[max(0, start - begins) :][: end - start]
