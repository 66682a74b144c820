"""What the composer hands the renderer: parts and their notes, on a grid of ticks.

Ticks are whole numbers, so what is rendered and what is written to the MIDI file are the same notes. Knows nothing of
how they were found or of how they sound.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.harmony import Key, Meter
from agents.knowledge import Instrument, Role

TICKS_PER_QUARTER = 960


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note: when it starts and ends in ticks, its MIDI pitch (or drum key) and velocity 1 to 127."""

    start_tick: int
    end_tick: int
    pitch: int
    velocity: int


@dataclass(slots=True)
class Part:
    """One instrument's notes. name: the stem's name, unique in the score. order: how many parts share its role above it.

    sings: it has a melody that was given, to which nothing is added.
    """

    name: str
    instrument_id: str
    instrument: Instrument
    role: Role
    order: int = 0
    notes: list[Note] = field(default_factory=list)
    sings: bool = False

    @property
    def is_kit(self) -> bool:
        return self.instrument.kit is not None


@dataclass(slots=True)
class Score:
    """A composed plan.

    section_ticks: where each section starts. last_hit_seconds: where the last chord falls. groove_name: the groove that
    was played (a known one, whatever the plan said). seconds: the whole take.
    """

    parts: list[Part]
    key: Key
    meter: Meter
    tempo_bpm: float
    groove_name: str
    section_names: list[str]
    section_ticks: list[int]
    section_energies: list[float]
    last_hit_seconds: float
    seconds: float

    @property
    def quarters_a_minute(self) -> float:
        """The tempo a MIDI file counts: quarter notes, whatever the felt beat is."""
        return self.tempo_bpm * self.meter.quarters_per_felt_beat

    @property
    def seconds_per_tick(self) -> float:
        return 60.0 / (self.quarters_a_minute * TICKS_PER_QUARTER)
