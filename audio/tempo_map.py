"""Quarter notes and seconds: where in the bars of a project a moment of a sound lies.

What MIDI files and DAW projects count in quarters, sound counts in seconds; a tempo map turns one into the other, through every
change of tempo. Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from audio.beats import Beats

_AT_THE_START_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Tempos over a timeline of quarters that begins at a bar line.

    points: (quarter, quarters a minute), ascending, the first at 0; each holds until the next. beats, unit: the time signature.
    sound_quarter: where the sound's first frame lies; more than 0 when the sound begins inside a bar.
    """

    points: tuple[tuple[float, float], ...]
    beats: int = 4
    unit: int = 4
    sound_quarter: float = 0.0

    @classmethod
    def steady(cls, quarters_a_minute: float, *, beats: int = 4, unit: int = 4) -> TempoMap:
        """One tempo throughout, the sound beginning at the first bar line."""
        return cls(((0.0, quarters_a_minute),), beats, unit)

    @classmethod
    def following(cls, tracked: Beats, *, tolerance_seconds: float = 0.002) -> TempoMap:
        """A map whose quarters are the tracked beats, drift and all, and whose bar lines are its downbeats.

        The tempo changes only where a steady one would be off by more than the tolerance.
        """
        bar = tracked.beats_a_bar
        beats = np.asarray(tracked.beats_seconds)
        # The first downbeat lies on the first bar line that leaves room for what comes before it.
        before = beats[tracked.first_downbeat] / tracked.beat_seconds
        room = bar * int(np.ceil(before / bar - 0.02)) if before > 0.02 else 0
        numbers = np.arange(len(beats)) - tracked.first_downbeat + room
        clear = int(np.argmax(beats > _AT_THE_START_SECONDS))  # a beat at the very start may be rounded to it
        sound_quarter = max(0.0, float(numbers[clear] - beats[clear] / tracked.beat_seconds))
        start = (sound_quarter, 0.0)
        anchors = [
            start,
            *((float(n), float(t)) for n, t in zip(numbers, beats, strict=True) if t > _AT_THE_START_SECONDS),
        ]
        kept = _corners(anchors, tolerance=tolerance_seconds)
        points = [
            (quarter, 60.0 * (after - quarter) / (end - when)) for (quarter, when), (after, end) in pairwise(kept)
        ]
        points = points or [(0.0, tracked.tempo_bpm)]
        return cls(((0.0, points[0][1]), *points[1:]), bar, 4, sound_quarter)

    def seconds_at(self, quarter: float) -> float:
        """When a quarter falls, in seconds of the sound; negative before it begins."""
        return self._elapsed(quarter) - self._elapsed(self.sound_quarter)

    def quarter_at(self, seconds: float) -> float:
        """The inverse of `seconds_at`."""
        left = seconds + self._elapsed(self.sound_quarter)
        for (quarter, tempo), (after, _) in pairwise(self.points):
            lasts = (after - quarter) * 60.0 / tempo
            if left < lasts:
                return quarter + left * tempo / 60.0
            left -= lasts
        quarter, tempo = self.points[-1]
        return quarter + left * tempo / 60.0

    @property
    def lead_seconds(self) -> float:
        """How long after the timeline's beginning the sound begins."""
        return self._elapsed(self.sound_quarter)

    @property
    def quarters_a_bar(self) -> float:
        return self.beats * 4 / self.unit

    def _elapsed(self, quarter: float) -> float:
        """Seconds from the timeline's beginning."""
        passed = 0.0
        for (start, tempo), (after, _) in pairwise(self.points):
            if quarter <= after:
                return passed + (quarter - start) * 60.0 / tempo
            passed += (after - start) * 60.0 / tempo
        start, tempo = self.points[-1]
        return passed + (quarter - start) * 60.0 / tempo


def _corners(points: list[tuple[float, float]], *, tolerance: float) -> list[tuple[float, float]]:
    """The fewest of the points between which straight lines keep the others' second value within the tolerance."""
    where, when = np.array(points).T
    kept = {0, len(points) - 1}
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        off = np.abs(
            when[first : last + 1] - np.interp(where[first : last + 1], where[[first, last]], when[[first, last]])
        )
        worst = int(np.argmax(off))
        if off[worst] > tolerance:
            kept.add(first + worst)
            spans += [(first, first + worst), (first + worst, last)]
    return [points[index] for index in sorted(kept)]
