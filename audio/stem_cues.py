"""What at each point of a spectrogram speaks for drums, for bass, or for the rest.

Strokes stand upright and tones lie flat, told by medians at several lengths (Fitzgerald, DAFx 2010; Driedger, Müller and
Disch, ISMIR 2014); strokes come again alike where other things change (in the spirit of REPET-SIM: Rafii and Pardo,
ISMIR 2012); a bass line is one low voice whose overtones go with it; drums and bass mostly stand in the middle. Every cue
is a ratio, so that none depends on how loud the sound is. Knows nothing of what is made of the cues.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from audio.spectra import short_spectra, short_spectra_back

RATE_HZ = 44_100
WINDOW, HOP = 4096, 1024
_SHORT_WINDOW, _SHORT_HOP = 1024, 256
_KNOTS_HZ = (40.0, 80.0, 160.0, 320.0, 900.0, 2500.0, 7000.0)
_LOWEST_HZ, _HIGHEST_HZ, _STEPS_A_SEMITONE = 30.0, 220.0, 3
_PATCH_FRAMES, _BEFORE_FRAMES, _ALIKE = 10, 1, 6


def cues(samples: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """(cues, bins, frames), float32, of a block of one or two channels at RATE_HZ and its `short_spectra`."""
    loud = np.sqrt((np.abs(spectra) ** 2).mean(axis=0))
    loud = loud / (float(np.sqrt((loud**2).mean())) + 1e-12) + 1e-3
    level = np.log(loud)
    flux = _flux(loud)
    upright = _along(loud, bins=15)
    found = [
        *(np.log(_along(loud, frames=length)) - level for length in (9, 25, 61)),
        np.log(upright) - level,
        np.log(_along(loud, bins=51)) - level,
        _quick_share(samples, loud.shape),
        *_places(spectra),
        *(_later(level, by) - level for by in (-3, -1, 1, 3, 6)),
        level - np.log(np.sqrt((loud**2).mean(axis=0)))[None, :],
        level - np.log(loud.mean(axis=1))[:, None],
        *(np.broadcast_to(row, loud.shape) for row in (flux, _lately(flux))),
        *_bass_line(samples, loud),
        np.log(_come_again(loud, upright, flux) + 1e-3) - level,
        *(np.broadcast_to(row[:, None], loud.shape) for row in _pitch_regions(len(loud))),
    ]
    return np.clip(np.stack(found), -6.0, 6.0).astype(np.float32)


def _along(loud: np.ndarray, *, frames: int = 0, bins: int = 0) -> np.ndarray:
    """Medians along time over so many frames, or along frequency over so many bins."""
    from scipy.ndimage import median_filter

    rows, half = (loud if frames else loud.T), (frames or bins) // 2
    padded = np.pad(rows, ((0, 0), (half, half)), mode="symmetric")
    # In one row scipy keeps a sorted window: ten times as quick as a window looked at afresh for every point.
    found = median_filter(padded.ravel(), size=2 * half + 1).reshape(padded.shape)[:, half:-half]
    return found if frames else found.T


def _later(level: np.ndarray, by: int) -> np.ndarray:
    """The level `by` frames later (earlier when negative), the edge held."""
    places = np.clip(np.arange(level.shape[1]) + by, 0, level.shape[1] - 1)
    return level[:, places]


def _quick_share(samples: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """How much a point gets from what is upright in short windows."""
    short = short_spectra(samples, _SHORT_WINDOW, _SHORT_HOP)
    loud = np.sqrt((np.abs(short) ** 2).mean(axis=0))
    tones, strokes = _along(loud, frames=33) ** 2, _along(loud, bins=17) ** 2
    quick = short_spectra_back(
        short * (strokes / (tones + strokes + 1e-12)), samples.shape[1], _SHORT_WINDOW, _SHORT_HOP
    )
    both = [np.sqrt((np.abs(short_spectra(x, WINDOW, HOP)) ** 2).mean(axis=0)) for x in (quick, samples)]
    return np.log((both[0] + 1e-6) / (both[1] + 1e-6))[:, : shape[1]]


def _places(spectra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far from the middle a point stands: its sides over its middle, and how alike the channels are."""
    if len(spectra) < 2:
        flat = np.zeros(spectra.shape[1:], np.float32)
        return flat - 3.0, flat + 1.0
    from scipy.ndimage import uniform_filter

    left, right = spectra
    mid, side = (np.abs(left + right) ** 2, np.abs(left - right) ** 2)
    power = uniform_filter(np.abs(left) ** 2 + np.abs(right) ** 2, size=3) + 1e-12
    alike = uniform_filter((left * right.conj()).real, size=3)
    sides = 0.5 * np.log((uniform_filter(side, size=3) + 1e-9) / (uniform_filter(mid, size=3) + 1e-9))
    return np.clip(sides, -3.0, 3.0), 2 * alike / power


def _flux(loud: np.ndarray) -> np.ndarray:
    """How much rises in each frame over two kilohertz, in units of its own spread."""
    high = np.log(loud[round(2000 * WINDOW / RATE_HZ) :])
    rise = np.maximum(0.0, np.diff(high, axis=1, prepend=high[:, :1])).mean(axis=0)
    return rise / (float(rise.std()) + 1e-6)


def _lately(flux: np.ndarray) -> np.ndarray:
    """The strongest rise of the last frames, fading."""
    held, now = np.empty_like(flux), 0.0
    for place, value in enumerate(flux):
        now = max(now * 0.8, float(value))
        held[place] = now
    return held


def _pitch_regions(bins: int) -> np.ndarray:
    """Where a bin lies among the knots: (knots, bins), each 0 to 1, neighbours adding to 1."""
    octaves = np.log2(np.maximum(np.arange(bins), 0.5) * RATE_HZ / WINDOW)
    knots = np.log2(_KNOTS_HZ)
    return np.stack([np.interp(octaves, knots, np.eye(len(knots))[place]) for place in range(len(knots))])


# ---------------------------------------------------------------------------------------------- the bass line


def _bass_line(samples: np.ndarray, loud: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How near a point lies to an overtone of the lowest voice, which overtone, and how clear that voice is."""
    pitches, clear = _lowest_voice(samples, loud.shape[1])
    ratio = (np.arange(len(loud)) * RATE_HZ / WINDOW)[:, None] / pitches[None, :]
    overtone = np.maximum(1.0, np.rint(ratio))
    off_hz = (ratio - overtone) * pitches[None, :]
    near = np.exp(-0.5 * (off_hz / 9.0) ** 2)
    return near, near / overtone, np.broadcast_to(clear, loud.shape)


def _lowest_voice(samples: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """A low voice's pitch in hertz and its clearness in each frame: summed overtones, and the smoothest way through."""
    from scipy.signal import decimate

    low = decimate(samples.mean(axis=0), 8, ftype="fir").astype(np.float32)[None]
    spectrum = np.abs(short_spectra(low, 2048, HOP // 8)[0])[:, :frames]
    spectrum = np.pad(spectrum, ((0, 0), (0, frames - spectrum.shape[1])), mode="edge") ** 0.5
    steps = round(12 * _STEPS_A_SEMITONE * np.log2(_HIGHEST_HZ / _LOWEST_HZ))
    pitches = _LOWEST_HZ * 2 ** (np.arange(steps) / (12 * _STEPS_A_SEMITONE))
    places = np.arange(1, 6)[:, None] * pitches[None, :] * 2048 / (RATE_HZ / 8)
    below = np.floor(places).astype(int)
    part = (places - below)[..., None]
    each = spectrum[below] * (1 - part) + spectrum[below + 1] * part
    strength = (each * (0.8 ** np.arange(5))[:, None, None]).sum(axis=0)
    # A low voice has nothing under it: what is as strong an octave lower is another's overtone.
    strength = strength - 0.3 * strength.mean(axis=0, keepdims=True)
    way = _smoothest_way(strength / (strength.std() + 1e-9))
    clear = strength[way, np.arange(frames)] / (strength.std() + 1e-9)
    return pitches[way], clear


def _smoothest_way(strength: np.ndarray) -> np.ndarray:
    """The row for each column that is strong and seldom leaps: Viterbi's search, a leap costing the same however far."""
    rows, columns = strength.shape
    came_from = np.zeros((columns, rows), np.int32)
    best = strength[:, 0].copy()
    stay = np.arange(rows)
    for column in range(1, columns):
        padded = np.pad(best, 1, constant_values=-np.inf)
        near = np.stack([padded[:-2] - 0.1, best, padded[2:] - 0.1])
        step = near.argmax(axis=0)
        came, value = stay + step - 1, near.max(axis=0)
        leap = int(best.argmax())
        leaps = best[leap] - 2.0 > value
        came_from[column] = np.where(leaps, leap, came)
        best = np.where(leaps, best[leap] - 2.0, value) + strength[:, column]
    way = np.empty(columns, np.int64)
    way[-1] = int(best.argmax())
    for column in range(columns - 1, 0, -1):
        way[column - 1] = came_from[column, way[column]]
    return way


# ----------------------------------------------------------------------------------------- strokes come again


def _come_again(loud: np.ndarray, upright: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """What strokes alike have in common, laid where each of them is: (bins, frames), 0 where there is no stroke."""
    common = np.zeros_like(loud)
    starts = _strokes(flux, loud.shape[1])
    if len(starts) < _ALIKE + 1:
        return common
    edges = np.unique(np.geomspace(2, len(loud), 28).astype(int))
    bands = np.stack([upright[a:b].mean(axis=0) for a, b in pairwise(edges)])
    shapes = np.stack([bands[:, s : s + 4] for s in starts])
    sizes = np.sqrt((shapes**2).sum(axis=(1, 2))) + 1e-9
    flat = np.log(shapes / sizes[:, None, None] + 1e-3).reshape(len(starts), -1)
    apart = ((flat[:, None, :] - flat[None, :, :]) ** 2).mean(axis=2)
    np.fill_diagonal(apart, np.inf)
    patches = np.stack([loud[:, s : s + _PATCH_FRAMES] for s in starts]) / sizes[:, None, None].astype(np.float32)
    for number, start in enumerate(starts):
        alike = np.argpartition(apart[number], _ALIKE)[:_ALIKE]
        patch = np.percentile(patches[alike], 35, axis=0) * sizes[number]
        there = common[:, start : start + _PATCH_FRAMES]
        np.maximum(there, patch, out=there)
    return common


def _strokes(flux: np.ndarray, frames: int) -> np.ndarray:
    """Frames where a stroke starts, one frame early, with room for its patch."""
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(flux, height=0.8, distance=3)
    starts = np.maximum(0, peaks - _BEFORE_FRAMES)
    return starts[starts + _PATCH_FRAMES <= frames]
