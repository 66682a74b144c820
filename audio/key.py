"""The key of what was heard by pitch class.

Knows nothing of files; the caller says how strongly each pitch class sounded.
"""

from __future__ import annotations

import numpy as np

from audio.analysis import _MAJOR, _MINOR, KeyEstimate


def key_of(tonal: np.ndarray, bass: np.ndarray) -> KeyEstimate:
    """The key. tonal, bass: (frames, bins), strength by pitch class from C, some bins a semitone; bass: the low part."""
    per = tonal.shape[1] // 12
    whole = tonal.sum(axis=0)
    weight = np.roll(whole, per // 2).reshape(12, per).sum(axis=1)
    scores = sorted(
        (
            (float(np.corrcoef(weight, np.roll(profile, tonic))[0, 1]), tonic, mode)
            for mode, profile in (("major", _MAJOR), ("minor", _MINOR))
            for tonic in range(12)
        ),
        reverse=True,
    )
    best, second = scores[0], scores[1]
    return KeyEstimate(best[1], best[2], float(np.clip((best[0] - second[0]) * 5, 0, 1)))
