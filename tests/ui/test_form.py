"""What stands in the Generate tab's fields, read into a request: edits count."""

from __future__ import annotations

from typing import Any

from agents.planner import plan_from_brief
from agents.types import Brief, SongPlan
from studio.ui.form import edited_plan, plan_fields

HOUSE = plan_from_brief(Brief(words="house, 124 bpm", seconds=20.0), seed=1)


def values(plan: SongPlan, fields: SongPlan, **changes: Any) -> dict[str, Any]:
    return {"plan": plan.model_dump(mode="json"), **plan_fields(fields), **changes}


def test_untouched_fields_leave_the_plan_as_it_is() -> None:
    assert edited_plan(values(HOUSE, HOUSE)) == HOUSE


def test_an_edit_is_taken_over_and_said_to_be_asked() -> None:
    edited = edited_plan(values(HOUSE, HOUSE, plan_tempo=128.0))
    assert edited is not None and (edited.tempo_bpm.value, edited.tempo_bpm.by) == (128.0, "asked")
    assert edited.title == HOUSE.title
