"""What the studio knows of music, as data: genres, moods, instruments, progressions and the words of briefs.

The JSON beside this file is the knowledge; this module reads it once, checks it and hands it out. Knows nothing of
briefs or plans.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.harmony import Mode

Role = Literal["drums", "percussion", "bass", "chords", "pad", "melody", "counter"]

# How drums and bass move; the sketch engine knows how to play each of these.
GROOVES: tuple[str, ...] = (
    "four_on_floor", "disco", "techno_rolling", "trance_offbeat", "electro", "synthwave_eighths", "two_step_garage",
    "breakbeat", "drum_and_bass", "dubstep_half_time", "boom_bap", "lofi_swing", "trap", "rock_straight",
    "rock_half_time", "punk", "metal_double_kick", "funk_16ths", "motown", "soul_ballad", "slow_12_8",
    "gospel_shuffle", "blues_shuffle", "jazz_swing", "brushes_ballad", "bossa_nova", "samba", "salsa_tumbao",
    "cumbia", "tango", "reggae_one_drop", "dub_steppers", "dancehall", "reggaeton_dembow", "afrobeat", "afrobeats",
    "amapiano", "country_train", "folk_strum", "waltz", "march", "cinematic_pulse", "orchestral", "chiptune_pulse",
    "ambient_free",
)  # fmt: skip


class Instrument(BaseModel):
    """One voice. program: General MIDI, 0-based; kit: drum kit program on channel 10 (exactly one of the two is set).

    low, high: the MIDI pitches it sounds well between. aliases: the words people use for it. prompt: how a
    text-to-music model is told of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    program: Annotated[int, Field(ge=0, le=127)] | None
    kit: Annotated[int, Field(ge=0, le=127)] | None
    roles: tuple[Role, ...]
    low: int
    high: int
    aliases: tuple[str, ...]
    prompt: str

    @model_validator(mode="after")
    def _program_or_kit(self) -> Instrument:
        if (self.program is None) == (self.kit is None):
            raise ValueError("an instrument has a program or a kit, not both")
        return self


class Genre(BaseModel):
    """What makes a genre sound like itself.

    tempo_bpm: usual range, felt beats. meters: most usual first. modes: most usual first. progressions: Roman
    numerals, one chord a bar, in one of `modes`. palette: instrument identifiers by role, most typical first.
    swing: 0 straight to 1 full triplets. form: section names with relative lengths and energies, in order.
    production: words for a text-to-music model. aliases: what people call it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    aliases: tuple[str, ...]
    tempo_bpm: tuple[float, float]
    typical_tempo_bpm: float
    meters: tuple[str, ...]
    modes: tuple[Mode, ...]
    progressions: tuple[Progression, ...]
    palette: dict[Role, tuple[str, ...]]
    groove: str
    swing: float = Field(ge=0.0, le=1.0)
    energy: float = Field(ge=0.0, le=1.0)
    form: tuple[FormPart, ...]
    production: tuple[str, ...]


class Progression(BaseModel):
    """Roman numerals, one a bar, in the mode they are written for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode
    numerals: tuple[str, ...]


class FormPart(BaseModel):
    """One section of a genre's usual form: its name, its share of the song (relative weight) and its energy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weight: float = Field(gt=0)
    energy: float = Field(ge=0.0, le=1.0)


class Mood(BaseModel):
    """How a mood bends music.

    tempo_factor: times the genre's typical tempo. energy_shift: added to energies. modes: preferred, best first (may
    be empty). prompt: words for a text-to-music model. instruments: voices it likes, if the genre has room.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    aliases: tuple[str, ...]
    tempo_factor: float = Field(ge=0.6, le=1.5)
    energy_shift: float = Field(ge=-0.5, le=0.5)
    modes: tuple[Mode, ...]
    prompt: tuple[str, ...]
    instruments: tuple[str, ...] = ()


def _read(name: str) -> dict[str, dict[str, object]]:
    return json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


@cache
def instruments() -> dict[str, Instrument]:
    """Every instrument by its identifier."""
    return {name: Instrument.model_validate(value) for name, value in _read("instruments.json").items()}


@cache
def genres() -> dict[str, Genre]:
    """Every genre by its identifier."""
    return {name: Genre.model_validate(value) for name, value in _read("genres.json").items()}


@cache
def moods() -> dict[str, Mood]:
    """Every mood by its identifier."""
    return {name: Mood.model_validate(value) for name, value in _read("moods.json").items()}


class Family(BaseModel):
    """Voices that one everyday word covers: "guitar", "drums".

    members: what the word asks for, any one of them, most likely first. also: what "no guitar" takes away besides.
    role: the part it plays, when the word names a part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[str, ...]
    members: tuple[str, ...]
    also: tuple[str, ...] = ()
    role: Role | None = None


class Words(BaseModel):
    """Everyday words of briefs: families of voices, names of sections, words for tempo, and what titles are made of.

    ensembles: small groups named as one, to everybody in them.
    tempo_words: -1 the slow end of a genre's range to 1 its fast end, further for "very". adjectival_genres: genre
    words that yield when a plainer genre is named too ("cinematic techno" is techno).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    families: dict[str, Family]
    ensembles: dict[str, tuple[str, ...]]
    roles: dict[str, Role]
    voices: tuple[str, ...]
    sections: dict[str, tuple[str, ...]]
    section_energies: dict[str, float]
    section_weights: dict[str, float]
    louder: tuple[str, ...]
    softer: tuple[str, ...]
    tempo_words: dict[str, float]
    italian_tempos: dict[str, float]
    mood_genres: dict[str, str]
    decade_genres: dict[str, str]
    adjectival_genres: tuple[str, ...]
    production: tuple[str, ...]
    stopwords: tuple[str, ...]
    title_nouns: dict[str, tuple[str, ...]]
    title_plain: tuple[str, ...]
    title_genre: dict[str, tuple[str, ...]]


@cache
def words() -> Words:
    """The everyday words of briefs."""
    return Words.model_validate(_read("words.json"))


@cache
def progressions() -> dict[str, tuple[Progression, ...]]:
    """Progressions that suit a mode in any genre, for when a genre has none of its own in it."""
    return {
        mode: tuple(Progression.model_validate({"mode": mode, "numerals": numerals}) for numerals in rows)
        for mode, rows in _read("progressions.json").items()
    }


Genre.model_rebuild()
