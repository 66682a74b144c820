"""What is asked differently when a take is sent back: the sections that failed, and a change for each fault.

Part of the orchestrator; plain rules over a verdict. The changed plan goes to the engine; the verdict is always held
against the plan as it was asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agents.quality_agent import failed_sections
from agents.types import Advice, Decided, Section, SongPlan, Verdict

_ENERGY_STEP = 0.12
_WHOLE_COST = 0.03
_MOST_TRIES = 6


class Change(BaseModel):
    """One thing asked differently. section: its index, None for the whole take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    section: int | None
    what: Literal["draw", "energy", "prompt", "instruments"]
    before: str
    after: str
    why: str


class Request(BaseModel):
    """What the next pass is asked to make. sections: those to make anew, () for all."""

    model_config = ConfigDict(frozen=True)

    plan: SongPlan
    sections: tuple[int, ...]
    changes: tuple[Change, ...]
    seed: int


def next_request(
    plan: SongPlan,
    verdict: Verdict,
    *,
    seed: int,
    previous_seed: int,
    tried: Mapping[int, int],
    left: Collection[int] = (),
    redo: Collection[int] = (),
) -> Request | None:
    """The request that should better this verdict, or None when nothing is left to try.

    tried: how often each section was made; a section made too often is given up. left: sections that are not touched;
    redo: sections made anew whatever the verdict says.
    """
    failed = {n for n in failed_sections(verdict) if tried.get(n, 0) <= _MOST_TRIES}
    wanted = tuple(sorted((failed - set(left)) | set(redo)))
    whole = next((p for p in verdict.parts if p.cost >= _WHOLE_COST and not p.sections), None)
    if not wanted:
        if whole is None or left or max(tried.values(), default=0) > _MOST_TRIES:
            return None
        change = Change(section=None, what="draw", before=str(previous_seed), after=str(seed), why=whole.reason)
        return Request(plan=plan, sections=(), changes=(change,), seed=seed)
    sections, changes = list(plan.sections), []
    for number in wanted:
        mark = verdict.sections[number]
        why = mark.reasons[0] if mark.reasons else "You asked for it."
        changes.append(Change(section=number, what="draw", before=str(previous_seed), after=str(seed), why=why))
        for advice in mark.advice:
            sections[number], asked = _followed(plan, sections[number], number, advice, max(1, tried.get(number, 1)))
            changes += [asked.model_copy(update={"why": why})] if asked else []
    changed = plan.model_copy(update={"sections": sections})
    return Request(plan=changed, sections=wanted, changes=tuple(changes), seed=seed)


def _followed(
    plan: SongPlan, section: Section, number: int, advice: Advice, tries: int
) -> tuple[Section, Change | None]:
    """The section with a piece of advice followed, more firmly each time it is tried."""
    if advice.kind in ("louder", "softer"):
        step = _ENERGY_STEP * tries * (1 if advice.kind == "louder" else -1)
        before = section.energy.value
        after = round(min(1.0, max(0.0, before + step)), 2)
        if after == before:
            return section, None
        return section.model_copy(update={"energy": Decided(value=after, by="inferred", why=advice.words)}), Change(
            section=number, what="energy", before=f"{before:.2f}", after=f"{after:.2f}", why=advice.words
        )
    more = {
        "key": f"in {plan.key.value.name}",
        "tempo": f"steady {plan.tempo_bpm.value:.0f} bpm",
        "fuller": "the whole band playing",
    }.get(advice.kind)
    if more is None or more in section.prompt.value:
        return section, None
    words = f"{section.prompt.value}, {more}".strip(", ")
    return section.model_copy(update={"prompt": Decided(value=words, by="inferred", why=advice.words)}), Change(
        section=number, what="prompt", before=section.prompt.value, after=words, why=advice.words
    )
