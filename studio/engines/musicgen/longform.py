"""Songs of any length out of windows of 30 seconds: each section under its own words, turning at the bar line.

A window hears the last 12 seconds of codes again (they are never re-encoded) and adds up to 18, the stride with which
AudioCraft extends (Copet et al. 2023, arXiv 2306.05284), but for its last three frames, whose later codebooks would be
drawn without the next frames' first: the window after draws them. Where the words change a new window begins, so that what
follows is what the model would add to that music under the new words from the start. Only the last seconds of codes
are remembered: memory does not grow. Knows nothing of sound.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agents.types import SongPlan
from studio.engines.musicgen import decode
from studio.engines.musicgen.blend import Blend, Prompt, frame_at, morph
from studio.engines.musicgen.window import WINDOW_FRAMES, Voice

if TYPE_CHECKING:
    import torch

STRIDE_FRAMES = 900
CONTEXT_FRAMES = WINDOW_FRAMES - STRIDE_FRAMES
WINDOW_SECONDS = WINDOW_FRAMES / decode.FRAMES_A_SECOND

# Encodes prompts whose keyframes count from the song's start, for a window that begins at `first_frame`.
Listen = Callable[[Sequence[Prompt], int], Blend]


@dataclass(frozen=True, slots=True)
class Span:
    """Frames from start to end (exclusive) under the same prompts."""

    start_frame: int
    end_frame: int
    prompts: tuple[Prompt, ...]


def spans_of(plan: SongPlan, *, frames: int) -> list[Span]:
    """The plan's words over the whole take, in order and without gaps.

    A plan that fits one window is one span under the song's own prompt, unless the user wrote a section's prompt or
    asked for a morph. Longer ones follow the sections; what rings after the last bar belongs to the last. A morph
    takes the bars before its section's first bar line, at most all bars of the section before.
    """
    song = plan.prompt.value
    written = any(section.prompt.by == "asked" or section.morph_bars for section in plan.sections)
    if frames <= WINDOW_FRAMES and not written:
        return [Span(0, frames, (Prompt(with_tempo(song, plan)),))]
    starts = [min(frame_at(seconds), frames) for seconds in plan.section_starts_seconds()]
    words = [with_tempo(section.prompt.value or song, plan) for section in plan.sections]
    bar = plan.bar_seconds * decode.FRAMES_A_SECOND
    spans: list[Span] = []
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else frames
        following = plan.sections[index + 1] if index + 1 < len(starts) else None
        morph_frames = min(round(following.morph_bars * bar), end - start) if following else 0
        _append(spans, Span(start, end - morph_frames, (Prompt(words[index]),)))
        if morph_frames:
            both = morph(words[index], words[index + 1], start_frame=end - morph_frames, end_frame=end)
            same = words[index] == words[index + 1]
            _append(spans, Span(end - morph_frames, end, (Prompt(words[index]),) if same else both))
    return spans


def _append(spans: list[Span], span: Span) -> None:
    """Add a span, or lengthen the last when the words stay the same."""
    if span.end_frame <= span.start_frame:
        return
    if spans and spans[-1].prompts == span.prompts:
        spans[-1] = Span(spans[-1].start_frame, span.end_frame, span.prompts)
    else:
        spans.append(span)


def with_tempo(words: str, plan: SongPlan) -> str:
    """The words with the tempo in them, as MusicGen was taught it, unless they name one or nobody decided on one."""
    if plan.tempo_bpm.by == "default" or re.search(r"\d\s*(bpm|beats per minute)\b", words, re.IGNORECASE):
        return words
    return f"{words}, {plan.tempo_bpm.value:.0f} bpm".removeprefix(", ")


def draw(
    voice: Voice,
    listen: Listen,
    spans: Sequence[Span],
    *,
    given: np.ndarray | None,
    choice: decode.Choice,
    dice: Sequence[torch.Generator],
    cancelled: Callable[[], bool] = lambda: False,
    context_frames: int = CONTEXT_FRAMES,
    goes_on: bool = False,
) -> Iterator[np.ndarray]:
    """Yield the codes int16 (candidates, codebooks) of each frame after the given ones, to the end of the last span.

    given: codes (codebooks, frames) or (candidates, codebooks, frames) from the song's start, or None.
    context_frames: how much of what was drawn each window hears again. goes_on: the music does not end with the spans.
    """
    import torch

    at, tail = 0, torch.zeros((len(dice), voice.codebooks, 0), dtype=torch.long)
    if given is not None:
        at = given.shape[-1]
        recent = torch.from_numpy(given[..., max(0, at - context_frames) :].astype(np.int64))
        tail = recent.expand(len(dice), -1, -1).clone()
    most, last = max(voice.late), spans[-1].end_frame if spans and not goes_on else -1
    for span in spans:
        while at < span.end_frame:
            context = tail[..., max(0, tail.shape[-1] - context_frames) :]
            known, beyond = context.shape[-1], 0 if span.end_frame == last else most
            frames = min(WINDOW_FRAMES, known + span.end_frame - at + beyond)
            wanted = frames - known - (0 if at + frames - known == last else most)
            heard = listen(span.prompts, at - known)
            fresh: list[torch.Tensor] = []
            for frame in voice.draw(heard, context, frames=frames, choice=choice, dice=dice, cancelled=cancelled):
                fresh.append(frame)
                at += 1
                yield frame.numpy().astype(np.int16)
                if len(fresh) == wanted:
                    break
            if len(fresh) < wanted:
                return
            tail = torch.cat([context, torch.stack(fresh, dim=-1)], dim=-1)[..., -WINDOW_FRAMES:]


def dice_for(seed: int, count: int, *, salt: int | None = None) -> list[torch.Generator]:
    """A die for each candidate. Without salt the first is the seed's own, so that it draws what a lone take draws."""
    import torch

    seeds = [seed] if salt is None else []
    mixed = np.random.SeedSequence([seed, 0 if salt is None else salt + 1]).generate_state(count, np.uint64)
    seeds += [int(each >> np.uint64(1)) for each in mixed]
    return [torch.Generator().manual_seed(each) for each in seeds[:count]]
