"""Long work on the library: importing, hearing anew, rebuilding; one at a time, in a thread that outlives the page.

Knows nothing of pages; who looks sees how far it is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from rag.database import LibraryError
from rag.embeddings import EmbeddingError
from rag.importing import Progress, Report
from rag.vectordb import VectorStoreError

Kind = Literal["import", "reindex", "rebuild"]
State = Literal["running", "stopped", "failed", "done"]
_log = logging.getLogger("studio.library.library")
_STARTING = Progress("starting", 0, 0, 0, 0.0, None)
Work = Callable[[Callable[[Progress], None], Callable[[], bool]], Report]


class LibraryBusy(LibraryError):
    """Other work on the library is under way."""


@dataclass(frozen=True, slots=True)
class LibraryJob:
    """Work on the library as it stands. what: in words. report: when an import is over. error: when it failed. stopping:
    it was asked to stop and is putting away what it has."""

    kind: Kind
    what: str
    state: State = "running"
    progress: Progress = _STARTING
    report: Report | None = None
    error: str = ""
    stopping: bool = False


class LibraryJobs:
    """The work under way, or the last that was. Thread-safe."""

    def __init__(self) -> None:
        self._view: LibraryJob | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._change = threading.Condition()

    def start(self, kind: Kind, what: str, work: Work) -> LibraryJob:
        """Begin. Raises LibraryBusy while other work is under way."""
        with self._change:
            self.refuse_if_busy()
            self._stop = threading.Event()
            self._view = LibraryJob(kind, what)
            self._thread = threading.Thread(target=self._run, args=(work,), name="library", daemon=True)
            self._thread.start()
            return self._view

    def refuse_if_busy(self) -> None:
        """Raises LibraryBusy while work is under way."""
        with self._change:
            if self._view is not None and self._view.state == "running":
                raise LibraryBusy(f"{self._view.what} is under way. Wait until it is done, or stop it.")

    def view(self) -> LibraryJob | None:
        """The work under way or the last; None before any."""
        with self._change:
            return self._view

    def stop(self) -> None:
        """Ask the work to stop; what it has done is kept."""
        with self._change:
            self._stop.set()
            if self._view is not None and self._view.state == "running":
                self._view = replace(self._view, stopping=True)

    def wait(self, *, timeout_seconds: float | None = None) -> LibraryJob | None:
        """The work once it is over, or as it is when the time is up."""
        with self._change:
            self._change.wait_for(lambda: self._view is None or self._view.state != "running", timeout_seconds)
            return self._view

    def close(self, *, timeout_seconds: float = 60.0) -> bool:
        """Stop and wait; False when it would not stop in time."""
        self.stop()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
            return not self._thread.is_alive()
        return True

    def _run(self, work: Work) -> None:
        try:
            report = work(self._progressed, self._stop.is_set)
        except (LibraryError, VectorStoreError, EmbeddingError) as error:
            self._end("failed", error=str(error))
        except Exception as error:  # noqa: BLE001 - a thread's last hope: the user is told, the log says more
            _log.exception("work on the library failed")
            self._end("failed", error=f"Something went wrong that should not have: {error}. The log says more.")
        else:
            self._end("stopped" if report.cancelled else "done", report=report)

    def _progressed(self, progress: Progress) -> None:
        with self._change:
            if self._view is not None:
                self._view = replace(self._view, progress=progress)
                self._change.notify_all()

    def _end(self, state: State, *, report: Report | None = None, error: str = "") -> None:
        with self._change:
            if self._view is not None:
                self._view = replace(self._view, state=state, report=report, error=error, stopping=False)
                self._change.notify_all()
