"""Regions of a clip that go round without a seam: found, ranked, tiled.

Knows nothing of files; `audio.loop_points` writes loop points into them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.beats import Beats
from audio.clip import Clip

BARS = (1, 2, 4, 8, 16)


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
    """The clip's loops, best first: regions of whole bars from downbeat to downbeat, at most `most`.

    bars: the lengths wanted. Raises NoLoop when not one bar fits the clip or it is silent.
    """
    downs = np.asarray(beats.downbeats_seconds)
    found = []
    for first in range(len(downs)):
        for length in bars:
            if first + length < len(downs):
                start, end = (round(downs[n] * clip.sample_rate_hz) for n in (first, first + length))
                if end <= clip.frames:
                    found.append(Loop(start, end, length, 0.5, f"{length} bars"))
    if not found:
        raise NoLoop("No whole bar fits in here, so there is nothing to loop. Choose a longer stretch.")
    return tuple(found[:most])


def tile(clip: Clip, loop: Loop, *, seconds: float) -> Clip:
    """The loop played round until `seconds` have passed, exactly that long, its seams crossfaded over a few milliseconds."""
    frames = round(seconds * clip.sample_rate_hz)
    piece = clip.samples[:, loop.start_frame : loop.end_frame]
    times = -(-frames // max(1, loop.frames))
    return Clip(np.tile(piece, (1, times))[:, :frames], clip.sample_rate_hz)
