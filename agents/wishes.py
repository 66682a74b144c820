"""What a brief asks for, once read: every constraint with who decided it.

The value between the reading of a brief and the planning of a song. Knows nothing of how either is done.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from agents.harmony import Key, Meter, Mode
from agents.reading_form import FormWish
from agents.types import Brief, Decided


class VoiceWish(BaseModel):
    """A voice asked for: the word used, and the instruments that satisfy it, most likely first."""

    model_config = ConfigDict(frozen=True)

    word: str
    instruments: tuple[str, ...]
    role: str | None = None


class TempoRange(BaseModel):
    """The tempos to choose from, in felt beats a minute, and the one to stay near; low == high leaves no choice."""

    model_config = ConfigDict(frozen=True)

    low_bpm: float
    high_bpm: float
    aim_bpm: float

    @property
    def is_fixed(self) -> bool:
        return self.low_bpm == self.high_bpm


class Wishes(BaseModel):
    """Everything a brief asks for. Frozen: planning with another seed starts from the same wishes.

    tonic/mode: None by "default" when the planner may choose. bars: the whole song's, when asked. voices: asked for.
    only: no voices but these. without: instruments that must not play; without_roles: parts that must not.
    negative: words for what must not be heard. notes: what was settled, in sentences.
    """

    model_config = ConfigDict(frozen=True)

    brief: Brief
    genre: Decided[str]
    influences: tuple[str, ...] = ()
    moods: Decided[tuple[str, ...]]
    seconds: Decided[float]
    bars: int | None = None
    tempo: Decided[TempoRange]
    meter: Decided[Meter]
    key: Decided[Key] | None = None
    mode: Decided[Mode] | None = None
    voices: tuple[VoiceWish, ...] = ()
    only: bool = False
    without: frozenset[str] = frozenset()
    without_roles: frozenset[str] = frozenset()
    form: FormWish = FormWish()
    production: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
