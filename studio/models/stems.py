"""The catalogue of separators: which Demucs models there are, which are here, what they cost, and how to get them.

A model is a folder as the hub serves it: its bag's list in YAML and a safetensors file for each member. Knows nothing of
how a model is applied. Sizes are those of the weights, in half precision.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audio.demucs_stems import SeparatorUnusable, model_files
from studio.models.catalogue import State
from studio.models.hub import ModelError, Progress, bytes_in, fetch

NAMESPACE = "adefossez"
LICENCE = "MIT"


@dataclass(frozen=True, slots=True)
class SeparatorCard:
    """One model. id: Demucs' own name for it; members: its weights' file names without ending."""

    id: str
    label: str
    description: str
    repo_id: str
    members: tuple[str, ...]
    sources: tuple[str, ...]
    size_bytes: int
    memory_bytes: int
    licence: str = LICENCE

    @property
    def files(self) -> tuple[str, ...]:
        """What a download brings."""
        return (f"{self.id}.yaml", *(f"{member}.safetensors" for member in self.members))


@dataclass(frozen=True, slots=True)
class SeparatorStatus:
    """A card and what of it is here. problem: why it cannot be used, as a sentence, or ""."""

    card: SeparatorCard
    state: State
    bytes_on_disk: int
    folder: Path
    problem: str = ""


_FOUR = ("drums", "bass", "other", "vocals")
CARDS: tuple[SeparatorCard, ...] = (
    SeparatorCard(
        "htdemucs", "Demucs", "Drums, bass, vocals and the rest. Begin here: quick for what it hears.",
        f"{NAMESPACE}/HTDemucs", ("955717e8",), _FOUR, 84_100_000, 1_500_000_000,
    ),
    SeparatorCard(
        "htdemucs_ft", "Demucs, fine-tuned", "One model a stem: the cleanest, and four times as slow.",
        f"{NAMESPACE}/HTDemucs-ft", ("f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d"), _FOUR, 336_400_000, 1_900_000_000,
    ),
    SeparatorCard(
        "htdemucs_6s", "Demucs, six stems", "Guitar and piano as stems of their own; the piano is the weaker.",
        f"{NAMESPACE}/HTDemucs-6s", ("5c90dfd2",), (*_FOUR, "guitar", "piano"), 55_000_000, 1_400_000_000,
    ),
)  # fmt: skip


class StemModels:
    """The separators of one models folder; what `studio.models.downloads.Downloads` can download from. Thread-safe."""

    def __init__(
        self, models_dir: Path, *, cards: tuple[SeparatorCard, ...] = CARDS, endpoint: str | None = None
    ) -> None:
        """endpoint: a mirror of the hub; None for the hub itself."""
        self._dir, self._cards, self._endpoint = models_dir, cards, endpoint
        self._downloading: set[str] = set()
        self._lock = threading.Lock()

    def models(self) -> list[SeparatorStatus]:
        """Every separator and its state."""
        return [self._status(card) for card in self._cards]

    def card(self, model_id: str) -> SeparatorCard:
        """A separator by its id; raises ModelError naming the known ones."""
        for card in self._cards:
            if card.id == model_id:
                return card
        known = ", ".join(card.id for card in self._cards)
        raise ModelError(f"There is no separator “{model_id[:80]}”: choose one of {known}.")

    def status(self, model_id: str) -> SeparatorStatus:
        """One separator's state; raises ModelError when it is unknown."""
        return self._status(self.card(model_id))

    def best(self) -> SeparatorCard | None:
        """The separator to use when nobody chose: the first of the catalogue that is here, None without any."""
        return next((status.card for status in self.models() if status.state == "present"), None)

    def folder(self, model_id: str) -> Path:
        """Where a whole separator lies; raises ModelError, saying how to get it and what works without."""
        status = self.status(model_id)
        if status.state == "present":
            return status.folder
        raise ModelError(missing_sentence(status))

    def download(
        self,
        model_id: str,
        *,
        progress: Progress = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> SeparatorStatus:
        """Bring a separator here, going on from where an earlier download stopped.

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
            staging, wanted = self._staging(card), set(card.files)
            fetch(
                card.repo_id, staging, endpoint=self._endpoint, choose=lambda names: [n for n in names if n in wanted],
                progress=progress, cancelled=cancelled,
            )  # fmt: skip
            self._move_in(card, staging)
        finally:
            with self._lock:
                self._downloading.discard(card.id)
        return self.status(card.id)

    def delete(self, model_id: str) -> None:
        """Remove a separator and what is left of its download. Raises ModelError while it is being downloaded."""
        card = self.card(model_id)
        with self._lock:
            if card.id in self._downloading:
                raise ModelError(f"{card.label} is being downloaded: stop the download first.")
        for folder in (self._home(card), self._staging(card)):
            shutil.rmtree(folder, ignore_errors=True)

    def _move_in(self, card: SeparatorCard, staging: Path) -> None:
        """Check that all of it came, and put it in its place."""
        try:
            model_files(staging, card.id)
        except SeparatorUnusable as error:
            shutil.rmtree(staging, ignore_errors=True)
            raise ModelError(f"{card.label} arrived damaged and was thrown away: {error}") from error
        home = self._home(card)
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        staging.replace(home)

    def _status(self, card: SeparatorCard) -> SeparatorStatus:
        home = self._home(card)
        if not home.is_dir():
            begun = bytes_in(self._staging(card))
            return SeparatorStatus(card, "partial" if begun else "absent", begun, home)
        try:
            model_files(home, card.id)
        except SeparatorUnusable as error:
            return SeparatorStatus(card, "partial", bytes_in(home), home, str(error))
        return SeparatorStatus(card, "present", bytes_in(home), home)

    def _home(self, card: SeparatorCard) -> Path:
        return self._dir / "separators" / card.id

    def _staging(self, card: SeparatorCard) -> Path:
        return self._dir / ".downloads" / card.repo_id.replace("/", "--")


def missing_sentence(status: SeparatorStatus) -> str:
    """Why a separator cannot be used, how to get it, and what works without."""
    card, without = status.card, "the built-in separation works without it"
    size = f"{card.size_bytes / 1e6:.0f} MB"
    if status.problem:
        return f"{card.label} is damaged: delete it and download it again ({size}); {without}."
    if status.state == "partial":
        return f"{card.label} is only partly here: go on with its download ({size}); {without}."
    return f"{card.label} is not on this machine yet: download it ({size}); {without}."
