"""The full tier for sound: LAION's CLAP through transformers, which lays sounds and words in one space.

Wu et al. 2023, "Large-scale contrastive language-audio pretraining". A piece is the mean of its windows: 48 kHz mono,
480,000 samples each, side by side, the last one repeated to fill by the checkpoint's own feature extractor; every
window's vector has length 1 before the mean, and the mean is brought to length 1. Of a piece longer than MOST_WINDOWS
windows, so many are heard, spread evenly from its start to its end. Knows nothing of files' places.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audio.clip import Clip
from audio.stream import mono_at, sound_facts, windows_of
from rag.embeddings import Embedding, EmbeddingError, Tier, unit
from rag.frames import Frames

RATE_HZ = 48_000
WINDOW_FRAMES = 480_000
MOST_WINDOWS = 7  # what lets a processor hear twenty tracks of three minutes in one; the time goes with the windows
_LEAST_FRAMES = 48_000  # a rest shorter than a second says nothing beside whole windows


class ClapEmbedder:
    """A CLAP checkpoint in a folder, in the hub's format; loaded at its first use. Safe under threads.

    device: "cpu", "cuda" or "mps". at_once: windows in one pass.
    """

    tier: Tier = "full"
    hears_words = True

    def __init__(self, folder: Path, *, device: str = "cpu", at_once: int = 8) -> None:
        self.folder, self.device, self.at_once = folder, device, at_once
        self.label = f"CLAP {folder.name.removeprefix('laion--').removeprefix('clap-')}"
        self.identity = f"clap-{folder.name}-{_weights_mark(folder)}"
        self._model: Any = None
        self._processor: Any = None
        self._lock = threading.Lock()

    @property
    def dimensions(self) -> int:
        self._load()
        return int(self._model.config.projection_dim)

    def embed(self, source: Path | Clip, *, heard: Frames | None = None) -> Embedding:
        self._load()
        rows = [row for batch in self._batches(source) for row in self._embed_windows(batch)]
        if not rows:
            raise EmbeddingError("There is no sound to make a vector of.")
        windows = np.array(rows)
        return Embedding(unit(windows.mean(axis=0)), windows)

    def embed_words(self, words: Sequence[str]) -> np.ndarray:
        import torch

        self._load()
        with self._lock, torch.inference_mode():
            given = self._processor(text=list(words), return_tensors="pt", padding=True, truncation=True)
            out = self._model.get_text_features(**given.to(self.device))
        return unit(_array(out))

    def unload(self) -> None:
        """Give the memory back; the next use loads again."""
        with self._lock:
            self._model = self._processor = None

    def _batches(self, source: Path | Clip) -> Iterator[list[np.ndarray]]:
        batch: list[np.ndarray] = []
        for window in _windows(source):
            batch.append(window)
            if len(batch) == self.at_once:
                yield batch
                batch = []
        if batch:
            yield batch

    def _embed_windows(self, windows: list[np.ndarray]) -> np.ndarray:
        import torch

        with self._lock, torch.inference_mode():
            given = self._processor(audio=windows, sampling_rate=RATE_HZ, return_tensors="pt")
            out = self._model.get_audio_features(**given.to(self.device))
        return unit(_array(out))

    def _load(self) -> None:
        with self._lock:
            if self._model is not None:
                return
            from safetensors import SafetensorError
            from transformers import ClapModel, ClapProcessor

            try:
                self._model = ClapModel.from_pretrained(self.folder, local_files_only=True).eval().to(self.device)
                self._processor = ClapProcessor.from_pretrained(self.folder, local_files_only=True)
            except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
                self._model = None
                raise EmbeddingError(
                    f"The CLAP model in {self.folder} cannot be loaded ({str(error)[:200]}). Delete it and download it "
                    "again, or go on with the built-in tier."
                ) from error


def _windows(source: Path | Clip) -> Iterator[np.ndarray]:
    """Side by side, a rest under a second left out; of a long piece MOST_WINDOWS, evenly from start to end."""
    seconds = source.seconds if isinstance(source, Clip) else sound_facts(source).seconds
    frames = round(seconds * RATE_HZ)
    if frames < MOST_WINDOWS * WINDOW_FRAMES + _LEAST_FRAMES:
        for number, window in enumerate(windows_of(mono_at(source, rate_hz=RATE_HZ), frames=WINDOW_FRAMES)):
            if len(window) >= _LEAST_FRAMES or number == 0:
                yield window
        return
    starts = np.linspace(0, frames - WINDOW_FRAMES, MOST_WINDOWS).round().astype(int).tolist()
    held, begin = np.zeros(0, np.float32), 0
    for piece in mono_at(source, rate_hz=RATE_HZ):
        held = np.concatenate([held, piece])
        while starts and begin + len(held) >= starts[0] + WINDOW_FRAMES:
            yield held[starts[0] - begin : starts[0] - begin + WINDOW_FRAMES]
            starts.pop(0)
        drop = min(len(held), (starts[0] if starts else begin + len(held)) - begin)
        held, begin = held[max(0, drop) :], begin + max(0, drop)


def _array(out: Any) -> np.ndarray:
    features = getattr(out, "pooler_output", out)
    return np.asarray(features.float().cpu().numpy(), np.float32)


def _weights_mark(folder: Path) -> str:
    """A name for these weights: their size and their first and last megabyte."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        path = folder / name
        if path.is_file():
            size = path.stat().st_size
            with path.open("rb") as file:
                said = hashlib.sha256(str(size).encode() + file.read(1_000_000))
                file.seek(max(0, size - 1_000_000))
                said.update(file.read())
            return said.hexdigest()[:8]
    raise EmbeddingError(f"There is no CLAP model in {folder}: no model.safetensors.")
