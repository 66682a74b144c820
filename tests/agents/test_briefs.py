"""Every constraint of a table of briefs, kept in every plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents import knowledge
from agents.harmony import Key
from agents.planner import make_brief, plan_from_brief
from agents.types import SongPlan

BRIEFS = json.loads((Path(__file__).parent / "briefs.json").read_text(encoding="utf-8"))
_KIT = {name for name, one in knowledge.instruments().items() if "drums" in one.roles}
_PERCUSSION = {name for name, one in knowledge.instruments().items() if "percussion" in one.roles}


def _role_members(role: str) -> set[str]:
    return {name for name, one in knowledge.instruments().items() if role in one.roles}


def _played(plan: SongPlan) -> set[str]:
    return {one for section in plan.sections for one in section.instruments.value}


def _names(plan: SongPlan) -> list[str]:
    return [section.name.value for section in plan.sections]


def broken(plan: SongPlan, expect: dict[str, Any]) -> list[str]:
    """What the plan does not keep of what was expected; an unknown expectation is broken too."""
    wrong: list[str] = []
    played, names = _played(plan), _names(plan)
    energies = [section.energy.value for section in plan.sections]
    notes = " ".join(plan.notes)

    def need(kept: bool, said: str) -> None:
        if not kept:
            wrong.append(said)

    for what, value in expect.items():
        match what:
            case "genre":
                need(plan.genre.value == value, f"genre {plan.genre.value}")
            case "tempo_bpm":
                need(plan.tempo_bpm.value == value and plan.tempo_bpm.by == "asked", f"tempo {plan.tempo_bpm}")
            case "tempo_between":
                need(value[0] <= plan.tempo_bpm.value <= value[1], f"tempo {plan.tempo_bpm.value}")
            case "seconds":
                need(plan.seconds.value == value and plan.seconds.by == "asked", f"seconds {plan.seconds}")
            case "seconds_not_asked":
                need(plan.seconds.by == "default" and plan.seconds.value == 30, f"seconds {plan.seconds}")
            case "key":
                need(plan.key.value == Key.parse(value) and plan.key.by == "asked", f"key {plan.key.value.name}")
            case "key_not_asked":
                need(plan.key.by != "asked", f"key {plan.key}")
            case "mode":
                need(plan.key.value.mode == value, f"mode {plan.key.value.mode}")
            case "meter":
                need(plan.meter.value.name == value, f"meter {plan.meter.value.name}")
            case "moods":
                need(set(value) <= set(plan.moods.value), f"moods {plan.moods.value}")
            case "moods_not":
                need(not set(value) & set(plan.moods.value), f"moods {plan.moods.value}")
            case "bars":
                need(plan.bars == value, f"bars {plan.bars}")
            case "instruments":
                for options in value:
                    need(bool(set(options) & played), f"none of {options} plays")
            case "without":
                need(not set(value) & (played | set(plan.instruments.value)), f"{set(value) & played} plays")
            case "no_roles":
                for role in value:
                    members = {"drums": _KIT, "percussion": _PERCUSSION}.get(role) or _role_members(role)
                    need(not members & played, f"{role}: {members & played}")
            case "has_drums":
                need(bool(_KIT & played), "no drums")
            case "only":
                need(played <= set(value) and bool(played), f"plays {played}")
            case "only_roles":
                members = set().union(*(_role_members(role) for role in value))
                need(played <= members, f"plays {played}")
            case "sections":
                need(names == value, f"sections {names}")
            case "has_sections":
                need(set(value) <= set(names), f"sections {names}")
            case "lacks_sections":
                need(not set(value) & set(names), f"sections {names}")
            case "in_order":
                places = [names.index(name) if name in names else -1 for name in value]
                need(-1 not in places and places == sorted(places), f"sections {names}")
            case "section_bars":
                need(
                    [[s.name.value, s.bars.value] for s in plan.sections] == value,
                    f"{[(s.name.value, s.bars.value) for s in plan.sections]}",
                )
            case "loudest":
                need(
                    names[energies.index(max(energies))] == value, f"energies {list(zip(names, energies, strict=True))}"
                )
            case "rises":
                top = energies.index(max(energies))
                need(energies[0] == min(energies) and top >= len(energies) // 2, f"energies {energies}")
            case "quiet_end":
                need(energies[-1] <= 0.25, f"energies {energies}")
            case "drums_from":
                first = names.index(value) if value in names else -1
                need(
                    first > 0 and not any(_KIT & set(s.instruments.value) for s in plan.sections[:first]),
                    f"early drums in {names}",
                )
                need(bool(_KIT & set(plan.sections[first].instruments.value)), f"no drums in the {value}")
            case "note":
                need(value.lower() in notes.lower(), f"notes {plan.notes}")
            case "notes_empty":
                need(not plan.notes, f"notes {plan.notes}")
            case "negative":
                need(
                    all(word in plan.negative_prompt.value for word in value), f"negative {plan.negative_prompt.value}"
                )
            case _:
                wrong.append(f"nobody checks “{what}”")
    return wrong  # fmt: skip


@pytest.mark.parametrize("case", BRIEFS, ids=[case["words"][:40] or "only settings" for case in BRIEFS])
def test_what_a_brief_asks_for_is_what_the_plan_says(case: dict[str, Any]) -> None:
    for seed in (0, 1, 2, 3, 4):
        plan = plan_from_brief(make_brief(words=case["words"], **case.get("fields", {})), seed=seed)
        assert not broken(plan, case["expect"]), f"seed {seed}"
        assert case["words"].strip() in plan.prompt.value


def test_the_table_is_large_and_varied() -> None:
    asked = {what for case in BRIEFS for what in case["expect"]}
    assert len(BRIEFS) >= 60
    assert {"tempo_bpm", "key", "meter", "seconds", "instruments", "no_roles", "sections", "note"} <= asked
