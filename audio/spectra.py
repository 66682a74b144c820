"""Short-time spectra of several channels at once, and back: half-overlapping or closer, under a Hann window.

Knows nothing of what the spectra are for.
"""

from __future__ import annotations

from functools import cache

import numpy as np


def short_spectra(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    """(channels, window // 2 + 1, frames), complex64, of (channels, n); the frames' middles lie at multiples of hop."""
    padded = np.pad(samples, ((0, 0), (window // 2, window)))
    count = 2 + samples.shape[1] // hop
    frames = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop][:, :count]
    return np.fft.rfft(frames * hann(window), axis=2).transpose(0, 2, 1).astype(np.complex64)


def short_spectra_back(spectra: np.ndarray, frames: int, window: int, hop: int) -> np.ndarray:
    """(channels, frames), float32: what `short_spectra` was made of, by overlapping and adding.

    window must be a multiple of hop.
    """
    pieces = np.fft.irfft(spectra, axis=1).transpose(0, 2, 1).astype(np.float32) * hann(window)
    channels, count, _ = pieces.shape
    length = (count - 1) * hop + window
    out, weight = np.zeros((channels, length), np.float32), np.zeros(length, np.float32)
    apart = window // hop
    for first in range(min(apart, count)):  # frames so far apart do not overlap: added many at once
        some = pieces[:, first::apart]
        start, width = first * hop, some.shape[1] * window
        out[:, start : start + width] += some.reshape(channels, -1)
        weight[start : start + width] += np.tile(hann(window) ** 2, some.shape[1])
    inside = slice(window // 2, window // 2 + frames)
    return out[:, inside] / np.maximum(weight[inside], 1e-3)


@cache
def hann(window: int) -> np.ndarray:
    """The window, periodic, float32."""
    return np.hanning(window + 1)[:-1].astype(np.float32)
