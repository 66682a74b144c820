"""Long looks through the library that are drawn or listed: one an owner at a time, in a thread, its result kept.

A result is known by what it was made of, so that who asks learns whether it is still true. Knows nothing of pages.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from rag.database import LibraryError
from rag.embeddings import EmbeddingError
from rag.vectordb import VectorStoreError

Result = TypeVar("Result")
Progress = Callable[[int, int], None]
_log = logging.getLogger("studio.library.library")


@dataclass(frozen=True, slots=True)
class Look(Generic[Result]):
    """result: the last one, None before any; made_of: what that was made of, or what the last try failed on. done, total:
    how far the work under way is."""

    result: Result | None = None
    made_of: object = None
    running: bool = False
    done: int = 0
    total: int = 0
    error: str = ""


class Looking(Generic[Result]):
    """what: in words, for errors ("The map could not be drawn"). closing: set when the library closes. Thread-safe."""

    def __init__(self, what: str, *, closing: threading.Event) -> None:
        self._what, self._closing = what, closing
        self._lock = threading.Lock()
        self._looks: dict[str | None, Look[Result]] = {}
        self._stops: dict[str | None, threading.Event] = {}

    def look(self, owner: str | None) -> Look[Result]:
        """How it stands for this owner (None: everybody's tracks)."""
        with self._lock:
            return self._looks.get(owner, Look())

    def begin(
        self, owner: str | None, made_of: object, work: Callable[[Progress, Callable[[], bool]], Result]
    ) -> Look[Result]:
        """Start the work unless it is under way. work: called with how to tell progress and whether to stop."""
        with self._lock:
            now = self._looks.get(owner, Look())
            if now.running:
                return now
            stop = self._stops[owner] = threading.Event()
            begun = self._looks[owner] = replace(now, running=True, done=0, total=0, error="")
            threading.Thread(
                target=self._run, args=(owner, made_of, work, stop), name="library look", daemon=True
            ).start()
            return begun

    def stop(self, owner: str | None) -> None:
        """Ask the work to stop; the last result stays."""
        with self._lock:
            if owner in self._stops:
                self._stops[owner].set()

    def _run(
        self,
        owner: str | None,
        made_of: object,
        work: Callable[[Progress, Callable[[], bool]], Result],
        stop: threading.Event,
    ) -> None:
        def stopped() -> bool:
            return stop.is_set() or self._closing.is_set()

        try:
            result = work(lambda done, total: self._put(owner, done=done, total=total), stopped)
        except (LibraryError, VectorStoreError, EmbeddingError) as error:
            self._put(owner, running=False, made_of=made_of, error=str(error))
        except Exception as error:  # noqa: BLE001 - a thread's last hope: the page says it, the log says more
            _log.exception("%s", self._what)
            said = f"{self._what} ({type(error).__name__}). The log says more."
            self._put(owner, running=False, made_of=made_of, error=said)
        else:
            if stopped():
                self._put(owner, running=False)
            else:
                self._put(owner, running=False, result=result, made_of=made_of)

    def _put(self, owner: str | None, **changes: object) -> None:
        with self._lock:
            self._looks[owner] = replace(self._looks[owner], **changes)  # type: ignore[arg-type]
