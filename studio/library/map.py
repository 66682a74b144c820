"""The library's map, drawn in the background and kept until the library changes.

A map takes seconds to a minute, so the page is never made to wait: it shows the last one while the next is drawn. Knows
nothing of pages.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np

from rag.clustering import Map, map_of
from rag.database import LibraryError
from rag.filters import Filters
from rag.tracks import Track
from studio.library.library import Library
from studio.library.looking import Looking


@dataclass(frozen=True, slots=True)
class Drawn:
    """A map as it stands. drawing: a newer one is on its way. error: why it could not be drawn. name: this drawing's own,
    by which its styles are asked for."""

    map: Map | None
    tracks: dict[int, Track]
    drawing: bool
    error: str = ""
    name: str = ""


class LibraryMap:
    """One map an owner (None: everybody's). Thread-safe."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._looking: Looking[tuple[Map, dict[int, Track], str]] = Looking(
            "The map could not be drawn", closing=library.closing
        )

    def look(self, owner: str | None) -> Drawn:
        """The map now; when the library has changed since, a new one is begun."""
        state, look = self._library.mark(owner), self._looking.look(owner)
        if look.made_of != state and not look.running and self._library.tracks.count(Filters(owner=owner)):
            look = self._looking.begin(owner, state, lambda progress, stopped: self._draw(owner))
        drawn, tracks, name = look.result or (None, {}, "")
        return Drawn(drawn, tracks, look.running, look.error, name)

    def style(self, owner: str | None, style: str) -> tuple[int, ...]:
        """The tracks of a style, named “drawing.number”. Raises LibraryError when the map has been drawn anew since."""
        drawn, _, name = self._looking.look(owner).result or (None, {}, "")
        of, _, number = style.rpartition(".")
        if drawn is None or of != name or not number.isdecimal() or int(number) >= len(drawn.clusters):
            raise LibraryError("The map has been drawn anew since: choose the style there again.")
        return drawn.clusters[int(number)].tracks

    def _draw(self, owner: str | None) -> tuple[Map, dict[int, Track], str]:
        tracks = {track.id: track for track in self._library.tracks.stream(Filters(owner=owner))}
        vectors = self._library.tracks.vectors(tracks, self._library.sound.identity, "sound")
        known = [tracks[each] for each in sorted(vectors)]
        rows = np.array([vectors[track.id] for track in known]) if known else np.zeros((0, 1), np.float32)
        return map_of(known, rows), {track.id: track for track in known}, secrets.token_hex(4)
