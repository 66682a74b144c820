"""A plan made longer: what comes before a point as it was, a section of its own after it.

Knows nothing of sound or of engines.
"""

from __future__ import annotations

from math import floor

from agents.types import MAX_BARS, MAX_SECONDS, Decided, PlanError, Section, SongPlan

NAME = "continuation"


def extended(plan: SongPlan, *, from_seconds: float, added_seconds: float, words: str = "") -> SongPlan:
    """The plan of a song that is kept up to a point and goes on from there.

    The new section begins at the last bar line before the point and has the whole bars that fit; it goes on under
    `words`, else as the section at the point. Raises PlanError past ten minutes, or when not even a bar fits.
    """
    total, bar = from_seconds + added_seconds, plan.bar_seconds
    if total > MAX_SECONDS:
        raise PlanError(
            f"The song would last {total:.0f} s; {MAX_SECONDS:.0f} s is the most. Add less, or go on from an earlier point."
        )
    kept_bars = floor(from_seconds / bar + 1e-6)
    sections, at = [], 0
    for section in plan.sections:
        bars = min(section.bars.value, kept_bars - at)
        if bars > 0:
            same = bars == section.bars.value
            sections.append(
                section if same else section.model_copy(update={"bars": Decided(value=bars, by="inferred")})
            )
            at += bars
    new_bars = floor((total - at * bar) / bar + 1e-6)
    if new_bars:
        sections.append(_going_on(plan, bar=kept_bars, bars=min(new_bars, MAX_BARS), words=words))
    if not sections:
        raise PlanError(f"Not even a bar ({bar:.1f} s) fits: add more seconds.")
    return plan.model_copy(
        update={"sections": sections, "seconds": Decided(value=total, by="asked", why="you went on from it")}
    )


def _going_on(plan: SongPlan, *, bar: int, bars: int, words: str) -> Section:
    """The section at that bar, as a new one of so many bars."""
    passed, like = 0, plan.sections[-1]
    for section in plan.sections:
        passed += section.bars.value
        if bar < passed:
            like = section
            break
    prompt = Decided(value=words, by="asked", why="you wrote it") if words else like.prompt
    return like.model_copy(
        update={
            "name": Decided(value=NAME, by="inferred"),
            "bars": Decided(value=bars, by="inferred"),
            "prompt": prompt,
            "morph_bars": 0,
        }
    )
