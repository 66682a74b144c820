"""The user's own music, wired for the studio: the library, its vectors, and the embedders that are here.

Opens nothing until it is first used, so that the page is up at once. Knows nothing of pages.
"""

from __future__ import annotations

import threading
from functools import cached_property

from rag.embeddings import Embedder, SignalEmbedder, WordEmbedder
from rag.index import Index
from rag.tracks import Tracks
from rag.vectordb import EdgeStore, Schema, VectorStore
from studio.settings import Settings


class Library:
    """One library in the data folder. Lazy: `tracks` and `index` open at their first use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.data_dir / "library"
        self._lock = threading.RLock()

    @cached_property
    def tracks(self) -> Tracks:
        return Tracks(self.folder / "library.sqlite3")

    @cached_property
    def signal(self) -> SignalEmbedder:
        """The built-in tier."""
        return SignalEmbedder()

    @cached_property
    def words(self) -> WordEmbedder:
        """Reads descriptions and questions."""
        return WordEmbedder()

    @property
    def sound(self) -> Embedder:
        """The embedder in use: a CLAP model that is here and chosen, else the built-in tier."""
        return self.signal

    @property
    def index(self) -> Index:
        """Tracks and vectors of the embedder in use. Raises VectorStoreError when the store cannot be opened."""
        with self._lock:
            return self._index

    @cached_property
    def _index(self) -> Index:
        return Index(self.tracks, sound=self.sound, signal=self.signal, words=self.words, open_store=self._open_store)

    def _open_store(self, schema: Schema) -> VectorStore:
        return EdgeStore(self.folder / "vectors", schema)

    def close(self) -> None:
        with self._lock:
            if "_index" in self.__dict__:
                self._index.close()
            if "tracks" in self.__dict__:
                self.tracks.close()
