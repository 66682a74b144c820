"""Variations of a take on one dial, from close to far.

At half and above, bars scattered over the take are drawn anew, each from what is before it; below, only a beginning
is kept and the rest is drawn. The share kept is the dial's value. No two are alike. Knows nothing of where takes are
kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

import numpy as np

from agents.types import SongPlan
from studio.engines.base import Cancelled, EngineError, Listener, Rendering, Sampling, Source, Vary
from studio.engines.musicgen import encoder, longform
from studio.engines.musicgen.decode import FRAMES_A_SECOND
from studio.engines.musicgen.edit import SALT, grid_of
from studio.engines.musicgen.memory import lasting
from studio.engines.musicgen.perform import (
    NOTHING,
    Performer,
    check_candidates,
    choice_of,
    gathered,
    rendered,
    room_for_context,
    within,
)
from studio.engines.musicgen.sound import GrowingTake


def vary(
    performer: Performer, edit: Vary, source: Source, plan: SongPlan, sampling: Sampling, listener: Listener
) -> Rendering:
    """`edit.count` variations in one pass, the listener hearing the first; in the model's rate and channels.

    Stopped, all end at the same frame. Raises EngineError for a silent source, or settings that leave no chance.
    """
    encoder.check_sound(source.clip, what=source.name[:1].upper() + source.name[1:])
    check_candidates(sampling, 2)
    tokens = performer.tokens_of(source, listener)
    frames = tokens.shape[1]
    samples = min(frames * performer.hop, round(source.clip.seconds * performer.sample_rate_hz))
    lines = [round(line * FRAMES_A_SECOND) for line in grid_of(plan, source).lines(frames / FRAMES_A_SECOND)]
    runs = runs_to_draw(edit.closeness, lines=lines, chance=np.random.default_rng([sampling.seed, SALT["vary"]]))
    spans = longform.spans_of(plan, frames=frames)
    dice = longform.dice_for(sampling.seed, edit.count, salt=SALT["vary"])
    mixture = np.repeat(tokens[None], edit.count, axis=0)
    takes = [performer.growing(listener if not number else Listener(), samples=samples) for number in range(edit.count)]
    frames = takes[0].frames
    drawn = at = 0
    with lasting(lambda: drawn > 0) as ending:
        for start, end in [*runs, (frames, frames)]:
            for frame in range(at, min(start, frames)):
                _add(takes, mixture[..., frame])
            at = min(start, frames)
            fresh = longform.draw(
                performer.voice, performer.listen, within(spans, start, min(end, frames)),
                given=mixture[..., :at], choice=choice_of(sampling), dice=dice, cancelled=listener.cancelled,
                context_frames=room_for_context(performer, end - start, candidates=edit.count), goes_on=end < frames,
            )  # fmt: skip
            for codes in fresh:
                mixture[..., at] = codes
                _add(takes, codes)
                at, drawn = at + 1, drawn + 1
            if at < min(end, frames):
                break
    if not drawn:
        raise Cancelled(NOTHING)
    made = [rendered(performer, take, candidate=number, ran_out=ending.ran_out) for number, take in enumerate(takes)]
    return gathered(_unlike(made, tokens))


def runs_to_draw(closeness: float, *, lines: Sequence[int], chance: np.random.Generator) -> list[tuple[int, int]]:
    """Which frames to draw anew, as (start, end) in order: whole bars between the lines, at least one."""
    bars = list(pairwise(lines))
    keep = min(round(closeness * len(bars)), len(bars) - 1)
    if closeness < 0.5:
        first = lines[keep] if len(bars) > 1 else ceil(closeness * lines[-1])
        return [(first, lines[-1])]
    if len(bars) == 1:  # no bar lines within: the last part of it
        return [(ceil(closeness * 0.95 * lines[-1]), lines[-1])]
    chosen = sorted(chance.choice(len(bars), size=len(bars) - keep, replace=False))
    runs: list[tuple[int, int]] = []
    for bar in chosen:
        start, end = bars[bar]
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _add(takes: Sequence[GrowingTake], codes: np.ndarray) -> None:
    for take, mine in zip(takes, codes, strict=True):
        take.add(mine)


def _unlike(made: list[Rendering], tokens: np.ndarray) -> list[Rendering]:
    """Those that differ from the source and from one another."""
    seen, kept = {tokens[:, : made[0].tokens.shape[1]].tobytes()} if made[0].tokens is not None else set(), []
    for each in made:
        codes = b"" if each.tokens is None else np.ascontiguousarray(each.tokens).tobytes()
        if codes not in seen:
            seen.add(codes)
            kept.append(each)
    if not kept:
        raise EngineError(
            "The variations came out as the take itself: raise the temperature or top-k, or go further away."
        )
    return kept
