"""Voices of our own, where General MIDI is thin: machine kicks, sub basses, wide saws, acid, plucks and chip pulses.

Each note is drawn from band-limited tables with an envelope, so it costs little and sounds the same every time. Knows
nothing of parts or of the mix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from studio.engines.sketch.synth import SAMPLE_RATE_HZ, Event

_TABLE = 4096


@dataclass(frozen=True, slots=True)
class Patch:
    """A sound.

    shape: "saw", "square" (with `duty`) or "sine". cents: detuning of each oscillator, spread from left to right.
    bright_hz, dark_hz: where harmonics end when the note starts and when it has settled; settle_seconds: how fast.
    attack, decay, release in seconds; sustain 0 to 1. drive: soft saturation, 0 for none.
    """

    shape: str
    cents: tuple[float, ...] = (0.0,)
    duty: float = 0.5
    bright_hz: float = 9000.0
    dark_hz: float = 2500.0
    settle_seconds: float = 0.25
    attack: float = 0.004
    decay: float = 0.3
    sustain: float = 0.7
    release: float = 0.08
    drive: float = 0.0
    level: float = 0.22


PATCHES = {
    "supersaw": Patch("saw", (-11, -6, 0, 5, 12), bright_hz=13000, dark_hz=6000, settle_seconds=0.5, release=0.14),
    "polysynth": Patch("saw", (-7, 0, 8), bright_hz=7000, dark_hz=2200, settle_seconds=0.35, sustain=0.6, release=0.2),
    "acid": Patch("saw", (0, 4), bright_hz=4200, dark_hz=420, settle_seconds=0.11, sustain=0.75, release=0.03, drive=1.6, level=0.4),
    "pluck": Patch("saw", (-5, 6), bright_hz=10000, dark_hz=900, settle_seconds=0.07, decay=0.22, sustain=0.0, release=0.12),
    "square": Patch("square", (-3, 3), duty=0.5, bright_hz=9000, dark_hz=5000, sustain=0.75),
    "chip": Patch("square", (0,), duty=0.25, bright_hz=15000, dark_hz=15000, attack=0.001, decay=0.12, sustain=0.6, release=0.01),
    "chip bass": Patch("square", (0,), duty=0.5, bright_hz=9000, dark_hz=9000, attack=0.001, sustain=0.9, release=0.01, level=0.3),
    "sub": Patch("sine", (0,), attack=0.006, decay=1.6, sustain=0.35, release=0.06, drive=1.2, level=0.7),
    "reese": Patch("saw", (-9, 0, 9), bright_hz=1100, dark_hz=500, settle_seconds=0.6, sustain=0.9, release=0.06, drive=0.8, level=0.35),
}  # fmt: skip


class DrawnVoice:
    """Plays events whose sound is drawn whole; any number of notes at once. draw: an event's sound at full velocity."""

    def __init__(self, draw: Callable[[Event], np.ndarray], events: Sequence[Event], *, level: float) -> None:
        self._draw, self._level = draw, level
        self._events = sorted(events, key=lambda e: (e.start_frame, e.pitch, e.end_frame, e.velocity))
        self._next = 0
        self._now = 0
        self._ahead = np.zeros((2, 0), np.float32)

    def render(self, frames: int) -> np.ndarray:
        out = np.zeros((2, max(frames, self._ahead.shape[1])), np.float32)
        out[:, : self._ahead.shape[1]] = self._ahead
        end = self._now + frames
        while self._next < len(self._events) and self._events[self._next].start_frame < end:
            event = self._events[self._next]
            sound = self._draw(event)
            at = max(0, event.start_frame - self._now)
            if at + sound.shape[1] > out.shape[1]:
                out = np.concatenate([out, np.zeros((2, at + sound.shape[1] - out.shape[1]), np.float32)], axis=1)
            out[:, at : at + sound.shape[1]] += sound * np.float32((event.velocity / 127) ** 1.3 * self._level)
            self._next += 1
        self._now = end
        self._ahead = out[:, frames:]
        return out[:, :frames]


def patch_voice(patch: Patch, events: Sequence[Event]) -> DrawnVoice:
    """Events played with one patch."""
    # Whole milliseconds let repeated notes be drawn once.
    return DrawnVoice(
        lambda e: _note(patch, e.pitch, max(1, (e.end_frame - e.start_frame) // 44) * 44), events, level=patch.level
    )


def kick_voice(events: Sequence[Event], *, long: bool) -> DrawnVoice:
    """A drum machine's kick: a sine that falls, and a click. long: the boom of an 808, else the punch of a 909."""
    return DrawnVoice(lambda _: _kick(long), events, level=0.85)


@lru_cache(maxsize=2)
def _kick(long: bool) -> np.ndarray:
    seconds = 0.75 if long else 0.32
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    low, high, fall = (47.0, 130.0, 0.035) if long else (52.0, 210.0, 0.028)
    phase = 2 * np.pi * (low * t + (high - low) * fall * (1 - np.exp(-t / fall)))
    body = np.sin(phase) * np.exp(-t / (0.26 if long else 0.12))
    click = np.random.Generator(np.random.PCG64(909)).standard_normal(len(t)) * np.exp(-t / 0.0016) * 0.16
    fade = np.clip((seconds - t) / 0.02, 0, 1)
    drum = (np.tanh(1.7 * body) / np.tanh(1.7) + click) * fade
    return np.stack([drum, drum]).astype(np.float32)


@lru_cache(maxsize=512)
def _note(patch: Patch, pitch: int, held: int) -> np.ndarray:
    """The note at full velocity, held so many frames and then let go: (2, frames)."""
    frames = held + round(patch.release * SAMPLE_RATE_HZ)
    hertz = 440.0 * 2 ** ((pitch - 69) / 12)
    count = np.arange(frames, dtype=np.float64)
    bright = _table(patch.shape, patch.duty, _harmonics(hertz, patch.bright_hz))
    dark = _table(patch.shape, patch.duty, _harmonics(hertz, patch.dark_hz))
    brightness = np.exp(-count / (patch.settle_seconds * SAMPLE_RATE_HZ)).astype(np.float32)
    random = np.random.Generator(np.random.PCG64([pitch, len(patch.cents)]))
    out = np.zeros((2, frames), np.float32)
    for number, cents in enumerate(patch.cents):
        step = hertz * 2 ** (cents / 1200) / SAMPLE_RATE_HZ
        start = random.random() if len(patch.cents) > 1 else 0.0
        place = ((count * step + start) % 1.0 * _TABLE).astype(np.int32)
        wave = dark[place] + brightness * (bright[place] - dark[place])
        side = 0.0 if len(patch.cents) == 1 else (number / (len(patch.cents) - 1) - 0.5) * 1.2
        out[0] += wave * np.float32(1 - side)
        out[1] += wave * np.float32(1 + side)
    out /= np.float32(np.sqrt(len(patch.cents)))
    if patch.drive:
        out = np.tanh(out * np.float32(1 + patch.drive)) / np.float32(np.tanh(1 + patch.drive))
    return out * _envelope(patch, held, frames)


def _envelope(patch: Patch, held: int, frames: int) -> np.ndarray:
    seconds = np.arange(frames) / SAMPLE_RATE_HZ
    level = np.minimum(seconds / patch.attack, 1.0) * (
        patch.sustain + (1 - patch.sustain) * np.exp(-np.maximum(0, seconds - patch.attack) / max(0.01, patch.decay))
    )
    let_go = np.clip((frames - np.arange(frames)) / max(1, frames - held), 0.0, 1.0)
    return (level * let_go * let_go).astype(np.float32)


def _harmonics(hertz: float, highest_hz: float) -> int:
    """How many harmonics fit, on a coarse scale so that neighbouring notes share a table; never beyond 16 kHz."""
    fit = max(1.0, min(highest_hz, 16_000.0) / hertz)
    return max(1, int(2 ** (np.floor(np.log2(fit) * 4) / 4)))


@lru_cache(maxsize=256)
def _table(shape: str, duty: float, harmonics: int) -> np.ndarray:
    """One period, band-limited: float32, (4096,). The last harmonics fade so that nothing rings."""
    angle = 2 * np.pi * np.arange(_TABLE) / _TABLE
    table = np.zeros(_TABLE)
    if shape == "sine":
        return (np.sin(angle) + 0.12 * np.sin(2 * angle) + 0.05 * np.sin(3 * angle)).astype(np.float32)
    for k in range(1, harmonics + 1):
        soft = np.cos(np.pi / 2 * (k - 1) / (harmonics + 0.5))
        strength = 1 / k if shape == "saw" else 2 * np.sin(np.pi * k * duty) / k
        table += soft * strength * (np.sin(k * angle) if shape == "saw" else np.cos(k * angle))
    return (table * 0.6).astype(np.float32)
