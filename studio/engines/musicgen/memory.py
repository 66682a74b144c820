"""What happens when a device's memory ends in the middle of a take: what is made is kept, and the processor goes on.

Knows nothing of how codes are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from audio.clip import Clip
from studio.engines.base import Listener


@dataclass(slots=True)
class Ending:
    """ran_out: whether memory ended before the work did."""

    ran_out: bool = False


@contextmanager
def lasting(worth_keeping: Callable[[], bool]) -> Iterator[Ending]:
    """Work that may run out of memory: it then ends quietly, if there is something worth keeping.

    What torch held for it is handed back. Any other error, or this one with nothing made, goes on its way.
    """
    from studio.engines.musicgen.load import free_memory, is_out_of_memory

    ending = Ending()
    try:
        yield ending
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error) or not worth_keeping():
            raise
        ending.ran_out = True
    if ending.ran_out:  # out of the `except`, whose traceback keeps the tensors alive
        free_memory()


def ran_out_after(seconds: float) -> str:
    """What the user is told of a take that memory cut short."""
    return (
        f"The memory of this device ran out after {seconds:.0f} s, which are kept: close other programs, ask for fewer "
        "candidates, or choose a smaller model."
    )


def went_on_from(seconds: float) -> str:
    """What the user is told of a take that the processor finished."""
    return (
        f"The graphics card's memory ran out at {seconds:.0f} s; the rest was made by the processor, which is slower."
    )


class Resumed(Listener):
    """Follows a take begun anew where another broke off: the listener is told only what it was not told before."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._has_started = False
        self._told = self._heard = 0  # samples told to the listener, and heard of the take being made

    def begin_anew(self) -> None:
        """What follows is heard from the start again."""
        self._heard = 0

    def started(self, *, sample_rate_hz: int, channels: int, frames: int) -> None:
        if not self._has_started:
            self._has_started = True
            self._listener.started(sample_rate_hz=sample_rate_hz, channels=channels, frames=frames)

    def heard(self, clip: Clip) -> None:
        known = min(clip.frames, max(0, self._told - self._heard))
        self._heard += clip.frames
        if known < clip.frames:
            self._told = self._heard
            self._listener.heard(Clip(clip.samples[:, known:], clip.sample_rate_hz))

    def progress(self, stage: str, fraction: float) -> None:
        self._listener.progress(stage, fraction)

    def cancelled(self) -> bool:
        return self._listener.cancelled()
