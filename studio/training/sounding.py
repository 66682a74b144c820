"""What a run sounds like along the way: fixed prompts, fixed seed, the studio's own sampling loop.

Knows nothing of training: it is handed a model as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio.clip import Clip
from audio.io import write_clip
from studio.engines.musicgen import codec, decode
from studio.training.config import Samples

if TYPE_CHECKING:
    from studio.engines.musicgen.load import Loaded

SAMPLES = "samples"


class Sampler:
    """Holds what the fixed prompts sound like to the model, so that the text encoder may go."""

    def __init__(self, loaded: Loaded, samples: Samples) -> None:
        self._loaded, self._samples = loaded, samples
        self._heard: list[decode.Conditioning] = []
        for words in samples.prompts:
            tokens = loaded.tokenizer([words], return_tensors="pt", truncation=True, max_length=256)
            place = loaded.model.decoder.device
            self._heard.append(
                decode.condition(
                    loaded.model,
                    tokens["input_ids"].to(place),
                    tokens["attention_mask"].to(place),
                    guided=samples.guidance > 1.0,
                )
            )

    def codes(self, number: int, *, cancelled: Callable[[], bool] = lambda: False) -> np.ndarray:
        """The codes of one prompt, int16 (codebooks, frames); fewer when cancelled."""
        import torch

        choice = decode.Choice(guidance=self._samples.guidance)
        frames = round(self._samples.seconds * decode.FRAMES_A_SECOND)
        with torch.random.fork_rng(devices=[]):
            drawn = list(
                decode.codes(
                    self._loaded.model,
                    self._heard[number],
                    frames=frames,
                    choice=choice,
                    seed=self._samples.seed,
                    cancelled=cancelled,
                )
            )
        if not drawn:
            return np.zeros((len(decode.delays(self._loaded.model)), 0), np.int16)
        return torch.stack(drawn, dim=1).numpy().astype(np.int16)

    def write(self, folder: Path, step: int, *, cancelled: Callable[[], bool] = lambda: False) -> list[dict[str, Any]]:
        """Play every prompt into the run's folder; returns what the log keeps of each."""
        checkpoint = self._loaded.checkpoint
        made = []
        for number, words in enumerate(self._samples.prompts):
            codes = self.codes(number, cancelled=cancelled)
            if codes.shape[1] == 0 or cancelled():
                break
            sound = codec.decode(self._loaded.model.audio_encoder, codes, channels=checkpoint.channels)
            file = f"{SAMPLES}/step-{step:06d}-{number}.flac"
            (folder / SAMPLES).mkdir(exist_ok=True)
            write_clip(folder / file, Clip(sound, checkpoint.sample_rate_hz), format="flac16")
            made.append({"step": step, "prompt": number, "words": words, "file": file})
        return made
