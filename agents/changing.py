"""A song changed as a message says: louder, slower, in another key, with or without an instrument, a section longer.

Plain rules over the same reading that briefs get. What a message does not speak of stays as it is. Knows nothing of
who decided that the message asks for a change.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict

from agents import knowledge
from agents.lexicon import lowered
from agents.reading_brief import read_brief
from agents.revision import apply_edits
from agents.types import MAX_TEMPO_BPM, MIN_TEMPO_BPM, Brief, BriefError, PlanError, Section, SongPlan
from agents.wishes import Wishes

_ENERGY_STEP = 0.15
_TEMPO_STEP = 0.08
_LOUDER = re.compile(r"\b(?:louder|more energy|more power|bigger|stronger|harder|fuller|more intense)\b")
_SOFTER = re.compile(r"\b(?:softer|quieter|calmer|gentler|less energy|sparser|smaller|less intense)\b")
_FASTER, _SLOWER = re.compile(r"\b(?:faster|quicker|speed it up)\b"), re.compile(r"\b(?:slower|slow it down)\b")
_LONGER, _SHORTER = re.compile(r"\b(?:longer|twice as long|extend)\b"), re.compile(r"\b(?:shorter|half as long)\b")
_OUT = re.compile(r"\b(?:remove|drop|mute|take out|lose|less)\b(?: the)?", re.IGNORECASE)
_IN = re.compile(r"\b(?:add|bring in|put in|more)\b(?: an?| the| some)?", re.IGNORECASE)


class Changed(BaseModel):
    """A plan after a message, and what became different, in sentences."""

    model_config = ConfigDict(frozen=True)

    plan: SongPlan
    said: tuple[str, ...]


def change(plan: SongPlan, message: str, *, sections: Collection[int] = ()) -> Changed:
    """The plan with what the message asks for; sections: those it speaks of, () for all.

    Raises PlanError, saying what can be asked, when the message names no change this understands.
    """
    chosen = tuple(sorted(sections)) or tuple(range(len(plan.sections)))
    text = lowered(message)
    wishes = _wishes(message)
    edits: dict[str, Any] = {}
    said: list[str] = []
    _change_whole(plan, text, wishes, edits, said)
    rows = [_row(section) for section in plan.sections]
    for number in chosen:
        _change_section(rows[number], plan.sections[number], text, wishes, said)
    if rows != [_row(section) for section in plan.sections]:
        edits["sections"] = rows
    if not edits:
        raise PlanError(
            "This asks for no change that can be made to a plan: say louder or softer, faster or slower, longer or shorter, "
            "a tempo, a key, or instruments to add or remove, and which section."
        )
    return Changed(plan=apply_edits(plan, edits), said=tuple(dict.fromkeys(said)))


def _wishes(message: str) -> Wishes | None:
    """What the message says outright, read as a brief is; None when it says nothing of that kind."""
    phrases = "|".join(re.escape(one) for every in knowledge.words().sections.values() for one in every)
    where = re.compile(
        rf"\b(?:(?:in|from|to|of|for) )?(?:the )?(?:(?:first|second|third|last) )?(?:{phrases})s?\b", re.I
    )
    plain = _IN.sub("with ", _OUT.sub("no ", where.sub(" ", message)))
    try:
        return read_brief(Brief(words=plain[:2_000]))
    except BriefError:
        return None


def _change_whole(plan: SongPlan, text: str, wishes: Wishes | None, edits: dict[str, Any], said: list[str]) -> None:
    tempo = plan.tempo_bpm.value
    asked = (
        wishes.tempo.value.aim_bpm if wishes and wishes.tempo.by == "asked" and wishes.tempo.value.is_fixed else None
    )
    if asked is None and (_FASTER.search(text) or _SLOWER.search(text)):
        asked = tempo * (1 + _TEMPO_STEP * (1 if _FASTER.search(text) else -1))
    if asked is not None and round(asked) != round(tempo):
        edits["tempo_bpm"] = float(round(min(MAX_TEMPO_BPM, max(MIN_TEMPO_BPM, asked))))
        said.append(f"Tempo {tempo:g} to {edits['tempo_bpm']:g} bpm.")
    if wishes and wishes.key is not None and wishes.key.by == "asked" and wishes.key.value != plan.key.value:
        edits["key"] = wishes.key.value.model_dump()
        said.append(f"Key {plan.key.value.name} to {wishes.key.value.name}.")


def _change_section(row: dict[str, Any], section: Section, text: str, wishes: Wishes | None, said: list[str]) -> None:
    name = section.name.value
    step = _ENERGY_STEP * (bool(_LOUDER.search(text)) - bool(_SOFTER.search(text)))
    if step:
        row["energy"] = round(min(1.0, max(0.0, section.energy.value + step)), 2)
        said.append(f"{name.capitalize()}: energy {section.energy.value:.2f} to {row['energy']:.2f}.")
    if _LONGER.search(text) or _SHORTER.search(text):
        bars = section.bars.value
        row["bars"] = bars * 2 if _LONGER.search(text) else max(1, bars // 2)
        said.append(f"{name.capitalize()}: {bars} to {row['bars']} bars.")
    if wishes is None:
        return
    known, plays = knowledge.instruments(), list(section.instruments.value)
    stays = [
        one
        for one in plays
        if one not in wishes.without and not (one in known and set(known[one].roles[:1]) & wishes.without_roles)
    ]
    new = [voice.instruments[0] for voice in wishes.voices if not set(voice.instruments) & set(stays)]
    if (mixed := [*stays, *(one for one in new if one not in stays)]) != plays and mixed:
        row["instruments"] = mixed
        gone = [known[one].label.lower() for one in plays if one not in mixed]
        come = [known[one].label.lower() for one in mixed if one not in plays]
        told = [f"without {', '.join(gone)}"] if gone else []
        told += [f"with {', '.join(come)}"] if come else []
        said.append(f"{name.capitalize()}: {' and '.join(told)}.")


def _row(section: Section) -> dict[str, Any]:
    return {
        "name": section.name.value, "bars": section.bars.value, "energy": section.energy.value,
        "chords": list(section.chords.value), "instruments": list(section.instruments.value), "prompt": section.prompt.value,
    }  # fmt: skip
