"""Small data sets of tones and chords for the tests of training: real sound, quickly made, no two tracks alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from audio.clip import Clip
from audio.io import write_clip
from studio.training.config import RunConfig
from studio.training.dataset import Recipe, build_data_set, sources_in
from studio.training.manifest import DataSet

RATE_HZ = 32_000


def tune(*, seed: int, seconds: float = 6.0) -> Clip:
    """A melody of plucked notes under a seed, over a pulse at a tempo of its own."""
    random = np.random.default_rng(seed)
    samples = np.zeros(round(seconds * RATE_HZ), np.float32)
    beat = 60.0 / random.uniform(80, 160) / 2
    at = 0.0
    while at < seconds:
        hertz = 220.0 * 2 ** (int(random.choice([0, 2, 4, 7, 9, 12, 14])) / 12)
        times = np.arange(round(min(0.5, seconds - at) * RATE_HZ)) / RATE_HZ
        note = np.exp(-6 * times) * np.sin(2 * np.pi * hertz * times) * random.uniform(0.2, 0.5)
        noise = np.exp(-60 * times) * random.normal(size=times.shape) * 0.1
        first = round(at * RATE_HZ)
        part = (note + noise)[: samples.shape[0] - first]
        samples[first : first + part.shape[0]] += part.astype(np.float32)
        at += beat * int(random.choice([1, 1, 2, 3]))
    return Clip(np.clip(samples, -1, 1), RATE_HZ)


def write_tunes(folder: Path, *, count: int, seconds: float = 6.0, captions: bool = True, first_seed: int = 0) -> Path:
    """A folder of tunes, each with its sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first_seed, first_seed + count):
        write_clip(folder / f"tune-{seed}.flac", tune(seed=seed, seconds=seconds), format="flac16")
        if captions:
            (folder / f"tune-{seed}.txt").write_text(f"plucked tune number {seed}", encoding="utf-8")
    return folder


def small_data_set(into: Path, *, tracks: int = 4, seconds: float = 6.0, **recipe: Any) -> DataSet:
    """A data set of tunes, one held out."""
    sounds = write_tunes(into / "sounds", count=tracks, seconds=seconds)
    fields = {"name": "tunes", "segment_seconds": 3.0, **recipe}
    return build_data_set(sources_in(sounds), Recipe(**fields), into=into)


def small_run(model: Path, data_set: Path, **fields: Any) -> RunConfig:
    """A run of a few quick steps on the CPU."""
    settings: dict[str, Any] = {
        "name": "run", "model": model, "data_set": data_set, "device": "cpu", "steps": 6, "batch": 2, "accumulate": 2,
        "segment_seconds": 2.0, "learning_rate": 2e-3, "warmup_steps": 2, "held_out_every": 2, "checkpoint_every": 2,
        "lora": {"rank": 4, "alpha": 4}, "threads": 1, "gradient_checkpointing": False, "precision": "fp32",
        "samples": {"prompts": ("a tune",), "every": 4, "seconds": 0.5},
    }  # fmt: skip
    return RunConfig.model_validate({**settings, **fields})
