"""The one protocol that every engine keeps, and the values that cross it.

Knows nothing of where takes are stored or how they are shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from agents.types import SongPlan
from audio.clip import Clip
from studio.engines.edits import Continue, Edit, Repaint, Source, Vary
from studio.engines.steering import AdapterUse, Steering

__all__ = [
    "Cancelled", "Capabilities", "Continue", "Edit", "Editor", "Engine", "EngineError", "Listener", "ModelMissing",
    "Rendering", "Repaint", "Sampling", "SectionEditor", "Source", "Tier", "Vary",
]  # fmt: skip

Tier = Literal["built-in", "full"]


class EngineError(Exception):
    """An engine cannot do what was asked; the message is a sentence for the user, with what to do next."""


class ModelMissing(EngineError):
    """The engine's weights are not on this machine."""


class Cancelled(EngineError):
    """The user stopped the work before any sound existed."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine is and can do. `licence` is the one its sound comes under ("" when the user owns it freely).

    edits: the kinds of Edit it does ("continue", "repaint", "vary"). makes_candidates: several takes in one pass.
    edits_sections: it makes some sections of a take anew and leaves all others as they are (SectionEditor).
    """

    name: str
    label: str
    tier: Tier
    sample_rate_hz: int
    channels: int
    max_seconds: float
    makes_stems: bool
    makes_midi: bool
    makes_tokens: bool
    licence: str = ""
    uses_sampling: bool = False
    edits: frozenset[str] = frozenset()
    makes_candidates: bool = False
    edits_sections: bool = False


class Sampling(BaseModel):
    """How a take is drawn. The sketch engine reads only the seed; top_k 0 and top_p 0 mean off.

    steering: a melody, chords, blended prompts or layers beside the plan's own words. adapters: LoRA adapters worn
    by the model, by name. An engine that cannot do one of them says so. candidates: takes drawn in one pass, best first.
    true_tempo: measure the take's tempo and stretch it by up to 4 % to the plan's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    temperature: float = Field(default=1.0, gt=0.0, le=3.0)
    top_k: int = Field(default=250, ge=0, le=2048)
    top_p: float = Field(default=0.0, ge=0.0, le=1.0)
    guidance: float = Field(default=3.0, ge=1.0, le=15.0)
    steering: Steering | None = None
    adapters: tuple[AdapterUse, ...] = ()
    candidates: int = Field(default=1, ge=1, le=8)
    true_tempo: bool = True


class Listener:
    """Hears an engine at work; engines call it, jobs override it. The default hears nothing and never cancels."""

    def started(self, *, sample_rate_hz: int, channels: int, frames: int) -> None:
        """Called once, before the first chunk: the whole take's shape, known from the plan."""

    def heard(self, clip: Clip) -> None:
        """Called with each next stretch of sound, in order and without gaps."""

    def progress(self, stage: str, fraction: float) -> None:
        """Called with a word or two ("loading", "composing", "rendering") and 0 to 1 of that stage."""

    def cancelled(self) -> bool:
        """True once the user wants no more; engines ask often and then return what exists."""
        return False


@dataclass(frozen=True, slots=True)
class Rendering:
    """What an engine made.

    clip: the whole sound. stems: part name to clip, same shape as `clip`, summing to it within -60 dB (empty when
    the engine makes none). midi: a Standard MIDI file's bytes, exact, or None. tokens: int, (codebooks, frames), or
    None. complete: False when the user stopped it; everything then covers the part that exists. identity: what is
    needed to make the same bytes again (engine version, weights and their hash, soundfont, device, dtype). others: the
    further candidates or variations made in the same pass, best first, each without others of its own. trouble: what
    went amiss though there is sound, in a sentence for the user, or "".
    """

    clip: Clip
    complete: bool
    stems: Mapping[str, Clip] = field(default_factory=dict)
    midi: bytes | None = None
    tokens: np.ndarray | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[Rendering, ...] = ()
    trouble: str = ""


class Engine(Protocol):
    """Turns a song plan into sound. One call at a time: the pipeline holds the lock."""

    @property
    def capabilities(self) -> Capabilities: ...

    def generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """Make the plan's take, telling the listener as it goes.

        Raises Cancelled when stopped before any sound exists, EngineError in the user's words otherwise.
        """
        ...

    def unload(self) -> None:
        """Give back memory; the next generate loads again."""
        ...


class Editor(Engine, Protocol):
    """An engine whose capabilities name edits."""

    def edit(self, edit: Edit, source: Source, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """Do one of the edits; `plan` is the whole result's.

        The rest as `Engine.generate`. When stopped, the sound so far is returned, the kept part before it.
        """
        ...


class SectionEditor(Engine, Protocol):
    """An engine whose capabilities say edits_sections."""

    def regenerate(
        self, plan: SongPlan, previous: Rendering, sections: Collection[int], sampling: Sampling, listener: Listener
    ) -> Rendering:
        """`previous` with these sections (by index) made anew as `plan` says, the rest identical to the sample.

        But for a crossfade of identity["crossfade_seconds"], which ends where an edge of the new sections begins. The
        level of the old is kept. Raises Cancelled when stopped: the take is then as it was.
        """
        ...
