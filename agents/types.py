"""The values that flow through the studio: a Brief becomes a SongPlan.

Every value of a plan carries who decided it, so that nothing the user asked for is ever quietly changed.
Knows nothing of how plans are made or played.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from agents.harmony import Chord, Key, Meter

MIN_SECONDS = 1.0
MAX_SECONDS = 600.0
MAX_WORDS = 2_000
MAX_BARS = 6_000  # of the shortest bar there is, 2/16 at 300 bpm, in the longest song
MAX_REFERENCES = 5
MAX_REGISTER_SEMITONES = 24
MIN_TEMPO_BPM = 30.0
MAX_TEMPO_BPM = 300.0

DecidedBy = Literal["asked", "inferred", "default"]
Value = TypeVar("Value")
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class Decided(BaseModel, Generic[Value]):
    """A value, who decided it, and why in a few words ("you wrote “80 bpm”", "usual for lo-fi")."""

    model_config = ConfigDict(frozen=True)

    value: Value
    by: DecidedBy = "default"
    why: str = ""


class Brief(BaseModel):
    """What the user wants: the words, and whatever was set beside them.

    A value set here beats the same thing said in the words. references: tracks and takes the song is to be like, by name
    (“track:17”, “take:…”); reference_weights: how much each pulls, in their order, 1 where none is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: Line = ""
    seconds: float | None = Field(default=None, ge=MIN_SECONDS, le=MAX_SECONDS)
    tempo_bpm: float | None = Field(default=None, ge=MIN_TEMPO_BPM, le=MAX_TEMPO_BPM)
    key: Key | None = None
    meter: Meter | None = None
    negative_words: Line = ""
    references: tuple[str, ...] = Field(default=(), max_length=MAX_REFERENCES)
    reference_weights: tuple[Annotated[float, Field(ge=0.0, le=10.0)], ...] = ()

    def as_seed(self) -> str:
        """What draws are seeded by: fields that came later are left out, so that older briefs draw as they always did."""
        return self.model_dump_json(exclude={"reference_weights"} if not self.reference_weights else None)

    @property
    def weighted_references(self) -> dict[str, float]:
        """The references that pull at all, each with its weight."""
        weights = (*self.reference_weights, *[1.0] * len(self.references))
        return {name: weight for name, weight in zip(self.references, weights, strict=False) if weight > 0}


class ShapedBy(BaseModel):
    """A reference that shaped a plan. gave: what of the plan comes from it, in sentences."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    weight: float = 1.0
    gave: tuple[str, ...] = ()


class Section(BaseModel):
    """A stretch of the song in whole bars.

    energy: 0 to 1. chords: symbols, one a bar, repeated when fewer than bars. instruments: identifiers out of
    agents/knowledge/instruments.json that play here. prompt: what a text-to-music model is told for this stretch.
    morph_bars: over how many bars before this section its prompt takes over from the last one's; 0 turns at the bar line.
    """

    model_config = ConfigDict(extra="forbid")

    name: Decided[Name]
    bars: Decided[Annotated[int, Field(ge=1, le=MAX_BARS)]]
    energy: Decided[Annotated[float, Field(ge=0.0, le=1.0)]]
    prompt: Decided[Line]
    chords: Decided[list[str]]
    instruments: Decided[list[str]]
    morph_bars: Annotated[int, Field(ge=0, le=16)] = 0

    @field_validator("chords")
    @classmethod
    def _chords_are_readable(cls, chords: Decided[list[str]]) -> Decided[list[str]]:
        if not chords.value:
            raise ValueError("a section needs at least one chord")
        for symbol in chords.value:
            Chord.parse(symbol)
        return chords


class SongPlan(BaseModel):
    """The one artifact every room works on; JSON in and out, versioned.

    seconds: the take's whole length. The sections fill it in whole bars; what is left over (less than a bar) is the
    last chord ringing out. genre and groove: identifiers out of agents/knowledge. notes: sentences about what was
    settled or could not be done, for the user to read. register_semitones: how far the tunes and chords lie above or
    below where they usually do. shaped_by: the references that the plan was made after. planned_by: "built-in rules" or
    the language models that planned it, "" when nobody noted it.
    """

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    brief: Brief
    title: Decided[Name]
    seconds: Decided[Annotated[float, Field(ge=MIN_SECONDS, le=MAX_SECONDS)]]
    tempo_bpm: Decided[Annotated[float, Field(ge=MIN_TEMPO_BPM, le=MAX_TEMPO_BPM)]]
    key: Decided[Key]
    meter: Decided[Meter]
    genre: Decided[str]
    moods: Decided[list[str]]
    groove: Decided[str]
    instruments: Decided[list[str]]
    prompt: Decided[Line]
    negative_prompt: Decided[Line]
    sections: Annotated[list[Section], Field(min_length=1, max_length=64)]
    notes: list[str] = []
    register_semitones: Annotated[int, Field(ge=-MAX_REGISTER_SEMITONES, le=MAX_REGISTER_SEMITONES)] = 0
    shaped_by: list[ShapedBy] = []
    planned_by: str = ""

    @model_validator(mode="after")
    def _sections_fit_the_length(self) -> SongPlan:
        over = self.music_seconds - self.seconds.value
        if over > 0.05:
            raise ValueError(
                f"the sections last {self.music_seconds:.1f} s, {over:.1f} s more than the song's "
                f"{self.seconds.value:.1f} s; take bars away or make the song longer"
            )
        return self

    @property
    def bar_seconds(self) -> float:
        return self.meter.value.bar_seconds(self.tempo_bpm.value)

    @property
    def bars(self) -> int:
        return sum(section.bars.value for section in self.sections)

    @property
    def music_seconds(self) -> float:
        """The length of the sections, without the last chord's ring."""
        return self.bars * self.bar_seconds

    def section_starts_seconds(self) -> list[float]:
        """Where each section begins, in seconds from the start."""
        starts, bar = [], 0
        for section in self.sections:
            starts.append(bar * self.bar_seconds)
            bar += section.bars.value
        return starts


AdviceKind = Literal["again", "louder", "softer", "fuller", "key", "tempo", "length"]


class Advice(BaseModel):
    """What to change in the next request: one kind a program can act on, and the words for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: AdviceKind
    words: str


class VerdictPart(BaseModel):
    """One thing that was judged: asked for, measured, 0 to 100, and why. weight: how much of the whole it can cost.

    sections: where it went wrong, by index; empty when it is the whole take, or nothing is wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    asked: str
    measured: str
    score: Annotated[float, Field(ge=0.0, le=100.0)]
    weight: Annotated[float, Field(ge=0.0, le=1.0)]
    reason: str = ""
    sections: tuple[int, ...] = ()

    @property
    def cost(self) -> float:
        """The share of the whole that this part takes away, 0 to 1."""
        return self.weight * (1 - self.score / 100)


class SectionMark(BaseModel):
    """One planned section: 0 to 100, what is wrong in it, and what to change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    name: str
    score: Annotated[float, Field(ge=0.0, le=100.0)]
    reasons: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()


class Verdict(BaseModel):
    """What a listener with instruments says of a take: asked for against heard.

    score: 0 to 100 over all parts. named: the part that costs most, "" when nothing does. words: the verdict in a few
    sentences; worded_by: "rules" or the language model that worded it (which never changes a number). unheard: what
    could not be judged, and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    score: Annotated[float, Field(ge=0.0, le=100.0)]
    parts: tuple[VerdictPart, ...]
    sections: tuple[SectionMark, ...]
    named: str = ""
    words: str = ""
    advice: tuple[Advice, ...] = ()
    worded_by: str = "rules"
    unheard: tuple[str, ...] = ()

    def part(self, name: str) -> VerdictPart | None:
        """The part of that name, if it was judged."""
        return next((part for part in self.parts if part.name == name), None)


class BriefError(ValueError):
    """A brief cannot be followed as it stands; the message is a sentence for the user, with what to do next."""


class EmptyBrief(BriefError):
    """Nothing was asked for: no words and no settings."""


class PlanError(ValueError):
    """A song plan was edited into something that cannot be played; the message is a sentence for the user."""
