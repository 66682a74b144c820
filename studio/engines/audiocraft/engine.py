"""AudioCraft's models as engines: a plan's words to sound, made by the worker, whole when it is done.

MAGNeT and AudioGen make no sound on the way; progress is told. Knows nothing of how the worker is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.types import SongPlan
from audio.clip import Clip
from studio.engines.audiocraft.client import Answer, WorkerClient
from studio.engines.base import Cancelled, Capabilities, EngineError, Listener, Rendering, Sampling

LICENCE = "CC-BY-NC-4.0"
DIFFUSION_RATE_HZ = 32_000
_DEFAULT = Sampling()


@dataclass(frozen=True, slots=True)
class AudioCraftModel:
    """One model: task is the worker's word for it. max_seconds: MAGNeT's length is fixed, and cut to the plan's."""

    name: str
    label: str
    task: str
    repo: str
    sample_rate_hz: int
    max_seconds: float
    description: str


MODELS: tuple[AudioCraftModel, ...] = (
    AudioCraftModel(
        "audiocraft/magnet-small", "MAGNeT small", "magnet", "facebook/magnet-small-30secs", 32_000, 30.0,
        "Fills the whole take at once instead of note after note: quick on a graphics card.",
    ),
    AudioCraftModel(
        "audiocraft/magnet-medium", "MAGNeT medium", "magnet", "facebook/magnet-medium-30secs", 32_000, 30.0,
        "MAGNeT with 1.5 billion parameters.",
    ),
    AudioCraftModel(
        "audiocraft/audio-magnet-small", "MAGNeT sounds", "magnet", "facebook/audio-magnet-small", 16_000, 10.0,
        "Sounds and noises from words, ten seconds.",
    ),
    AudioCraftModel(
        "audiocraft/audiogen-medium", "AudioGen", "audiogen", "facebook/audiogen-medium", 16_000, 60.0,
        "Sounds and noises from words: rain, footsteps, a crowd.",
    ),
)  # fmt: skip


class AudioCraftEngine:
    """One of AudioCraft's models behind the studio's Engine protocol. Several share one worker."""

    def __init__(self, model: AudioCraftModel, client: WorkerClient) -> None:
        self._model, self._client = model, client
        self._capabilities = Capabilities(
            name=model.name, label=model.label, tier="full", sample_rate_hz=model.sample_rate_hz, channels=1,
            max_seconds=model.max_seconds, makes_stems=False, makes_midi=False, makes_tokens=False, licence=LICENCE,
            uses_sampling=True,
        )  # fmt: skip

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """Make the plan's prompt, cut to its length.

        MAGNeT keeps figures of its own (temperature 3, top-p 0.9, guidance from 10) unless the sampling's were
        changed. Raises Cancelled when stopped, for no sound exists before the end, and EngineError.
        """
        model, seconds = self._model, plan.seconds.value
        if seconds > model.max_seconds:
            raise EngineError(
                f"{model.label} makes up to {model.max_seconds:.0f} s and the plan lasts {seconds:.0f}: make it shorter."
            )
        if sampling.steering is not None or sampling.adapters:
            raise EngineError(f"{model.label} cannot be steered and wears no adapters: choose a MusicGen model.")
        request = {
            "task": model.task, "model": model.repo, "words": plan.prompt.value, "seconds": seconds,
            "seed": sampling.seed, **_figures(model, sampling),
        }  # fmt: skip
        answer = self._client.ask(request, listener=listener)
        if answer.sample_rate_hz not in (0, model.sample_rate_hz):
            raise EngineError(
                f"{model.label} made sound at {answer.sample_rate_hz} Hz, not {model.sample_rate_hz}: install AudioCraft again."
            )
        clip = _clip_of(answer, frames=round(seconds * model.sample_rate_hz))
        listener.started(sample_rate_hz=clip.sample_rate_hz, channels=clip.channels, frames=clip.frames)
        listener.heard(clip)
        identity = {"engine": "audiocraft", "model": model.repo, **answer.identity}
        return Rendering(clip=clip, complete=answer.complete, identity=identity)

    def unload(self) -> None:
        """End the worker and give its memory back; the next take starts it again."""
        self._client.close()


def diffuse(client: WorkerClient, tokens: np.ndarray, *, seed: int, listener: Listener) -> Rendering:
    """A mono MusicGen take's codes (4, frames) decoded by multi-band diffusion instead of EnCodec's decoder.

    Raises EngineError for codes of another shape, Cancelled, and what the worker's failures are in words.
    """
    if tokens.ndim != 2 or tokens.shape[0] != 4 or not tokens.shape[1]:
        raise EngineError("Multi-band diffusion decodes mono MusicGen takes only: choose one made by a mono model.")
    request = {"task": "diffusion", "model": "", "seed": seed, "shape": list(tokens.shape)}
    answer = client.ask(request, tokens.astype("<i2").tobytes(), listener=listener)
    clip = _clip_of(answer, frames=tokens.shape[1] * DIFFUSION_RATE_HZ // 50)
    identity = {"engine": "audiocraft", "model": "facebook/multiband-diffusion", **answer.identity}
    return Rendering(clip=clip, complete=answer.complete, tokens=tokens, identity=identity)


def worker_command(folder: Path, *, plugin: str | None = None) -> list[str | Path]:
    """How the worker is run by the Python of AudioCraft's environment."""
    script = Path(__file__).with_name("worker.py")
    return [environment_python(folder), script, *(["--plugin", plugin] if plugin else [])]


def environment_python(folder: Path) -> Path:
    """The Python of the environment in AudioCraft's folder."""
    return folder / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _figures(model: AudioCraftModel, sampling: Sampling) -> Mapping[str, Any]:
    figures = {name: getattr(sampling, name) for name in ("temperature", "top_k", "top_p", "guidance")}
    untouched = all(figures[name] == getattr(_DEFAULT, name) for name in figures)
    if model.task == "magnet" and untouched:
        return {"temperature": 3.0, "top_k": 0, "top_p": 0.9, "guidance": 10.0}
    return figures


def _clip_of(answer: Answer, *, frames: int) -> Clip:
    if not answer.samples.shape[1]:
        if not answer.complete:
            raise Cancelled("Stopped before any sound was made.")
        raise EngineError("AudioCraft made no sound: try again, or choose another model.")
    return Clip(answer.samples[:, :frames].clip(-1.0, 1.0), answer.sample_rate_hz)
