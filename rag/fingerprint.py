"""Whether two sounds are the same recording, whole or in part, whatever the loudness, the encoding or a little speed.

Landmarks of the spectrum, as Wang (2003) took them, but matched by pairs on a log frequency axis, so that a copy played a
few percent faster, hence higher, still lies on one line; and each second's level in sixteen bands, which tells an encoding
from a mix that lacks a part. Tells recordings apart, not likeness. Knows nothing of files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from rag.frames import BANDS, FRAME_SECONDS, Frames

_TICKS_A_FRAME = 4
_CENTS = 5  # a step of pitch
_NEAR_CENTS = 22
_NEAR_SECONDS = 0.07
_LEAST = 8
LEVEL_BANDS, _LEVEL_SECONDS = 16, 1.0
_HEARD_DB = 40.0
_ENCODER_DB, _NOTHING_DB, _TAILS_ALIKE = 1.0, 0.08, 0.3
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
    """About 56 bytes a second: the landmarks' bytes counted in four; of each (ticks since the last, pitch), uint16; then
    LEVEL_BANDS levels in dB a second, half floats."""
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
    marks = np.array(rows, "<u2").tobytes()
    return struct.pack("<I", len(marks)) + marks + _levels_of(heard).astype("<f2").tobytes()


def landmarks(fingerprint: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(seconds, cents over A0) of a fingerprint's landmarks."""
    rows = np.frombuffer(fingerprint, "<u2", _marks_bytes(fingerprint) // 2, 4).reshape(-1, 2).astype(np.int64)
    seconds = np.cumsum(rows[:, 0]) * (FRAME_SECONDS / _TICKS_A_FRAME)
    real = rows[:, 1] > 0
    return seconds[real], rows[real, 1] * float(_CENTS)


def levels(fingerprint: bytes) -> np.ndarray:
    """(seconds, LEVEL_BANDS) in dB."""
    return (
        np.frombuffer(fingerprint, "<f2", -1, 4 + _marks_bytes(fingerprint)).reshape(-1, LEVEL_BANDS).astype(np.float64)
    )


def same_levels(one: bytes, other: bytes) -> bool:
    """Whether two sounds of one length differ in their levels no more than an encoder makes them, loudness aside.

    An encoder errs a little and both ways; a mix that lacks a part, or has another, is only ever lower, or higher, and
    does it by more somewhere. So the differences must be small, and their two tails alike.
    """
    a, b = levels(one), levels(other)
    count = min(len(a), len(b))
    if count == 0 or abs(len(a) - len(b)) > 1:
        return False
    a, b = a[:count], b[:count]
    heard = (a > a.max() - _HEARD_DB) | (b > b.max() - _HEARD_DB)
    apart = (a - b)[heard]
    apart = apart - np.median(apart)
    if float(np.percentile(np.abs(apart), 98)) > _ENCODER_DB:
        return False
    low, high = (abs(float(x)) for x in np.percentile(apart, [0.5, 99.5]))
    return max(low, high) < _NOTHING_DB or min(low, high) >= _TAILS_ALIKE * max(low, high)


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


def shares_in_place(asked: bytes, other: bytes, *, parts: int) -> list[float]:
    """Of each part of the asked sound, the share of its landmarks that the other has at the same moment (within 0.1 s)."""
    at, pitch = landmarks(asked)
    other_at, other_pitch = landmarks(other)
    if not len(at) or not len(other_at):
        return [0.0] * parts
    low = np.searchsorted(other_at, at - 0.1)
    high = np.searchsorted(other_at, at + 0.1, side="right")
    here = np.array(
        [bool((np.abs(other_pitch[a:b] - p) <= _NEAR_CENTS).any()) for a, b, p in zip(low, high, pitch, strict=True)]
    )
    part = np.minimum((at / max(1e-9, float(at.max())) * parts).astype(int), parts - 1)
    return [float(here[part == n].mean()) if (part == n).any() else 1.0 for n in range(parts)]


def _marks_bytes(fingerprint: bytes) -> int:
    return int(struct.unpack_from("<I", fingerprint)[0])


def _levels_of(heard: Frames) -> np.ndarray:
    """Mean power in pairs of bands over each whole second or so, in dB."""
    per = round(_LEVEL_SECONDS / FRAME_SECONDS)
    rows = len(heard.bands) // per * per
    pairs = heard.bands[:rows].reshape(-1, per, LEVEL_BANDS, BANDS // LEVEL_BANDS).sum(axis=3).mean(axis=1)
    return np.asarray(10 * np.log10(pairs + 1e-9))


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
