"""Folders that are watched: when files come, change or go in them, they are looked through again.

Waits until the copying is over. Knows nothing of what an import does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rag.database import LibraryError
from rag.scanning import SUFFIXES

_QUIET_SECONDS = 3.0
_AGAIN_SECONDS = 30.0
_log = logging.getLogger("studio.library.library")


class Watch:
    """Calls `rescan` with the folders in which something changed. Thread-safe."""

    def __init__(self, rescan: Callable[[Sequence[Path]], object], *, quiet_seconds: float = _QUIET_SECONDS) -> None:
        self._rescan, self._quiet = rescan, quiet_seconds
        self._observer: Any = None
        self._timer: threading.Timer | None = None
        self._changed: set[Path] = set()
        self._lock = threading.Lock()
        self.problem = ""

    def follow(self, folders: Sequence[Path]) -> None:
        """Watch exactly these folders from now on. `problem` says why some cannot be watched, or ""."""
        self.close()
        if not folders:
            return
        from watchdog.observers import Observer

        observer = Observer()
        self.problem = ""
        for folder in folders:
            try:
                observer.schedule(_handler(self, folder), str(folder), recursive=True)
            except OSError as error:
                self.problem = f"{folder} cannot be watched ({error.strerror or error}); import it again by hand."
                _log.warning("%s", self.problem)
        observer.start()
        self._observer = observer

    def close(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(10.0)
            self._observer = None

    def changed(self, folder: Path) -> None:
        """Something in this folder changed: look when it has been quiet for a moment."""
        with self._lock:
            self._changed.add(folder)
            self._wait(self._quiet)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        with self._lock:
            folders, self._changed = sorted(self._changed), set()
        try:
            self._rescan(folders)
        except LibraryError:  # other work is under way: try again later
            with self._lock:
                self._changed.update(folders)
                self._wait(_AGAIN_SECONDS)


def _handler(watch: Watch, folder: Path) -> Any:
    """What watchdog calls; only sound files and folders matter."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            names = (str(event.src_path), str(event.dest_path or ""))
            sound = any(Path(name).suffix.lower() in SUFFIXES for name in names if name)
            moved = event.event_type in ("created", "moved", "deleted")
            if (moved and (sound or event.is_directory)) or (event.event_type in ("modified", "closed") and sound):
                watch.changed(folder)

    return Handler()
