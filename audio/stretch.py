"""Changing a clip's tempo and keeping its pitch, its pitch and keeping its tempo, or both at once.

Signalsmith Stretch (Geraint Luff, MIT licence) through `python-stretch`: on clicks over a tone its onsets land within
0.8 ms and its pitch within 0.02 cent between -4 and +4 %, where Rubber Band R3 drifted by up to 25 ms and 7 cents, at
a third of the speed. Between 0.7 and 1.4 times, and five semitones either way, see docs/stretch.md. Knows nothing of what
the tempo is.
"""

from __future__ import annotations

import numpy as np

from audio.clip import Clip
from audio.work import usable

LEAST_FACTOR, MOST_FACTOR = 0.5, 2.0
MOST_SEMITONES = 12.0


class TempoOutOfRange(ValueError):
    """A clip was to be stretched or shifted so far that artefacts would dominate."""


def stretch(clip: Clip, *, factor: float) -> Clip:
    """The clip `factor` times as fast, round(frames / factor) long; the same clip and factor give the same samples.

    Raises TempoOutOfRange when the factor leaves 0.5 to 2.0.
    """
    return stretch_and_shift(clip, factor=factor)


def stretch_to_tempo(clip: Clip, *, from_bpm: float, to_bpm: float, semitones: float = 0.0) -> Clip:
    """The clip at another tempo, and in another key if semitones are given; beats land where the new tempo has them.

    Its length is round(frames · from_bpm / to_bpm). Raises TempoOutOfRange when the tempo would more than halve or double.
    """
    if not (from_bpm > 0 and to_bpm > 0 and np.isfinite(from_bpm) and np.isfinite(to_bpm)):
        raise TempoOutOfRange(f"A tempo is a number of beats a minute, not {from_bpm:g} or {to_bpm:g}.")
    return stretch_and_shift(clip, factor=to_bpm / from_bpm, semitones=semitones)


def shift_key(clip: Clip, *, semitones: float) -> Clip:
    """The clip so many semitones higher (lower when negative), as long and as fast as before.

    Raises TempoOutOfRange beyond an octave.
    """
    return stretch_and_shift(clip, semitones=semitones)


def stretch_and_shift(clip: Clip, *, factor: float = 1.0, semitones: float = 0.0) -> Clip:
    """The clip `factor` times as fast and `semitones` higher, round(frames / factor) long, in one pass.

    Raises TempoOutOfRange, and SoundUnusable for samples that are no numbers.
    """
    if not LEAST_FACTOR <= factor <= MOST_FACTOR:
        raise TempoOutOfRange(
            f"A tempo can be halved at most and doubled at most, not made {factor:.2f} times as fast."
        )
    if not abs(semitones) <= MOST_SEMITONES:
        raise TempoOutOfRange(f"A key can be shifted by up to {MOST_SEMITONES:g} semitones, not by {semitones:g}.")
    if clip.frames == 0 or (factor == 1.0 and semitones == 0.0):
        return clip
    return Clip(_stretched(usable(clip), factor, semitones, round(clip.frames / factor)), clip.sample_rate_hz)


def _stretched(clip: Clip, factor: float, semitones: float, frames: int) -> np.ndarray:
    """(channels, frames): stretched, then resampled where the key changes too.

    The stretcher's own transposition misses low notes by up to 17 cents, while its stretch keeps pitch within a hundredth
    of one: so a higher key is a longer stretch played faster.
    """
    from python_stretch.Signalsmith import Stretch

    ratio = 2 ** (semitones / 12)
    stretcher = Stretch(1)  # a seed: its phases are partly drawn
    stretcher.preset(clip.channels, float(clip.sample_rate_hz))
    stretcher.setTimeFactor(factor / ratio)
    # It looks ahead by half a block; a clip shorter than that is lengthened by silence first.
    least = 2 * stretcher.blockSamples()
    samples = np.pad(clip.samples, ((0, 0), (0, max(0, least - clip.frames))))
    made = np.asarray(stretcher.process(np.ascontiguousarray(samples)), np.float32)
    if ratio != 1.0:
        made = _played_faster(made, ratio)
    return np.pad(made, ((0, 0), (0, max(0, frames - made.shape[1]))))[:, :frames]


def _played_faster(samples: np.ndarray, ratio: float) -> np.ndarray:
    import soxr

    # The ratio as two rates: soxr takes any.
    played = soxr.resample(np.ascontiguousarray(samples.T), ratio * 48_000.0, 48_000.0, quality="HQ")
    return np.ascontiguousarray(played.T, np.float32)
