"""The one currency for sound: samples and their rate, and nothing else.

Knows nothing of files, of loudness or of where the sound came from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


class SampleRateMismatch(ValueError):
    """Two clips of different sample rates or channel counts were joined."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A stretch of sound.

    samples: float32, shape (channels, frames), nominal range -1 to 1.
    sample_rate_hz: frames a second.
    """

    samples: np.ndarray
    sample_rate_hz: int

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, dtype=np.float32)
        if samples.ndim == 1:
            samples = samples[np.newaxis, :]
        if samples.ndim != 2:
            raise ValueError(f"a clip is (channels, frames), not {samples.shape}")
        if self.sample_rate_hz <= 0:
            raise ValueError(f"a sample rate is positive, not {self.sample_rate_hz}")
        object.__setattr__(self, "samples", samples)

    @property
    def channels(self) -> int:
        return self.samples.shape[0]

    @property
    def frames(self) -> int:
        return self.samples.shape[1]

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate_hz

    @classmethod
    def silence(cls, *, seconds: float, sample_rate_hz: int, channels: int = 2) -> Clip:
        """A clip of zeros, `round(seconds * sample_rate_hz)` frames long."""
        frames = round(seconds * sample_rate_hz)
        return cls(np.zeros((channels, frames), np.float32), sample_rate_hz)

    @classmethod
    def joined(cls, clips: Iterable[Clip]) -> Clip:
        """The clips one after another.

        Raises SampleRateMismatch unless all share one rate and channel count.
        """
        pieces = list(clips)
        if not pieces:
            raise ValueError("nothing to join")
        if len({(piece.sample_rate_hz, piece.channels) for piece in pieces}) > 1:
            raise SampleRateMismatch("clips to be joined differ in sample rate or channels")
        return cls(np.concatenate([p.samples for p in pieces], axis=1), pieces[0].sample_rate_hz)

    def between(self, start_seconds: float, end_seconds: float) -> Clip:
        """The part from start to end, both clamped to the clip; the samples are shared, not copied."""
        start = max(0, round(start_seconds * self.sample_rate_hz))
        end = max(start, round(end_seconds * self.sample_rate_hz))
        return Clip(self.samples[:, start:end], self.sample_rate_hz)

    def mono(self) -> Clip:
        """The channels' mean, shape (1, frames)."""
        return self if self.channels == 1 else Clip(self.samples.mean(0), self.sample_rate_hz)

    def stereo(self) -> Clip:
        """Two channels: a mono clip doubled, a clip of more channels mixed to mono and doubled."""
        if self.channels == 2:
            return self
        return Clip(np.repeat(self.mono().samples, 2, axis=0), self.sample_rate_hz)
