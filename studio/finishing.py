"""What is done to a take once an engine has drawn it: its tempo made true, its candidates put in order.

A model asked for 120 bpm plays nearly 120. What it played is measured; within 4 % it is stretched to what was asked,
and the take's grid is written down. Knows nothing of how takes are drawn or kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agents.types import SongPlan
from audio.clip import Clip
from studio.engines.base import Rendering

if TYPE_CHECKING:
    from audio.analysis import Tempo

MOST_STRETCH = 0.04
LEAST_STRETCH = 0.001  # a beat in a thousand is not heard
SURE, SURE_BEATS = 0.7, 12  # of a measured tempo; over so many beats music with a pulse is near 1, noise under 0.65
MOST_SECONDS_ANEW = 60.0  # of a take that is drawn once more for its tempo
_OCTAVES = (1.0, 0.5, 2.0)

# How good a take is for its plan; the higher the better.
Judge = Callable[[Clip, SongPlan], float]


def finished(rendering: Rendering, plan: SongPlan, *, true_tempo: bool, judge: Judge | None = None) -> Rendering:
    """The rendering and its others, each true to the plan's tempo where it can be, best first.

    Those off the tempo by more than 4 % come after those that are not; then the judge decides; then what was drawn
    first. What was stopped is left as it is.
    """
    if not rendering.complete:
        return rendering
    every = [on_tempo(replace(each, others=()), plan, correct=true_tempo) for each in (rendering, *rendering.others)]
    if len(every) > 1:
        scores = [judge(each.clip, plan) if judge is not None else 0.0 for each in every]
        order = sorted(range(len(every)), key=lambda index: (is_off_tempo(every[index]), -scores[index], index))
        if judge is not None:
            every = [_noted(each, judged=round(score, 2)) for each, score in zip(every, scores, strict=True)]
        every = [every[index] for index in order]
    return replace(every[0], others=tuple(every[1:]))


def by_verdict(clip: Clip, plan: SongPlan) -> float:
    """The quality agent's score of a take, 0 to 100."""
    from studio.listening import judge_clip

    return judge_clip(plan, clip, engine_channels=clip.channels).score


def is_off_tempo(rendering: Rendering) -> bool:
    """Whether a finished take was measured, surely, too far from the plan's tempo to be stretched."""
    return bool(rendering.identity.get("grid", {}).get("is_off_tempo"))


def on_tempo(rendering: Rendering, plan: SongPlan, *, correct: bool) -> Rendering:
    """The rendering with its grid in its identity, stretched to the plan's tempo when that takes at most 4 %.

    A tempo that nobody decided on is only measured, and so is one in separate stems. A slower take that was stretched
    ends where it did; a faster one is that much shorter than planned. Codes stay those of the sound as drawn.
    """
    from audio.analysis import TooShort, estimate_tempo
    from audio.stretch import stretch

    try:
        measured = estimate_tempo(rendering.clip)
    except TooShort:
        return rendering
    asked = plan.tempo_bpm.value
    heard = min((measured.tempo_bpm * octave for octave in _OCTAVES), key=lambda bpm: abs(bpm - asked))
    off = asked / heard - 1
    grid: dict[str, Any] = {"measured_bpm": round(measured.tempo_bpm, 3), "confidence": round(measured.confidence, 3)}
    if not is_sure(measured, seconds=rendering.clip.seconds):
        return _with_grid(rendering, grid)
    first, clip = measured.first_beat_seconds, rendering.clip
    decided = plan.tempo_bpm.by != "default"
    grid["is_off_tempo"] = decided and abs(off) > MOST_STRETCH
    if correct and decided and not rendering.stems and LEAST_STRETCH < abs(off) <= MOST_STRETCH:
        factor = 1 + off
        made = stretch(clip, factor=factor)
        clip = Clip(made.samples[:, : clip.frames], clip.sample_rate_hz)
        heard, first = asked, first / factor
        grid["stretched_by"] = factor
    grid |= {"tempo_bpm": heard, "first_beat_seconds": first % (60.0 / heard)}
    return _with_grid(replace(rendering, clip=clip), grid)


def is_sure(measured: Tempo, *, seconds: float) -> bool:
    """Whether a tempo measured over so many seconds may be believed."""
    return measured.confidence >= SURE and measured.tempo_bpm * seconds / 60 >= SURE_BEATS


def _with_grid(rendering: Rendering, grid: dict[str, Any]) -> Rendering:
    return _noted(rendering, grid=grid)


def _noted(rendering: Rendering, **notes: Any) -> Rendering:
    return replace(rendering, identity={**rendering.identity, **notes})
