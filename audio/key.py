"""The key of what was heard by pitch class, whole and bass apart.

Correlation with Albrecht and Shanahan's profiles (2013), as in `audio.analysis.estimate_key`, and besides what the bass
rests on: it tells a key from its relative, which has the same notes. Knows nothing of files.
"""

from __future__ import annotations

import numpy as np

from audio.analysis import MAJOR_PROFILE, MINOR_PROFILE, KeyEstimate

_BASS_TONIC, _BASS_FIFTH = 1.5, 0.5
_MINOR_LEAN = 0.1  # chords of the seventh and borrowed thirds make minor look like its relative


def key_of(tonal: np.ndarray, bass: np.ndarray) -> KeyEstimate:
    """The key, and its lead over the next best as confidence (0 when nothing had a pitch).

    tonal, bass: (frames, bins), strength by pitch class from C, some bins a semitone; bass: the low part alone.
    """
    whole, low = _shares(tonal), _shares(bass)
    if not whole.any():
        return KeyEstimate(0, "major", 0.0)
    scores = sorted(
        (
            (
                float(np.corrcoef(whole, np.roll(profile, tonic))[0, 1]) + lean
                + _BASS_TONIC * float(low[tonic]) + _BASS_FIFTH * float(low[(tonic + 7) % 12]),
                tonic,
                mode,
            )
            for mode, profile, lean in (("major", MAJOR_PROFILE, 0.0), ("minor", MINOR_PROFILE, _MINOR_LEAN))
            for tonic in range(12)
        ),
        reverse=True,
    )  # fmt: skip
    best, second = scores[0], scores[1]
    return KeyEstimate(best[1], best[2], float(np.clip((best[0] - second[0]) * 4, 0, 1)))


def _shares(rows: np.ndarray) -> np.ndarray:
    """(12,): each pitch class's share, every frame counting alike, a semitone's bins round its middle added up."""
    per = rows.shape[1] // 12
    total = rows.sum(axis=1, keepdims=True)
    even = np.divide(rows, total, out=np.zeros_like(rows), where=total > 1e-6).sum(axis=0)
    classes = np.roll(even, per // 2).reshape(12, per).sum(axis=1)
    return np.asarray(classes / max(1e-9, float(classes.sum())))
