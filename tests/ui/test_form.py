"""What stands in the Generate tab's fields, read into a request: edits count, and only for the plan they were made to."""

from __future__ import annotations

from typing import Any

import pytest

from agents.planner import plan_from_brief
from agents.types import Brief, SongPlan
from studio.ui.form import edited_plan, plan_fields

HOUSE = plan_from_brief(Brief(words="house, 124 bpm", seconds=20.0), seed=1)

WALTZ = plan_from_brief(Brief(words="waltz, 90 bpm, in C major", seconds=20.0), seed=2)


def values(plan: SongPlan, fields: SongPlan, **changes: Any) -> dict[str, Any]:
    return {"plan": plan.model_dump(mode="json"), **plan_fields(fields), **changes}


def test_untouched_fields_leave_the_plan_as_it_is() -> None:
    assert edited_plan(values(HOUSE, HOUSE)) == HOUSE


def test_an_edit_is_taken_over_and_said_to_be_asked() -> None:
    edited = edited_plan(values(HOUSE, HOUSE, plan_tempo=128.0))
    assert edited is not None and (edited.tempo_bpm.value, edited.tempo_bpm.by) == (128.0, "asked")
    assert edited.title == HOUSE.title


@pytest.mark.parametrize(("plan", "before"), [(WALTZ, HOUSE), (HOUSE, WALTZ)])
def test_the_fields_of_the_plan_before_are_no_edits(plan: SongPlan, before: SongPlan) -> None:
    """Pressed in the moment when the new plan is kept and the editor still shows the old one, edited or not."""
    assert edited_plan(values(plan, before)) == plan
    assert edited_plan(values(plan, before, plan_title="Mine", plan_tempo=77.0)) == plan


def test_without_a_mark_the_fields_are_read_as_they_stand() -> None:
    edited = edited_plan(values(HOUSE, HOUSE, plan_tempo=128.0, plan_note=""))
    assert edited is not None and edited.tempo_bpm.value == 128.0
