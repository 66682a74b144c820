"""The studio's own takes in the library: each kept take is a track, with what its plan says of it.

Knows nothing of how a track is heard; the history says which takes there are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from rag.database import LibraryError
from rag.tracks import Track, Tracks
from studio.history.history import History, HistoryError
from studio.takes import Take, TakeError, TakeStore

_log = logging.getLogger("studio.library.library")
_PAGE = 200
_LOOK_SECONDS = 5.0


class AddTrack(Protocol):
    """Listens to one file of which more is known than it says itself."""

    def __call__(self, track: Track) -> Track: ...


def track_of(take: Take, path: str) -> Track:
    """A take as a track: genre and moods as planned, described by its words and its prompt."""
    plan = take.plan
    words = plan.brief.words.strip()
    said = [take.title, words, plan.prompt.value, ", ".join(name.replace("_", " ") for name in plan.instruments.value)]
    return Track(
        path, take_id=take.id, owner=take.owner, title=take.title, artist="MusicGen Studio", year=take.created_at.year,
        description=". ".join(dict.fromkeys(part for part in said if part)), genre=plan.genre.value, genre_by="take",
        moods=tuple(plan.moods.value), moods_by="take" if plan.moods.value else "", added_at=take.created_at,
    )  # fmt: skip


class TakesInLibrary:
    """Keeps the library in step with the history, in the background when asked to.

    changed: called when anything was added, went or came back, so that the index is brought in step at its next use.
    """

    def __init__(
        self,
        history: History,
        store: TakeStore,
        tracks: Callable[[], Tracks],
        add: AddTrack,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._changed = changed
        self._history, self._store, self._tracks, self._add = history, store, tracks, add
        self._working = threading.Lock()
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self._refused: set[str] = set()

    def watch(self) -> None:
        """From now on, look for new takes every few seconds, in the background."""
        self._watcher = threading.Thread(target=self._watch, name="takes into the library", daemon=True)
        self._watcher.start()

    def step(self) -> tuple[int, int]:
        """Add takes that are not in the library, mark those gone that are not kept any more: (added, gone)."""
        with self._working:
            kept = self._kept()
            tracks = self._tracks()
            known = tracks.takes()
            added = 0
            for take_id in kept.keys() - known.keys() - self._refused:
                if self._closing.is_set():
                    break
                try:
                    self._add(track_of(kept[take_id], str(self._store.audio_path(take_id))))
                    added += 1
                except (TakeError, LibraryError, OSError) as trouble:
                    self._refused.add(take_id)
                    _log.warning("take %s is not in the library: %s", take_id, trouble)
            gone = [
                track_id for take_id, (track_id, state) in known.items() if take_id not in kept and state == "present"
            ]
            tracks.mark_gone(gone)
            back = [track_id for take_id, (track_id, state) in known.items() if take_id in kept and state == "gone"]
            for track_id in back:
                tracks.update(track_id, state="present")
            if added or gone or back:
                self._changed()
            return added, len(gone)

    def close(self) -> None:
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join(30.0)

    def _watch(self) -> None:
        seen: tuple[int, str] | None = None
        while not self._closing.wait(_LOOK_SECONDS):
            try:
                page = self._history.search(limit=1)
                now = (page.total, page.entries[0].take.id if page.entries else "")
                if now != seen:
                    self.step()
                    seen = now
            except (HistoryError, LibraryError) as trouble:
                _log.warning("the takes could not be brought into the library: %s", trouble)

    def _kept(self) -> dict[str, Take]:
        found: dict[str, Take] = {}
        while page := self._history.search(limit=_PAGE, offset=len(found)).entries:
            found |= {entry.take.id: entry.take for entry in page}
        return found
