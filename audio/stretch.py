"""Changing a clip's tempo and keeping its pitch, its pitch and keeping its tempo, or both at once.

Signalsmith Stretch (Geraint Luff, MIT licence) through `python-stretch`: on clicks over a tone its onsets land within
0.8 ms and its pitch within 0.02 cent between -4 and +4 %, where Rubber Band R3 drifted by up to 25 ms and 7 cents, at
a third of the speed. Between 0.7 and 1.4 times, and five semitones either way, see docs/tempo.md. Knows nothing of what
the tempo is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from audio.clip import Clip
from audio.work import Progress, Stopped, check_stopped, never, unheard, usable

LEAST_FACTOR, MOST_FACTOR = 0.5, 2.0
MOST_SEMITONES = 12.0
_GRID_SECONDS = 0.003  # beats this near to a straight line are on it
_CONTEXT_SECONDS, _FADE_SECONDS = 0.25, 0.012


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


def stretch_to_grid(
    clip: Clip,
    *,
    from_seconds: Sequence[float],
    to_seconds: Sequence[float],
    semitones: float = 0.0,
    progress: Progress = unheard,
    cancelled: Stopped = never,
) -> Clip:
    """The clip with each of its beats (from_seconds) moved to another grid's (to_seconds), by as few bends as do.

    Both grids: seconds, rising, one for one, at least two. What lies before the first beat keeps the first beat's
    stretch and after the last the last's; what would come before zero is cut off. Raises TempoOutOfRange when a beat
    would be stretched too far, ValueError for grids that do not fit, WorkCancelled.
    """
    clip = usable(clip)
    bends = _bends(np.asarray(from_seconds, float), np.asarray(to_seconds, float), clip.seconds)
    rate = clip.sample_rate_hz
    # Silence where the first beat comes later than it did.
    out = np.zeros((clip.channels, round(bends[-1][1] * rate)), np.float32)
    fade = round(_FADE_SECONDS * rate)
    for number, ((from_start, to_start), (from_end, to_end)) in enumerate(pairwise(bends)):
        check_stopped(cancelled)
        factor = (from_end - from_start) / (to_end - to_start)
        if not LEAST_FACTOR <= factor <= MOST_FACTOR:
            raise TempoOutOfRange(
                f"The beat at {from_start:.1f} s would be played {factor:.2f} times as fast; at most half or double goes."
            )
        start, length = round(to_start * rate), round(to_end * rate) - round(to_start * rate)
        before = min(_CONTEXT_SECONDS, from_start)
        piece = clip.between(from_start - before, from_end + _CONTEXT_SECONDS)
        made = piece.samples
        if abs(factor - 1.0) > 1e-6 or semitones:
            made = _stretched(piece, factor, semitones, round(piece.frames / factor))
        lead = round(before / factor * rate)
        _lay(out, made, start=start, length=length, lead=lead, fade=0 if number == 0 else fade)
        progress((number + 1) / (len(bends) - 1))
    return Clip(out, rate)


def _lay(out: np.ndarray, made: np.ndarray, *, start: int, length: int, lead: int, fade: int) -> None:
    """Put a stretched piece in its place, faded in just before the beat it starts on, so that the beat stays sharp."""
    fade = min(fade, lead, start)
    if start + length <= 0:
        return
    first = max(0, start)
    body = made[:, lead + first - start : lead + length]
    out[:, first : first + body.shape[1]] = body
    if fade > 0:
        ramp = np.linspace(0.0, 1.0, fade, endpoint=False, dtype=np.float32)
        there = out[:, start - fade : start]
        there *= 1 - ramp
        there += made[:, lead - fade : lead] * ramp


def _bends(from_seconds: np.ndarray, to_seconds: np.ndarray, end: float) -> list[tuple[float, float]]:
    """Where the time map bends, with both ends of the clip: beats near a straight line need no bend."""
    if len(from_seconds) != len(to_seconds) or len(from_seconds) < 2:
        raise ValueError("The two grids need the same number of beats, at least two.")
    both = np.stack([from_seconds, to_seconds])
    if not np.isfinite(both).all() or (np.diff(both, axis=1) <= 0.02).any():
        raise ValueError("A grid's beats are numbers that rise.")
    kept = [0]
    while kept[-1] < len(from_seconds) - 1:
        start, reach = kept[-1], kept[-1] + 1
        for stop in range(start + 2, len(from_seconds)):
            inside = slice(start, stop + 1)
            line = np.interp(from_seconds[inside], from_seconds[[start, stop]], to_seconds[[start, stop]])
            if np.abs(line - to_seconds[inside]).max() > _GRID_SECONDS:
                break
            reach = stop
        kept.append(reach)
    points = [(float(from_seconds[place]), float(to_seconds[place])) for place in kept]
    (from_one, to_one), (from_two, to_two) = points[0], points[1]
    first = to_one - from_one * (to_two - to_one) / (from_two - from_one)
    if first < 0:  # the start is cut off where the new time begins
        points[0] = (from_one - to_one * (from_two - from_one) / (to_two - to_one), 0.0)
    elif from_one > 0.02:
        points[0] = (0.0, first)
    (from_one, to_one), (from_two, to_two) = points[-2], points[-1]
    if end > from_two:
        points[-1] = (end, to_two + (end - from_two) * (to_two - to_one) / (from_two - from_one))
    return points


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
