"""Sounds taken apart, and the stems kept: once for a sound and a separator, found again by what both are.

A sketch has its parts from the start and is not separated. Stems lie in a folder of their own, float WAVs beside a
manifest, written whole or not at all; the oldest go when they take too much room. Knows nothing of the page or of whose a
sound is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio.clip import Clip
from audio.folders import PART, remove_whole, sweep
from audio.io import AudioError, flush_to_disk, read_clip
from audio.signal_stems import MODEL, SOURCES, signal_stretches
from audio.stems import RESIDUAL, Stems, Tier
from audio.stretches import Pieces
from audio.work import Progress, Stopped, never, unheard, usable
from studio.models.stems import StemModels

if TYPE_CHECKING:
    from audio.demucs_stems import DemucsSeparator

BUILT_IN = "built-in"
BEST = "auto"
MOST_BYTES = 8_000_000_000
_MANIFEST = "stems.json"
_MARK = re.compile(r"[0-9a-f]{32}")


class SeparationError(Exception):
    """A sound could not be taken apart; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class KeptStems:
    """Stems on the disk. paths: by name, in order, the residual last; mark: names this separation, a hash of both sides.

    tier: "true", "full" or "built-in", to be shown with them; label: who took the sound apart, in words.
    """

    mark: str
    paths: Mapping[str, Path]
    tier: Tier
    model: str
    label: str
    seconds: float
    sample_rate_hz: int
    channels: int

    def clip(self, name: str) -> Clip:
        """One stem. Raises SeparationError."""
        if name not in self.paths:
            raise SeparationError(f"There is no stem called “{name[:80]}”: choose one of {', '.join(self.paths)}.")
        try:
            return read_clip(self.paths[name])
        except AudioError as error:
            raise SeparationError(f"The stem “{name}” cannot be read: separate the sound again. {error}") from error

    def stems(self) -> Stems:
        """All of them in memory. Raises SeparationError."""
        return Stems({name: self.clip(name) for name in self.paths}, self.tier, self.model)


class Separations:
    """The separations of one data folder. Thread-safe; separators take turns, one loaded at a time."""

    def __init__(self, folder: Path, models: StemModels, *, device: str = "auto", most_bytes: int = MOST_BYTES) -> None:
        """device: "auto", "cpu", "cuda" or "mps". most_bytes: what the kept stems may take together."""
        self._folder, self.models = folder, models
        self._device, self._most_bytes = device, most_bytes
        self._turn = threading.Lock()
        self._loaded: DemucsSeparator | None = None

    def separate(
        self, clip: Clip, *, model: str = BEST, progress: Progress = unheard, cancelled: Stopped = never
    ) -> KeptStems:
        """The clip's stems: those kept from before, or made now.

        model: "built-in", a separator's id, or "auto" for the best that is here. progress: 0 to 1. Raises
        SeparationError, ModelError (a separator that is not here), SoundUnusable, WorkCancelled.
        """
        clip = usable(clip)
        chosen = self._chosen(model)
        mark = _mark(clip, self._identity(chosen))
        if kept := self.find(mark):
            progress(1.0)
            return kept
        with self._turn:
            if kept := self.find(mark):  # somebody else asked for the same meanwhile
                return kept
            names, pieces, tier, identity, label = self._begin(chosen, clip, progress, cancelled)
            kept = self._keep(mark, clip, names, pieces, tier=tier, model=identity, label=label)
        self._make_room(keep=mark)
        return kept

    def find(self, mark: str) -> KeptStems | None:
        """A kept separation by its mark, None when there is none or something of it is gone."""
        if not _MARK.fullmatch(mark):
            return None
        home = self._folder / mark
        try:
            told = json.loads((home / _MANIFEST).read_text(encoding="utf-8"))
            paths = {str(stem["name"]): home / str(stem["file"]) for stem in told["stems"]}
            if not all(path.parent == home and path.is_file() for path in paths.values()):
                return None
            with suppress(OSError):
                os.utime(home / _MANIFEST)  # lately used: goes last
            return KeptStems(
                mark, paths, told["tier"], told["model"], told["label"], told["seconds"], told["sample_rate_hz"],
                told["channels"],
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def sweep(self) -> None:
        """Remove what a killed process left half separated; for when nobody else is at work."""
        sweep(self._folder)

    def unload(self) -> None:
        """Let the loaded separator's memory go, once it is done."""
        with self._turn:
            self._loaded = None

    def _chosen(self, model: str) -> str:
        if model == BEST:
            best = self.models.best()
            return best.id if best else BUILT_IN
        return model if model == BUILT_IN else self.models.card(model).id

    def _identity(self, chosen: str) -> str:
        if chosen == BUILT_IN:
            return MODEL
        from audio.demucs_stems import weights_mark

        return f"{chosen}:{weights_mark(self.models.folder(chosen), chosen)}"

    def _begin(
        self, chosen: str, clip: Clip, progress: Progress, cancelled: Stopped
    ) -> tuple[tuple[str, ...], Iterator[Pieces], Tier, str, str]:
        if chosen == BUILT_IN:
            pieces = signal_stretches(clip, progress=progress, cancelled=cancelled)
            return SOURCES, pieces, "built-in", MODEL, "the built-in separation, without a model"
        separator = self._separator(chosen)
        pieces = separator.stretches(clip, progress=progress, cancelled=cancelled)
        return separator.sources, pieces, "full", separator.identity, self.models.card(chosen).label

    def _separator(self, chosen: str) -> DemucsSeparator:
        from audio.demucs_stems import DemucsSeparator, SeparatorUnusable

        folder = self.models.folder(chosen)
        if self._loaded is None or self._loaded.identity != self._identity(chosen):
            self._loaded = None
            try:
                self._loaded = DemucsSeparator(folder, chosen, device=_device(self._device))
            except SeparatorUnusable as error:
                raise SeparationError(f"{error} The built-in separation works without it.") from error
        return self._loaded

    def _keep(
        self,
        mark: str,
        clip: Clip,
        names: tuple[str, ...],
        pieces: Iterator[Pieces],
        *,
        tier: Tier,
        model: str,
        label: str,
    ) -> KeptStems:
        """Write the stems as they come, and then the manifest; nothing stays of what broke off."""  # fmt: skip
        draft = self._folder / f"{PART}{mark}-{secrets.token_hex(3)}"
        files = {name: f"{number:02}-{name}.wav" for number, name in enumerate(_plain((*names, RESIDUAL)), start=1)}
        named = dict(zip((*names, RESIDUAL), files.values(), strict=True))
        try:
            draft.mkdir(parents=True)
            _write_pieces(draft, clip, named, pieces)
            told: dict[str, Any] = {
                "tier": tier, "model": model, "label": label, "seconds": clip.seconds,
                "sample_rate_hz": clip.sample_rate_hz, "channels": clip.channels,
                "stems": [{"name": name, "file": file} for name, file in named.items()],
            }  # fmt: skip
            (draft / _MANIFEST).write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
            flush_to_disk(draft / _MANIFEST)
            home = self._folder / mark
            remove_whole(home)
            draft.replace(home)
        except OSError as error:
            reason = error.strerror or error
            raise SeparationError(f"The stems could not be kept: {reason}. Make room and separate again.") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        kept = self.find(mark)
        if kept is None:
            raise SeparationError("The stems were not kept: the data folder is being changed. Separate again.")
        return kept

    def _make_room(self, *, keep: str) -> None:
        """Remove the separations not used for longest until the rest fits."""
        with suppress(OSError):
            homes = [path for path in self._folder.iterdir() if (path / _MANIFEST).is_file()]
            homes.sort(key=lambda path: (path / _MANIFEST).stat().st_mtime, reverse=True)
            used = 0
            for home in homes:
                used += sum(file.stat().st_size for file in home.iterdir())
                if used > self._most_bytes and home.name != keep:
                    remove_whole(home)


def _write_pieces(folder: Path, clip: Clip, files: Mapping[str, str], pieces: Iterator[Pieces]) -> None:
    """Append each stretch to its stem's file, and what they leave of the mix to the residual's."""
    from contextlib import ExitStack

    import soundfile

    with ExitStack() as stack:
        open_files = {
            name: stack.enter_context(
                soundfile.SoundFile(folder / file, "w", clip.sample_rate_hz, clip.channels, "FLOAT", format="WAV")
            )
            for name, file in files.items()
        }
        done = 0
        for piece in pieces:
            count = next(iter(piece.values())).shape[1]
            left = clip.samples[:, done : done + count].copy()
            for name, samples in piece.items():
                open_files[name].write(np.ascontiguousarray(samples.T))
                left -= samples
            open_files[RESIDUAL].write(np.ascontiguousarray(left.T))
            done += count


def _mark(clip: Clip, identity: str) -> str:
    """A name for this sound taken apart by this separator."""
    said = hashlib.sha256(f"{identity} {clip.sample_rate_hz} {clip.samples.shape}".encode())
    said.update(np.ascontiguousarray(clip.samples).data)
    return said.hexdigest()[:32]


def _plain(names: tuple[str, ...]) -> list[str]:
    """File names that every system takes."""
    return ["".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)[:40] for name in names]


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
