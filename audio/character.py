"""What a sound is like as a whole: bright or dark, struck or sustained, wide or narrow, steady or dynamic.

Plain measures of the spectrum and the stereo field; harmonic and struck parts are told apart by median filters along
time and pitch (Fitzgerald 2010). Knows nothing of genres, moods or plans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.analysis import TooShort
from audio.clip import Clip

LISTENED_SECONDS = 45.0
_SIZE = 2_048


@dataclass(frozen=True, slots=True)
class Character:
    """brightness_hz: the spectrum's centre of gravity. low_share: power under 150 Hz, 0 to 1. percussive: the struck
    share of the sound, 0 to 1. width: side against mid and side, 0 mono to 1. crest_db: peak over RMS."""

    brightness_hz: float
    low_share: float
    percussive: float
    width: float
    crest_db: float


def character(clip: Clip) -> Character:
    """The character of a clip's middle LISTENED_SECONDS; raises TooShort under a second or for silence."""
    middle = clip.seconds / 2
    heard = clip.between(middle - LISTENED_SECONDS / 2, middle + LISTENED_SECONDS / 2)
    peak = float(np.abs(heard.samples).max(initial=0.0))
    if heard.seconds < 1.0 or peak < 1e-4:
        raise TooShort("A sound needs at least a second of music to be described.")
    mono = heard.mono().samples[0]
    spectra = _spectra(mono)
    power = spectra**2
    frequencies = np.fft.rfftfreq(_SIZE, 1 / heard.sample_rate_hz)
    total = float(power.sum()) or 1.0
    magnitude = spectra.sum(axis=1)
    return Character(
        brightness_hz=float((frequencies * magnitude).sum() / (magnitude.sum() or 1.0)),
        low_share=float(power[frequencies < 150].sum() / total),
        percussive=_percussive(spectra),
        width=_width(heard),
        crest_db=float(20 * np.log10(peak / (np.sqrt(np.mean(heard.samples**2)) or 1e-9))),
    )


def _spectra(samples: np.ndarray) -> np.ndarray:
    """Magnitudes, (bins, frames), half-overlapped Hann windows."""
    padded = np.pad(samples, (0, max(0, _SIZE - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SIZE)[:: _SIZE // 2]
    return np.abs(np.fft.rfft(frames * np.hanning(_SIZE).astype(np.float32), axis=1)).T.astype(np.float32)


def _percussive(spectra: np.ndarray) -> float:
    """The share of the power that stands out along pitch rather than along time."""
    from scipy.ndimage import median_filter

    bins = spectra[: 4 * (len(spectra) // 4)].reshape(-1, 4, spectra.shape[1]).mean(axis=1)
    sustained = median_filter(bins, size=(1, 17)) ** 2
    struck = median_filter(bins, size=(17, 1)) ** 2
    share = struck / np.maximum(struck + sustained, 1e-12)
    return float((share * bins**2).sum() / max(1e-12, float((bins**2).sum())))


def _width(clip: Clip) -> float:
    if clip.channels != 2:
        return 0.0
    mid, side = clip.samples[0] + clip.samples[1], clip.samples[0] - clip.samples[1]
    return float((side**2).sum() / max(1e-12, float((mid**2).sum() + (side**2).sum())))
