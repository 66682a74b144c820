"""Whether two sounds are the same recording, whole or in part, whatever the loudness, the encoding or a little speed.

Landmarks of the spectrum, as Wang (2003) took them, but matched by pairs on a log frequency axis, so that a copy played a
few percent faster, hence higher, still lies on one line. Tells recordings apart, not likeness. Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rag.frames import FRAME_SECONDS, Frames

_TICKS_A_FRAME = 4
_CENTS = 5  # a step of pitch
_NEAR_CENTS = 22
_NEAR_SECONDS = 0.07
_LEAST = 8
# Speeds tried, as copies are found: none, and up to 4 % either way.
SPEEDS = tuple(float(x) for x in np.exp(np.linspace(-0.04, 0.04, 33)))


@dataclass(frozen=True, slots=True)
class Match:
    """share: of the asked sound's landmarks that lie in the other at one offset and speed, 0 to 1, chance taken off.

    offset_seconds: where the asked sound begins in the other. speed: the asked sound's over the other's.
    """

    share: float
    offset_seconds: float
    speed: float


def fingerprint(heard: Frames) -> bytes:
    """About 24 bytes a second: a row of (ticks since the last, pitch) for each landmark, uint16."""
    ticks = np.round(heard.peaks[:, 0] * _TICKS_A_FRAME).astype(np.int64)
    steps = np.round(heard.peaks[:, 1] / _CENTS).astype(np.int64)
    gaps = np.diff(ticks, prepend=0)
    # A gap longer than the field holds is cut into landmarks of no pitch.
    rows: list[tuple[int, int]] = []
    for gap, step in zip(gaps.tolist(), steps.tolist(), strict=True):
        while gap > 65_535:
            rows.append((65_535, 0))
            gap -= 65_535
        rows.append((max(0, gap), step))
    return np.array(rows, "<u2").tobytes()


def landmarks(fingerprint: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(seconds, cents over A0) of a fingerprint's landmarks."""
    rows = np.frombuffer(fingerprint, "<u2").reshape(-1, 2).astype(np.int64)
    seconds = np.cumsum(rows[:, 0]) * (FRAME_SECONDS / _TICKS_A_FRAME)
    real = rows[:, 1] > 0
    return seconds[real], rows[real, 1] * float(_CENTS)


def match(asked: bytes, other: bytes, *, speeds: tuple[float, ...] = (1.0,)) -> Match:
    """How far the asked sound is a part of the other; share 0 when either holds too little."""
    asked_at, asked_pitch = landmarks(asked)
    at, pitch = landmarks(other)
    if len(asked_at) < _LEAST or len(at) < _LEAST:
        return Match(0.0, 0.0, 1.0)
    order = np.argsort(pitch, kind="stable")
    at, pitch = at[order], pitch[order]
    best = Match(0.0, 0.0, 1.0)
    for speed in speeds:
        found = _aligned(asked_at * speed, asked_pitch - 1200 * np.log2(speed), at, pitch)
        if found[0] > best.share:
            best = Match(found[0], found[1], speed)
    return best


def _aligned(asked_at: np.ndarray, asked_pitch: np.ndarray, at: np.ndarray, pitch: np.ndarray) -> tuple[float, float]:
    """(share, offset) at the offset which most landmarks agree on. pitch is sorted."""
    low = np.searchsorted(pitch, asked_pitch - _NEAR_CENTS)
    high = np.searchsorted(pitch, asked_pitch + _NEAR_CENTS, side="right")
    counts = high - low
    total = int(counts.sum())
    if total == 0:
        return 0.0, 0.0
    asked_rows = np.repeat(np.arange(len(asked_at)), counts)
    rows = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(low, counts)
    offsets = at[rows] - asked_at[asked_rows]
    least = float(offsets.min())
    bins = ((offsets - least) / _NEAR_SECONDS).astype(int)
    votes = np.bincount(bins)
    votes = votes + np.concatenate([votes[1:], [0]])
    best = int(np.argmax(votes))
    inside = (bins == best) | (bins == best + 1)
    agreed = len(np.unique(asked_rows[inside]))
    # What would agree by chance: the pairs spread evenly over all offsets.
    chance = total * 2 * _NEAR_SECONDS / max(float(offsets.max()) - least, _NEAR_SECONDS)
    share = (agreed - chance) / max(1.0, len(asked_at) - chance)
    return max(0.0, float(share)), float(np.median(offsets[inside]))
