"""The user's own music, wired for the studio: the library, its vectors, the embedders that are here, and its long work.

Opens nothing until it is first used, so that the page is up at once. Knows nothing of pages.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from rag.database import LibraryError
from rag.embeddings import Embedder, EmbeddingError, WordEmbedder
from rag.filters import Filters
from rag.importing import Importer, Report
from rag.index import Index
from rag.labels import Kind, Labels, Vocabulary
from rag.tracks import Track, Tracks
from rag.vectordb import EdgeStore, Schema, VectorStore, VectorStoreError
from studio.history.history import History
from studio.library.ears import BUILT_IN, Ears
from studio.library.jobs import LibraryJob, LibraryJobs
from studio.library.takes import TakesInLibrary
from studio.library.watch import Watch
from studio.models.hub import ModelError
from studio.settings import Settings
from studio.takes import TakeStore

_log = logging.getLogger(__name__)


class Library:
    """One library in the data folder. Lazy: `tracks` and `index` open at their first use; owns its threads.

    history, store: the studio's takes, which are tracks as well; without them only files are.
    """

    def __init__(self, settings: Settings, *, history: History | None = None, store: TakeStore | None = None) -> None:
        self.settings = settings
        self.folder = settings.library_dir
        self.ears = Ears(settings, kept=self.folder / "heard-by")
        self.jobs = LibraryJobs()
        self.watch = Watch(self.rescan)
        self.closing = threading.Event()
        self._lock = threading.RLock()
        self._indexes: dict[str, Index] = {}
        self._behind = True
        self._readying: threading.Thread | None = None
        self.takes = (
            TakesInLibrary(history, store, lambda: self.tracks, self._add_take, changed=self._fall_behind)
            if history is not None and store is not None
            else None
        )

    # ------------------------------------------------------------------------------------------------ parts

    @property
    def tracks(self) -> Tracks:
        """Every track. Raises LibraryError when it cannot be opened."""
        with self._lock:
            return self._tracks

    @cached_property
    def _tracks(self) -> Tracks:
        return Tracks(self.folder / "library.sqlite3")

    @cached_property
    def words(self) -> WordEmbedder:
        """Reads descriptions and questions."""
        return WordEmbedder()

    @property
    def sound(self) -> Embedder:
        """The embedder in use. Raises ModelError when the settings name a model that is not here."""
        return self.ears.embedder

    @property
    def index(self) -> Index:
        """Tracks and vectors of the embedder in use, in step with each other, new takes included.

        Raises VectorStoreError when the store cannot be opened, ModelError as `sound`.
        """
        with self._lock:
            index = self._opened()
            if self._behind:
                self._behind = False
                self._importer(index).finish()
            return index

    def _opened(self) -> Index:
        """The index as it is, perhaps behind by some takes: bringing it in step needs the model that reads words."""
        with self._lock:
            sound = self.sound
            if sound.identity not in self._indexes:
                index = Index(
                    self.tracks, sound=sound, signal=self.ears.signal, words=self.words, open_store=self._open_store
                )
                self._indexes[sound.identity] = index
            return self._indexes[sound.identity]

    @cached_property
    def labels(self) -> Labels:
        return Labels(vocabulary(), listener=lambda: self.sound)

    def importer(self) -> Importer:
        """Brings files in, by the embedder in use; the studio's own folders are left out."""
        return self._importer(self._opened())

    def _importer(self, index: Index) -> Importer:
        return Importer(index, self.labels, workers=self.settings.library_workers, leave_out=(self.settings.data_dir,))

    def _add_take(self, track: Track) -> Track:
        return self.importer().add_known(track, later=True)

    def _fall_behind(self) -> None:
        self._behind = True

    # ------------------------------------------------------------------------------------------------- work

    def start_import(self, places: Sequence[Path], *, watched: bool = False) -> LibraryJob:
        """Import folders and files in the background; folders are remembered, and watched if wanted.

        Raises LibraryBusy, or LibraryError for a place that is not there.
        """
        places = [place.expanduser().absolute() for place in places]
        for place in places:
            if not place.exists():
                raise LibraryError(f"{place} is not there: choose a folder or a sound file.")
        self.jobs.refuse_if_busy()
        for place in places:
            if place.is_dir():
                self.tracks.add_folder(place, watched=watched)
        if watched:
            self.watch_folders()
        return self._start_import("Importing", places)

    def rescan(self, folders: Sequence[Path] = ()) -> LibraryJob | None:
        """Look again through the remembered folders, or these; None when there are none."""
        places = [folder for folder in folders or self.tracks.folders() if folder.is_dir()]
        return self._start_import("Looking through", places) if places else None

    def _start_import(self, doing: str, places: Sequence[Path]) -> LibraryJob:
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        return self.jobs.start(
            "import",
            f"{doing} {places[0].name or places[0]}{more}",
            lambda progress, cancelled: self.importer().run(places, progress=progress, cancelled=cancelled),
        )

    def start_reindex(self) -> LibraryJob:
        """Have the embedder in use hear every track it does not know, after a change of model. Raises LibraryBusy."""
        return self.jobs.start(
            "reindex",
            f"Hearing every track with {self.sound.label}",
            lambda progress, cancelled: Report(
                changed=self.importer().hear_again(progress=progress, cancelled=cancelled), cancelled=cancelled()
            ),
        )

    def start_rebuild(self) -> LibraryJob:
        """Make the vectors' index anew out of the library. Raises LibraryBusy."""
        return self.jobs.start("rebuild", "Rebuilding the index", self.importer().rebuild)

    def forget_folder(self, folder: Path, *, tracks: bool = False) -> int:
        """Take a folder off those imported from; its tracks stay, or with `tracks` leave the library: how many did.

        No file is touched. Raises LibraryBusy while other work is under way.
        """
        left = self._take_out(self.tracks.ids_under(folder)) if tracks else 0
        self.tracks.forget_folder(folder)
        self.watch_folders()
        return left

    def forget_gone(self) -> int:
        """Take out the tracks whose files are not there any more, with what was heard in them; returns how many.

        Raises LibraryBusy while other work is under way.
        """
        return self._take_out(self.tracks.ids(Filters(own=False), state="gone"))

    def _take_out(self, ids: Sequence[int]) -> int:
        self.jobs.refuse_if_busy()
        self.tracks.forget(ids)
        self._opened().store.delete(ids)
        return len(ids)

    def listen_by(self, model: str) -> None:
        """Have another model hear from now on; what it has not heard is found by ear once it was heard again.

        Raises ModelError, LibraryError, and LibraryBusy while other work is under way.
        """
        self.jobs.refuse_if_busy()
        self.ears.choose(model)

    def delete_model(self, model: str) -> None:
        """Take a CLAP model off this machine; its vectors stay. Raises ModelError, LibraryBusy."""
        self.jobs.refuse_if_busy()
        self.ears.delete(model)

    def to_be_heard(self) -> int:
        """How many tracks the embedder in use has not heard: above 0 a re-index is offered."""
        return len(self._opened().unheard())

    def get_ready(self) -> None:
        """Open the index and load what reads words, in the background and once, so that the first question need not wait."""
        with self._lock:
            if self._readying is None:
                self._readying = threading.Thread(target=self._get_ready, name="library getting ready", daemon=True)
                self._readying.start()

    @property
    def is_getting_ready(self) -> bool:
        """Whether the models that the first question by meaning needs are being loaded."""
        return self._readying is not None and self._readying.is_alive()

    def _get_ready(self) -> None:
        try:
            if self.tracks.count():
                self.index.store.count()
                self.words.load()
        except (LibraryError, VectorStoreError, EmbeddingError, ModelError) as trouble:  # who asks is told
            _log.info("the library is not ready: %s", trouble)

    def mark(self, owner: str | None) -> tuple[object, ...]:
        """What a look through an owner's tracks depends on: how many there are, the newest of them, and who hears."""
        filters = Filters(owner=owner)
        newest = self.tracks.listing(filters, order="added", limit=1)
        return self.tracks.count(filters), newest[0].id if newest else 0, self.sound.identity

    def watch_folders(self) -> None:
        """Watch the folders marked so, from now on."""
        self.watch.follow([folder for folder, watched in self.tracks.folders().items() if watched and folder.is_dir()])

    def begin(self) -> None:
        """Called once the studio stands: kept takes are brought in as they come, marked folders are watched."""
        if self.takes is not None:
            self.takes.watch()
        if (self.folder / "library.sqlite3").exists():
            self.watch_folders()

    def close(self) -> None:
        """Stop all work, keeping what is done, and let the files go."""
        self.closing.set()
        self.watch.close()
        self.ears.downloads.close()
        self.jobs.close()
        if self.takes is not None:
            self.takes.close()
        with self._lock:
            for index in self._indexes.values():
                index.close()
            if "_tracks" in self.__dict__:
                self._tracks.close()

    # ---------------------------------------------------------------------------------------------- the rest

    def _open_store(self, schema: Schema) -> VectorStore:
        if self.settings.library_qdrant_url:
            from rag.vector_server import ServerStore

            return ServerStore(self.settings.library_qdrant_url, schema)
        return EdgeStore(self.folder / "vectors", schema)


def vocabulary() -> Vocabulary:
    """The studio's genres and moods, in the library's terms."""
    from agents.knowledge import genres, moods

    return Vocabulary(
        genres={
            name: Kind(name, each.label, each.aliases, f"This is {each.label} music.")
            for name, each in genres().items()
        },
        moods={
            name: Kind(name, each.label, each.aliases, f"This music sounds {each.label.lower()}.")
            for name, each in moods().items()
        },
    )


__all__ = ["BUILT_IN", "Library", "LibraryError", "ModelError", "vocabulary"]
