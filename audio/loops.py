"""Regions of a clip that go round without a seam: found, ranked, played round.

Bars are compared with bars by what their bands and harmony do (after Foote, "Visualizing Music and Audio using Self-Similarity",
ACM MM 1999): a region is a good loop when what follows it is what it begins with, when the whole clip repeats at its length, and
no shorter length would do. Knows nothing of files; `audio.loop_points` writes loop points into them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from audio.beats import Beats, levels_of
from audio.clip import Clip

BARS = (1, 2, 3, 4, 6, 8, 12, 16)
_STEPS_A_BEAT = 4
_LENGTH_PRICE = 0.015  # what a doubling of the length must bring in likeness to be worth it
_SEAM_SECONDS = 0.005  # how far both ends may move together to find a quiet place
_FADE_SECONDS = 0.008


class NoLoop(ValueError):
    """No part of the clip goes round; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A region that goes round: [start_frame, end_frame). bars: its length. score: 0 to 1. why: a few words for the user."""

    start_frame: int
    end_frame: int
    bars: int
    score: float
    why: str

    @property
    def frames(self) -> int:
        return self.end_frame - self.start_frame


def find_loops(clip: Clip, beats: Beats, *, bars: tuple[int, ...] = BARS, most: int = 12) -> tuple[Loop, ...]:
    """The clip's loops, best first: whole bars from downbeat to downbeat, at most `most`; no two are mere shifts by a bar.

    bars: the lengths wanted. Raises NoLoop when not one bar fits the clip, or it is silent.
    """
    edges = _bar_edges(clip, beats)
    if len(edges) < 2 or not np.isfinite(clip.samples).all() or float(np.abs(clip.samples).max(initial=0.0)) < 1e-4:
        raise NoLoop("No whole bar of sound fits in here, so there is nothing to loop. Choose a longer stretch.")
    likeness = _likeness(clip, edges, beats.beats_a_bar)
    count = len(edges) - 1
    usable = [length for length in sorted(set(bars)) if 0 < length <= count]
    repeats = {length: _repeats(likeness, length) for length in usable}
    found = [
        _loop_at(edges, likeness, repeats, first, length) for length in usable for first in range(count - length + 1)
    ]
    if not found:
        raise NoLoop(f"The clip has {count} whole bars; ask for loops of so many at most.")
    best = _apart(sorted(found, key=lambda loop: (-loop.score, loop.start_frame)), most=most)
    return tuple(_with_quiet_seam(clip, loop) for loop in best)


def looped(clip: Clip, loop: Loop) -> Clip:
    """The region by itself, made to be played round: its end fades over a few milliseconds into what comes before its start."""
    samples = clip.samples[:, loop.start_frame : loop.end_frame].copy()
    fade = min(round(_FADE_SECONDS * clip.sample_rate_hz), loop.start_frame, loop.frames // 4)
    if fade > 1:
        before = clip.samples[:, loop.start_frame - fade : loop.start_frame]
        rise = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        samples[:, -fade:] = samples[:, -fade:] * (1 - rise) + before * rise
    return Clip(samples, clip.sample_rate_hz)


def tile(clip: Clip, loop: Loop, *, seconds: float) -> Clip:
    """The loop played round until `seconds` have passed, exactly that long."""
    frames = round(seconds * clip.sample_rate_hz)
    piece = looped(clip, loop).samples
    return Clip(np.tile(piece, (1, -(-frames // max(1, loop.frames))))[:, :frames], clip.sample_rate_hz)


def _bar_edges(clip: Clip, beats: Beats) -> np.ndarray:
    """The downbeats in frames, and the end of the last whole bar."""
    downs = list(beats.downbeats_seconds)
    if downs:
        numbers = [beats.beat_at(downs[-1]) + beats.beats_a_bar]
        downs += [beats.seconds_at(number) for number in numbers]
    frames = np.rint(np.asarray(downs) * clip.sample_rate_hz).astype(int)
    return frames[(frames >= 0) & (frames <= clip.frames)]


def _likeness(clip: Clip, edges: np.ndarray, beats_a_bar: int) -> np.ndarray:
    """How alike each two bars are, 0 to 1, (bars, bars): what bands do at every sixteenth, and the harmony of every beat."""
    bands, pitches = levels_of(clip)
    steps = beats_a_bar * _STEPS_A_BEAT
    places = np.concatenate([np.linspace(a, b, steps, endpoint=False) for a, b in pairwise(edges)])
    places = np.append(places, edges[-1]) / clip.sample_rate_hz
    levels = _step_means(np.maximum(bands.level_db, 20.0), places / bands.hop_seconds)
    tones = _step_means(10 ** (pitches.level_db / 40), places[::_STEPS_A_BEAT] / pitches.hop_seconds)
    bars = len(edges) - 1
    levels, tones = levels.reshape(bars, -1), tones.reshape(bars, -1)
    tones = np.log1p(tones / (tones.mean() + 1e-9))
    level_off = np.stack([np.sqrt(((levels - row) ** 2).mean(axis=1)) for row in levels])
    tone_off = np.stack([np.sqrt(((tones - row) ** 2).mean(axis=1)) for row in tones])
    return np.exp(-level_off / 6.0) * 0.5 + np.exp(-tone_off / 0.35) * 0.5


def _step_means(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    places = np.clip(np.rint(edges).astype(int), 0, len(values))
    ends = np.maximum(places[1:], np.minimum(places[:-1] + 1, len(values)))
    return (sums[ends] - sums[places[:-1]]) / np.maximum(1, ends - places[:-1])[:, None]


def _repeats(likeness: np.ndarray, length: int) -> float:
    """How well the clip repeats at a length in bars: the likeness of the bars that far apart, 0 when none are."""
    pairs = np.diagonal(likeness, length)
    return float(np.mean(pairs)) if len(pairs) else 0.0


def _loop_at(edges: np.ndarray, likeness: np.ndarray, repeats: dict[int, float], first: int, length: int) -> Loop:
    """One region and its score: how its seam joins, how the clip repeats at its length, and what the length costs."""
    after = first + length
    bars = len(likeness)
    follows = likeness[after, first] if after < bars else None
    leads = likeness[after - 1, first - 1] if first else None
    known = [float(each) for each in (follows, leads) if each is not None]
    joins = float(np.mean(known)) if known else 0.5
    if follows is None:
        joins *= 0.97  # nothing shows what would have come
    shorter = max((repeats[each] for each in repeats if length % each == 0 and each < length), default=0.0)
    gain = min(1.0, max(0.0, repeats[length] - shorter) * 5)
    score = 0.55 * joins + 0.4 * repeats[length] + 0.05 * gain - _LENGTH_PRICE * float(np.log2(length))
    if repeats[length] == 0.0:  # longer than half the clip: nothing is there to compare with
        score = 0.55 * joins + 0.4 * max(repeats.values()) * 0.8 - _LENGTH_PRICE * float(np.log2(length))
    return Loop(
        int(edges[first]),
        int(edges[after]),
        length,
        float(np.clip(score, 0.0, 1.0)),
        _why(length, joins, repeats[length], shorter),
    )


def _why(length: int, joins: float, repeats: float, shorter: float) -> str:
    bars = "1 bar" if length == 1 else f"{length} bars"
    if joins > 0.85:
        seam = "goes on as it begins"
    elif joins > 0.6:
        seam = "joins well"
    else:
        seam = "turns audibly"
    round_ = ", the music comes round at this length" if repeats > 0.6 and repeats > shorter + 0.02 else ""
    return f"{bars}, {seam}{round_}"


def _with_quiet_seam(clip: Clip, loop: Loop) -> Loop:
    """Both ends moved together by a few milliseconds, to where the sound is nearest to zero and going the same way."""
    start, end = loop.start_frame, loop.end_frame
    reach = min(round(_SEAM_SECONDS * clip.sample_rate_hz), start, clip.frames - end - 1)
    if reach < 1:
        return loop
    mono_start = clip.samples[:, start - reach : start + reach + 1].mean(axis=0)
    mono_end = clip.samples[:, end - reach : end + reach + 1].mean(axis=0)
    slope = np.abs(np.diff(mono_start, append=mono_start[-1]) - np.diff(mono_end, append=mono_end[-1]))
    cost = np.abs(mono_start) + np.abs(mono_end) + np.abs(mono_start - mono_end) + 4 * slope
    cost = cost + 1e-3 * np.abs(np.arange(-reach, reach + 1)) / reach
    shift = int(np.argmin(cost)) - reach
    return replace(loop, start_frame=start + shift, end_frame=end + shift)


def _apart(ranked: list[Loop], *, most: int) -> list[Loop]:
    """The best of each neighbourhood: a loop that is another of its length moved by less than half of it is left out."""
    kept: list[Loop] = []
    for loop in ranked:
        near = any(
            other.bars == loop.bars and abs(other.start_frame - loop.start_frame) < max(1, loop.frames) / 2
            for other in kept
        )
        if not near:
            kept.append(loop)
        if len(kept) == most:
            break
    return kept
