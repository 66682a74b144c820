"""What hears the library: the built-in tier, or a CLAP model that is here; by the settings, the user's choice, or what is here.

A choice made on the page is kept beside the library. Loads nothing itself. Knows nothing of tracks or pages.
"""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path

from audio.io import written_whole
from rag.database import LibraryError
from rag.embeddings import Embedder, SignalEmbedder
from studio.models.clap import ClapModels
from studio.models.downloads import Downloads
from studio.models.hub import ModelError
from studio.settings import Settings

BUILT_IN = "built-in"


class Ears:
    """The embedders there are, and which is in use. Thread-safe. kept: the file that the choice is kept in."""

    def __init__(self, settings: Settings, *, kept: Path) -> None:
        self._settings, self._kept = settings, kept
        self.models = ClapModels(settings.models_dir)
        self.downloads = Downloads(self.models)
        self._lock = threading.RLock()
        self._embedders: dict[str, Embedder] = {}

    @cached_property
    def signal(self) -> SignalEmbedder:
        """The built-in tier."""
        return SignalEmbedder()

    @property
    def is_decided(self) -> bool:
        """Whether the settings say what hears, so that nothing can be chosen."""
        return self._settings.library_model != "auto"

    @property
    def model(self) -> str:
        """What hears: BUILT_IN or a CLAP model's id. Raises ModelError when the settings name one that there is not."""
        wanted = self._settings.library_model
        if wanted != "auto":
            return BUILT_IN if wanted == BUILT_IN else self.models.card(wanted).id
        here = [status.card.id for status in self.models.models() if status.state == "present"]
        chosen = self._kept.read_text(encoding="utf-8").strip() if self._kept.is_file() else ""
        if chosen == BUILT_IN or chosen in here:
            return chosen
        return here[0] if here else BUILT_IN

    def choose(self, model: str) -> None:
        """Have this model hear from now on: BUILT_IN or a CLAP model that is here.

        Raises ModelError for one that is not, or when the settings have decided; LibraryError when it cannot be kept.
        """
        if self.is_decided:
            raise ModelError(
                "MUSICGEN_STUDIO_LIBRARY_MODEL says what hears the library: set it to “auto” to choose here."
            )
        if model != BUILT_IN:
            model = self.models.card(model).id
            self.models.folder(model)
        try:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(self._kept) as draft:
                draft.write_text(model, encoding="utf-8")
        except OSError as error:
            raise LibraryError(f"The choice could not be kept: {error.strerror or error}. Make room.") from error

    def delete(self, model: str) -> None:
        """Take a model off this machine. Raises ModelError."""
        card = self.models.card(model)
        self.models.delete(card.id)
        with self._lock:
            self._embedders.pop(card.id, None)

    @property
    def embedder(self) -> Embedder:
        """The embedder in use. Raises ModelError when the settings name a model that is not here."""
        with self._lock:
            name = self.model
            if name == BUILT_IN:
                return self.signal
            if name not in self._embedders:
                from rag.clap import ClapEmbedder

                self._embedders[name] = ClapEmbedder(self.models.folder(name), device=self._device())
            return self._embedders[name]

    def _device(self) -> str:
        import torch

        if self._settings.device != "auto":
            return self._settings.device
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
