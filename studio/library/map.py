"""The library's map, drawn in the background and kept until the library changes.

A map takes seconds to a minute, so the page is never made to wait: it shows the last one while the next is drawn. Knows
nothing of pages.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

import numpy as np

from rag.clustering import Map, map_of
from rag.filters import Filters
from rag.tracks import Track
from studio.library.library import Library

_log = logging.getLogger("studio.library.library")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A map as it stands. drawing: a newer one is on its way. error: why it could not be drawn."""

    map: Map | None
    tracks: dict[int, Track]
    drawing: bool
    error: str = ""


class LibraryMap:
    """One map an owner (None: everybody's). Thread-safe."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._maps: dict[str | None, tuple[tuple[object, ...], Map, dict[int, Track]]] = {}
        self._drawing: set[str | None] = set()
        self._errors: dict[str | None, str] = {}

    def look(self, owner: str | None) -> Drawn:
        """The map now; when the library has changed since, a new one is begun."""
        state = self._state(owner)
        with self._lock:
            kept = self._maps.get(owner)
            stale = kept is None or kept[0] != state
            if stale and owner not in self._drawing and state[0]:
                self._drawing.add(owner)
                threading.Thread(target=self._draw, args=(owner, state), name="library map", daemon=True).start()
            return Drawn(
                kept[1] if kept else None, kept[2] if kept else {}, owner in self._drawing, self._errors.get(owner, "")
            )

    def _state(self, owner: str | None) -> tuple[object, ...]:
        """What a map depends on: how many tracks there are, the newest of them, and who hears."""
        filters = Filters(owner=owner)
        newest = self._library.tracks.listing(filters, order="added", limit=1)
        return self._library.tracks.count(filters), newest[0].id if newest else 0, self._library.sound.identity

    def _draw(self, owner: str | None, state: tuple[object, ...]) -> None:
        try:
            tracks = {track.id: track for track in self._library.tracks.stream(Filters(owner=owner))}
            vectors = self._library.tracks.vectors(tracks, self._library.sound.identity, "sound")
            known = [tracks[each] for each in sorted(vectors)]
            rows = np.array([vectors[track.id] for track in known]) if known else np.zeros((0, 1), np.float32)
            drawn = map_of(known, rows)
            with self._lock:
                self._maps[owner] = (state, drawn, {track.id: track for track in known})
                self._errors.pop(owner, None)
        except Exception as error:  # noqa: BLE001 - a thread's last hope: the page says it, the log says more
            _log.exception("the map could not be drawn")
            with self._lock:
                self._errors[owner] = f"The map could not be drawn ({type(error).__name__}). The log says more."
        finally:
            with self._lock:
                self._drawing.discard(owner)
