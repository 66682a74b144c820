"""Takes stretched to a DAW's tempo, at its rate: made once each by one thread, kept beside the take's other exports.

Whoever asks again for something else has given up what it asked for before; what nobody waits for is not made. Knows
nothing of HTTP.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from audio.io import AudioError, encode, read_clip
from audio.stretch import TempoOutOfRange, stretch
from audio.work import SoundUnusable, WorkCancelled, at_rate, check_stopped
from studio.exports import ExportError, Exports
from studio.takes import TakeError

_log = logging.getLogger(__name__)
PATIENCE_SECONDS = 5.0
_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """A take's sound: how many times as fast, and at what rate."""

    take_id: str
    factor: float
    rate_hz: int

    @property
    def name(self) -> str:
        return f"plug-in-{self.factor:.8f}-{self.rate_hz}.wav"


@dataclass(slots=True)
class _Order:
    wanted: Wanted
    asked_at: float
    askers: set[str] = field(default_factory=set)
    progress: float = 0.0
    error: str = ""
    done: bool = False


class SoundTrouble(Exception):
    """A sound could not be made; the message is a sentence for the user."""


class TempoSounds:
    """The sounds of one studio. open_take: the file of a take's mix."""

    def __init__(
        self, exports: Exports, open_take: Callable[[str], Path], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._exports, self._open_take, self._clock = exports, open_take, clock
        self._orders: dict[Wanted, _Order] = {}
        self._change = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def ask(self, wanted: Wanted, *, asker: str) -> Path | float:
        """The file once it is there, else how far it is, 0 to 1: ask again within PATIENCE_SECONDS.

        Raises SoundTrouble when it could not be made; asking once more then tries anew.
        """
        if (path := self._exports.kept(wanted.take_id, wanted.name)) is not None:
            with self._change:
                self._orders.pop(wanted, None)
            return path
        with self._change:
            for other in self._orders.values():
                if other.wanted != wanted:
                    other.askers.discard(asker)
            order = self._orders.get(wanted)
            if order is None or (order.done and not order.error):
                order = self._orders[wanted] = _Order(wanted, self._clock())
                self._begin()
            order.askers.add(asker)
            order.asked_at = self._clock()
            if order.error:
                del self._orders[wanted]
                raise SoundTrouble(order.error)
            self._change.notify_all()
            return order.progress

    def close(self) -> None:
        """Stop what is being made."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(10)

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="plug-in sounds", daemon=True)
            self._thread.start()

    def _is_unwanted(self, order: _Order) -> bool:
        with self._change:
            return self._closing or not order.askers or self._clock() - order.asked_at > PATIENCE_SECONDS

    def _work(self) -> None:
        while True:
            with self._change:
                self._orders = dict(list(self._orders.items())[-_REMEMBERED:])
                while not self._closing and not (waiting := [o for o in self._orders.values() if not o.done]):
                    self._change.wait()
                if self._closing:
                    return
                order = waiting[0]
            try:
                self._make(order)
            except WorkCancelled:
                with self._change:
                    self._orders.pop(order.wanted, None)
            except (AudioError, ExportError, SoundUnusable, TakeError, TempoOutOfRange, OSError) as trouble:
                order.error = str(trouble)
            except Exception:  # noqa: BLE001 - one take must not stop the others
                _log.exception("A take could not be made ready for a plug-in")
                order.error = "The take could not be made ready; the studio's log says why."
            order.done = True

    def _make(self, order: _Order) -> None:
        """Read, stretch, resample, write; between the steps look whether anybody still waits."""

        def step(share: float) -> None:
            check_stopped(lambda: self._is_unwanted(order))
            order.progress = share

        wanted = order.wanted
        step(0.05)
        clip = read_clip(self._open_take(wanted.take_id)).stereo()
        step(0.15)
        if abs(wanted.factor - 1.0) > 1e-7:
            clip = stretch(clip, factor=wanted.factor)
        step(0.75)
        clip = at_rate(clip, wanted.rate_hz)
        step(0.9)
        data = encode(clip, format="wav16")
        self._exports.keep(wanted.take_id, wanted.name, lambda part: part.write_bytes(data))
        order.progress = 1.0
