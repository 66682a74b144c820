"""Downloads of models that outlive the page that asked for them.

One thread a download; who looks sees how far it is. Knows nothing of the hub: the catalogue fetches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from studio.engines.base import EngineError
from studio.models.hub import DownloadCancelled, ModelError, Progress

State = Literal["running", "stopped", "failed", "done"]


@dataclass(frozen=True, slots=True)
class Download:
    """How far a download is. total_bytes 0: not known yet. error: a sentence when it failed."""

    model_id: str
    state: State = "running"
    done_bytes: int = 0
    total_bytes: int = 0
    error: str = ""


class Named(Protocol):
    """A catalogue's card, as far as a download needs it."""

    @property
    def id(self) -> str: ...


class Fetching(Protocol):
    """What a catalogue must offer to be downloaded from."""

    def card(self, model_id: str) -> Named: ...

    def download(self, model_id: str, *, progress: Progress, cancelled: Callable[[], bool]) -> object: ...


class Downloads:
    """The downloads of one catalogue, by model. Thread-safe."""

    def __init__(self, catalogue: Fetching) -> None:
        self._catalogue = catalogue
        self._views: dict[str, Download] = {}
        self._stops: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self, model_id: str) -> None:
        """Begin, or go on with, a model's download; one that is running goes on. Raises ModelError when unknown."""
        name = self._catalogue.card(model_id).id
        with self._lock:
            view = self._views.get(name)
            if view is not None and view.state == "running":
                return
            self._views[name] = Download(name)
            self._stops[name] = threading.Event()
            thread = threading.Thread(
                target=self._run, args=(name, self._stops[name]), name=f"download {name}", daemon=True
            )
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def stop(self, model_id: str) -> None:
        """Break a download off; what has arrived is kept for the next start."""
        with self._lock:
            if stop := self._stops.get(model_id):
                stop.set()

    def views(self) -> dict[str, Download]:
        """Every download since the studio opened, by model."""
        with self._lock:
            return dict(self._views)

    @property
    def any_running(self) -> bool:
        return any(view.state == "running" for view in self.views().values())

    def close(self, *, timeout_seconds: float = 5.0) -> None:
        """Break all off."""
        with self._lock:
            threads = list(self._threads)
            for stop in self._stops.values():
                stop.set()
        for thread in threads:
            thread.join(timeout_seconds)

    def _run(self, name: str, stop: threading.Event) -> None:
        try:
            self._catalogue.download(
                name,
                progress=lambda done, total: self._note(name, done_bytes=done, total_bytes=total),
                cancelled=stop.is_set,
            )
            self._note(name, state="done")
        except DownloadCancelled:
            self._note(name, state="stopped")
        except (EngineError, ModelError) as error:
            self._note(name, state="failed", error=str(error))
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it to tell
            self._note(name, state="failed", error=f"The download broke off ({type(error).__name__}: {error}).")

    def _note(self, name: str, **changes: object) -> None:
        with self._lock:
            self._views[name] = replace(self._views[name], **changes)  # type: ignore[arg-type]
