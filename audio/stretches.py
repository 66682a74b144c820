"""Separating a long clip a stretch at a time: cut, separated, faded into each other, and brought back to the clip's rate.

So the room needed grows with a stretch and not with the song. Knows nothing of how a stretch is separated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from audio.clip import Clip
from audio.stems import Stems, Tier
from audio.work import Stopped, at_rate, check_stopped, resampled

Pieces = dict[str, np.ndarray]
# (samples, number of the stretch, how many there are) → (stems, channels, frames)
Separate = Callable[[np.ndarray, int, int], np.ndarray]


def in_stretches(
    clip: Clip,
    separate: Separate,
    *,
    names: tuple[str, ...],
    rate_hz: int,
    step_seconds: int,
    fade_seconds: int,
    cancelled: Stopped,
) -> Iterator[Pieces]:
    """The stems of each stretch, one after another without a gap: (channels, frames) by name, as the clip's.

    separate: gets samples at rate_hz with the clip's channels. Raises WorkCancelled.
    """  # fmt: skip
    work = at_rate(clip, rate_hz)
    step, fade = step_seconds * rate_hz, fade_seconds * rate_hz
    count = max(1, -(-max(1, work.frames - fade) // step))  # a rest shorter than its fade joins the last
    back = _Back(clip, rate_hz)
    tail: np.ndarray | None = None
    for number in range(count):
        check_stopped(cancelled)
        last = number == count - 1
        start = number * step
        end = work.frames if last else start + step + fade
        made = separate(work.samples[:, start:end], number, count)
        if tail is not None:
            ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
            made[..., :fade] = made[..., :fade] * ramp + tail * (1 - ramp)
        tail = None if last else made[..., step:]
        yield back.piece(names, made if last else made[..., :step], last=last)


def collected(clip: Clip, pieces: Iterator[Pieces], *, names: tuple[str, ...], tier: Tier, model: str) -> Stems:
    """All stretches joined, and what they leave of the clip."""
    parts = {name: np.zeros_like(clip.samples) for name in names}
    done = 0
    for piece in pieces:
        count = next(iter(piece.values())).shape[1]
        for name, samples in piece.items():
            parts[name][:, done : done + count] = samples
        done += count
    made = {name: Clip(samples, clip.sample_rate_hz) for name, samples in parts.items()}
    return Stems.of(clip, made, tier=tier, model=model)


class _Back:
    """Stems on their way to the clip's rate; a second is held back there, so that no edge is heard."""

    def __init__(self, clip: Clip, rate_hz: int) -> None:
        self._clip, self._rate, self._done = clip, rate_hz, 0
        self._before: np.ndarray | None = None

    def piece(self, names: tuple[str, ...], made: np.ndarray, *, last: bool) -> Pieces:
        theirs = self._clip.sample_rate_hz
        if theirs == self._rate:
            return dict(zip(names, made, strict=True))
        # Stretches are whole seconds, and so whole frames at either rate.
        held = made if self._before is None else np.concatenate([self._before, made], axis=-1)
        up = resampled(held.reshape(-1, held.shape[-1]), self._rate, theirs).reshape(*held.shape[:-1], -1)
        ready = up[..., 0 if self._before is None else theirs : None if last else up.shape[-1] - theirs]
        if last:
            wanted = self._clip.frames - self._done
            ready = np.pad(ready, ((0, 0), (0, 0), (0, max(0, wanted - ready.shape[-1]))))[..., :wanted]
        self._before = held[..., -2 * self._rate :]
        self._done += ready.shape[-1]
        return dict(zip(names, ready, strict=True))
