"""What a take listens to: the plan's words, weighed against others, and a melody or the chords.

Reads a plan and its steering, and makes of them, window by window, what the decoder hears. Names of sounds are given to
whoever keeps sounds. Knows nothing of how codes are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from agents.knowledge import instruments
from agents.types import SongPlan
from audio.clip import Clip
from studio.engines.base import EngineError, Sampling
from studio.engines.musicgen import melody as melodies
from studio.engines.musicgen.blend import Blend, Prompt, check_prompts, frame_at, listen
from studio.engines.musicgen.decode import FRAMES_A_SECOND
from studio.engines.steering import Steering

if TYPE_CHECKING:
    from studio.engines.musicgen.load import Loaded

# Gives the sound of a name: a clip, or the bytes of a MIDI file. Raises EngineError for a name it does not know.
Sounds = Callable[[str], Clip | bytes]


def no_sounds(name: str) -> Clip | bytes:
    """For where no sounds are kept."""
    raise EngineError(f"The sound “{name}” is not here: choose the melody again.")


class Parts(Protocol):
    """Hears parts of a sound alone; None where that cannot be done here."""

    def melody_of(self, clip: Clip) -> Clip | None:
        """The clip without drums and bass."""
        ...

    def part_of(self, clip: Clip, instrument: str) -> Clip | None:
        """What one instrument plays in the clip."""
        ...


class Ears:
    """One take's ears. Make new ones for every take; raises EngineError at once for what cannot be heard."""

    def __init__(
        self, loaded: Loaded, plan: SongPlan, sampling: Sampling, sounds: Sounds = no_sounds, parts: Parts | None = None
    ) -> None:
        self._loaded, self._plan, self._guidance = loaded, plan, sampling.guidance
        self._steering = sampling.steering or Steering()
        self._sounds, self._parts = sounds, parts
        check_prompts(self.prompts([Prompt(plan.prompt.value)]))
        if self._melody is not None and loaded.checkpoint.model_type != "musicgen_melody":
            raise EngineError(
                "This model cannot follow a melody or chords: choose MusicGen melody, or take the melody away."
            )

    def prompts(self, words: Sequence[Prompt]) -> list[Prompt]:
        """All that is heard where the song says these words: the words first, then what steers beside them."""
        return steered(words, self._plan, self._steering)

    def listen(self, words: Sequence[Prompt], first_frame: int = 0) -> Blend:
        """What the decoder hears in the window that begins at that frame of the song.

        words: of the plan or a section, or several that give way to each other; keyframes count from the song's
        start, and the melody too goes on from there.
        """
        melody = None
        if self._melody is not None:
            import torch

            melody = torch.from_numpy(self._melody.chroma(start_seconds=first_frame / FRAMES_A_SECOND))
        return listen(
            self._loaded.model,
            self.prompts(words),
            self.tokenize,
            guidance=self._guidance,
            melody=melody,
            first_frame=first_frame,
        )

    def tokenize(self, words: str) -> tuple[Any, Any]:
        """T5's tokens and mask, (1, tokens) each."""
        # `verbose` would warn of more than 512 tokens, of which T5's relative positions know nothing.
        tokens = self._loaded.tokenizer([words], return_tensors="pt", verbose=False)
        return tokens["input_ids"].to(self._loaded.device), tokens["attention_mask"].to(self._loaded.device)

    def identity(self) -> dict[str, Any]:
        """What a take keeps of what it followed, beside its sampling."""
        return {"melody": self._melody.identity()} if self._melody is not None else {}

    @cached_property
    def _melody(self) -> melodies.Melody | None:
        if self._steering.melody and self._steering.chords:
            raise EngineError("A take follows a melody or the plan's chords, not both: choose one.")
        if self._steering.chords:
            return melodies.from_chords(self._plan)
        if not self._steering.melody:
            return None
        sound = self._sounds(self._steering.melody)
        if isinstance(sound, bytes):
            return melodies.from_midi(sound)
        melodies.check_clip(sound)
        lone = self._parts.melody_of(sound) if self._parts is not None else None
        return melodies.from_clip(sound, lone=lone)


def steered(words: Sequence[Prompt], plan: SongPlan, steering: Steering) -> list[Prompt]:
    """The words and what steers beside them.

    Instruments asked in are added to the words; those asked out join the plan's negative prompt, for which guidance
    is needed. Raises EngineError for an instrument nobody knows.
    """
    brought_in = [_told(name) for name in steering.instruments_in]
    kept_out = [*filter(None, [plan.negative_prompt.value]), *(_told(name) for name in steering.instruments_out)]
    prompts = [
        Prompt(
            ", ".join([*filter(None, [prompt.words]), *brought_in]),
            prompt.weight * steering.words_weight,
            tuple((frame, weight * steering.words_weight) for frame, weight in prompt.keyframes),
        )
        for prompt in words
    ]
    for each in steering.prompts:
        moves = tuple((frame_at(seconds), weight) for seconds, weight in each.moves)
        prompts.append(Prompt(each.words, each.weight, moves))
    if kept_out:
        prompts.append(Prompt(", ".join(kept_out), -1.0))
    return prompts


def _told(name: str) -> str:
    known = instruments()
    if name not in known:
        raise EngineError(f"There is no instrument “{name}”: choose one of the plan's or of the list.")
    return known[name].prompt
