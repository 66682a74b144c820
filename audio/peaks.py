"""Waveforms to look at: the highest sample of each stretch, in percent of full scale.

Knows nothing of drawing.
"""

from __future__ import annotations

import numpy as np

from audio.clip import Clip


def bucket_peaks(clip: Clip, *, buckets: int) -> np.ndarray:
    """The highest absolute sample of each of `buckets` equal stretches, over all channels: uint8, 0 to 100.

    A clip of fewer frames than buckets gives one peak a frame.
    """
    buckets = min(buckets, clip.frames)
    if buckets == 0:
        return np.zeros(0, np.uint8)
    loudest = np.abs(clip.samples).max(axis=0)
    edges = np.linspace(0, clip.frames, buckets, endpoint=False).astype(int)
    return _percent(np.maximum.reduceat(loudest, edges))


class PeakMeter:
    """Peaks of a growing sound, one per `seconds_a_peak`; feed it stretches of any length, in order."""

    def __init__(self, *, sample_rate_hz: int, seconds_a_peak: float = 0.1) -> None:
        self._frames_a_peak = max(1, round(sample_rate_hz * seconds_a_peak))
        self._frames_in_last = 0
        self._highest = 0.0
        self._whole = bytearray()

    def feed(self, clip: Clip) -> None:
        """Hear the next stretch."""
        loudest = np.abs(clip.samples).max(axis=0) if clip.frames else np.zeros(0, np.float32)
        while len(loudest):
            piece = loudest[: self._frames_a_peak - self._frames_in_last]
            self._highest = max(self._highest, float(piece.max()))
            self._frames_in_last += len(piece)
            loudest = loudest[len(piece) :]
            if self._frames_in_last == self._frames_a_peak:
                self._whole.append(int(_percent(np.array([self._highest]))[0]))
                self._frames_in_last, self._highest = 0, 0.0

    @property
    def peaks(self) -> tuple[int, ...]:
        """All peaks so far, the unfinished last one included; 0 to 100."""
        last = (int(_percent(np.array([self._highest]))[0]),) if self._frames_in_last else ()
        return (*self._whole, *last)


def _percent(levels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(levels * 100.0), 0, 100).astype(np.uint8)
