"""The desk's long work: queued, told of, stopped, and still there when the page is loaded again.

Two lanes, so that a loop is found while a song is being separated; each does one piece of work after another. Knows
nothing of what the work is.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from studio.desk.errors import DeskError, NothingThere, WorkStopped

_log = logging.getLogger(__name__)
_OURS = ("agents", "audio", "rag", "studio")
KEPT_SECONDS = 3_600.0
MOST_KEPT = 60

DeskState = Literal["queued", "running", "done", "stopped", "failed"]
Lane = Literal["quick", "long"]


@dataclass(frozen=True, slots=True)
class WorkView:
    """A piece of work at one moment. result: what it made, ready for JSON. files: what one can fetch of it, by name."""

    id: str
    owner: str
    kind: str
    label: str
    source: str
    state: DeskState
    stage: str
    fraction: float
    error: str
    elapsed_seconds: float
    result: Mapping[str, Any] | None = None
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        return self.state in ("done", "stopped", "failed")


class Work:
    """What a piece of work is handed: it tells how far it is, and learns here that it is to stop."""

    def __init__(self, *, owner: str, kind: str, label: str, source: str) -> None:
        self.id = secrets.token_hex(8)
        self.owner, self.kind, self.label, self.source = owner, kind, label, source
        self.state: DeskState = "queued"
        self.stage, self.fraction, self.error = "", 0.0, ""
        self.result: Mapping[str, Any] | None = None
        self.files: dict[str, Path] = {}
        self.stop_asked = threading.Event()
        self.ended = threading.Event()
        self._started: float | None = None
        self._finished: float | None = None

    def tell(self, fraction: float, stage: str | None = None) -> None:
        """Say how far it is, 0 to 1. Raises WorkStopped once the user wants no more."""
        self.fraction = min(1.0, max(0.0, float(fraction)))
        if stage is not None:
            self.stage = stage
        self.go_on()

    def part(self, start: float, end: float, stage: str | None = None) -> Callable[[float], None]:
        """A `tell` for a step of the work that spans start to end of the whole."""
        return lambda fraction: self.tell(start + (end - start) * float(fraction), stage)

    def go_on(self) -> None:
        """Raises WorkStopped once the user wants no more."""
        if self.stop_asked.is_set():
            raise WorkStopped("Stopped.")

    def enter(self, state: DeskState, *, error: str = "") -> None:
        """Go into another state."""
        now = time.monotonic()
        if state == "running":
            self._started = now
        elif state != "queued":
            self._finished = now
        self.state, self.error = state, error
        if self._finished is not None:
            self.ended.set()

    def is_stale(self) -> bool:
        return self._finished is not None and time.monotonic() - self._finished > KEPT_SECONDS

    def view(self) -> WorkView:
        """The work now."""
        started = self._started or time.monotonic()
        elapsed = (self._finished or time.monotonic()) - started
        return WorkView(
            id=self.id, owner=self.owner, kind=self.kind, label=self.label, source=self.source, state=self.state,
            stage=self.stage, fraction=1.0 if self.state == "done" else self.fraction, error=self.error,
            elapsed_seconds=elapsed, result=self.result, files=dict(self.files),
        )  # fmt: skip


Task = Callable[[Work], Mapping[str, Any]]


@dataclass
class _Lane:
    waiting: deque[tuple[Work, Task]] = field(default_factory=deque)
    thread: threading.Thread | None = None


class DeskJobs:
    """The desk's queue. Thread-safe. owner None means anyone's."""

    def __init__(self) -> None:
        self._known: dict[str, Work] = {}
        self._lanes: dict[Lane, _Lane] = {"quick": _Lane(), "long": _Lane()}
        self._news = threading.Condition()
        self._closed = False

    def submit(
        self,
        task: Task,
        *,
        kind: str,
        label: str,
        source: str,
        owner: str,
        lane: Lane = "quick",
        most: int | None = None,
    ) -> WorkView:
        """Queue a task; at most `most` of this owner's may be under way. Raises DeskError."""
        work = Work(owner=owner, kind=kind, label=label, source=source)
        with self._news:
            if self._closed:
                raise DeskError("The studio is being closed.")
            active = sum(not w.ended.is_set() for w in self._known.values() if w.owner == owner)
            if most is not None and active >= most:
                raise DeskError(f"You have {active} things under way on the desk. Wait for one, or stop it.")
            self._tidy()
            self._known[work.id] = work
            place = self._lanes[lane]
            place.waiting.append((work, task))
            if place.thread is None:
                place.thread = threading.Thread(target=self._run, args=(place,), name=f"desk-{lane}", daemon=True)
                place.thread.start()
            self._news.notify_all()
        return work.view()

    def list(self, owner: str | None = None) -> tuple[WorkView, ...]:
        """All that is known, oldest first."""
        with self._news:
            return tuple(work.view() for work in self._known.values() if owner is None or work.owner == owner)

    def get(self, work_id: str, *, owner: str | None = None) -> WorkView:
        """Raises NothingThere."""
        return self._find(work_id, owner).view()

    def stop(self, work_id: str, *, owner: str | None = None) -> WorkView:
        """Ask a piece of work to stop; one that waits never starts. Raises NothingThere."""
        work = self._find(work_id, owner)
        with self._news:
            work.stop_asked.set()
            if work.state == "queued":
                work.enter("stopped")
        return work.view()

    def wait(self, work_id: str, *, timeout_seconds: float) -> WorkView:
        """The work once it has ended, or as it is when the time is over."""
        work = self._find(work_id, None)
        work.ended.wait(timeout_seconds)
        return work.view()

    def close(self) -> None:
        """Stop everything and wait a moment for it."""
        with self._news:
            self._closed = True
            for work in self._known.values():
                work.stop_asked.set()
            self._news.notify_all()
        for lane in self._lanes.values():
            if lane.thread is not None:
                lane.thread.join(10.0)

    def _find(self, work_id: str, owner: str | None) -> Work:
        with self._news:
            work = self._known.get(work_id)
        if work is None or (owner is not None and work.owner != owner):
            raise NothingThere("There is no such work on the desk; it may have ended long ago.")
        return work

    def _tidy(self) -> None:
        for work in [work for work in self._known.values() if work.is_stale()]:
            del self._known[work.id]
        ended = [work for work in self._known.values() if work.ended.is_set()]
        for work in ended[: max(0, len(self._known) - MOST_KEPT)]:
            del self._known[work.id]

    def _run(self, lane: _Lane) -> None:
        while True:
            with self._news:
                while not lane.waiting and not self._closed:
                    self._news.wait()
                if self._closed:
                    return
                work, task = lane.waiting.popleft()
                if work.state != "queued":
                    continue
                work.enter("running")
            self._do(work, task)

    def _do(self, work: Work, task: Task) -> None:
        try:
            work.result = task(work)
        except WorkStopped:
            work.enter("stopped")
        except Exception as error:  # noqa: BLE001 - whatever broke, the desk goes on and the user is told
            stopped = work.stop_asked.is_set()
            work.enter("stopped" if stopped else "failed", error="" if stopped else sentence_for(error))
        else:
            work.enter("done")


def sentence_for(error: Exception) -> str:
    """What went wrong, for the user: our own errors say it themselves, others are written to the log."""
    if type(error).__module__.split(".")[0] in _OURS:
        return str(error)
    _log.error("work on the desk failed", exc_info=error)
    if isinstance(error, MemoryError):
        return "There was not enough memory for this. Close other programs, or take a shorter sound."
    if isinstance(error, OSError) and error.errno == 28:
        return "The disk is full. Empty the bin or free some space, then try again."
    return f"Something broke here ({type(error).__name__}). The studio's log has the details."
