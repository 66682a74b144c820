"""What steers a take beside its plan's words: a melody, the chords, other prompts, instruments in and out.

Plain values, kept with the take, so that it can be made again. Sounds are named, not held: “take:…”, “sound:…” or
“midi:…”. Knows nothing of how any engine follows them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

MAX_STRENGTH = 1.5
MAX_WEIGHT = 10.0


class PromptWeight(BaseModel):
    """Words heard beside the plan's own. A weight below 0 steers away from them.

    moves: (seconds, weight) points between which the weight glides; before the first and after the last it stays.
    The plan's own prompt weighs 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: str = Field(max_length=4_000)
    weight: float = Field(default=1.0, ge=-MAX_WEIGHT, le=MAX_WEIGHT)
    moves: tuple[tuple[float, float], ...] = ()


class Steering(BaseModel):
    """melody: the sound to follow, by name. melody_to_key: play it in the song's key, where notes are played (the sketch
    engine). chords: follow the plan's chords instead. words_weight: of the plan's own
    prompt, 0 leaves it out. instruments_in, instruments_out: identifiers out of agents/knowledge. layers: make the
    plan's parts one by one and mix them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    melody: str | None = None
    melody_to_key: bool = False
    chords: bool = False
    words_weight: float = Field(default=1.0, ge=0.0, le=MAX_WEIGHT)
    prompts: tuple[PromptWeight, ...] = ()
    instruments_in: tuple[str, ...] = ()
    instruments_out: tuple[str, ...] = ()
    layers: bool = False


class AdapterUse(BaseModel):
    """A LoRA adapter by its name on the shelf, and how strongly it is worn: 0 not at all, 1 as it was trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=120)
    strength: float = Field(default=1.0, ge=0.0, le=MAX_STRENGTH)


def worn_in_words(adapters: Iterable[AdapterUse]) -> str:
    """Adapters with their strengths, like “brass × 0.5 + lesson × 1”; "" for none."""
    return " + ".join(f"{use.name} × {use.strength:g}" for use in adapters)
