"""Tonal balance: a clip's long-term spectrum brought toward a curve, by one gentle linear-phase filter.

Curves are smooth: they follow the averages of released music (Pestana et al., "Spectral characteristics of popular
commercial recordings 1950-2010", AES 2013; Elowsson and Friberg, "Long-term average spectrum in popular music", JASA
2017) and differ by families of genres; as data in `tonal_curves.json`, in dB a third octave against 1 kHz.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from audio.clip import Clip
from audio.loudness_report import THIRD_OCTAVES_HZ, third_octaves_db

MOST_DB = 6.0
_TAPS = 4095
_HEARD_DB = -55.0  # a third octave further under the whole is noise: lifting it would only bring that up


@dataclass(frozen=True, slots=True, eq=False)
class TonalCurve:
    """A balance to come near to. db: one for each of THIRD_OCTAVES_HZ, against each other only."""

    name: str
    label: str
    db: np.ndarray
    genres: tuple[str, ...] = ()


def tonal_curves() -> dict[str, TonalCurve]:
    """The families' curves by name."""
    return dict(_read())


def curve_of_genre(genre: str) -> TonalCurve:
    """The curve of the family a genre belongs to, "pop" for one that is in none."""
    curves = _read()
    return next((curve for curve in curves.values() if genre in curve.genres), curves["pop"])


def curve_of_clip(clip: Clip, *, name: str = "reference", label: str = "The reference") -> TonalCurve:
    """A track's own balance as a curve, smoothed over an octave."""
    return TonalCurve(name, label, _smooth(third_octaves_db(clip)))


def correction_db(clip: Clip, curve: TonalCurve, *, amount: float = 0.5) -> np.ndarray:
    """What to lift and to lower: dB for each third octave, at most 6 either way, its mean over the middle 0.

    amount: 0 leaves the clip, 1 goes all the way to the curve.
    """
    heard = third_octaves_db(clip)
    wanted = curve.db - _smooth(heard)
    hertz = np.array(THIRD_OCTAVES_HZ)
    middle = (hertz >= 100) & (hertz <= 6000)
    wanted = wanted - wanted[middle].mean()
    # What lies outside hearing, or is not there, is not lifted; rumble may go.
    # Where a band is empty there is no instrument to lift, and nothing but noise would come.
    wanted = np.where(wanted > 8, wanted * np.clip((20 - wanted) / 12, 0.0, 1.0), wanted)
    wanted = np.where((heard < _HEARD_DB) | (hertz < 35) | (hertz > 15_000), np.minimum(wanted, 0.0), wanted)
    return np.clip(amount * _smooth(wanted), -MOST_DB, MOST_DB)


def correction_taps(db: np.ndarray, *, sample_rate_hz: int) -> np.ndarray:
    """A linear-phase filter with these gains at THIRD_OCTAVES_HZ, (taps,), float64; its delay is half its length."""
    from scipy.signal import firwin2

    nyquist = sample_rate_hz / 2
    known = np.array([0.0, 15.0, *THIRD_OCTAVES_HZ, 24_000.0])
    gains = np.array([min(0.0, db[0]), min(0.0, db[0]), *db, min(0.0, db[-1])])
    grid = np.linspace(0.0, nyquist, 2049)
    at_grid = np.interp(np.log2(np.maximum(grid, 10.0)), np.log2(np.maximum(known, 10.0)), gains)
    return firwin2(_TAPS, grid, 10 ** (at_grid / 20), fs=sample_rate_hz)


def _smooth(db: np.ndarray) -> np.ndarray:
    """Over an octave: a lone strong note is music, not tone."""
    return np.convolve(np.pad(db, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], mode="valid")


@cache
def _read() -> dict[str, TonalCurve]:
    told = json.loads((Path(__file__).parent / "tonal_curves.json").read_text(encoding="utf-8"))
    knots = np.log2(told["hertz"])
    return {
        name: TonalCurve(
            name, one["label"], np.interp(np.log2(THIRD_OCTAVES_HZ), knots, one["db"]), tuple(one["genres"])
        )
        for name, one in told["families"].items()
    }
