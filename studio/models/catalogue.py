"""The model catalogue: which MusicGen models there are, which are here, what they cost, and how to get them.

A model is here when its folder is whole; a download takes place beside it and is moved in at its end. Knows nothing
of torch or of how a model is played. Sizes and parameters are those of the hub's files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio.engines.base import EngineError, ModelMissing
from studio.engines.musicgen.audiocraft_files import LANGUAGE, convert, is_audiocraft
from studio.engines.musicgen.checkpoint import Checkpoint, inspect, remember_sha256
from studio.models.hub import DownloadCancelled, Fetched, ModelError, NoNetwork, Progress, bytes_in, fetch
from studio.models.shelf import Shelf, State

__all__ = ["CARDS", "Catalogue", "DownloadCancelled", "ModelCard", "ModelError", "ModelStatus", "NoNetwork"]

LICENCE = "CC-BY-NC-4.0"
SOURCE_FILE = "source.json"
SMALL_PARTS = 169_000_000  # T5-base's encoder and EnCodec, kept in float32 everywhere
WORKING_BYTES = 500_000_000
WINDOW_STEPS = 1_503  # 30 s of frames and their delay
DECODER_BYTES = {"cpu": 4, "cuda": 2, "mps": 2}


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model. size_bytes: of its download. parameters, layers, width: for the memory it needs.

    follows_melody: can be given a melody or chords to follow.
    """

    id: str
    label: str
    description: str
    size_bytes: int
    parameters: int
    layers: int
    width: int
    channels: int = 1
    licence: str = LICENCE
    is_local: bool = False
    follows_melody: bool = False

    def memory_needed_bytes(self, device: str) -> int:
        """What a 30 s take needs on "cpu", "cuda" or "mps": weights, the cache of both guidance rows, working room."""
        number = DECODER_BYTES[device]
        decoder = max(0, self.parameters - SMALL_PARTS)
        weights = (self.parameters - decoder) * 4 + decoder * number
        cache = 2 * 2 * self.layers * WINDOW_STEPS * self.width * number
        return weights + cache + WORKING_BYTES


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A card and what of it is on this machine. problem: why it is not whole, as a sentence, or ""."""

    card: ModelCard
    state: State
    bytes_on_disk: int
    folder: Path
    problem: str = ""


def _card(
    name: str, label: str, description: str, gb: float, billions: float, size: str, channels: int = 1
) -> ModelCard:
    layers, width = {"small": (24, 1024), "medium": (48, 1536), "large": (48, 2048)}[size]
    return ModelCard(
        id=f"facebook/musicgen-{name}",
        label=f"MusicGen {label}",
        description=description,
        size_bytes=round(gb * 1e9),
        parameters=round(billions * 1e9),
        layers=layers,
        width=width,
        channels=channels,
        follows_melody="melody" in name,
    )


CARDS: tuple[ModelCard, ...] = (
    _card("small", "small", "The quickest, and in blind tests as liked as medium: begin here.", 2.36, 0.59, "small"),
    _card("medium", "medium", "Follows long prompts more closely than small; slow on a CPU.", 8.05, 2.01, "medium"),
    _card("large", "large", "The richest sound; wants a graphics card.", 13.73, 3.43, "large"),
    _card("melody", "melody", "Medium's size; can also follow a melody.", 6.23, 1.53, "medium"),
    _card("melody-large", "melody large", "Large's size; can also follow a melody.", 10.51, 2.62, "large"),
    _card("stereo-small", "stereo small", "Small, in stereo.", 1.22, 0.61, "small", 2),
    _card("stereo-medium", "stereo medium", "Medium, in stereo.", 4.08, 2.03, "medium", 2),
    _card("stereo-large", "stereo large", "Large, in stereo; wants a graphics card.", 6.93, 3.46, "large", 2),
    _card("stereo-melody", "stereo melody", "Melody, in stereo.", 6.34, 1.58, "medium", 2),
)


class Catalogue(Shelf[ModelCard, ModelStatus]):
    """The models of one models folder, those of the hub and those of the user."""

    def models(self) -> list[ModelStatus]:
        """Every known model and its state, the hub's first."""
        return [self._status(card) for card in (*CARDS, *self._local_cards())]

    def card(self, model_id: str) -> ModelCard:
        """A model by its id, with or without "facebook/"; raises ModelError naming the known ones."""
        cards = {card.id: card for card in (*CARDS, *self._local_cards())}
        found = cards.get(model_id) or cards.get(f"facebook/{model_id}")
        if found is None:
            raise ModelError(f"There is no model “{model_id}”: choose one of {', '.join(cards)}.")
        return found

    def folder(self, model_id: str) -> Path:
        """Where a whole model lies; raises ModelMissing, saying how to get it and what works without."""
        status = self.status(model_id)
        if status.state == "present":
            return status.folder
        raise ModelMissing(missing_sentence(status))

    def add_local(self, folder: Path) -> ModelCard:
        """List a folder with a MusicGen model in the hub's format, where it lies; raises EngineError if it is none.

        AudioCraft's own files are first rewritten in that format, in the models folder, which takes a while.
        """
        folder = folder.expanduser().resolve()
        if is_audiocraft(folder):
            folder = self._converted(folder)
        inspect(folder)
        entries = self._read_local()
        for entry in entries:
            if Path(entry["folder"]) == folder:
                return self.card(entry["id"])
        taken, number, model_id = {entry["id"] for entry in entries}, 1, f"local/{folder.name}"
        while model_id in taken:
            number += 1
            model_id = f"local/{folder.name}-{number}"
        self._write_local([*entries, {"id": model_id, "folder": str(folder)}])
        return self.card(model_id)

    @property
    def _conversions(self) -> Path:
        return (self._dir / ".converted").resolve()

    def _converted(self, folder: Path) -> Path:
        """AudioCraft's checkpoint as transformers reads it: made once, and again when the files change."""
        stamp = (folder / LANGUAGE).stat()
        mark = hashlib.sha256(f"{folder} {stamp.st_size} {stamp.st_mtime_ns}".encode()).hexdigest()[:12]
        target = self._conversions / mark / folder.name
        if not target.exists():
            donors = [inspect(status.folder) for status in self.models() if status.state == "present"]
            convert(folder, target, donors=donors)
        return target

    def _status(self, card: ModelCard) -> ModelStatus:
        folder = self._home(card)
        if not folder.exists():
            begun = bytes_in(self._staging(card)) if not card.is_local else 0
            return ModelStatus(card, "partial" if begun else "absent", begun, folder)
        try:
            inspect(folder)
        except EngineError as error:
            return ModelStatus(card, "partial", bytes_in(folder), folder, problem=str(error))
        return ModelStatus(card, "present", bytes_in(folder), folder)

    def _home(self, card: ModelCard) -> Path:
        if card.is_local:
            return next(Path(entry["folder"]) for entry in self._read_local() if entry["id"] == card.id)
        return self._dir / card.id.replace("/", "--")

    def _staging(self, card: ModelCard) -> Path:
        return self._dir / ".downloads" / card.id.replace("/", "--")

    def _fetch(self, card: ModelCard, staging: Path, progress: Progress, cancelled: Callable[[], bool]) -> Fetched:
        return fetch(card.id, staging, endpoint=self._endpoint, progress=progress, cancelled=cancelled)

    def _arrived(self, card: ModelCard, staging: Path, fetched: Fetched | None) -> str:
        try:
            inspect(staging)
        except EngineError as error:
            return str(error)
        if fetched is not None:
            remember_sha256(staging, fetched.sha256)
            source = {"repo": fetched.repo_id, "revision": fetched.revision, "arrived": datetime.now(UTC).isoformat()}
            (staging / SOURCE_FILE).write_text(json.dumps(source, indent=1), encoding="utf-8")
        return ""

    def _is_local(self, card: ModelCard) -> bool:
        return card.is_local

    def _unlist(self, card: ModelCard) -> None:
        home = self._home(card)
        self._write_local([entry for entry in self._read_local() if entry["id"] != card.id])
        if self._conversions in home.parents:
            self._discard(home, label=card.label)

    def _local_cards(self) -> list[ModelCard]:
        return [_local_card(entry["id"], Path(entry["folder"])) for entry in self._read_local()]

    def _read_local(self) -> list[dict[str, Any]]:
        try:
            entries = json.loads((self._dir / "local.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise ModelError(f"The list of your own models (local.json) cannot be read: {error}.") from error
        return [entry for entry in entries if isinstance(entry, dict) and {"id", "folder"} <= entry.keys()]

    def _write_local(self, entries: list[dict[str, Any]]) -> None:
        self._dir.mkdir(parents=True, exist_ok=True)
        draft = self._dir / f"local.json.{os.getpid()}"
        draft.write_text(json.dumps(entries, indent=1), encoding="utf-8")
        draft.replace(self._dir / "local.json")


def missing_sentence(status: ModelStatus) -> str:
    """Why a model cannot play, how to get it, and what works without."""
    card, instead = status.card, "or choose the sketch engine, which needs no download"
    if card.is_local:
        return f"{card.label} cannot be played. {status.problem or 'Its folder is gone: put it back'}; {instead}."
    if status.problem:
        return f"{card.label} is damaged: delete it and download it again ({_gb(card.size_bytes)}), {instead}."
    if status.state == "partial":
        here, all_of_it = _gb(status.bytes_on_disk), _gb(card.size_bytes)
        return f"{card.label} is only partly here ({here} of {all_of_it}): go on with its download, {instead}."
    return f"{card.label} is not on this machine yet: download it ({_gb(card.size_bytes)}), {instead}."


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 50_000_000 else f"{size_bytes / 1e6:.1f} MB"


def _local_card(model_id: str, folder: Path) -> ModelCard:
    """A card for a folder of the user's; of a folder that is gone or damaged, what can be said."""
    found: Checkpoint | None = None
    with suppress(EngineError):
        found = inspect(folder)
    return ModelCard(
        id=model_id,
        label=folder.name,
        description=f"Your own model in {folder}.",
        size_bytes=bytes_in(folder),
        parameters=found.parameters if found else 0,
        layers=found.layers if found else 0,
        width=found.width if found else 0,
        channels=found.channels if found else 1,
        is_local=True,
        follows_melody=found is not None and found.model_type == "musicgen_melody",
    )
