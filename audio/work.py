"""What long work on sound has in common: it says how far it is, can be stopped, and looks first at what it is given.

Knows nothing of what the work is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audio.clip import Clip

Progress = Callable[[float], None]
Stopped = Callable[[], bool]


class WorkCancelled(Exception):
    """The user stopped the work; nothing of it was kept."""


class SoundUnusable(ValueError):
    """A clip that cannot be worked on; the message is a sentence for the user."""


def unheard(share: float) -> None:
    """A progress that nobody watches; share: 0 to 1."""


def never() -> bool:
    """Nobody stops this work."""
    return False


def check_stopped(cancelled: Stopped) -> None:
    """Raise WorkCancelled once the user has asked to stop."""
    if cancelled():
        raise WorkCancelled("Stopped; the sound is as it was.")


def usable(clip: Clip) -> Clip:
    """The clip for work in one or two channels: more are mixed to two.

    Raises SoundUnusable for a clip without frames or channels, or with samples that are no numbers.
    """
    if clip.frames == 0 or clip.channels == 0:
        raise SoundUnusable("There is no sound in this clip. Choose one that lasts a moment.")
    # One pass without a copy of ten minutes: a sum is finite only when all its terms are.
    for start in range(0, clip.frames, 1 << 20):
        if not np.isfinite(clip.samples[:, start : start + (1 << 20)].sum(dtype=np.float64)):
            raise SoundUnusable(
                "The sound holds samples that are no numbers; it is damaged. Fetch it or export it again."
            )
    return clip if clip.channels <= 2 else clip.stereo()


def at_rate(clip: Clip, sample_rate_hz: int) -> Clip:
    """The clip at another rate, round(frames · ratio) long: band-limited, by libsoxr."""
    if clip.sample_rate_hz == sample_rate_hz or clip.frames == 0:
        return clip
    return Clip(resampled(clip.samples, clip.sample_rate_hz, sample_rate_hz), sample_rate_hz)


def resampled(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """(channels, frames) at another rate, float32; the number of frames is rounded, and at least one."""
    import soxr

    frames = max(1, round(samples.shape[1] * to_hz / from_hz))
    made = soxr.resample(np.ascontiguousarray(samples.T), from_hz, to_hz, quality="HQ").T
    made = np.pad(made, ((0, 0), (0, max(0, frames - made.shape[1]))))
    return np.ascontiguousarray(made[:, :frames], np.float32)
