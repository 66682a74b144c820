"""Models that are one file: language models for the agents (GGUF) and Whisper for the microphone.

Which there are, what they cost, which are here, and how to get them; any GGUF on this machine can be listed too.
Knows nothing of how a model is run or who uses it. Sizes are those of the files.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from agents.answers import LanguageModelError
from agents.gguf_file import inspect
from studio.models.hub import Fetched, ModelError, Progress, bytes_in, fetch, fetch_address
from studio.models.shelf import Shelf, State

Kind = Literal["language", "speech"]
SPEECH_ADDRESS = "https://openaipublic.azureedge.net/main/whisper/models"


@dataclass(frozen=True, slots=True)
class FileCard:
    """One model of one file. repo_id: its place on the hub; sha256: known beforehand for what comes from elsewhere.

    memory_bytes: what it needs when it works, with a context of 4,096 tokens or a minute of speech.
    """

    id: str
    kind: Kind
    label: str
    description: str
    filename: str
    size_bytes: int
    memory_bytes: int
    licence: str
    repo_id: str = ""
    sha256: str = ""
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class FileStatus:
    """A card and what of it is here. problem: why the file cannot be used, as a sentence, or ""."""

    card: FileCard
    state: State
    bytes_on_disk: int
    path: Path
    problem: str = ""


def _language(
    name: str, label: str, description: str, repo_id: str, filename: str, size: int, cache: int, licence: str
) -> FileCard:
    return FileCard(name, "language", label, description, filename, size, size + cache + 150_000_000, licence, repo_id)


def _speech(size: str, label: str, description: str, bytes_: int, sha256: str) -> FileCard:
    return FileCard(
        f"whisper-{size}", "speech", f"Whisper {label}", description, f"{size}.pt", bytes_,
        2 * bytes_ + 400_000_000, "MIT", sha256=sha256,
    )  # fmt: skip


CARDS: tuple[FileCard, ...] = (
    _language(
        "phi-3-mini", "Phi-3 mini (3.8B)", "Plans and judges best of the three defaults; slow on an old processor.",
        "microsoft/Phi-3-mini-4k-instruct-gguf", "Phi-3-mini-4k-instruct-q4.gguf", 2_393_231_072, 1_610_612_736, "MIT",
    ),
    _language(
        "qwen2-1.5b", "Qwen2 1.5B", "Quick, and good with words; reads many languages.",
        "Qwen/Qwen2-1.5B-Instruct-GGUF", "qwen2-1_5b-instruct-q4_k_m.gguf", 986_045_824, 117_440_512, "Apache-2.0",
    ),
    _language(
        "tinyllama-1.1b", "TinyLlama 1.1B", "The smallest: titles, tags and style cards.",
        "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF", "tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf", 668_788_096, 46_137_344, "Apache-2.0",
    ),
    _language(
        "qwen2.5-7b", "Qwen2.5 7B", "For 32 GB of memory: the best plans and judgements.",
        "bartowski/Qwen2.5-7B-Instruct-GGUF", "Qwen2.5-7B-Instruct-Q4_K_M.gguf", 4_683_074_240, 234_881_024, "Apache-2.0",
    ),
    _speech(
        "tiny", "tiny", "Hears clear English at once.", 75_572_083,
        "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
    ),
    _speech(
        "base", "base", "Hears most voices; begin here.", 145_262_807,
        "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
    ),
    _speech(
        "small", "small", "Hears accents and other languages well.", 483_617_219,
        "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
    ),
    _speech(
        "medium", "medium", "Hears nearly everything; wants a graphics card.", 1_528_008_539,
        "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
    ),
    _speech(
        "large-v3-turbo", "turbo", "As good as large and much quicker; wants a graphics card.", 1_617_941_637,
        "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
    ),
)  # fmt: skip


class FileModels(Shelf[FileCard, FileStatus]):
    """The one-file models of one models folder, and the GGUF files the user listed."""

    def __init__(
        self,
        models_dir: Path,
        *,
        cards: tuple[FileCard, ...] = CARDS,
        endpoint: str | None = None,
        speech_address: str = SPEECH_ADDRESS,
    ) -> None:
        """endpoint: a mirror of the hub; None for the hub itself. speech_address: where Whisper's files lie."""
        super().__init__(models_dir, endpoint=endpoint)
        self._cards, self._speech_address = cards, speech_address

    def models(self, kind: Kind | None = None) -> list[FileStatus]:
        """Every known model of a kind and its state, the catalogue's first."""
        return [self._status(card) for card in self._all() if kind in (None, card.kind)]

    def card(self, model_id: str) -> FileCard:
        """A model by its id; raises ModelError naming the known ones."""
        for card in self._all():
            if card.id == model_id:
                return card
        raise ModelError(f"There is no model “{model_id}”: choose one of {', '.join(card.id for card in self._all())}.")

    def path(self, model_id: str) -> Path:
        """Where a whole model lies; raises ModelError, saying how to get it."""
        status = self.status(model_id)
        if status.state == "present":
            return status.path
        raise ModelError(missing_sentence(status))

    def add_local(self, path: Path) -> FileCard:
        """List a GGUF file where it lies, for any agent to use; raises ModelError when it is none."""
        path = path.expanduser().resolve()
        try:
            inspect(path)
        except LanguageModelError as error:
            raise ModelError(str(error)) from error
        known = self._read_local()
        if path not in known:
            self._write_local([*known, path])
        return self.card(_local_id(path))

    def _fetch(
        self, card: FileCard, staging: Path, progress: Progress, cancelled: Callable[[], bool]
    ) -> Fetched | None:
        if card.repo_id:
            return fetch(
                card.repo_id, staging, endpoint=self._endpoint, progress=progress, cancelled=cancelled,
                choose=lambda names: [name for name in names if name == card.filename],
            )  # fmt: skip
        fetch_address(
            f"{self._speech_address}/{card.sha256}/{card.filename}", staging, name=card.filename,
            size_bytes=card.size_bytes, sha256=card.sha256, progress=progress, cancelled=cancelled,
        )  # fmt: skip
        return None

    def _arrived(self, card: FileCard, staging: Path, fetched: Fetched | None) -> str:
        return _problem(card.kind, staging / card.filename)

    def _move_in(self, card: FileCard, staging: Path) -> None:
        home = self._home(card)
        home.parent.mkdir(parents=True, exist_ok=True)
        (staging / card.filename).replace(home)
        self._discard(staging, label=card.label)

    def _is_local(self, card: FileCard) -> bool:
        return card.is_local

    def _unlist(self, card: FileCard) -> None:
        self._write_local([path for path in self._read_local() if _local_id(path) != card.id])

    def _status(self, card: FileCard) -> FileStatus:
        home = self._home(card)
        if not home.is_file():
            begun = bytes_in(self._staging(card)) if not card.is_local else 0
            gone = f"{home.name} is no longer at {home.parent}." if card.is_local else ""
            return FileStatus(card, "partial" if begun else "absent", begun, home, gone)
        if problem := _problem(card.kind, home):
            return FileStatus(card, "partial", home.stat().st_size, home, problem)
        return FileStatus(card, "present", home.stat().st_size, home)

    def _home(self, card: FileCard) -> Path:
        return Path(card.filename) if card.is_local else self._dir / card.kind / card.filename

    def _staging(self, card: FileCard) -> Path:
        return self._dir / ".downloads" / card.id

    def _all(self) -> tuple[FileCard, ...]:
        return (*self._cards, *(_local_card(path) for path in self._read_local()))

    def _read_local(self) -> list[Path]:
        try:
            listed = json.loads((self._dir / "language" / "local.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise ModelError(f"The list of your own language models (local.json) cannot be read: {error}.") from error
        return [Path(one) for one in listed if isinstance(one, str)] if isinstance(listed, list) else []

    def _write_local(self, paths: list[Path]) -> None:
        listed = self._dir / "language" / "local.json"
        listed.parent.mkdir(parents=True, exist_ok=True)
        draft = listed.with_name(f"local.json.{os.getpid()}")
        draft.write_text(json.dumps([str(path) for path in paths], indent=1), encoding="utf-8")
        draft.replace(listed)


def missing_sentence(status: FileStatus) -> str:
    """Why a model cannot be used, how to get it, and what works without."""
    card = status.card
    without = "the built-in rules answer without it" if card.kind == "language" else "type the wish instead"
    size = f"{card.size_bytes / 1e9:.1f} GB" if card.size_bytes >= 1e8 else f"{card.size_bytes / 1e6:.0f} MB"
    if status.problem:
        mend = "Choose another file" if card.is_local else f"Delete it and download it again ({size})"
        return f"{card.label} cannot be used. {status.problem} {mend}; {without}."
    if status.state == "partial":
        return f"{card.label} is only partly here: go on with its download ({size}); {without}."
    return f"{card.label} is not on this machine yet: download it ({size}); {without}."


def _problem(kind: Kind, path: Path) -> str:
    """Why a file cannot be used, or ""; looked at again only when the file changed."""
    try:
        stat = path.stat()
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})."
    return _looked_at(kind, path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _looked_at(kind: Kind, path: Path, size: int, mtime_ns: int) -> str:
    if kind == "speech":
        return "" if zipfile.is_zipfile(path) else f"{path.name} is no Whisper checkpoint, or is cut short."
    try:
        inspect(path)
    except LanguageModelError as error:
        return str(error)
    return ""


def _local_id(path: Path) -> str:
    return f"local:{path}"


def _local_card(path: Path) -> FileCard:
    size = path.stat().st_size if path.is_file() else 0
    memory = size + 500_000_000
    if size and not _problem("language", path):
        memory = inspect(path).memory_needed_bytes(context_tokens=4_096)
    return FileCard(
        _local_id(path), "language", path.stem, f"Your own file in {path.parent}.", str(path), size, memory, "", is_local=True
    )  # fmt: skip
