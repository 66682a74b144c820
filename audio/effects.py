"""Effects as data: what a chain holds, in the units of the field, each value in its range.

A chain is a small JSON document; `audio.effect_rack` plays it. Knows nothing of sound, of files or of presets' places.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Hertz = Annotated[float, Field(ge=20.0, le=20_000.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Decibels = Annotated[float, Field(ge=-24.0, le=24.0)]
BandShape = Literal["peak", "low shelf", "high shelf", "low cut", "high cut"]
FilterMode = Literal["low pass 12", "low pass 24", "high pass 12", "high pass 24", "band pass 12", "band pass 24"]
MOST_EFFECTS = 24


class EffectsError(ValueError):
    """A chain is not one, or cannot be played; the message is a sentence for the user."""


class _Effect(BaseModel):
    """on: False leaves the effect in its place and out of the sound."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    on: bool = True


class Gain(_Effect):
    kind: Literal["gain"] = "gain"
    gain_db: float = Field(default=0.0, ge=-60.0, le=24.0)


class Reverb(_Effect):
    """A room. mix 0 is dry, 1 only the room; low_cut_hz keeps the bass out of it."""

    kind: Literal["reverb"] = "reverb"
    room_size: Share = 0.5
    damping: Share = 0.5
    width: Share = 1.0
    pre_delay_seconds: float = Field(default=0.0, ge=0.0, le=0.2)
    low_cut_hz: Hertz = 150.0
    mix: Share = 0.25


class Delay(_Effect):
    """An echo. beats, where given, wins over seconds as soon as the tempo is known."""

    kind: Literal["delay"] = "delay"
    seconds: float = Field(default=0.375, ge=0.001, le=4.0)
    beats: float | None = Field(default=None, gt=0.0, le=8.0)
    feedback: float = Field(default=0.35, ge=0.0, le=0.95)
    mix: Share = 0.25


class Compressor(_Effect):
    """Evens out: over threshold_db, `ratio` dB more in make one more out. mix under 1 is parallel compression."""

    kind: Literal["compressor"] = "compressor"
    threshold_db: float = Field(default=-18.0, ge=-60.0, le=0.0)
    ratio: float = Field(default=2.5, ge=1.0, le=20.0)
    attack_ms: float = Field(default=10.0, ge=0.1, le=200.0)
    release_ms: float = Field(default=120.0, ge=5.0, le=2000.0)
    makeup_db: Decibels = 0.0
    mix: Share = 1.0


class Band(BaseModel):
    """One band of the equaliser; cuts ignore gain_db, shelves' q is their slope."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shape: BandShape = "peak"
    frequency_hz: Hertz = 1000.0
    gain_db: Decibels = 0.0
    q: float = Field(default=0.71, ge=0.1, le=12.0)


class Equalizer(_Effect):
    kind: Literal["equalizer"] = "equalizer"
    bands: tuple[Band, ...] = Field(default=(), max_length=12)


class Filter(_Effect):
    """A Moog ladder: resonance 0 to 1 whistles at the top, drive over 1 growls."""

    kind: Literal["filter"] = "filter"
    mode: FilterMode = "low pass 24"
    cutoff_hz: Hertz = 2000.0
    resonance: Share = 0.0
    drive: float = Field(default=1.0, ge=1.0, le=10.0)


class Chorus(_Effect):
    kind: Literal["chorus"] = "chorus"
    rate_hz: float = Field(default=0.8, ge=0.01, le=10.0)
    depth: Share = 0.25
    delay_ms: float = Field(default=8.0, ge=1.0, le=50.0)
    feedback: float = Field(default=0.0, ge=0.0, le=0.9)
    mix: Share = 0.4


class Phaser(_Effect):
    kind: Literal["phaser"] = "phaser"
    rate_hz: float = Field(default=0.4, ge=0.01, le=10.0)
    depth: Share = 0.5
    centre_hz: Hertz = 1300.0
    feedback: float = Field(default=0.2, ge=0.0, le=0.9)
    mix: Share = 0.5


class Saturation(_Effect):
    """Warmth by a soft curve (tanh); the level is brought back, so that only the colour is left."""

    kind: Literal["saturation"] = "saturation"
    drive_db: float = Field(default=6.0, ge=0.0, le=36.0)
    mix: Share = 1.0


class Crusher(_Effect):
    kind: Literal["crusher"] = "crusher"
    bits: float = Field(default=10.0, ge=2.0, le=24.0)
    mix: Share = 1.0


class Gate(_Effect):
    kind: Literal["gate"] = "gate"
    threshold_db: float = Field(default=-45.0, ge=-90.0, le=0.0)
    ratio: float = Field(default=10.0, ge=1.0, le=100.0)
    attack_ms: float = Field(default=1.0, ge=0.1, le=100.0)
    release_ms: float = Field(default=80.0, ge=5.0, le=2000.0)


class Limiter(_Effect):
    kind: Literal["limiter"] = "limiter"
    ceiling_db: float = Field(default=-1.0, ge=-24.0, le=0.0)
    release_ms: float = Field(default=100.0, ge=5.0, le=1000.0)


class Width(_Effect):
    """0 is mono, 1 as it was, 2 twice the sides; under mono_below_hz the sides are left out (0: nowhere)."""

    kind: Literal["width"] = "width"
    width: float = Field(default=1.0, ge=0.0, le=2.0)
    mono_below_hz: float = Field(default=0.0, ge=0.0, le=500.0)


class Plugin(_Effect):
    """A VST3 of this machine's; only for its own user, never for guests. values: its parameters by name, 0 to 1."""

    kind: Literal["plugin"] = "plugin"
    path: str = Field(min_length=1, max_length=1000)
    name: str = Field(default="", max_length=200)
    values: dict[str, Share] = Field(default={}, max_length=500)


Effect = Annotated[
    Gain | Reverb | Delay | Compressor | Equalizer | Filter | Chorus | Phaser | Saturation | Crusher | Gate | Limiter
    | Width | Plugin,
    Field(discriminator="kind"),
]  # fmt: skip
KINDS: dict[str, type[_Effect]] = {
    kind.model_fields["kind"].default: kind
    for kind in (
        Equalizer, Compressor, Gate, Saturation, Filter, Chorus, Phaser, Delay, Reverb, Width, Crusher, Limiter, Gain,
    )
}  # fmt: skip


class Chain(BaseModel):
    """Effects one after another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    effects: tuple[Effect, ...] = Field(default=(), max_length=MOST_EFFECTS)

    @classmethod
    def read(cls, value: Any) -> Chain:
        """A chain out of what JSON gave (a list of effects, or {"effects": […]}). Raises EffectsError."""
        try:
            return cls.model_validate({"effects": value} if isinstance(value, list | tuple) else value)
        except ValidationError as wrong:
            error = wrong.errors()[0]
            place = " → ".join(str(part) for part in error["loc"] if part != "effects") or "the chain"
            raise EffectsError(f"The effects cannot be read: at “{place}”, {error['msg'].lower()}.") from wrong

    @property
    def has_plugins(self) -> bool:
        return any(isinstance(effect, Plugin) for effect in self.effects)


def describe() -> dict[str, dict[str, dict[str, Any]]]:
    """Every kind of effect but plug-ins, with each value's default, least and most: what a page builds its knobs from."""
    return {name: _knobs(kind) for name, kind in KINDS.items()}


def _knobs(kind: type[_Effect]) -> dict[str, dict[str, Any]]:
    knobs = {}
    for name, told in kind.model_json_schema()["properties"].items():
        if name in ("kind", "on"):
            continue
        least, most = told.get("minimum"), told.get("maximum")
        options = told.get("enum")
        for choice in told.get("anyOf", ()):
            least, most = choice.get("exclusiveMinimum", least), choice.get("maximum", most)
        knobs[name] = {"default": told.get("default"), "least": least, "most": most, "options": options}
    return knobs
