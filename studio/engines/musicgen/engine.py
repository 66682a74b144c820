"""The MusicGen engine: a plan's prompt to sound, heard while it is drawn, stopped at any step.

One window of up to 30 seconds. Knows nothing of downloads, of takes, or of who listens.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.types import SongPlan
from audio.clip import Clip
from studio.engines.base import Cancelled, Capabilities, EngineError, Listener, Rendering, Sampling
from studio.engines.musicgen import codec, decode, layers
from studio.engines.musicgen.adapters import Shelf, Wardrobe
from studio.engines.musicgen.blend import Prompt
from studio.engines.musicgen.checkpoint import inspect
from studio.engines.musicgen.ears import Ears, Sounds, no_sounds

if TYPE_CHECKING:
    from studio.engines.musicgen.load import Loaded

SAMPLE_RATE_HZ = 32_000
WINDOW_SECONDS = 30.0
FRAMES_A_CHUNK = 25  # half a second
FRAMES_A_REPORT = 5
LICENCE = "CC-BY-NC-4.0"


class MusicGenEngine:
    """Plays a MusicGen checkpoint out of a local folder; loads it at the first take and keeps it until `unload`."""

    def __init__(
        self,
        *,
        name: str,
        label: str,
        source: Path,
        device: str = "auto",
        dtype: str | None = None,
        channels: int = 1,
        licence: str = LICENCE,
        sounds: Sounds = no_sounds,
        adapters: Path | None = None,
    ) -> None:
        """source: the checkpoint's folder. dtype: None for the device's own. channels: 2 for a stereo model.

        sounds: gives the melodies that steering names. adapters: the folder of LoRA adapters, or None for none.
        """
        self._source, self._device, self._dtype = source, device, dtype
        self._sounds, self._shelf = sounds, Shelf(adapters or source / "adapters")
        self._loaded: Loaded | None = None
        self._wardrobe: Wardrobe | None = None
        self._capabilities = Capabilities(
            name=name,
            label=label,
            tier="full",
            sample_rate_hz=SAMPLE_RATE_HZ,
            channels=channels,
            max_seconds=WINDOW_SECONDS,
            makes_stems=False,
            makes_midi=False,
            makes_tokens=True,
            licence=licence,
            uses_sampling=True,
        )

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    def generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """Draw the plan's prompt as sound, telling the listener every half second.

        Lasts round(seconds * 32,000) samples exactly. When stopped, what is complete is returned: its sound equals
        the whole take's but for the last 80 ms, which no longer hear what would have followed. The same seed gives
        the same codes on the same machine. Raises ModelMissing, Cancelled, or EngineError past 30 s, or for steering
        and adapters that this model cannot follow.
        """
        if sampling.steering is not None and sampling.steering.layers:
            return layers.render(plan, sampling, listener, self._generate)
        return self._generate(plan, sampling, listener)

    def _generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        seconds = plan.seconds.value
        if seconds > WINDOW_SECONDS:
            raise EngineError(
                f"MusicGen makes up to {WINDOW_SECONDS:.0f} seconds at a time and the plan lasts {seconds:.0f}: "
                "make it shorter, or choose the sketch engine."
            )
        loaded = self._load(listener)
        if listener.cancelled():
            raise Cancelled("Stopped before any sound was made.")
        ears = Ears(loaded, plan, sampling, self._sounds)
        wardrobe = self._dress(loaded, sampling, listener)
        heard = ears.listen([Prompt(plan.prompt.value)])
        channels = loaded.checkpoint.channels
        player = codec.StreamingCodec(loaded.model.audio_encoder, channels=channels)
        samples = round(seconds * SAMPLE_RATE_HZ)
        frames = ceil(samples / player.hop)
        listener.started(sample_rate_hz=SAMPLE_RATE_HZ, channels=channels, frames=samples)
        drawn = decode.codes(
            loaded.model,
            heard.conditioning,
            frames=frames,
            choice=_choice(sampling),
            seed=sampling.seed,
            cancelled=listener.cancelled,
            combine=heard.combine,
        )
        tokens, sound = _play(drawn, player, frames=frames, samples=samples, listener=listener)
        if not tokens.shape[1]:
            raise Cancelled("Stopped before any sound was made.")
        return Rendering(
            clip=Clip(sound, SAMPLE_RATE_HZ),
            complete=tokens.shape[1] == frames,
            tokens=tokens,
            identity=self._identity(loaded) | ears.identity() | {"adapters": wardrobe.identity},
        )

    def unload(self) -> None:
        """Give the model's memory back; the next take loads it again."""
        if self._loaded is not None:
            from studio.engines.musicgen.load import free_memory

            self._loaded = self._wardrobe = None
            free_memory()

    def _load(self, listener: Listener) -> Loaded:
        if self._loaded is None:
            from studio.engines.musicgen.load import load

            listener.progress("loading", 0.0)
            checkpoint = inspect(self._source)
            if (checkpoint.channels, checkpoint.sample_rate_hz) != (self._capabilities.channels, SAMPLE_RATE_HZ):
                raise EngineError(
                    f"The model in “{self._source.name}” makes {checkpoint.channels} channels at "
                    f"{checkpoint.sample_rate_hz} Hz, which is not what it was listed as: add its folder again."
                )
            self._loaded = load(checkpoint, device=self._device, dtype=self._dtype)
            listener.progress("loading", 1.0)
        return self._loaded

    def _dress(self, loaded: Loaded, sampling: Sampling, listener: Listener) -> Wardrobe:
        """Put on this take's adapters, and take off the last one's."""
        if self._wardrobe is None:
            self._wardrobe = Wardrobe(loaded)
        if sampling.adapters:
            listener.progress("putting on adapters", 0.0)
        self._wardrobe.wear(sampling.adapters, self._shelf)
        return self._wardrobe

    def _identity(self, loaded: Loaded) -> dict[str, Any]:
        return {
            "engine": "musicgen",
            "model": self._capabilities.name,
            "weights_sha256": loaded.weights_sha256,
            "device": loaded.device,
            "dtype": loaded.dtype,
            "torch": version("torch"),
            "transformers": version("transformers"),
        }


def _choice(sampling: Sampling) -> decode.Choice:
    return decode.Choice(
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        guidance=sampling.guidance,
    )


def _play(
    drawn: Iterator[Any], player: codec.StreamingCodec, *, frames: int, samples: int, listener: Listener
) -> tuple[np.ndarray, np.ndarray]:
    """Decode frames as they are drawn; returns all codes (codebooks, frames) and all sound (channels, samples)."""
    codes: list[np.ndarray] = []
    pieces: list[np.ndarray] = []
    decoded = heard = 0

    def hear(*, last: bool) -> None:
        nonlocal decoded, heard
        fresh = np.stack(codes, axis=1)[:, decoded:]
        decoded = len(codes)
        sound = _safe(player.push(fresh, last=last)[:, : samples - heard])
        if sound.shape[1]:
            pieces.append(sound)
            heard += sound.shape[1]
            listener.heard(Clip(sound, SAMPLE_RATE_HZ))

    for frame in drawn:
        codes.append(frame.numpy().astype(np.int16))
        if len(codes) % FRAMES_A_REPORT == 0:
            listener.progress("composing", len(codes) / frames)
        if len(codes) - decoded == FRAMES_A_CHUNK:
            hear(last=False)
    if not codes:
        return np.zeros((0, 0), np.int16), np.zeros((1, 0), np.float32)
    hear(last=True)
    return np.stack(codes, axis=1), np.concatenate(pieces, axis=1)


def _safe(sound: np.ndarray) -> np.ndarray:
    """No number that is none, nothing beyond full scale; otherwise as the model made it."""
    return np.nan_to_num(sound, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1.0, 1.0).astype(np.float32)
