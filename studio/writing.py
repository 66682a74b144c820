"""What the agents' language models are writing at this moment, for the page to show and to stop.

Knows nothing of models or pages; an answer that is finished is gone from here.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_SHOWN = 600  # characters of the end of an answer


@dataclass(slots=True)
class Line:
    """One answer under way. text: what is written so far. stop: set to break it off."""

    id: str
    owner: str
    agent: str
    model: str
    text: str = ""
    tokens: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def write(self, piece: str) -> None:
        """The next stretch of the answer."""
        self.text = (self.text + piece)[-_SHOWN:]
        self.tokens += 1


class Writing:
    """All answers under way. Thread-safe. owner None means anyone's."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._lock = threading.Lock()

    @contextmanager
    def line(self, *, owner: str, agent: str, model: str) -> Iterator[Line]:
        """A new answer, listed until the block ends."""
        line = Line(secrets.token_hex(6), owner, agent, model)
        with self._lock:
            self._lines[line.id] = line
        try:
            yield line
        finally:
            with self._lock:
                self._lines.pop(line.id, None)

    def lines(self, *, owner: str | None = None) -> list[Line]:
        """The answers under way, oldest first."""
        with self._lock:
            return [line for line in self._lines.values() if owner is None or line.owner == owner]

    def stop(self, line_id: str, *, owner: str | None = None) -> bool:
        """Break an answer off; False when there is no such answer, or it is another's."""
        found = [line for line in self.lines(owner=owner) if line.id == line_id]
        for line in found:
            line.stop.set()
        return bool(found)

    def stop_all(self) -> None:
        """Break every answer off, for closing."""
        for line in self.lines():
            line.stop.set()
