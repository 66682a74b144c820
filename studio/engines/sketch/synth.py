"""Notes into sound, a stretch at a time: a SoundFont player for one part.

Knows nothing of levels, effects or the mix.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from studio.engines.base import EngineError

SAMPLE_RATE_HZ = 44_100
_DEFAULT_NAME = "TimGM6mb.sf2"


@dataclass(frozen=True, slots=True)
class Event:
    """A note in frames: when it starts and ends, its key and its velocity 1 to 127."""

    start_frame: int
    end_frame: int
    pitch: int
    velocity: int


class Voice(Protocol):
    """Plays its events in order, a stretch at a time."""

    def render(self, frames: int) -> np.ndarray:
        """The next `frames` frames: float32, (2, frames)."""
        ...


@dataclass(frozen=True, slots=True)
class Font:
    """A SoundFont's bytes and who it is."""

    name: str
    data: bytes
    sha256: str


def load_font(path: Path | None) -> Font:
    """The user's SoundFont, or the one that comes with pretty_midi. Raises EngineError with what to do next."""
    chosen = path or _default_path()
    try:
        data = chosen.read_bytes()
    except OSError as why:
        raise EngineError(
            f"The SoundFont {chosen.name} cannot be read ({why.strerror or why}). Choose another .sf2 file in Settings."
        ) from why
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise EngineError(f"{chosen.name} is not a SoundFont. Choose a file that ends in .sf2 in Settings.")
    try:
        _synth_of(data)
    except Exception as why:
        raise EngineError(f"The SoundFont {chosen.name} is damaged. Choose another .sf2 file in Settings.") from why
    return Font(chosen.name, data, hashlib.sha256(data).hexdigest())


def _default_path() -> Path:
    # Found without importing pretty_midi, which takes most of a second.
    spec = importlib.util.find_spec("pretty_midi")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / _DEFAULT_NAME).is_file():
            return Path(folder) / _DEFAULT_NAME
    raise EngineError(
        f"The built-in SoundFont {_DEFAULT_NAME} is missing. Install pretty_midi again, or choose a .sf2 in Settings."
    )


def _synth_of(data: bytes) -> tuple[Any, int]:
    import tinysoundfont

    synth = tinysoundfont.Synth(gain=-6.0, samplerate=SAMPLE_RATE_HZ)
    return synth, synth.sfload(data, max_voices=96)


class SoundFontVoice:
    """One program or kit of a SoundFont. cents: detuned by so much; delay_frames: played so much later."""

    def __init__(
        self,
        font: Font,
        events: Sequence[Event],
        *,
        program: int,
        is_kit: bool,
        cents: float = 0.0,
        delay_frames: int = 0,
    ) -> None:
        self._synth, identity = _synth_of(font.data)
        self._select(identity, program, is_kit)
        if cents:
            self._synth.set_tuning(0, cents / 100)
        stops = [(e.end_frame + delay_frames, 0, e.pitch, 0) for e in events]
        starts = [(e.start_frame + delay_frames, 1, e.pitch, e.velocity) for e in events]
        self._moves = sorted(stops + starts)
        self._next = 0
        self._now = 0

    def _select(self, identity: int, program: int, is_kit: bool) -> None:
        """The program, or the nearest one a smaller SoundFont has."""
        banks = [(128 if is_kit else 0, program), *([(128, 0), (0, 0)] if is_kit else [(0, program // 8 * 8), (0, 0)])]
        for bank, preset in banks:
            if self._synth.sfpreset_name(identity, bank, preset) is not None:
                self._synth.program_select(0, identity, bank, preset, is_kit)
                return
        raise EngineError("This SoundFont has no General MIDI sounds. Choose another .sf2 file in Settings.")

    def render(self, frames: int) -> np.ndarray:
        out = np.zeros((frames, 2), np.float32)
        start, end = self._now, self._now + frames
        place = start
        while self._next < len(self._moves) and self._moves[self._next][0] < end:
            frame, kind, pitch, velocity = self._moves[self._next]
            if frame > place:
                self._fill(out, place - start, frame - start)
                place = frame
            if kind:
                self._synth.noteon(0, pitch, velocity)
            else:
                self._synth.noteoff(0, pitch)
            self._next += 1
        self._fill(out, place - start, frames)
        self._now = end
        return np.ascontiguousarray(out.T)

    def _fill(self, out: np.ndarray, start: int, end: int) -> None:
        if end > start:
            out[start:end] = np.frombuffer(self._synth.generate(end - start), np.float32).reshape(-1, 2)


class DoubledVoice:
    """The same line played twice, one hand a little later and out of tune with the other, hard left and right."""

    def __init__(self, left: Voice, right: Voice, *, width: float = 0.9) -> None:
        self._left, self._right, self._width = left, right, width

    def render(self, frames: int) -> np.ndarray:
        one, two = self._left.render(frames).mean(axis=0), self._right.render(frames).mean(axis=0)
        near, far = (1 + self._width) / 2, (1 - self._width) / 2
        return np.stack([near * one + far * two, far * one + near * two])


class LayeredVoice:
    """Several voices at once, each at its own level."""

    def __init__(self, voices: Sequence[tuple[Voice, float]]) -> None:
        self._voices = voices

    def render(self, frames: int) -> np.ndarray:
        total = np.zeros((2, frames), np.float32)
        for voice, level in self._voices:
            total += voice.render(frames) * np.float32(level)
        return total
