"""A trial before a run: how long its steps will take, from a moment's real steps of a model one and two layers deep.

The layers are the model's own kind and size, with random weights, adapters and the run's own loss; what a second layer
adds is what each further one will. Knows nothing of memory or of whole runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studio.engines.musicgen.checkpoint import Checkpoint, inspect
from studio.training.config import RunConfig
from studio.training.lean import make_lean
from studio.training.learner import forget_activations

FRAMES_A_SECOND = 50
_MOST_CODES = {"cpu": 128, "mps": 1_500, "cuda": 6_000}  # steps of the batch that is tried, so that it takes a moment
_ROUNDS, _LONG_ENOUGH_SECONDS = 4, 1.0
_WORDS = 16


@dataclass(frozen=True, slots=True)
class Trial:
    """Seconds of one batch forward and back, of one segment looked at, and of one frame played for two rows (guidance)."""

    batch: float
    look: float
    frame: float

    def run_seconds(self, config: RunConfig, *, held_out: int) -> float:
        """All of a run but its loading: steps, looks at so many held-out segments, and samples."""
        looks = 1 + -(-config.steps // config.held_out_every)
        rounds = 1 + -(-config.steps // config.samples.every)
        frames = rounds * len(config.samples.prompts) * config.samples.seconds * FRAMES_A_SECOND
        return config.steps * config.accumulate * self.batch + looks * held_out * self.look + frames * self.frame


def try_out(
    config: RunConfig,
    *,
    device: str,
    precision: str,
    checkpoint: Checkpoint | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Trial:
    """Measure a run's speed on "cpu", "cuda" or "mps" in a few seconds; raises EngineError for a folder without a model."""
    import torch

    model = checkpoint or inspect(config.model)
    rows, steps = _tried(config, device)
    decoder = _decoder(config, layers=2, device=device, precision=precision)
    part = _Part(decoder, config, rows=rows, steps=steps, clock=clock)
    with torch.random.fork_rng(devices=[]):
        deep = [part.seconds(what) for what in ("learn", "play")]
        decoder.model.decoder.layers = decoder.model.decoder.layers[:1]
        shallow = [part.seconds(what) for what in ("learn", "play")]
    learn, play = (
        one + (model.layers - 1) * max(two - one, 0.25 * one) for one, two in zip(shallow, deep, strict=True)
    )
    share = config.batch * config.segment_seconds * FRAMES_A_SECOND / (rows * steps)
    batch = learn * share
    forward = batch / (3 if config.gradient_checkpointing else 2)
    return Trial(batch=batch, look=forward / config.batch, frame=play)


def _tried(config: RunConfig, device: str) -> tuple[int, int]:
    """Rows and steps of the batch that is tried: the run's own, or as much of it as takes a moment."""
    steps = round(config.segment_seconds * FRAMES_A_SECOND)
    most = _MOST_CODES[device]
    rows = max(1, min(config.batch, most // steps))
    return rows, min(steps, most)


def _decoder(config: RunConfig, *, layers: int, device: str, precision: str) -> Any:
    """A decoder of the model's shape with so many layers and the run's adapters."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, MusicgenForCausalLM, MusicgenMelodyForCausalLM

    shape = AutoConfig.from_pretrained(config.model, local_files_only=True).decoder
    shape.num_hidden_layers = layers
    kind = MusicgenMelodyForCausalLM if shape.model_type == "musicgen_melody_decoder" else MusicgenForCausalLM
    number = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    decoder: Any = kind(shape)
    decoder = decoder.to(device=device, dtype=number)
    lora = config.lora
    dressed = get_peft_model(
        decoder,
        LoraConfig(
            r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, use_dora=lora.dora,
            target_modules=list(lora.targets),
        ),
    )  # fmt: skip
    make_lean(dressed)
    for weight in decoder.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    if config.gradient_checkpointing:
        forget_activations(decoder)
    return decoder


class _Part:
    """What is timed: a batch learned from, and a frame played."""

    def __init__(self, decoder: Any, config: RunConfig, *, rows: int, steps: int, clock: Callable[[], float]) -> None:
        import torch

        self._clock = clock
        self._decoder, self._config = decoder, config
        shape = decoder.config
        self._device, self._number = decoder.device, decoder.dtype
        self._states = torch.randn(rows, _WORDS, shape.hidden_size).to(self._device, self._number)
        self._codes = [torch.randint(shape.vocab_size, (shape.num_codebooks, steps)) for _ in range(rows)]

    def seconds(self, what: str) -> float:
        """The quickest of a few after one that warms up; fewer where a machine is slow or busy."""
        act = {"learn": self._learn, "play": self._play}[what]
        spent, found = self._timed(act), list[float]()
        while not found or (len(found) < _ROUNDS and spent < _LONG_ENOUGH_SECONDS):
            found.append(self._timed(act))
            spent += found[-1]
        return min(found)

    def _timed(self, act: Callable[[], None]) -> float:
        started = self._clock()
        act()
        return self._clock() - started

    def _learn(self) -> None:
        import torch

        from studio.training.loss import codebook_losses, delayed

        books = self._codes[0].shape[0]
        batch = delayed(self._codes, delays=list(range(books)), start=self._decoder.config.vocab_size)
        batch = type(batch)(batch.inputs.to(self._device), batch.targets.to(self._device))
        self._decoder.train()
        is_mixed = self._config.lora.dora and self._number != torch.float32
        with torch.autocast(self._device.type, self._number, enabled=is_mixed):
            losses = codebook_losses(self._decoder, batch, states=self._states, mask=None)
        losses.mean().backward()
        float(losses.detach().sum())  # waits for the device

    def _play(self) -> None:
        import torch

        self._decoder.eval()
        codes = torch.zeros((2 * self._codes[0].shape[0], 1), dtype=torch.long, device=self._device)
        with torch.no_grad():
            drawn = self._decoder(input_ids=codes, encoder_hidden_states=self._states[:1].expand(2, -1, -1)).logits
        float(drawn.sum())
