"""The beat clock: what beat it is at which second, whoever keeps the time.

Seconds are those of `time.perf_counter()`, which all processes of a machine share and Windows keeps finer than any other clock;
beats are quarter notes and go on below zero and past the bar. The timeline
always runs, as Ableton Link's does; `playing` says whether the transport does. Knows nothing of networks, MIDI or sound.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

SLOWEST_BPM, FASTEST_BPM = 20.0, 999.0  # Link's own limits


class ClockError(Exception):
    """The clock cannot do that; the message is a sentence for the user."""


class BeatClock(Protocol):
    """What plays in time reads this and nothing else."""

    @property
    def tempo_bpm(self) -> float:
        """Quarter notes a minute."""

    @property
    def playing(self) -> bool:
        """Whether the transport runs; beats go by either way."""

    def beat_at(self, seconds: float) -> float:
        """The beat at a moment of `time.perf_counter()`."""

    def seconds_at(self, beat: float) -> float:
        """The moment of a beat, by the tempo as it is now; the inverse of `beat_at`."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """One steady stretch of time: `beat` falls on `seconds`, and the rest follows from the tempo."""

    seconds: float
    beat: float
    tempo_bpm: float
    playing: bool = False

    def beat_at(self, seconds: float) -> float:
        """The beat at a moment of `time.perf_counter()`."""
        return self.beat + (seconds - self.seconds) * self.tempo_bpm / 60.0

    def seconds_at(self, beat: float) -> float:
        """The moment of a beat."""
        return self.seconds + (beat - self.beat) * 60.0 / self.tempo_bpm


class FreeClock:
    """A clock of our own, that nobody else follows or leads. Thread-safe: readers see one whole timeline or the next."""

    def __init__(self, tempo_bpm: float = 120.0) -> None:
        self._line = Timeline(perf_counter(), 0.0, checked_tempo(tempo_bpm))
        self._lock = threading.Lock()

    @property
    def tempo_bpm(self) -> float:
        return self._line.tempo_bpm

    @property
    def playing(self) -> bool:
        return self._line.playing

    @property
    def timeline(self) -> Timeline:
        """All of it at one moment, for reading several values that belong together."""
        return self._line

    def beat_at(self, seconds: float) -> float:
        return self._line.beat_at(seconds)

    def seconds_at(self, beat: float) -> float:
        return self._line.seconds_at(beat)

    def start(self, *, beat: float = 0.0, at: float | None = None) -> None:
        """Run the transport with `beat` falling on the moment `at` (None: now), which may lie ahead."""
        with self._lock:
            moment = perf_counter() if at is None else at
            self._line = replace(self._line, seconds=moment, beat=beat, playing=True)

    def stop(self) -> None:
        """Stop the transport; the beats go on."""
        with self._lock:
            self._line = replace(self._line, playing=False)

    def set_tempo(self, tempo_bpm: float, *, at: float | None = None) -> None:
        """Change the tempo at the moment `at` (None: now); the beat of that moment stays what it was.

        Raises ClockError for a tempo outside 20 to 999.
        """
        tempo = checked_tempo(tempo_bpm)
        with self._lock:
            moment = perf_counter() if at is None else at
            beat = self._line.beat_at(moment)
            self._line = replace(self._line, seconds=moment, beat=beat, tempo_bpm=tempo)


def checked_tempo(tempo_bpm: float) -> float:
    """The tempo as it was given. Raises ClockError for one that no clock here keeps."""
    if not SLOWEST_BPM <= tempo_bpm <= FASTEST_BPM:  # not a number is in no range
        raise ClockError(f"The tempo must be between {SLOWEST_BPM:.0f} and {FASTEST_BPM:.0f} bpm.")
    return float(tempo_bpm)


def next_bar(clock: BeatClock, seconds: float, *, beats_a_bar: float = 4.0) -> float:
    """The moment of the first bar line at or after `seconds`; bars begin at beat 0 and its multiples."""
    # A bar line that was met exactly must not be missed by the last bit of a division.
    bar = math.ceil(clock.beat_at(seconds) / beats_a_bar - 1e-9)
    return clock.seconds_at(bar * beats_a_bar)
