"""What may be done to sound that exists: go on from a point, make a region anew, make variations.

Plain values, kept with the take. The source is named, not held: a take's identifier or a kept sound's. Knows nothing
of how any engine does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audio.clip import Clip

MOST_CANDIDATES = 8
Words = Annotated[str, Field(max_length=4_000)]


class _Edit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1, max_length=200)


class Continue(_Edit):
    """Keep the source up to a point and go on from there.

    from_seconds: None for the source's end. seconds: how much is added. words: for what is new; "" keeps the plan's.
    """

    kind: Literal["continue"] = "continue"
    from_seconds: float | None = Field(default=None, ge=0.0, le=600.0)
    seconds: float = Field(default=15.0, ge=0.5, le=600.0)
    words: Words = ""


class Repaint(_Edit):
    """Make a region anew and leave all else as it is.

    snap: move the region's edges to the nearest bar lines or beats, or leave them. candidates: how many are tried;
    all are kept, the best first. words: for the region; "" keeps the plan's.
    """

    kind: Literal["repaint"] = "repaint"
    start_seconds: float = Field(ge=0.0, le=600.0)
    end_seconds: float = Field(ge=0.0, le=600.0)
    candidates: int = Field(default=4, ge=1, le=MOST_CANDIDATES)
    snap: Literal["bars", "beats", "off"] = "bars"
    words: Words = ""


class Vary(_Edit):
    """Make variations. closeness: about the share that stays: 1 changes a bar or so, 0 keeps nothing but the words."""

    kind: Literal["vary"] = "vary"
    closeness: float = Field(default=0.5, ge=0.0, le=1.0)
    count: int = Field(default=3, ge=1, le=MOST_CANDIDATES)


Edit = Annotated[Continue | Repaint | Vary, Field(discriminator="kind")]
KINDS = ("continue", "repaint", "vary")
VERBS = {"continue": "go on from", "repaint": "make a part anew of", "vary": "vary"}


SLACK_SECONDS = 0.05


def trouble_with(edit: Edit, *, lasts_seconds: float, name: str) -> str:
    """What is wrong with an edit of a sound of that length, in a sentence; "" when nothing is."""
    if isinstance(edit, Continue):
        if edit.from_seconds is not None and edit.from_seconds > lasts_seconds + SLACK_SECONDS:
            return f"The point lies at {edit.from_seconds:.1f} s, but {name} ends at {lasts_seconds:.1f} s: choose one before."
        if edit.from_seconds is not None and edit.from_seconds < 0.02:
            return "There is nothing before that point to go on from: choose a later one, or make a new take."
    if isinstance(edit, Repaint):
        if edit.end_seconds <= edit.start_seconds:
            return "The region is empty: mark one that ends after it begins."
        if edit.start_seconds >= lasts_seconds or edit.end_seconds > lasts_seconds + SLACK_SECONDS:
            return (
                f"The region runs from {edit.start_seconds:.1f} to {edit.end_seconds:.1f} s, but {name} ends at "
                f"{lasts_seconds:.1f} s: mark one within it."
            )
    return ""


@dataclass(frozen=True, slots=True)
class Source:
    """The sound an edit starts from.

    clip: any rate and channels. tokens: the codes it was decoded from, (codebooks, frames), or None. identity: of the
    take it is, as its engine wrote it. name: how the user knows it.
    """

    clip: Clip
    tokens: np.ndarray | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    name: str = "this sound"


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a sound's bars lie. first_beat_seconds: the first bar line (or any other)."""

    beat_seconds: float
    beats_a_bar: int
    first_beat_seconds: float = 0.0

    @property
    def bar_seconds(self) -> float:
        return self.beat_seconds * self.beats_a_bar

    def snapped(
        self, start_seconds: float, end_seconds: float, *, to: str, length_seconds: float
    ) -> tuple[float, float]:
        """A region with its edges on the nearest bar lines or beats, at least one of them long and within the sound."""
        if to == "off":
            return start_seconds, end_seconds
        step = self.bar_seconds if to == "bars" else self.beat_seconds
        first = self.first_beat_seconds
        low, high = round((start_seconds - first) / step), round((end_seconds - first) / step)
        if low == high:  # the one it lies in
            low = int((0.5 * (start_seconds + end_seconds) - first) // step)
            high = low + 1
        start, end = max(0.0, first + low * step), min(length_seconds, first + high * step)
        return (start, end) if end - start > 1e-6 else (start_seconds, end_seconds)

    def lines(self, length_seconds: float) -> list[float]:
        """The bar lines within a sound, its start and end among them."""
        first = self.first_beat_seconds % self.bar_seconds
        count = max(0, int((length_seconds - first) / self.bar_seconds) + 1)
        inner = [first + bar * self.bar_seconds for bar in range(count)]
        kept = [line for line in inner if 0.25 * self.bar_seconds <= line <= length_seconds - 0.25 * self.bar_seconds]
        return [0.0, *kept, length_seconds]
