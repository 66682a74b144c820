"""Statistics of a stretch of music that say what it sounds like, whatever its loudness, key or exact tempo.

Timbre after Tzanetakis and Cook (2002) on log bands instead of MFCCs, rhythm as fluctuation patterns (Pampalk, Rauber
and Merkl 2002) on a log frequency axis, where a few percent of tempo move little; tonality as the shape of the pitch
classes under the Fourier transform, which forgets the key. Knows nothing of how the numbers are used.
"""

from __future__ import annotations

import numpy as np

from rag.frames import BANDS, FRAME_SECONDS, ONSET_SECONDS, PITCH_BINS, REGISTERS, Frames

WINDOW_SECONDS = 10.0
MOST_WINDOWS = 8
_RANGE_DB = 70.0
_RATES_HZ = np.geomspace(0.4, 14.0, 25)


def windows_in(seconds: float) -> list[tuple[float, float]]:
    """Stretches of WINDOW_SECONDS, at most MOST_WINDOWS, evenly over the piece; one shorter when it is short itself."""
    if seconds <= WINDOW_SECONDS * 1.25:
        return [(0.0, seconds)]
    # Rounded, so that an encoder's few hundredths of a second more do not move them all.
    count = min(MOST_WINDOWS, max(2, round(seconds / (WINDOW_SECONDS / 2)) - 1))
    starts = np.linspace(0.0, seconds - WINDOW_SECONDS, count)
    return [(float(start), float(start + WINDOW_SECONDS)) for start in starts]


def statistics_of(heard: Frames) -> np.ndarray:
    """All the statistics in one row, float64."""
    return np.concatenate([_timbre(heard), _tonality(heard), _rhythm(heard), _dynamics(heard)])


def _timbre(heard: Frames) -> np.ndarray:
    """The bands' mean levels, spread and movement, less the whole's level."""
    level = 10 * np.log10(heard.bands + 1e-9)
    level = np.maximum(level, level.max() - _RANGE_DB) if level.size else np.full((2, BANDS), -90.0)
    mean = level.mean(axis=0)
    moves = np.abs(np.diff(level, axis=0)).mean(axis=0) if len(level) > 1 else np.zeros(BANDS)
    # Pooled in pairs: a band more or less by speed then says little.
    spread = level.std(axis=0).reshape(-1, 2).mean(axis=1)
    skew = (np.percentile(level, 90, axis=0) - mean).reshape(-1, 2).mean(axis=1)
    return np.concatenate([mean - mean.mean(), spread, skew, moves.reshape(-1, 2).mean(axis=1)])


def _tonality(heard: Frames) -> np.ndarray:
    """How the pitch classes are spread, over a chord's and over the whole time; how strong they are; the tuning's rest."""
    out = []
    per = max(1, round(2.0 / FRAME_SECONDS))
    edges = np.arange(0, max(1, len(heard.tonal)), per)
    for kind in (heard.tonal, heard.bass):
        total = kind.sum(axis=1, keepdims=True)
        share = np.divide(kind, total, out=np.zeros_like(kind), where=total > 0)
        chords = np.add.reduceat(share, edges, axis=0) if len(share) else np.zeros((1, PITCH_BINS))
        out.append(_shape(chords).mean(axis=0))
        out.append(_shape(share.sum(axis=0)[np.newaxis])[0])
    strength = np.log(heard.tonal.sum(axis=1) + 1e-3) - 0.5 * np.log(heard.bands.sum(axis=1)[: len(heard.tonal)] + 1e-6)
    notes = np.count_nonzero(heard.tonal, axis=1)
    rest = [strength.mean(), strength.std(), np.log1p(notes.mean()), notes.std(), heard.sustained]
    return np.concatenate([*out, rest])


def _shape(rows: np.ndarray) -> np.ndarray:
    """Fourier sizes of pitch class rows, (rows, 7): rotation, hence key, drops out."""
    size = np.abs(np.fft.rfft(rows, axis=1))[:, 1:8]
    return np.asarray(size / np.maximum(1e-9, rows.sum(axis=1, keepdims=True)))


def _rhythm(heard: Frames) -> np.ndarray:
    """The onsets' fluctuation by register, and how they are shared between registers."""
    onsets = heard.onsets
    if len(onsets) < 100:
        return np.zeros(REGISTERS * (len(_RATES_HZ) - 1) + 2 * REGISTERS)
    centred = onsets - onsets.mean(axis=0)
    size = 1 << int(np.ceil(np.log2(len(onsets))) + 1)
    power = np.abs(np.fft.rfft(centred * np.hanning(len(onsets))[:, np.newaxis], size, axis=0)) ** 2
    hertz = np.fft.rfftfreq(size, ONSET_SECONDS)
    into = np.searchsorted(hertz, _RATES_HZ)
    total = power[into[0] : into[-1]].sum(axis=0) + 1e-9
    sums = np.add.reduceat(power, into, axis=0)[:-1] / total
    spread = sums / np.maximum(1, np.diff(into))[:, np.newaxis]
    pattern = np.sqrt(_smooth(spread) * np.diff(_RATES_HZ)[:, np.newaxis] / (hertz[1] - hertz[0]))
    strength = onsets.mean(axis=0)
    peaky = onsets.std(axis=0) / (strength + 1e-4)
    return np.concatenate([pattern.T.ravel(), np.log(strength + 1e-3), peaky])


def _smooth(rows: np.ndarray) -> np.ndarray:
    padded = np.pad(rows, ((1, 1), (0, 0)), mode="edge")
    return 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]


def _dynamics(heard: Frames) -> np.ndarray:
    """How the loudness moves, and how wide the sound is."""
    level = 10 * np.log10(heard.hops + 1e-9)
    level = np.maximum(level, level.max() - 50) if len(level) else np.zeros(2)
    steps = np.abs(np.diff(level)) if len(level) > 1 else np.zeros(1)
    return np.array([level.std(), steps.mean(), level.max() - level.mean(), np.log10(heard.width + 1e-3)])
