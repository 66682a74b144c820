"""A loaded model at work on a take: words heard, codes drawn, sound decoded, for one candidate or several.

Making and editing both go through here. Knows nothing of files, of takes' folders or of what a plan means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audio.clip import Clip
from studio.engines.base import Cancelled, EngineError, Listener, Rendering, Sampling
from studio.engines.edits import Source
from studio.engines.musicgen import decode, encoder, longform
from studio.engines.musicgen.blend import Prompt
from studio.engines.musicgen.longform import Span
from studio.engines.musicgen.memory import lasting, ran_out_after
from studio.engines.musicgen.sound import GrowingTake
from studio.engines.musicgen.window import WINDOW_FRAMES, Voice

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.load import Loaded

LEAST_CONTEXT = 150
NOTHING = "Stopped before any sound was made."


@dataclass(frozen=True, slots=True)
class Performer:
    """All that drawing needs.

    listen: hears prompts as the user wants them guided; listen_plainly: without guidance, to judge what is there.
    identity: what made the take, to be kept with it.
    """

    loaded: Loaded
    voice: Voice
    listen: longform.Listen
    listen_plainly: longform.Listen
    identity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        return self.loaded.checkpoint.channels

    @property
    def sample_rate_hz(self) -> int:
        return self.loaded.checkpoint.sample_rate_hz

    @property
    def codec(self) -> Any:
        return self.loaded.model.audio_encoder

    @property
    def hop(self) -> int:
        return int(np.prod(self.codec.config.upsampling_ratios))

    def growing(self, listener: Listener, *, samples: int, **begun: Any) -> GrowingTake:
        """An empty take of that many samples; `begun` as in GrowingTake."""
        return GrowingTake(
            self.codec, listener, codebooks=self.voice.codebooks, channels=self.channels,
            sample_rate_hz=self.sample_rate_hz, samples=samples, **begun,
        )  # fmt: skip

    def tokens_of(self, source: Source, listener: Listener, *, until_seconds: float | None = None) -> np.ndarray:
        """The source's codes (codebooks, frames): those it was decoded from, else the encoder's.

        Raises Cancelled when stopped while it listens.
        """
        clip = source.clip
        if source.tokens is not None and self._are_the_sounds(source.tokens, source):
            return source.tokens.astype(np.int16)
        if until_seconds is not None:  # a second more, so that the encoder hears what comes after the cut
            clip = clip.between(0.0, until_seconds + 1.0)
        tokens = encoder.encode(
            self.codec, clip, channels=self.channels, cancelled=listener.cancelled,
            progress=lambda fraction: listener.progress("listening", fraction),
        )  # fmt: skip
        if listener.cancelled():
            raise Cancelled(NOTHING)
        return tokens

    def _are_the_sounds(self, tokens: np.ndarray, source: Source) -> bool:
        """Whether these codes are what the clip was decoded from, frame by frame, by a codec like this one."""
        frames = source.clip.seconds * decode.FRAMES_A_SECOND
        return (
            source.identity.get("engine") == "musicgen"
            and not source.identity.get("grid", {}).get("stretched_by")
            and tokens.ndim == 2
            and tokens.shape[0] == self.voice.codebooks
            and -1e-6 <= tokens.shape[1] - frames < 1
            and 0 <= int(tokens.min(initial=0)) <= int(tokens.max(initial=0)) < self.codec.config.codebook_size
        )


def choice_of(sampling: Sampling) -> decode.Choice:
    """The sampling's figures as the loop takes them."""
    return decode.Choice(
        temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p, guidance=sampling.guidance
    )


def perform(
    performer: Performer,
    spans: Sequence[Span],
    *,
    samples: int,
    sampling: Sampling,
    listener: Listener,
    dice: Sequence[torch.Generator],
    given: np.ndarray | None = None,
    kept: Clip | None = None,
) -> Rendering:
    """Draw the spans and decode them, after what is given and its kept sound; one candidate for each die.

    The listener hears the first as it comes; the further ones are in `others`. Raises Cancelled when stopped before
    a frame was made; later, all candidates end where it stopped. Where memory runs out they end too, and say so.
    """
    begun = {"given": given, "kept": kept}
    takes = [
        performer.growing(listener if not number else Listener(), samples=samples, **begun)
        for number in range(len(dice))
    ]
    left, context = takes[0].frames, longform.CONTEXT_FRAMES
    if given is not None:
        left -= given.shape[1]
        context = room_for_context(performer, left, candidates=len(dice))
    drawn = longform.draw(
        performer.voice, performer.listen, spans, given=given, choice=choice_of(sampling), dice=dice,
        cancelled=listener.cancelled, context_frames=context,
    )  # fmt: skip
    with lasting(lambda: takes[0].has_grown) as ending:
        for frame in drawn:
            for take, codes in zip(takes, frame, strict=True):
                take.add(codes)
    if not takes[0].has_grown:
        raise Cancelled(NOTHING)
    return gathered([rendered(performer, take, candidate=at, ran_out=ending.ran_out) for at, take in enumerate(takes)])


def rendered(performer: Performer, take: GrowingTake, *, candidate: int = 0, ran_out: bool = False) -> Rendering:
    """A take that was drawn as a rendering, and which candidate it was. ran_out: memory ended it."""
    with lasting(lambda: True) as ending:
        take.finish()
    tokens, clip = take.kept()
    identity = {**performer.identity, "candidate": candidate} if candidate else dict(performer.identity)
    trouble = ran_out_after(clip.seconds) if ran_out or ending.ran_out else ""
    whole = tokens.shape[1] == take.frames
    return Rendering(clip=clip, complete=whole, tokens=tokens, identity=identity, trouble=trouble)


def gathered(renderings: Sequence[Rendering]) -> Rendering:
    """Several renderings as one: the first, the others in it."""
    from dataclasses import replace

    return replace(renderings[0], others=tuple(renderings[1:])) if len(renderings) > 1 else renderings[0]


def room_for_context(performer: Performer, frames: int, *, candidates: int) -> int:
    """How many frames of what was there an edit hears again, before it draws so many new ones.

    All that the window has room for, where hearing costs little. A processor hears each candidate's context at a cost
    like that of drawing it, so that there 12 seconds are heard by one or two, and less by more, but 3 at least.
    """
    if performer.loaded.device == "cpu":
        return min(longform.CONTEXT_FRAMES, max(LEAST_CONTEXT, 2 * longform.CONTEXT_FRAMES // candidates))
    return max(longform.CONTEXT_FRAMES, WINDOW_FRAMES - max(0, frames) - max(performer.voice.late))


def within(spans: Sequence[Span], start_frame: int, end_frame: int, *, words: str = "") -> list[Span]:
    """The spans between two frames; with words, one span under those instead."""
    if words:
        return [Span(start_frame, end_frame, (Prompt(words),))]
    cut = [Span(max(start_frame, span.start_frame), min(end_frame, span.end_frame), span.prompts) for span in spans]
    return [span for span in cut if span.start_frame < span.end_frame]


def check_candidates(sampling: Sampling, count: int) -> None:
    """Raise EngineError when chance has no say, so that all candidates would be one."""
    if count > 1 and sampling.top_k == 1:
        raise EngineError(
            "With top-k at 1 nothing is left to chance and every version would be the same: raise top-k, or ask for one."
        )
