"""Stems by Demucs (Rouard, Massa and Défossez, "Hybrid Transformers for Music Source Separation", ICASSP 2023).

Loads a model as the hub serves it, a `<name>.yaml` that lists a bag and a `.safetensors` file for each of its members,
or as Demucs itself kept it (`.th`), and applies it with Demucs' own code. Works a minute at a time with the minutes
faded into each other, so that the room needed does not grow with the song beyond its stems. The same sound gives the
same stems: no random shifts. Knows nothing of where models come from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from audio.clip import Clip
from audio.stems import Stems
from audio.stretches import Pieces, collected, in_stretches
from audio.work import Progress, Stopped, check_stopped, never, unheard, usable

STRETCH_SECONDS, _FADE_SECONDS = 60, 2


class SeparatorUnusable(RuntimeError):
    """A folder holds no whole Demucs model; the message is a sentence for the user."""


class DemucsSeparator:
    """One loaded model on one device. Not for several threads at once."""

    def __init__(self, folder: Path, name: str, *, device: str = "cpu", overlap: float = 0.25) -> None:
        """folder: holds `<name>.yaml` and the weights. device: "cpu", "cuda" or "mps". Raises SeparatorUnusable."""
        self.name, self.device = name, device
        self.identity = f"{name}:{weights_mark(folder, name)}"
        self._overlap = overlap
        self._model = _load(folder, name)

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self._model.sources)

    def separate(self, clip: Clip, *, progress: Progress = unheard, cancelled: Stopped = never) -> Stems:
        """The clip's stems, at its own rate and channel count; what they leave is the residual.

        progress: 0 to 1, told after each segment, where `cancelled` is asked too. Raises SoundUnusable, WorkCancelled.
        """
        clip = usable(clip)
        pieces = self.stretches(clip, progress=progress, cancelled=cancelled)
        return collected(clip, pieces, names=self.sources, tier="full", model=self.identity)

    def stretches(self, clip: Clip, *, progress: Progress = unheard, cancelled: Stopped = never) -> Iterator[Pieces]:
        """The stems a stretch at a time, one after another without a gap: (channels, frames) by name."""
        clip = usable(clip)
        mean, scale = _level(clip)

        def separate(samples: np.ndarray, number: int, count: int) -> np.ndarray:
            stereo = np.repeat(samples, 2, axis=0) if len(samples) == 1 else samples
            share = (number / count, 1 / count)
            made = self._apply((stereo - mean) / scale, share, progress, cancelled) * scale
            made += mean / len(self.sources)
            return made.mean(axis=1, keepdims=True) if len(samples) == 1 else made

        yield from in_stretches(
            clip, separate, names=self.sources, rate_hz=int(self._model.samplerate), step_seconds=STRETCH_SECONDS,
            fade_seconds=_FADE_SECONDS, cancelled=cancelled,
        )  # fmt: skip
        progress(1.0)

    def _apply(
        self, samples: np.ndarray, share: tuple[float, float], progress: Progress, cancelled: Stopped
    ) -> np.ndarray:
        """(sources, 2, frames) of one stretch; Demucs cuts it into segments and tells of each."""
        import torch
        from demucs.apply import apply_model

        frames, models = samples.shape[1], len(getattr(self._model, "models", [self._model]))

        def told(event: dict[str, Any]) -> None:
            check_stopped(cancelled)
            if event.get("state") == "end":
                within = (event["model_idx_in_bag"] + min(1.0, event["segment_offset"] / frames)) / models
                progress(share[0] + share[1] * within)

        mix = torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None]
        with torch.no_grad():
            out = apply_model(
                self._model, mix, shifts=0, split=True, overlap=self._overlap, device=self.device, callback=told
            )
        return out[0].cpu().numpy()


def weights_mark(folder: Path, name: str) -> str:
    """Twelve hex digits that change when the model's files do (names, sizes and times): part of its identity."""
    said = hashlib.sha256()
    for path in model_files(folder, name):
        stat = path.stat()
        said.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns};".encode())
    return said.hexdigest()[:12]


def model_files(folder: Path, name: str) -> list[Path]:
    """The bag's list and its members' weights. Raises SeparatorUnusable, saying what is missing."""
    import yaml

    listing = folder / f"{name}.yaml"
    try:
        bag = yaml.safe_load(listing.read_text(encoding="utf-8"))
        members = [str(member) for member in bag["models"]]
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise SeparatorUnusable(f"{folder} holds no list of a Demucs model called {name}.yaml.") from error
    found = [listing]
    for member in members:
        weights = [folder / f"{member}.safetensors", *folder.glob(f"{member}*.th")]
        here = next((path for path in weights if path.is_file()), None)
        if here is None or Path(member).name != member:
            raise SeparatorUnusable(f"{name} lacks its weights {member}.safetensors: download it again.")
        found.append(here)
    return found


def _load(folder: Path, name: str) -> Any:
    """The bag, by Demucs' own loaders. Safetensors name the class they want: only Demucs' own are made."""
    import yaml
    from demucs.apply import BagOfModels
    from demucs.hf import load_safetensors_model
    from demucs.pretrained import get_model
    from safetensors import SafetensorError, safe_open

    listing, *weights = model_files(folder, name)
    try:
        if any(path.suffix == ".th" for path in weights):
            return get_model(name, repo=folder)
        for path in weights:
            with safe_open(str(path), framework="pt") as file:
                klass = (file.metadata() or {}).get("klass", "")
            if klass not in ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs"):
                raise SeparatorUnusable(f"{path.name} is no Demucs model: it asks for {klass or 'nothing'}.")
        bag = yaml.safe_load(listing.read_text(encoding="utf-8"))
        model = BagOfModels([load_safetensors_model(p) for p in weights], bag.get("weights"), bag.get("segment"))
        return model.eval()
    except SeparatorUnusable:
        raise
    except (SafetensorError, RuntimeError, OSError, ValueError, KeyError, AssertionError, EOFError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise SeparatorUnusable(f"{name} is damaged or of another kind ({reason}): download it again.") from error


def _level(clip: Clip) -> tuple[float, float]:
    """The mono mix's mean and spread over the whole clip, by which Demucs' own command line levels its input."""
    mono = clip.samples.mean(axis=0)
    return float(mono.mean(dtype=np.float64)), max(1e-8, float(mono.std(dtype=np.float64)))
