"""The chords of a plan against the pitches of a take: is it in the key, bar by bar, or moved, or out of tune?

Works on numbers measured elsewhere; knows nothing of sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.harmony import Chord, Key
from agents.types import SongPlan

# Under this the take follows other chords than the plan's, and only its key can be judged.
_FOLLOWS = 0.5
# Albrecht & Shanahan (2013), as in audio.analysis, from the tonic up.
_PROFILES = {
    False: (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    True: (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}


@dataclass(frozen=True, slots=True)
class Transposition:
    """How far a stretch lies from the plan's chords: semitones up (-5 to 6), how well it agrees as planned and moved.

    follows: False when no move makes it agree: the take has chords of its own.
    """

    semitones: int
    as_planned: float
    moved: float

    @property
    def follows(self) -> bool:
        return max(self.as_planned, self.moved) >= _FOLLOWS


def planned_chords(plan: SongPlan, *, without: int | None = None) -> list[tuple[int, Chord]]:
    """(section, chord) of every bar in order, one section left out on demand."""
    return [
        (number, Chord.parse(section.chords.value[bar % len(section.chords.value)]))
        for number, section in enumerate(plan.sections)
        for bar in range(section.bars.value)
        if number != without
    ]


def transposition(key: Key, chords: Sequence[Chord], classes: Sequence[Sequence[float]]) -> Transposition:
    """The move, the same for all these bars, that makes their pitches agree best with the chords planned for them."""
    count = min(len(chords), len(classes))
    heard = _unit(np.array([classes[i] for i in range(count)]).reshape(count, 12))
    planned = _unit(np.array([_template(key, chords[i]) for i in range(count)]).reshape(count, 12))
    if not count or not heard.any():
        return Transposition(0, 0.0, 0.0)
    pitched = max(1, int(heard.any(axis=1).sum()))
    scores = [float((heard * np.roll(planned, move, axis=1)).sum()) / pitched for move in range(12)]
    best = max(range(1, 12), key=lambda move: scores[move])
    if scores[0] >= scores[best]:
        return Transposition(0, scores[0], scores[best])
    return Transposition(best if best <= 6 else best - 12, scores[0], scores[best])


def key_of(classes: Sequence[Sequence[float]]) -> tuple[Key, dict[str, float]]:
    """The major or minor key these pitches fit best, and every key's fit (-1 to 1) by name."""
    whole = np.sum(np.array(classes).reshape(-1, 12), axis=0)
    fits: dict[str, float] = {}
    best, best_fit = Key(tonic=0, mode="major"), -2.0
    for is_minor, profile in _PROFILES.items():
        for tonic in range(12):
            fit = float(np.corrcoef(whole, np.roll(profile, tonic))[0, 1]) if whole.std() > 0 else 0.0
            key = Key(tonic=tonic, mode="minor" if is_minor else "major")
            fits[key.name] = fit
            if fit > best_fit:
                best, best_fit = key, fit
    return best, fits


def key_agrees(planned: Key, classes: Sequence[Sequence[float]], *, slack: float = 0.08) -> tuple[bool, Key]:
    """Whether the pitches fit the planned key (or the one of the same notes) about as well as any; and the best."""
    best, fits = key_of(classes)
    plain = Key(tonic=planned.tonic, mode="minor" if planned.is_minor else "major")
    own = max(fits.get(plain.name, -1.0), fits.get(planned.relative.name, -1.0))
    return own >= fits[best.name] - slack, best


def _template(key: Key, chord: Chord) -> list[float]:
    row = [0.0] * 12
    for pitch in key.scale:
        row[pitch] += 0.35
    for pitch in chord.pitch_classes:
        row[pitch % 12] += 1.0
    row[chord.root] += 0.3
    return row


def _unit(rows: np.ndarray) -> np.ndarray:
    """Each row without its mean, of length 1; rows of nothing stay so."""
    level = rows.sum(axis=1, keepdims=True)
    rows = np.where(level > 0, rows - rows.mean(axis=1, keepdims=True), 0.0)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-9)
