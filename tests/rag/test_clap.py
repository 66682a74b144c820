"""CLAP's path gives what transformers gives when called by hand, windows and padding included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.clip import Clip
from rag.clap import MOST_WINDOWS, ClapEmbedder
from rag.embeddings import EmbeddingError
from tests.tiny_clap import save_tiny_clap

RATE_HZ, WINDOW = 48_000, 480_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clap(tmp_path_factory.mktemp("clap"))


def noise(seconds: float, *, channels: int = 1, rate_hz: int = RATE_HZ, seed: int = 0) -> Clip:
    samples = np.random.default_rng(seed).normal(size=(channels, round(seconds * rate_hz))) * 0.1
    return Clip(samples.astype(np.float32), rate_hz)


def by_hand(folder: Path, windows: list[np.ndarray]) -> np.ndarray:
    """(windows, width): each window alone through transformers, as its documentation shows."""
    import torch
    from transformers import ClapModel, ClapProcessor

    model, processor = ClapModel.from_pretrained(folder).eval(), ClapProcessor.from_pretrained(folder)
    rows = []
    with torch.inference_mode():
        for window in windows:
            given = processor(audio=[window], sampling_rate=RATE_HZ, return_tensors="pt")
            rows.append(model.get_audio_features(**given).pooler_output[0].numpy())
    return np.array(rows)


def test_a_piece_is_the_mean_of_its_windows_as_transformers_hears_them(folder: Path) -> None:
    clip = noise(25.0, channels=2)
    mono = clip.mono().samples[0]
    rows = by_hand(folder, [mono[:WINDOW], mono[WINDOW : 2 * WINDOW], mono[2 * WINDOW :]])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mean = rows.mean(axis=0)
    made = ClapEmbedder(folder, at_once=2).embed(clip)
    assert np.allclose(made.windows, rows, atol=1e-6)
    assert np.allclose(made.whole, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_short_piece_is_padded_by_the_checkpoints_own_extractor(folder: Path) -> None:
    clip = noise(3.0)
    row = by_hand(folder, [clip.samples[0]])[0]
    assert np.allclose(ClapEmbedder(folder).embed(clip).whole, row / np.linalg.norm(row), atol=1e-6)


def test_the_same_sound_gives_the_same_vector_every_time(folder: Path) -> None:
    clip, embedder = noise(31.0, rate_hz=44_100), ClapEmbedder(folder)
    assert np.array_equal(embedder.embed(clip).whole, embedder.embed(clip).whole)
    assert np.array_equal(embedder.embed(clip).whole, ClapEmbedder(folder).embed(clip).whole)


def test_a_long_piece_is_heard_in_windows_spread_over_it(folder: Path) -> None:
    clip = noise(10.0 * (MOST_WINDOWS + 6))
    made = ClapEmbedder(folder).embed(clip)
    assert made.windows.shape[0] == MOST_WINDOWS
    last = clip.samples[0, -WINDOW:]
    row = by_hand(folder, [last])[0]
    assert np.allclose(made.windows[-1], row / np.linalg.norm(row), atol=1e-6)


def test_words_lie_in_the_same_space(folder: Path) -> None:
    import torch
    from transformers import ClapModel, ClapProcessor

    words = ["calm piano", "metal"]
    model, processor = ClapModel.from_pretrained(folder).eval(), ClapProcessor.from_pretrained(folder)
    with torch.inference_mode():
        rows = model.get_text_features(**processor(text=words, return_tensors="pt", padding=True)).pooler_output.numpy()
    embedder = ClapEmbedder(folder)
    made = embedder.embed_words(words)
    assert made.shape == (2, embedder.dimensions)
    assert np.allclose(made, rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=1e-6)


def test_other_weights_are_another_identity(folder: Path, tmp_path: Path) -> None:
    other = save_tiny_clap(tmp_path / folder.name, seed=1)
    assert ClapEmbedder(other).identity != ClapEmbedder(folder).identity


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="no CLAP model"):
        ClapEmbedder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(EmbeddingError, match="cannot be loaded"):
        ClapEmbedder(tmp_path).embed(noise(2.0))
