"""BPM sync: a clip bent so that its beats fall on a grid, exact to the sample.

Where the clip is steady it is stretched in one piece; where it drifts, in pieces between its own beats, joined just before a beat
so that no stroke is cut. The pitch stays. Knows nothing of how the beats were found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from audio.beats import Beats
from audio.clip import Clip
from audio.stretch import stretch

_TOLERANCE_SECONDS = 0.001  # how far a beat may lie off a piece's line before the piece is divided
_MARGIN_SECONDS = 0.2  # heard on either side of a piece, so that the stretching is in full swing when it counts
_FADE_SECONDS = 0.02
_BEFORE_BEAT_SECONDS = 0.006


@dataclass(frozen=True, slots=True)
class Synced:
    """A clip on a grid: its sound, and where its beats lie now (each at a whole frame)."""

    clip: Clip
    beats: Beats


def sync_to_tempo(
    clip: Clip, beats: Beats, *, tempo_bpm: float, progress: Callable[[float], None] | None = None
) -> Synced:
    """The clip at a steady tempo. progress: told 0 to 1; what it raises ends the work.

    What comes before the first beat is stretched as the beats are on the whole. Raises audio.stretch.TempoOutOfRange when some
    part would have to leave half to double speed.
    """
    lead = beats.beats_seconds[0] * beats.tempo_bpm / tempo_bpm
    places = lead + 60.0 / tempo_bpm * np.arange(len(beats.beats_seconds))
    return _on_grid(clip, beats, places.tolist(), tempo_bpm=tempo_bpm, progress=progress)


def sync_to_beats(clip: Clip, beats: Beats, *, to: Beats, progress: Callable[[float], None] | None = None) -> Synced:
    """The clip laid on another track's beats, drift and all: its first downbeat falls on that track's first downbeat.

    What would come before that track's start is cut off. progress and errors as `sync_to_tempo`.
    """
    shift = to.first_downbeat - beats.first_downbeat
    places = [to.seconds_at(number + shift) for number in range(len(beats.beats_seconds))]
    return _on_grid(clip, beats, places, tempo_bpm=to.tempo_bpm, progress=progress)


def _on_grid(
    clip: Clip, beats: Beats, places_seconds: Sequence[float], *, tempo_bpm: float,
    progress: Callable[[float], None] | None,
) -> Synced:  # fmt: skip
    rate = clip.sample_rate_hz
    source = np.rint(np.asarray(beats.beats_seconds) * rate).astype(int)
    target = np.rint(np.asarray(places_seconds) * rate).astype(int)
    ratio = beats.tempo_bpm / tempo_bpm  # of the new length to the old
    knots = _knots(source, target, tolerance=_TOLERANCE_SECONDS * rate)
    begin = (0, target[0] - round(source[0] * ratio))
    end = (clip.frames, target[-1] + round((clip.frames - source[-1]) * ratio))
    inner = [(int(source[k]), int(target[k])) for k in knots]
    # The first and the last stretch of beats go on into what comes before and after: no joint for a few frames.
    points = [begin, *(point for point in inner if begin[0] < point[0] < clip.frames), end]
    if len(knots) == 2:
        points = _straight(inner[0], inner[1], clip.frames)
    made = _joined(clip, points, progress=progress)
    skipped = points[0][1]
    samples = made[:, max(0, -skipped) :]
    if skipped > 0:
        samples = np.pad(samples, ((0, 0), (skipped, 0)))
    frames = target[(target >= 0) & (target < samples.shape[1])]
    downs = {int(target[k]) for k in _numbers_of(beats.downbeats_seconds, beats.beats_seconds)}
    return Synced(
        Clip(samples, rate),
        Beats(
            tuple((frames / rate).tolist()), tuple(float(frame / rate) for frame in frames if int(frame) in downs), tempo_bpm,
            beats.beats_a_bar, beats.confidence,
        ),
    )  # fmt: skip


def _straight(first: tuple[int, int], last: tuple[int, int], frames: int) -> list[tuple[int, int]]:
    """One piece from the clip's start to its end along the line through two beats."""
    slope = (last[1] - first[1]) / max(1, last[0] - first[0])
    return [(0, first[1] - round(first[0] * slope)), (frames, first[1] + round((frames - first[0]) * slope))]


def _numbers_of(some: Sequence[float], all_of_them: Sequence[float]) -> list[int]:
    return [int(number) for number in np.searchsorted(np.asarray(all_of_them), np.asarray(some) - 1e-9)]


def _knots(source: np.ndarray, target: np.ndarray, *, tolerance: float) -> list[int]:
    """The fewest beats between which straight lines keep all others within `tolerance` frames (Douglas and Peucker 1973)."""
    kept = {0, len(source) - 1}
    spans = [(0, len(source) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        line = np.interp(source[first : last + 1], source[[first, last]], target[[first, last]])
        off = np.abs(target[first : last + 1] - line)
        worst = int(np.argmax(off))
        if off[worst] > tolerance:
            kept.add(first + worst)
            spans += [(first, first + worst), (first + worst, last)]
    return sorted(kept)


def _joined(clip: Clip, points: Sequence[tuple[int, int]], *, progress: Callable[[float], None] | None) -> np.ndarray:
    """The clip stretched so that each (source frame, target frame) meets; starts at the first point's target."""
    rate = clip.sample_rate_hz
    origin = points[0][1]
    made = np.zeros((clip.channels, max(0, points[-1][1] - origin)), np.float32)
    filled = 0
    pieces = list(pairwise(points))
    for number, ((source, target), (source_end, target_end)) in enumerate(pieces):
        if target_end <= target or source_end <= source:
            continue
        factor = (source_end - source) / (target_end - target)
        margin = round(_MARGIN_SECONDS * rate)
        before, after = min(source, margin), min(clip.frames - source_end, margin)
        piece = stretch(Clip(clip.samples[:, source - before : source_end + after], rate), factor=factor).samples
        led = round(before / factor)
        start, end = target - origin, target_end - origin
        fade = min(round(_FADE_SECONDS * rate), led, filled, (end - start) // 2) if number else 0
        ahead = min(round(_BEFORE_BEAT_SECONDS * rate), max(0, led - fade))
        joint = start - ahead
        begin = joint - fade
        new = piece[:, led - ahead - fade : led + end - start]
        if fade:
            new = new.copy()
            new[:, :fade] = _crossfaded(made[:, begin:joint], new[:, :fade])
        made[:, begin : begin + new.shape[1]] = new[:, : made.shape[1] - begin]
        filled = end
        if progress is not None:
            progress((number + 1) / len(pieces))
    return made


def _crossfaded(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """From one to the other at an even power, however alike the two are."""
    rise = np.linspace(0.0, 1.0, old.shape[1], dtype=np.float32)
    size = float(np.sqrt((old**2).sum() * (new**2).sum()))
    alike = float(np.clip((old * new).sum() / size, 0.0, 1.0)) if size > 0 else 1.0
    power = (1 - rise) ** 2 + rise**2 + 2 * rise * (1 - rise) * alike
    return ((1 - rise) * old + rise * new) / np.sqrt(np.maximum(power, 1e-6))
