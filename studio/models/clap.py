"""CLAP models, which hear sounds and words alike: which there are, which are here, and how to get them.

A model is a folder in the hub's format. Knows nothing of how it is run. Sizes are those of the hub's files.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.models.catalogue import State
from studio.models.hub import NOTES_FILE, ModelError, Progress, bytes_in, fetch


@dataclass(frozen=True, slots=True)
class ClapCard:
    """One model. id: its repository on the hub."""

    id: str
    label: str
    description: str
    size_bytes: int
    licence: str


@dataclass(frozen=True, slots=True)
class ClapStatus:
    """A card and what of it is here. problem: why it cannot be used, as a sentence, or ""."""

    card: ClapCard
    state: State
    bytes_on_disk: int
    folder: Path
    problem: str = ""


CARDS: tuple[ClapCard, ...] = (
    ClapCard(
        "laion/clap-htsat-unfused", "CLAP HTSAT-tiny", "Finds by ear and by words; the quicker one. Begin here.",
        617_000_000, "Apache-2.0",
    ),
    ClapCard(
        "laion/larger_clap_music", "CLAP larger, music", "Trained on music; twice the work for each track.",
        778_000_000, "Apache-2.0",
    ),
)  # fmt: skip


class ClapModels:
    """The CLAP models of one models folder."""

    def __init__(self, models_dir: Path, *, endpoint: str | None = None) -> None:
        """endpoint: a mirror of the hub; None for the hub itself."""
        self._dir, self._endpoint = models_dir, endpoint
        self._downloading: set[str] = set()
        self._lock = threading.Lock()

    def models(self) -> list[ClapStatus]:
        """Every known model and its state."""
        return [self._status(card) for card in CARDS]

    def card(self, model_id: str) -> ClapCard:
        """A model by its id, with or without "laion/"; raises ModelError naming the known ones."""
        for card in CARDS:
            if model_id in (card.id, card.id.split("/")[-1]):
                return card
        raise ModelError(f"There is no model “{model_id}”: choose one of {', '.join(card.id for card in CARDS)}.")

    def status(self, model_id: str) -> ClapStatus:
        return self._status(self.card(model_id))

    def folder(self, model_id: str) -> Path:
        """Where a whole model lies; raises ModelError, saying how to get it."""
        status = self.status(model_id)
        if status.state == "present":
            return status.folder
        size = f"{status.card.size_bytes / 1e6:.0f} MB"
        raise ModelError(
            status.problem
            or f"{status.card.label} is not on this machine yet: download it ({size}), or use the built-in tier."
        )

    def download(
        self,
        model_id: str,
        *,
        progress: Progress = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> ClapStatus:
        """Bring a model here, going on from where an earlier download stopped.

        Raises NoNetwork, DownloadCancelled or ModelError; what has arrived is kept.
        """
        card = self.card(model_id)
        if self.status(card.id).state == "present":
            return self.status(card.id)
        with self._lock:
            if card.id in self._downloading:
                raise ModelError(f"{card.label} is being downloaded already: wait for it to arrive.")
            self._downloading.add(card.id)
        try:
            staging = self._staging(card)
            fetch(card.id, staging, endpoint=self._endpoint, progress=progress, cancelled=cancelled)
            if problem := _problem(staging):
                shutil.rmtree(staging, ignore_errors=True)
                raise ModelError(f"{card.label} arrived damaged and was thrown away: {problem}")
            shutil.rmtree(self._home(card), ignore_errors=True)
            staging.replace(self._home(card))
            (self._home(card) / NOTES_FILE).unlink(missing_ok=True)
        finally:
            with self._lock:
                self._downloading.discard(card.id)
        return self.status(card.id)

    def delete(self, model_id: str) -> None:
        """Remove a model and what is left of its download."""
        card = self.card(model_id)
        with self._lock:
            if card.id in self._downloading:
                raise ModelError(f"{card.label} is being downloaded: stop the download first.")
        for folder in (self._home(card), self._staging(card)):
            shutil.rmtree(folder, ignore_errors=True)

    def _status(self, card: ClapCard) -> ClapStatus:
        home = self._home(card)
        if not home.exists():
            begun = bytes_in(self._staging(card))
            return ClapStatus(card, "partial" if begun else "absent", begun, home)
        problem = _problem(home)
        return ClapStatus(card, "partial" if problem else "present", bytes_in(home), home, problem)

    def _home(self, card: ClapCard) -> Path:
        return self._dir / card.id.replace("/", "--")

    def _staging(self, card: ClapCard) -> Path:
        return self._dir / ".downloads" / card.id.replace("/", "--")


def _problem(folder: Path) -> str:
    """Why a folder holds no CLAP model that can be loaded, or ""."""
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return f"There is no model in {folder}: its config.json is missing or damaged."
    if kind != "clap":
        return f"{folder} holds a model of another kind ({kind}), no CLAP."
    if not any((folder / name).is_file() for name in ("model.safetensors", "pytorch_model.bin")):
        return f"The model in {folder} has no weights: delete it and download it again."
    return ""
