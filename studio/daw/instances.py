"""The plug-ins that are out there in DAWs: who they are, how they are, and what the page wishes of each.

A plug-in greets every two seconds and hears its wish in the answer; one that has been silent for a while is gone. Knows
nothing of HTTP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

GONE_AFTER_SECONDS = 8.0
MOST = 256


@dataclass(frozen=True, slots=True)
class Wish:
    """What the page wants of a plug-in: a take to play, or words to make one from."""

    number: int
    take_id: str = ""
    words: str = ""
    bars: int = 8


@dataclass(frozen=True, slots=True)
class Instance:
    """A plug-in as it described itself. tempo_bpm 0: its host names none. seen_at: by the clock of `Instances`."""

    id: str
    program: str = ""
    take_id: str = ""
    wanted_id: str = ""
    status: str = ""
    tempo_bpm: float = 0.0
    rate_hz: float = 0.0
    seen_at: float = 0.0
    wish: Wish | None = None


class NoSuchInstance(Exception):
    """The plug-in is not there (any more); the message is a sentence for the user."""

    def __init__(self) -> None:
        super().__init__("That plug-in is no longer there. Is its project still open?")


class Instances:
    """The plug-ins of one studio. Thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, Instance] = {}
        self._lock = threading.Lock()
        # Later than any number of an earlier run, so that a plug-in that outlived it does not take a wish for one it obeyed.
        self._last_number = int(time.time() * 1_000)

    def greet(self, instance: Instance, *, obeyed: str) -> Wish | None:
        """Take note of a plug-in; returns what is still wished of it."""
        with self._lock:
            known = self._known.get(instance.id)
            wish = known.wish if known else None
            if wish is not None and obeyed == str(wish.number):
                wish = None
            if known is not None or len(self._known) < MOST:
                self._known[instance.id] = replace(instance, seen_at=self._clock(), wish=wish)
            return wish

    def listing(self) -> list[Instance]:
        """Those heard of lately, in the order they came."""
        with self._lock:
            now = self._clock()
            self._known = {name: each for name, each in self._known.items() if now - each.seen_at < GONE_AFTER_SECONDS}
            return list(self._known.values())

    def wish(self, instance_id: str, *, take_id: str = "", words: str = "", bars: int = 8) -> None:
        """Wish something of a plug-in; a later wish replaces one not yet heard. Raises NoSuchInstance."""
        known = {each.id for each in self.listing()}
        with self._lock:
            if instance_id not in known or instance_id not in self._known:
                raise NoSuchInstance
            self._last_number += 1
            wish = Wish(self._last_number, take_id=take_id, words=words, bars=bars)
            self._known[instance_id] = replace(self._known[instance_id], wish=wish)


def instance_of(instance_id: str, lines: Mapping[str, str]) -> Instance:
    """A plug-in out of its greeting; figures that are none read as 0."""
    return Instance(
        id=instance_id, program=lines.get("program", "")[:80], take_id=lines.get("take", "")[:80],
        wanted_id=lines.get("wanted", "")[:80], status=lines.get("status", "")[:80],
        tempo_bpm=figure(lines.get("tempo", "")), rate_hz=figure(lines.get("rate", "")),
    )  # fmt: skip


def figure(text: str) -> float:
    """A figure out of a plug-in's line, 0 where it is none."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value < 1e9 else 0.0
