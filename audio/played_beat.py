"""The beat somebody had in mind who played or hummed a melody without a click.

Every tempo a melody is likely to have is laid over the onsets, and the one on which most of what sounds begins on a beat,
or on a half or a quarter of it, is taken; then beat and phase are fitted to the onsets by least squares, so that a tempo
that is a little off does not add up. Knows nothing of pitch or of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SLOWEST_BPM, _FASTEST_BPM = 55.0, 180.0
_USUAL_BPM, _OCTAVES = 100.0, 0.8
_NEAR_SECONDS = 0.045
# What beginning there says for a beat: on it, half-way, at a third, at a quarter.
_PLACES = ((1, 1.0), (2, 0.72), (3, 0.45), (4, 0.4))
_FILLED = 0.4  # how much beats on which nothing begins speak against a tempo
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class PlayedBeat:
    """tempo_bpm: beats a minute. first_seconds: where the beat nearest to the first onset lies."""

    tempo_bpm: float
    first_seconds: float

    def beat_at(self, seconds: float) -> float:
        """A moment in beats from the first."""
        return (seconds - self.first_seconds) * self.tempo_bpm / 60.0


def beat_of(onsets_seconds: Sequence[float], lasts_seconds: Sequence[float]) -> PlayedBeat | None:
    """The beat of notes that begin then and last so long; None for fewer than three, which have no beat."""
    onsets = np.asarray(onsets_seconds, float)
    if len(onsets) < 3 or onsets[-1] - onsets[0] < 0.5:
        return None
    weights = np.sqrt(np.clip(lasts_seconds, 0.05, 1.5))
    tempos = np.geomspace(_SLOWEST_BPM, _FASTEST_BPM, 400)
    worth = np.array([_worth(onsets, weights, tempo) for tempo in tempos])
    tempo = float(tempos[int(worth.argmax())])
    first = float(onsets[0])
    for _ in range(_ROUNDS):
        steps = _nearest_steps((onsets - first) * tempo / 60.0)
        if len(set(steps.tolist())) < 2:
            break
        slope, first = np.polyfit(steps, onsets, 1, w=weights)
        tempo = 60.0 / float(slope)
    return PlayedBeat(tempo, float(first))


def _worth(onsets: np.ndarray, weights: np.ndarray, tempo: float) -> float:
    """How well the onsets lie on a tempo's beats, counted from the first one, and how usual it is.

    Each is compared with the one before it as well, so that a tempo that wanders is found too.
    """
    usual = np.exp(-0.5 * (np.log2(tempo / _USUAL_BPM) / _OCTAVES) ** 2)
    whole = _on_places((onsets - onsets[0])[1:], tempo) @ weights[1:]
    near = _on_places(np.diff(onsets), tempo) @ weights[1:]
    filled = min(1.0, len(onsets) / max(1.0, (onsets[-1] - onsets[0]) * tempo / 60.0))
    return float(usual * filled**_FILLED * (0.5 * whole + 0.5 * near))


def _on_places(seconds: np.ndarray, tempo: float) -> np.ndarray:
    beats = seconds * tempo / 60.0
    best = np.zeros(len(seconds))
    for parts, says in _PLACES:
        off = np.abs(beats * parts - np.round(beats * parts)) / parts * 60.0 / tempo
        best = np.maximum(best, says * np.exp(-0.5 * (off / _NEAR_SECONDS) ** 2))
    return best


def _nearest_steps(beats: np.ndarray) -> np.ndarray:
    """The nearest quarter or third of a beat to each place."""
    quarters, thirds = np.round(beats * 4) / 4, np.round(beats * 3) / 3
    return np.where(np.abs(beats - quarters) <= np.abs(beats - thirds) + 0.03, quarters, thirds)
