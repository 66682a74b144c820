"""A mix taken apart: its stems by name, where they came from, and what is left over.

The stems always sum to the mix, for what no stem holds is a stem itself, the residual. Knows nothing of files, of
takes or of how a model is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from audio.clip import Clip, SampleRateMismatch

RESIDUAL = "residual"
Tier = Literal["true", "full", "built-in"]
# Under this a stem cannot be heard beside the others: 24-bit files round there.
SILENT_DB = -80.0


@dataclass(frozen=True, slots=True, eq=False)
class Stems:
    """Clips by name, all of one rate, length and channel count; the last is the residual.

    tier: "true" where the parts were there from the start, "full" from a model, "built-in" by signal processing.
    model: which model or method, with what makes two of them differ ("htdemucs:1f3a9c…", "signal-1").
    """

    clips: Mapping[str, Clip]
    tier: Tier
    model: str

    @classmethod
    def of(cls, mix: Clip, parts: Mapping[str, Clip], *, tier: Tier, model: str) -> Stems:
        """The parts and what is left of the mix without them.

        A part of another length is cut or filled with silence. Raises SampleRateMismatch.
        """
        if any((p.sample_rate_hz, p.channels) != (mix.sample_rate_hz, mix.channels) for p in parts.values()):
            raise SampleRateMismatch("the stems and their mix differ in sample rate or channels")
        fitted = {name: _of_length(part, mix.frames) for name, part in parts.items() if name != RESIDUAL}
        left = mix.samples.copy()
        for part in fitted.values():
            left -= part.samples
        fitted[RESIDUAL] = Clip(left, mix.sample_rate_hz)
        return cls(fitted, tier, model)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.clips)

    def audible(self) -> tuple[str, ...]:
        """The names of the stems that are more than rounding noise."""
        return tuple(name for name, clip in self.clips.items() if _peak_db(clip) > SILENT_DB)

    def mix(self) -> Clip:
        """All stems together."""
        clips = list(self.clips.values())
        total = clips[0].samples.copy()
        for clip in clips[1:]:
            total += clip.samples
        return Clip(total, clips[0].sample_rate_hz)

    def error_db(self, mix: Clip) -> float:
        """How far the stems' sum is from the mix, in dB under the mix's own level; -inf when nowhere."""
        off = float(np.square(self.mix().samples - mix.samples, dtype=np.float64).mean())
        level = float(np.square(mix.samples, dtype=np.float64).mean())
        return 10 * float(np.log10(off / level)) if off > 0 and level > 0 else float("-inf")


def _of_length(clip: Clip, frames: int) -> Clip:
    if clip.frames == frames:
        return clip
    fitted = np.zeros((clip.channels, frames), np.float32)
    fitted[:, : min(frames, clip.frames)] = clip.samples[:, :frames]
    return Clip(fitted, clip.sample_rate_hz)


def _peak_db(clip: Clip) -> float:
    peak = max(float(clip.samples.max(initial=0.0)), -float(clip.samples.min(initial=0.0)))
    return 20 * float(np.log10(peak)) if peak > 0 else float("-inf")
