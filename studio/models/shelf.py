"""What all catalogues of models do alike: bring a model here, once at a time, and take it away again.

A download takes place beside the models, is checked when it is whole, and only then moved in; what is deleted is moved aside
first, so that it is gone at once and whole. Knows nothing of which models there are or what they are made of.
"""

from __future__ import annotations

import shutil
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar

from studio.models.hub import NOTES_FILE, Fetched, ModelError, Progress

State = Literal["absent", "partial", "present"]


class Card(Protocol):
    """A catalogue's card, as far as a shelf needs it."""

    @property
    def id(self) -> str: ...
    @property
    def label(self) -> str: ...


class Status(Protocol):
    """What of a model is here."""

    @property
    def state(self) -> State: ...


CardT = TypeVar("CardT", bound=Card)
StatusT = TypeVar("StatusT", bound=Status)


class Shelf(ABC, Generic[CardT, StatusT]):
    """The models of one kind in a models folder. Thread-safe."""

    def __init__(self, models_dir: Path, *, endpoint: str | None = None) -> None:
        """endpoint: a mirror of the hub; None for the hub itself."""
        self._dir = models_dir
        self._endpoint = endpoint
        self._downloading: set[str] = set()
        self._lock = threading.Lock()

    @abstractmethod
    def card(self, model_id: str) -> CardT:
        """A model by its id; raises ModelError naming the known ones."""

    def status(self, model_id: str) -> StatusT:
        """One model's state; raises ModelError when it is unknown."""
        return self._status(self.card(model_id))

    def download(
        self,
        model_id: str,
        *,
        progress: Progress = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> StatusT:
        """Bring a model here, going on from where an earlier download stopped.

        progress: called with bytes here and bytes in all, never falling. Raises NoNetwork, DownloadCancelled, or
        ModelError; what has arrived is kept and the model does not count as present until it is whole.
        """
        card = self.card(model_id)
        if self._is_local(card) or self.status(card.id).state == "present":
            return self.status(card.id)
        with self._claimed(card):
            staging = self._staging(card)
            fetched = self._fetch(card, staging, progress, cancelled)
            if problem := self._arrived(card, staging, fetched):
                self._discard(staging, label=card.label)
                raise ModelError(f"{card.label} arrived damaged and was thrown away: {problem}")
            self._move_in(card, staging)
        return self.status(card.id)

    def delete(self, model_id: str) -> None:
        """Remove a model and what is left of its download; what is the user's own is only taken off the list."""
        card = self.card(model_id)
        with self._lock:
            if card.id in self._downloading:
                raise ModelError(f"{card.label} is being downloaded: stop the download first.")
        if self._is_local(card):
            self._unlist(card)
            return
        for place in (self._home(card), self._staging(card)):
            self._discard(place, label=card.label)

    @abstractmethod
    def _status(self, card: CardT) -> StatusT: ...

    @abstractmethod
    def _home(self, card: CardT) -> Path:
        """Where the whole model lies."""

    @abstractmethod
    def _staging(self, card: CardT) -> Path:
        """The folder that its download grows in."""

    @abstractmethod
    def _fetch(
        self, card: CardT, staging: Path, progress: Progress, cancelled: Callable[[], bool]
    ) -> Fetched | None: ...

    @abstractmethod
    def _arrived(self, card: CardT, staging: Path, fetched: Fetched | None) -> str:
        """Why what arrived is no such model, or ""; where it came from may be noted here."""

    def _move_in(self, card: CardT, staging: Path) -> None:
        home = self._home(card)
        self._discard(home, label=card.label)
        home.parent.mkdir(parents=True, exist_ok=True)
        staging.replace(home)
        (home / NOTES_FILE).unlink(missing_ok=True)

    def _is_local(self, card: CardT) -> bool:
        """Whether it is the user's own, listed where it lies."""
        return False

    def _unlist(self, card: CardT) -> None:
        """Take what is the user's own off the list."""

    @contextmanager
    def _claimed(self, card: CardT) -> Iterator[None]:
        with self._lock:
            if card.id in self._downloading:
                raise ModelError(f"{card.label} is being downloaded already: wait for it to arrive.")
            self._downloading.add(card.id)
        try:
            yield
        finally:
            with self._lock:
                self._downloading.discard(card.id)

    def _discard(self, place: Path, *, label: str) -> None:
        """Move a file or folder aside, so that it is gone at once and whole, then remove it and older leavings."""
        bin_dir = self._dir / ".deleted"
        with self._lock:
            if place.exists():
                bin_dir.mkdir(parents=True, exist_ok=True)
                try:
                    place.replace(bin_dir / f"{place.name}-{uuid.uuid4().hex[:8]}")
                except OSError as error:
                    raise ModelError(f"{label} is in use: unload it, then try again ({error.strerror}).") from error
            shutil.rmtree(bin_dir, ignore_errors=True)
