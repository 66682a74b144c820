"""The model as it is trained: its adapters, what it hears with each segment, and what it is taught by.

Words are encoded once, and the text encoder then leaves the device; the base stays as it is, in its own number format,
and only the adapters, in float32, learn. Knows nothing of steps, files or curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.engines.musicgen import decode
from studio.training.config import RunConfig
from studio.training.lean import make_lean
from studio.training.loss import codebook_losses, delayed

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.load import Loaded

FRAMES_A_SECOND = decode.FRAMES_A_SECOND
LONGEST_WORDS = 256  # tokens


@dataclass(frozen=True, slots=True)
class Lesson:
    """A segment ready to learn from. codes: int16 (codebooks, frames). chroma: int8 (steps,) notes, melody models only."""

    id: str
    words: str
    codes: np.ndarray
    chroma: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Dealt:
    """A lesson as it is dealt to one batch: from which frame on, and whether its words are left out."""

    lesson: Lesson
    first_frame: int
    hears_words: bool


def put_adapters_on(loaded: Loaded, config: RunConfig) -> Any:
    """Freeze the model and give it adapters that learn; returns PEFT's model round it, in which it is changed in place."""
    from peft import LoraConfig, get_peft_model

    lora = config.lora
    wanted = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, use_dora=lora.dora,
        target_modules=list(lora.targets), bias="none",
    )  # fmt: skip
    dressed = get_peft_model(loaded.model, wanted)
    make_lean(dressed)
    dressed.peft_config["default"].base_model_name_or_path = config.model_name or config.model.name
    if config.gradient_checkpointing:
        forget_activations(loaded.model.decoder)
    return dressed


def forget_activations(decoder: Any) -> None:
    """Make each layer's activations anew when the gradient needs them; transformers names it by its version."""
    enable = getattr(decoder, "activation_checkpointing_enable", None) or decoder.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def brought(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """On the device; a graphics card goes on with the step before while it comes."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Ear:
    """What the model hears of words and melodies, computed once for each caption."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._words: dict[str, torch.Tensor] = {}

    def learn_words(self, captions: Sequence[str]) -> None:
        """Encode captions; the text encoder is needed for it."""
        for words in dict.fromkeys(captions):
            if words and words not in self._words:
                heard = decode.condition_rows(self._loaded.model, [self._tokens(words)])
                # A melody model's states begin with a melody; the words are what follows it. Cloned, for what was made
                # in inference mode may not be learned through.
                states = heard.states[0].clone()
                length = self._loaded.model.config.chroma_length if self.is_melodic else 0
                self._words[words] = states[length:].cpu()

    @property
    def is_melodic(self) -> bool:
        return bool(self._loaded.model.config.model_type == "musicgen_melody")

    def forget_encoder(self) -> None:
        """Let the text encoder go: every caption has been heard."""
        self._loaded.model.text_encoder = None

    def hear(self, dealt: Sequence[Dealt]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """States (rows, tokens, width) and mask (rows, tokens), on the model's device; None where nothing is masked.

        Words left out are zeros, which no weight makes anything else of: what guidance steers away from when sampling. A
        melody model masks nothing.
        """
        import torch

        model = self._loaded.model
        heard = [self._words.get(one.lesson.words) if one.hears_words else None for one in dealt]
        width = model.decoder.config.hidden_size
        tokens = max([1, *(words.shape[0] for words in heard if words is not None)])
        states = torch.zeros((len(dealt), tokens, width), dtype=model.decoder.dtype)
        mask = torch.zeros((len(dealt), tokens), dtype=torch.long)
        for row, words in enumerate(heard):
            if words is not None:
                states[row, : words.shape[0]] = words
                mask[row, : words.shape[0]] = 1
            else:
                mask[row] = 1  # zeros are heard as zeros, masked or not
        is_full = bool(mask.all())  # asked here, for asking a graphics card would wait for it
        states = brought(states, model.decoder.device)
        if not self.is_melodic:
            return states, None if is_full else brought(mask, model.decoder.device)
        return torch.cat([self._melodies(dealt), states], dim=1), None

    def _melodies(self, dealt: Sequence[Dealt]) -> torch.Tensor:
        """Each segment's own melody, as the melody models were trained; where words are left out, none."""
        import torch

        from studio.engines.musicgen.chroma import HOP, NOTES

        model = self._loaded.model
        length = model.config.chroma_length
        notes = torch.zeros((len(dealt), length), dtype=torch.long)
        for row, one in enumerate(dealt):
            if one.hears_words and one.lesson.chroma is not None:
                first = one.first_frame * model.config.audio_encoder.sampling_rate // FRAMES_A_SECOND // HOP
                heard = torch.from_numpy(one.lesson.chroma[first:].astype(np.int64))
                notes[row] = heard.repeat(-(-length // len(heard)))[:length]
        chroma = torch.nn.functional.one_hot(notes, NOTES).to(model.decoder.device, model.decoder.dtype)
        with torch.no_grad():
            projected: torch.Tensor = model.audio_enc_to_dec_proj(chroma)
        return projected

    def _tokens(self, words: str) -> tuple[torch.Tensor, torch.Tensor]:
        model = self._loaded.model
        tokens = self._loaded.tokenizer([words], return_tensors="pt", truncation=True, max_length=LONGEST_WORDS)
        return tokens["input_ids"].to(model.decoder.device), tokens["attention_mask"].to(model.decoder.device)


def make_learner(loaded: Loaded, config: RunConfig) -> Any:
    """The decoder as a torch module from a batch to each codebook's loss, to be wrapped for several devices."""
    import torch

    class Learner(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = loaded.model.decoder

        def forward(self, codes: list[torch.Tensor], states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
            batch = delayed(codes, delays=decode.delays(loaded.model), start=decode.start_token(loaded.model))
            batch = type(batch)(brought(batch.inputs, states.device), brought(batch.targets, states.device))
            # Everything is in the base's number format already; DoRA alone is left to torch's mixing of formats.
            with nullcontext() if config.lora.dora else torch.autocast(states.device.type, enabled=False):
                return codebook_losses(self.decoder, batch, states=states, mask=mask)

    return Learner()


class Dealer:
    """Deals lessons to batches: which segment, from where on, with its words or without, by seed and position alone.

    So a run that goes on from a checkpoint is dealt what it would have been dealt. Several devices share one deck.
    """

    def __init__(self, lessons: Sequence[Lesson], config: RunConfig, *, rank: int = 0, devices: int = 1) -> None:
        self._lessons, self._config = lessons, config
        self._rank, self._devices = rank, devices
        self._frames = round(config.segment_seconds * FRAMES_A_SECOND)
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def deal(self, step: int, part: int) -> list[Dealt]:
        """The batch of a step (from 0) and part of it (from 0 to accumulate - 1)."""
        config = self._config
        first = ((step * config.accumulate + part) * self._devices + self._rank) * config.batch
        return [self._at(position) for position in range(first, first + config.batch)]

    def codes(self, dealt: Sequence[Dealt]) -> list[torch.Tensor]:
        """What each is to be taught, int64 (codebooks, frames)."""
        import torch

        return [
            torch.from_numpy(one.lesson.codes[:, one.first_frame : one.first_frame + self._frames].astype(np.int64))
            for one in dealt
        ]

    def looks(self) -> list[list[Dealt]]:
        """All lessons once, from their beginning, with their words: how held-out tracks are looked at; this device's."""
        mine = [Dealt(lesson, 0, hears_words=True) for lesson in self._lessons][self._rank :: self._devices]
        size = self._config.batch
        return [mine[at : at + size] for at in range(0, len(mine), size)]

    def _at(self, position: int) -> Dealt:
        epoch, place = divmod(position, len(self._lessons))
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self._config.seed, epoch]).permutation(len(self._lessons)))
        lesson = self._lessons[int(self._order[1][place])]
        chance = np.random.default_rng([self._config.seed, 1, position])
        spare = lesson.codes.shape[1] - self._frames
        first = int(chance.integers(0, spare + 1)) if spare > 0 else 0
        return Dealt(lesson, first, hears_words=bool(chance.random() >= self._config.word_dropout))
