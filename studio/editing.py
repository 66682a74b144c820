"""From an edit to a request: which plan the result has, which engine makes it.

Knows nothing of owners or of queues.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from agents.extending import extended
from agents.types import MAX_SECONDS, MIN_SECONDS, Brief, SongPlan
from audio.clip import Clip
from studio.engines.base import Capabilities, Continue, Edit, EngineError, Sampling
from studio.engines.edits import VERBS, Vary, trouble_with
from studio.finishing import is_sure
from studio.job import GenerateRequest
from studio.takes import Take


def request_for_take(edit: Edit, take: Take, *, engine: str, sampling: Sampling | None = None) -> GenerateRequest:
    """The request that does the edit to a take, under its plan. Raises EngineError or PlanError in the user's words.

    sampling: None for the take's own with a new seed.
    """
    _check(edit, lasts_seconds=take.seconds, name=f"“{take.title}”")
    plan = take.plan
    if isinstance(edit, Continue):
        at = take.seconds if edit.from_seconds is None else min(edit.from_seconds, take.seconds)
        plan = extended(plan, from_seconds=at, added_seconds=edit.seconds, words=edit.words)
    drawn = sampling or take.sampling.model_copy(update={"seed": secrets.randbelow(2**32), "candidates": 1})
    return GenerateRequest(brief=plan.brief, plan=plan, engine=engine, sampling=drawn, parent=take.id, edit=edit)


def request_for_sound(
    edit: Edit,
    clip: Clip,
    *,
    words: str,
    engine: str,
    sampling: Sampling | None = None,
    planner: Callable[..., SongPlan],
) -> GenerateRequest:
    """The request that does the edit to an uploaded sound, under a plan from its words and its measured tempo.

    Raises EngineError when there are no words: the sound alone does not tell a model what it is.
    """
    words = words.strip() or ("" if isinstance(edit, Vary) else edit.words.strip())
    if not words:
        raise EngineError("Say in a few words what the sound is, so that what is made of it fits.")
    _check(edit, lasts_seconds=clip.seconds, name="the sound")
    seconds = clip.seconds
    if isinstance(edit, Continue):
        seconds = (seconds if edit.from_seconds is None else min(edit.from_seconds, seconds)) + edit.seconds
    if seconds > MAX_SECONDS:
        raise EngineError(f"The whole would last {seconds:.0f} s; {MAX_SECONDS:.0f} s is the most: choose less.")
    drawn = sampling or Sampling(seed=secrets.randbelow(2**32))
    brief = Brief(words=words, seconds=max(MIN_SECONDS, seconds), tempo_bpm=_tempo_of(clip))
    plan = planner(brief, seed=drawn.seed)
    return GenerateRequest(brief=brief, plan=plan, engine=engine, sampling=drawn, edit=edit)


def editor_for(edit: Edit, wanted: list[str], capabilities: Callable[[str], Capabilities]) -> str:
    """The first of these engines that is here and does such edits. Raises EngineError when none is."""
    for name in wanted:
        try:
            if edit.kind in capabilities(name).edits:
                return name
        except EngineError:
            continue
    raise EngineError(f"No engine that can {VERBS[edit.kind]} a take is here: download a MusicGen model first.")


def _check(edit: Edit, *, lasts_seconds: float, name: str) -> None:
    if trouble := trouble_with(edit, lasts_seconds=lasts_seconds, name=name):
        raise EngineError(trouble)


def _tempo_of(clip: Clip) -> float | None:
    from audio.analysis import TooShort, estimate_tempo

    try:
        measured = estimate_tempo(clip.between(0.0, 60.0))
    except TooShort:
        return None
    return round(measured.tempo_bpm, 2) if is_sure(measured, seconds=min(60.0, clip.seconds)) else None
