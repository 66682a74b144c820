"""Which tracks are one recording, looked for in the background: a large library takes minutes.

Knows nothing of pages.
"""

from __future__ import annotations

from collections.abc import Callable

from rag.copies import Copies
from rag.filters import Filters
from rag.tracks import Track
from studio.library.library import Library
from studio.library.looking import Look, Looking, Progress

Groups = list[tuple[Track, ...]]


class Twins:
    """One search an owner (None: in everybody's tracks). Thread-safe."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._looking: Looking[Groups] = Looking("Duplicates could not be looked for", closing=library.closing)

    def look(self, owner: str | None) -> Look[Groups]:
        """The groups found last, and how far a search is."""
        return self._looking.look(owner)

    def begin(self, owner: str | None) -> Look[Groups]:
        """Search, unless that is under way."""

        def search(progress: Progress, stopped: Callable[[], bool]) -> Groups:
            copies = Copies(self._library.index)
            return copies.duplicates(filters=Filters(owner=owner), progress=progress, cancelled=stopped)

        return self._looking.begin(owner, self._library.mark(owner), search)

    def stop(self, owner: str | None) -> None:
        """Ask the search to stop; what an earlier one found stays."""
        self._looking.stop(owner)

    def is_old(self, owner: str | None) -> bool:
        """Whether the library has changed since the groups were found."""
        look = self._looking.look(owner)
        return look.result is not None and look.made_of != self._library.mark(owner)
