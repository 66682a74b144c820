"""The mix of one sound: a small document, and the sound it makes out of the parts.

What the desk plays in the browser and what is rendered here are the same sums: the panner is Web Audio's equal-power one
for stereo, the room an impulse response that both convolve with. Knows nothing of where parts or mixes are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audio.clip import Clip
from audio.effect_rack import apply_chain
from audio.effects import Chain
from audio.work import unheard
from studio.desk.errors import MixError

MIX_VERSION: Literal[1] = 1
OFF_DB = -60.0  # a fader all the way down lets nothing through
MAX_STRIPS = 64
ROOM = "room"
_BLOCK_SECONDS = 20

Db = Annotated[float, Field(ge=OFF_DB, le=12.0)]
RoomKind = Literal["booth", "plate", "hall"]
# Freeverb's size and damping, and how long its tail is kept.
ROOMS: dict[RoomKind, tuple[float, float, float]] = {
    "booth": (0.30, 0.65, 1.2),
    "plate": (0.60, 0.12, 2.4),
    "hall": (0.86, 0.35, 4.0),
}


class Strip(BaseModel):
    """One part on the desk: through its chain, its fader, its panner.

    pan: -1 left to 1 right. send: how much of it goes to the room, 0 to 1, after the fader.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1, max_length=120)]
    gain_db: Db = 0.0
    pan: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    mute: bool = False
    solo: bool = False
    send: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    chain: Chain = Chain()


class Room(BaseModel):
    """The reverb that the sends feed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: RoomKind = "plate"
    gain_db: Db = 0.0


class Mix(BaseModel):
    """The whole desk as data.

    parts: which set of parts the strips are of ("true", a separator's name, "whole"). chain: the effects on the sum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1] = MIX_VERSION
    parts: Annotated[str, Field(max_length=60)] = "whole"
    strips: Annotated[tuple[Strip, ...], Field(max_length=MAX_STRIPS)] = ()
    room: Room = Room()
    gain_db: Db = 0.0
    chain: Chain = Chain()

    @property
    def has_plugins(self) -> bool:
        return self.chain.has_plugins or any(strip.chain.has_plugins for strip in self.strips)

    @model_validator(mode="after")
    def _names_differ(self) -> Mix:
        if len({strip.name for strip in self.strips}) < len(self.strips):
            raise ValueError("two strips of a mix have the same name")
        return self

    @property
    def heard(self) -> tuple[Strip, ...]:
        """The strips that sound: those soloed when any is, never a muted one."""
        solo = any(strip.solo for strip in self.strips)
        return tuple(s for s in self.strips if not s.mute and (s.solo or not solo) and s.gain_db > OFF_DB)


def flat_mix(names: Iterable[str], *, parts: str) -> Mix:
    """Every part as it is: the sum is the sound they were taken from."""
    return Mix(parts=parts, strips=tuple(Strip(name=name) for name in names))


@dataclass(frozen=True, slots=True)
class Mixed:
    """A rendered mix: the whole before its own chain, and what of it came of each strip ("room" is the reverb); they sum to it."""

    clip: Clip
    strips: Mapping[str, Clip]


def render_mix(
    mix: Mix,
    open_part: Callable[[Strip], Clip],
    *,
    keep_strips: bool = False,
    progress: Callable[[float], None] = unheard,
) -> Mixed:
    """The sum of a mix's strips, stereo, as long as its longest part; with `keep_strips`, each strip's share of it too.

    open_part: gives a strip's sound, its chain laid on (see `through_chain`); one at a time is held. progress: told 0 to 1;
    what it raises ends the work. Raises MixError when nothing would be heard, or the parts differ in sample rate.
    """
    heard = mix.heard
    if not heard:
        raise MixError("Every strip is muted or turned down, so there is nothing to hear. Open one first.")
    whole, sent = np.zeros((2, 0), np.float32), np.zeros((1, 0), np.float32)
    strips: dict[str, Clip] = {}
    rate = 0
    for number, strip in enumerate(heard):
        progress(number / (len(heard) + 1))
        part = open_part(strip)
        if rate not in (0, part.sample_rate_hz):
            raise MixError("The parts of this mix have different sample rates. Separate the sound again.")
        rate = part.sample_rate_hz
        at_fader = part.stereo().samples * _factor(strip.gain_db)
        if strip.send > 0:
            sent = _sum(sent, at_fader.mean(axis=0, keepdims=True) * np.float32(strip.send))
        share = panned(at_fader, pan=strip.pan) * _factor(mix.gain_db)
        whole = _sum(whole, share)
        if keep_strips:
            strips[strip.name] = Clip(share, rate)
    progress(len(heard) / (len(heard) + 1))
    if sent.any() and mix.room.gain_db > OFF_DB:
        echo = in_room(Clip(sent, rate), mix.room).samples[:, : whole.shape[1]] * _factor(mix.gain_db)
        whole = _sum(whole, echo)
        if keep_strips:
            strips[ROOM] = Clip(echo, rate)
    progress(1.0)
    return Mixed(Clip(whole, rate), strips)


def through_chain(part: Clip, chain: Chain, *, tempo_bpm: float | None = None, plugins_allowed: bool = False) -> Clip:
    """A part as its strip hears it: in stereo through the chain, as long as before; as it is where the chain does nothing."""
    if not any(effect.on for effect in chain.effects):
        return part
    return apply_chain(part.stereo(), chain, tempo_bpm=tempo_bpm, plugins_allowed=plugins_allowed)


def panned(samples: np.ndarray, *, pan: float) -> np.ndarray:
    """Stereo samples (2, frames) moved by the equal-power law of the Web Audio API's StereoPannerNode; 0 leaves them."""
    if pan == 0:
        return samples
    turn = (pan + 1 if pan < 0 else pan) * np.pi / 2
    stays, goes = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    left, right = samples
    if pan < 0:
        return np.stack([left + right * stays, right * goes])
    return np.stack([left * stays, right + left * goes])


def in_room(sent: Clip, room: Room) -> Clip:
    """What comes back of the room: stereo, as long as what was sent, whose first channel is heard. Block by block."""
    from scipy.signal import oaconvolve

    response = room_response(room.kind, sent.sample_rate_hz).samples * _factor(room.gain_db)
    tail = response.shape[1] - 1
    made = np.zeros((2, sent.frames + tail), np.float32)
    step = _BLOCK_SECONDS * sent.sample_rate_hz
    for start in range(0, sent.frames, step):
        block = sent.samples[:1, start : start + step]
        made[:, start : start + block.shape[1] + tail] += oaconvolve(block, response, axes=1).astype(np.float32)
    return Clip(made[:, : sent.frames], sent.sample_rate_hz)


@cache
def room_response(kind: RoomKind, sample_rate_hz: int) -> Clip:
    """A room's answer to one click, stereo, of unit energy a channel: what the browser convolves with too.

    Freeverb (Jezar at Dreampoint) as JUCE has it, through pedalboard; it is linear and does not change with time, so the
    answer to a click is all of it.
    """
    from pedalboard import Reverb

    size, damping, seconds = ROOMS[kind]
    before = sample_rate_hz // 20  # the effect fades itself in
    click = np.zeros((2, before + round(seconds * sample_rate_hz)), np.float32)
    click[:, before] = 1.0
    reverb = Reverb(room_size=size, damping=damping, wet_level=1.0, dry_level=0.0, width=1.0)
    answer = np.asarray(reverb(click, sample_rate_hz))[:, before:]
    fade = sample_rate_hz // 10
    answer[:, -fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return Clip(answer / np.sqrt((answer**2).sum() / 2), sample_rate_hz)


def _factor(gain_db: float) -> np.float32:
    return np.float32(0.0 if gain_db <= OFF_DB else 10 ** (gain_db / 20))


def _sum(whole: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The sum of two, as long as the longer; in place where it can be."""
    if share.shape[1] > whole.shape[1]:
        whole = np.pad(whole, ((0, 0), (0, share.shape[1] - whole.shape[1])))
    whole[:, : share.shape[1]] += share
    return whole
