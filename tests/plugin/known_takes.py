"""Takes whose sound is known to the frame, put into a data folder before a studio opens it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from agents.harmony import Key, Meter
from agents.types import Brief, Decided, Section, SongPlan
from audio.clip import Clip
from studio.engines.base import Rendering, Sampling
from studio.takes import EngineFacts, TakeStore

RATE_HZ = 48_000
TEMPO_BPM = 120.0
BARS = 4
TONE_HZ = 440.0


def plan_of(title: str, *, ring_seconds: float) -> SongPlan:
    """Four bars of 4/4 at 120, and so much behind them."""

    def say(value):
        return Decided(value=value)

    section = Section(
        name=say("all"), bars=say(BARS), energy=say(0.5), prompt=say(title), chords=say(["C"]), instruments=say([])
    )
    return SongPlan(
        brief=Brief(words=title), title=say(title), seconds=say(BARS * 2.0 + ring_seconds), tempo_bpm=say(TEMPO_BPM),
        key=say(Key.parse("C major")), meter=say(Meter.parse("4/4")), genre=say("techno"), moods=say([]), groove=say("none"),
        instruments=say([]), prompt=say(title), negative_prompt=say(""), sections=[section],
    )  # fmt: skip


def clicks() -> Clip:
    """A short noise that starts at its loudest on every beat; the first of each bar is louder."""
    samples = np.zeros(int(RATE_HZ * (BARS * 2.0 + 1.0)), np.float32)
    drawn = np.random.default_rng(5)
    length = RATE_HZ // 20
    for beat in range(BARS * 4):
        burst = drawn.uniform(-1, 1, length) * np.exp(-np.arange(length) / (RATE_HZ * 0.008))
        burst[0] = 1.0
        start = beat * RATE_HZ // 2
        samples[start : start + length] += (0.8 if beat % 4 == 0 else 0.5) * burst.astype(np.float32)
    return Clip(np.stack([samples, samples]), RATE_HZ)


def tone() -> Clip:
    """440 Hz throughout, ringing out over a second."""
    frames = int(RATE_HZ * (BARS * 2.0 + 1.0))
    samples = 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(frames) / RATE_HZ)
    samples[-RATE_HZ:] *= np.linspace(1, 0, RATE_HZ)
    return Clip(np.stack([samples, samples]).astype(np.float32), RATE_HZ)


def keep(data_dir: Path, title: str, clip: Clip, *, second: int = 0) -> str:
    """Put a take into a studio that is not open; returns its identifier. It is newer than any made today, the newest that of
    the last second."""
    store = TakeStore(data_dir / "takes", data_dir / "bin")
    take = store.write(
        Rendering(clip=clip, complete=True), plan=plan_of(title, ring_seconds=1.0), sampling=Sampling(),
        engine=EngineFacts(name="sketch", label="Sketch (built-in)", tier="built-in"), created_at=datetime(2090, 1, 1, 0, 0, second, tzinfo=UTC),
    )  # fmt: skip
    return take.id
