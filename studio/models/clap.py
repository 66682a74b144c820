"""CLAP models, which hear sounds and words alike: which there are, which are here, and how to get them.

A model is a folder in the hub's format. Knows nothing of how it is run. Sizes are those of the hub's files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.models.hub import Fetched, ModelError, Progress, bytes_in, fetch
from studio.models.shelf import Shelf, State


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


class ClapModels(Shelf[ClapCard, ClapStatus]):
    """The CLAP models of one models folder."""

    def models(self) -> list[ClapStatus]:
        """Every known model and its state."""
        return [self._status(card) for card in CARDS]

    def card(self, model_id: str) -> ClapCard:
        """A model by its id, with or without "laion/"; raises ModelError naming the known ones."""
        for card in CARDS:
            if model_id in (card.id, card.id.split("/")[-1]):
                return card
        raise ModelError(f"There is no model “{model_id}”: choose one of {', '.join(card.id for card in CARDS)}.")

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

    def _fetch(self, card: ClapCard, staging: Path, progress: Progress, cancelled: Callable[[], bool]) -> Fetched:
        return fetch(card.id, staging, endpoint=self._endpoint, progress=progress, cancelled=cancelled)

    def _arrived(self, card: ClapCard, staging: Path, fetched: Fetched | None) -> str:
        return _problem(staging)

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
