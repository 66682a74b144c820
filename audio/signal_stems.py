"""Stems without a model to download: drums, bass and the rest, by what each looks like in time and frequency.

Strokes stand upright in a spectrogram and tones lie flat: medians along either axis tell them apart (Fitzgerald,
"Harmonic/percussive separation using median filtering", DAFx 2010), at two resolutions (Driedger, Müller and Disch,
"Extending harmonic-percussive separation of audio signals", ISMIR 2014), for a stroke is short where the window is short.
Works some seconds at a time, faded into each other. Voices are not told from instruments here, so no stem is called so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from audio.clip import Clip
from audio.stems import Stems
from audio.stretches import Pieces, collected, in_stretches
from audio.work import Progress, Stopped, never, unheard, usable

MODEL = "signal-1"
SOURCES = ("drums", "bass", "other")
RATE_HZ = 44_100
_BLOCK_SECONDS, _FADE_SECONDS = 12, 1
_WINDOW, _HOP = 4096, 1024
_SHORT_WINDOW, _SHORT_HOP = 1024, 256


def separate_by_signal(clip: Clip, *, progress: Progress = unheard, cancelled: Stopped = never) -> Stems:
    """The clip's drums, bass and other, at its own rate and channels; what lies over 22 kHz is the residual.

    Raises SoundUnusable, WorkCancelled.
    """
    clip = usable(clip)
    pieces = signal_stretches(clip, progress=progress, cancelled=cancelled)
    return collected(clip, pieces, names=SOURCES, tier="built-in", model=MODEL)


def signal_stretches(clip: Clip, *, progress: Progress = unheard, cancelled: Stopped = never) -> Iterator[Pieces]:
    """The stems a stretch at a time, one after another without a gap: (channels, frames) by name."""

    def separate(samples: np.ndarray, number: int, count: int) -> np.ndarray:
        made = separate_block(samples)
        progress((number + 1) / count)
        return made

    yield from in_stretches(
        usable(clip), separate, names=SOURCES, rate_hz=RATE_HZ, step_seconds=_BLOCK_SECONDS,
        fade_seconds=_FADE_SECONDS, cancelled=cancelled,
    )  # fmt: skip


def separate_block(samples: np.ndarray) -> np.ndarray:
    """Drums, bass and other of (channels, frames) at RATE_HZ: float32, (3, channels, frames); they sum to it."""
    spectra = _stft(samples, _WINDOW, _HOP)
    masks = _masks(samples, spectra)
    made = np.stack([_istft(spectra * mask, samples.shape[1], _WINDOW, _HOP) for mask in masks])
    made[2] = samples - made[0] - made[1]
    return made


def _masks(samples: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """(3, bins, frames), each 0 to 1, together 1."""
    loud = np.sqrt((np.abs(spectra) ** 2).mean(axis=0))
    strokes = _stroke_share(loud, flat=17, upright=31)
    short = _stft(samples, _SHORT_WINDOW, _SHORT_HOP)
    share = _stroke_share(np.sqrt((np.abs(short) ** 2).mean(axis=0)), flat=33, upright=17)
    quick = _stft(_istft(short * share, samples.shape[1], _SHORT_WINDOW, _SHORT_HOP), _WINDOW, _HOP)
    drums = np.sqrt(strokes * np.minimum(1.0, np.abs(quick).mean(axis=0) / (np.abs(spectra).mean(axis=0) + 1e-9)))
    low = 1 / (1 + (np.arange(len(loud)) * RATE_HZ / _WINDOW / 180.0) ** 6)[:, None]
    bass = (1 - drums) * low
    return np.stack([drums, bass, 1 - drums - bass]).astype(np.float32)


def _stroke_share(loud: np.ndarray, *, flat: int, upright: int) -> np.ndarray:
    """How much of each point belongs to strokes: Wiener's share of the medians along frequency and along time."""
    from scipy.ndimage import median_filter

    tones = median_filter(loud, size=(1, flat), mode="reflect") ** 2
    strokes = median_filter(loud, size=(upright, 1), mode="reflect") ** 2
    return strokes / (tones + strokes + 1e-12)


def _stft(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    """(channels, bins, frames), complex64; frames are centred."""
    padded = np.pad(samples, ((0, 0), (window // 2, window)))
    count = 1 + samples.shape[1] // hop + 1
    frames = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop][:, :count]
    return np.fft.rfft(frames * _hann(window), axis=2).transpose(0, 2, 1).astype(np.complex64)


def _istft(spectra: np.ndarray, frames: int, window: int, hop: int) -> np.ndarray:
    """Back to (channels, frames), float32: overlap-add of what `_stft` made."""
    pieces = np.fft.irfft(spectra, axis=1).transpose(0, 2, 1).astype(np.float32) * _hann(window)
    channels, count, _ = pieces.shape
    length = (count - 1) * hop + window
    out, weight = np.zeros((channels, length), np.float32), np.zeros(length, np.float32)
    steps = window // hop
    for part in range(steps):  # frames `steps` apart do not overlap: added many at once
        some = pieces[:, part::steps]
        start, width = part * hop, some.shape[1] * window
        out[:, start : start + width] += some.reshape(channels, -1)
        weight[start : start + width] += np.tile(_hann(window) ** 2, some.shape[1])
    inside = slice(window // 2, window // 2 + frames)
    return out[:, inside] / np.maximum(weight[inside], 1e-3)


def _hann(window: int) -> np.ndarray:
    return np.hanning(window + 1)[:-1].astype(np.float32)
