"""The library and its vectors together: what is heard in a track becomes a point, and all points can be made anew.

Names of a point's vectors: "sound" (the chosen embedder's), "windows" (its parts, always by the built-in tier, for
finding excerpts and copies), "words" (its description), "features" (its figures). Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from rag.embeddings import Embedder, SignalEmbedder, WordEmbedder
from rag.features import ANALYSIS, FEATURE_DIMENSIONS
from rag.tracks import Track, Tracks
from rag.vectordb import Point, Schema, VectorSpec, VectorStore

AT_ONCE = 200


class Index:
    """Keeps a vector store in step with a library.

    open_store: opens the store for a schema; called at the first use. Changing the embedder is another index.
    """

    def __init__(
        self,
        tracks: Tracks,
        *,
        sound: Embedder,
        open_store: Callable[[Schema], VectorStore],
        signal: SignalEmbedder | None = None,
        words: WordEmbedder | None = None,
    ) -> None:
        self.tracks, self.sound = tracks, sound
        self.signal = signal or (sound if isinstance(sound, SignalEmbedder) else SignalEmbedder())
        self.words = words or WordEmbedder()
        self._open_store = open_store
        self._store: VectorStore | None = None

    @property
    def schema(self) -> Schema:
        return Schema(
            {
                "sound": VectorSpec(self.sound.dimensions),
                "windows": VectorSpec(self.signal.dimensions, many=True),
                "words": VectorSpec(self.words.dimensions),
                "features": VectorSpec(FEATURE_DIMENSIONS),
            },
            {
                "sound": self.sound.identity, "windows": self.signal.identity, "words": self.words.identity,
                "features": ANALYSIS,
            },
        )  # fmt: skip

    @property
    def store(self) -> VectorStore:
        """Opened at its first use. Raises VectorStoreError."""
        if self._store is None:
            self._store = self._open_store(self.schema)
        return self._store

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def put(self, track_ids: Iterable[int]) -> int:
        """Write the points of these tracks from what the library holds; returns how many could be written.

        Tracks that are gone, broken or not yet heard by this embedder are taken out of the store.
        """
        ids = list(track_ids)
        written = 0
        for start in range(0, len(ids), AT_ONCE):
            points = self._points(ids[start : start + AT_ONCE])
            self.store.upsert(points)
            there = {point.id for point in points}
            self.store.delete([each for each in ids[start : start + AT_ONCE] if each not in there])
            written += len(points)
        return written

    def rebuild(
        self,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> int:
        """Drop every point and write all anew; returns how many. progress: called with tracks done and in all."""
        self.store.clear()
        ids = self.tracks.ids()
        written = 0
        for start in range(0, len(ids), AT_ONCE):
            if cancelled():
                break
            written += self.put(ids[start : start + AT_ONCE])
            progress(min(start + AT_ONCE, len(ids)), len(ids))
        return written

    def reconcile(self) -> tuple[int, int]:
        """Write the points that are missing and drop those without a track: (written, dropped)."""
        there, wanted = self.store.ids(), set(self.tracks.ids())
        self.store.delete(there - wanted)
        return self.put(sorted(wanted - there)), len(there - wanted)

    def unheard(self) -> list[int]:
        """Present tracks that this embedder has not heard: to be indexed again after a change of model."""
        return self.tracks.without_vector(self.sound.identity, "sound")

    def _points(self, ids: Sequence[int]) -> list[Point]:
        tracks = self.tracks.many(ids)
        kinds = {name: self.tracks.vectors(ids, model, name) for name, model in self.schema.models.items()}
        points = []
        for track_id in ids:
            track = tracks.get(track_id)
            if track is None or track.state != "present" or track.features is None:
                continue
            vectors: dict[str, np.ndarray] = {
                name: found[track_id] for name, found in kinds.items() if name != "features" and track_id in found
            }
            if "sound" in vectors:
                vectors["features"] = track.features.vector()
                points.append(Point(track_id, vectors, payload_of(track)))
        return points


def payload_of(track: Track) -> dict[str, Any]:
    """What searches are narrowed by, and no more: the rest is the library's."""
    heard = track.features
    values = {
        "tempo_bpm": heard.tempo_bpm if heard else None, "key": heard.key if heard else None,
        "energy": heard.energy if heard else None, "seconds": track.seconds, "year": track.year, "genre": track.genre,
        "moods": list(track.moods), "own": track.take_id is not None, "owner": track.owner,
    }  # fmt: skip
    return {name: value for name, value in values.items() if value is not None}
