"""The catalogue of separators: which Demucs models there are, which are here, what they cost, and how to get them.

A model is a folder as the hub serves it: its bag's list in YAML and a safetensors file for each member. Knows nothing of
how a model is applied. Sizes are those of the weights, in half precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audio.demucs_stems import SeparatorUnusable, model_files
from studio.models.hub import Fetched, ModelError, Progress, bytes_in, fetch
from studio.models.shelf import Shelf, State

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


class StemModels(Shelf[SeparatorCard, SeparatorStatus]):
    """The separators of one models folder; what `studio.models.downloads.Downloads` can download from. Thread-safe."""

    def __init__(
        self, models_dir: Path, *, cards: tuple[SeparatorCard, ...] = CARDS, endpoint: str | None = None
    ) -> None:
        """endpoint: a mirror of the hub; None for the hub itself."""
        super().__init__(models_dir, endpoint=endpoint)
        self._cards = cards

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

    def best(self) -> SeparatorCard | None:
        """The separator to use when nobody chose: the first of the catalogue that is here, None without any."""
        return next((status.card for status in self.models() if status.state == "present"), None)

    def folder(self, model_id: str) -> Path:
        """Where a whole separator lies; raises ModelError, saying how to get it and what works without."""
        status = self.status(model_id)
        if status.state == "present":
            return status.folder
        raise ModelError(missing_sentence(status))

    def _fetch(self, card: SeparatorCard, staging: Path, progress: Progress, cancelled: Callable[[], bool]) -> Fetched:
        return fetch(
            card.repo_id, staging, endpoint=self._endpoint, choose=lambda names: [n for n in names if n in card.files],
            progress=progress, cancelled=cancelled,
        )  # fmt: skip

    def _arrived(self, card: SeparatorCard, staging: Path, fetched: Fetched | None) -> str:
        try:
            model_files(staging, card.id)
        except SeparatorUnusable as error:
            return str(error)
        return ""

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
