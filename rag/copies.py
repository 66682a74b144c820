"""The same recording again: which track an excerpt or an altered copy is of, and which tracks are duplicates.

Likeness proposes, the fingerprint decides. Two tracks count as duplicates only when their sound, their length and their
fingerprints all agree, so that a remix, an edit or another take of the same plan never does. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rag.filters import EVERYTHING, Filters
from rag.fingerprint import SPEEDS, fingerprint, match, same_levels, shares_in_place
from rag.frames import Frames
from rag.index import Index
from rag.tracks import Track

# A copy's landmarks lie on one line by a share well over what two different pieces reach (see docs/library.md).
SURE_SHARE = 0.5
_PROPOSED = 30
# Duplicates: as far apart as two encodings of one master come to lie, and no farther.
_SAME_SHARE = 0.5
_SAME_SOUND = 0.93
_SAME_WINDOWS = 0.88
_SAME_SECONDS = 0.15
_SAME_OFFSET_SECONDS = 0.12
_PARTS, _SAME_PART_SHARE = 5, 0.4


@dataclass(frozen=True, slots=True)
class Copy:
    """A track that a sound was found to be of. share: of the landmarks, 0 to 1; speed: the sound's over the track's."""

    track: Track
    share: float
    offset_seconds: float
    speed: float

    @property
    def is_sure(self) -> bool:
        return self.share >= SURE_SHARE


class Copies:
    """Looks for recordings in a library by its index."""

    def __init__(self, index: Index) -> None:
        self._index, self._tracks = index, index.tracks

    def of(self, heard: Frames, *, limit: int = 5, filters: Filters = EVERYTHING) -> list[Copy]:
        """Tracks the sound may be a copy or a part of, surest first, whatever its loudness and up to 4 % of speed."""
        made = self._index.signal.embed_heard(heard)
        hits = self._index.store.nearest(made.windows, using="windows", limit=_PROPOSED, filters=filters)
        tracks = self._tracks.many(hit.id for hit in hits)
        asked = fingerprint(heard)
        found = []
        for track in tracks.values():
            kept = self._tracks.fingerprint(track.id)
            if kept is not None:
                best = match(asked, kept, speeds=SPEEDS)
                found.append(Copy(track, best.share, best.offset_seconds, best.speed))
        return sorted(found, key=lambda copy: (-copy.share, copy.track.id))[:limit]

    def duplicates(
        self,
        *,
        filters: Filters = EVERYTHING,
        progress: Callable[[int, int], None] = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[tuple[Track, ...]]:
        """Groups of tracks that hold the same recording, each oldest first."""
        group_of: dict[int, set[int]] = {}
        ids = self._tracks.ids(filters)
        for done, track in enumerate(self._tracks.stream(filters)):
            if cancelled():
                break
            if done % 50 == 0:
                progress(done, len(ids))
            for other in self._twins(track, filters):
                joined = group_of.get(track.id, {track.id}) | group_of.get(other, {other})
                for each in joined:
                    group_of[each] = joined
        groups = {min(group): group for group in group_of.values()}
        tracks = self._tracks.many(each for group in groups.values() for each in group)
        return [tuple(tracks[each] for each in sorted(group) if each in tracks) for _, group in sorted(groups.items())]

    def _twins(self, track: Track, filters: Filters) -> Iterator[int]:
        """Later tracks that hold the same recording as this one."""
        model = self._index.signal.identity
        kept = self._tracks.vectors([track.id], model, "windows").get(track.id)
        if kept is None:
            return
        near = self._index.store.nearest(kept, using="windows", limit=_PROPOSED, filters=filters)
        others = [hit.id for hit in near if hit.id > track.id]
        lengths = {other.id: other.seconds for other in self._tracks.many(others).values()}
        sounds = self._tracks.vectors([track.id, *others], model, "sound")
        windows = self._tracks.vectors(others, model, "windows")
        asked = self._tracks.fingerprint(track.id)
        for other in others:
            alike = other in sounds and same_sound(sounds[track.id], sounds[other], kept, windows[other])
            if alike and same_length(track.seconds, lengths.get(other, 0.0)) and asked is not None:
                there = self._tracks.fingerprint(other)
                if there is not None and same_print(asked, there):
                    yield other


def same_length(seconds: float, other: float) -> bool:
    """Encoders pad by some ten milliseconds; an edit differs by a beat at least."""
    return abs(seconds - other) <= _SAME_SECONDS


def same_sound(sound: np.ndarray, other: np.ndarray, windows: np.ndarray, others: np.ndarray) -> bool:
    """Whether the whole, and each window against the one at its place, sounds the same by the built-in tier."""
    if float(sound @ other) < _SAME_SOUND or windows.shape != others.shape:
        return False
    return bool((windows * others).sum(axis=1).min() >= _SAME_WINDOWS)


def same_print(asked: bytes, other: bytes) -> bool:
    """Whether each one's landmarks lie in the other, from its start, at its own speed, in every part of it, and their
    levels differ no more than an encoder makes them."""
    both = (match(asked, other), match(other, asked))
    if not all(each.share >= _SAME_SHARE and abs(each.offset_seconds) <= _SAME_OFFSET_SECONDS for each in both):
        return False
    return min(shares_in_place(asked, other, parts=_PARTS)) >= _SAME_PART_SHARE and same_levels(asked, other)
