"""“Refine”: a take judged and its weak sections sent back, within a budget of passes, time and score.

Lays its fields out and begins refinements; static/refine.js shows the passes and carries the user's word against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from pydantic import ValidationError

from agents.orchestrator import Budget
from agents.planner import BriefError, PlanError
from studio.engines.base import EngineError
from studio.refine import RefineError, RefinementView, RefineRequest
from studio.studio import Studio
from studio.takes import TakeError
from studio.ui.form import request_of
from studio.ui.visitors import Visitor, visitor_of

_FIELDS = ("refine_passes", "refine_minutes", "refine_score")


def lay_out_refine() -> dict[str, Any]:
    """The panel in the current column; returns its parts by name."""
    parts: dict[str, Any] = {}
    with gr.Accordion("Refine until it is right", open=False, elem_id="st-refine"):
        gr.HTML(
            '<p class="st-note">Each pass is listened to and held against the plan; only the sections that failed are made '
            "anew, and what is asked differently is shown. It ends when one of the three below is reached. Every pass stays; you can stop, or keep another than the best.</p>"
        )
        with gr.Row(elem_classes="st-fields"):
            parts["refine_passes"] = gr.Number(4, label="Passes", precision=0, minimum=1, maximum=20, min_width=90)
            parts["refine_minutes"] = gr.Number(5, label="Minutes", minimum=0.1, maximum=1440, min_width=90)
            parts["refine_score"] = gr.Number(95, label="Score of 100", minimum=0, maximum=100, min_width=90)
        parts["refine"] = gr.Button("Generate and refine", elem_id="st-refine-go")
    return parts


def wire_refine(studio: Studio, parts: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    """Let the button begin a refinement of what stands in the Generate tab's `inputs`."""

    def on_refine(request: gr.Request, **values: Any) -> None:
        visitor = visitor_of(request)
        try:
            asked = request_of(values)
            begun = RefineRequest(
                brief=asked.brief,
                plan=asked.plan,
                engine=asked.engine,
                sampling=asked.sampling,
                budget=budget_of(values),
            )
            begin(studio, begun, visitor)
        except (BriefError, PlanError, EngineError, RefineError, TakeError) as refusal:
            raise gr.Error(str(refusal), title="Not yet", print_exception=False) from refusal

    parts["refine"].click(
        on_refine, inputs_kwargs={**inputs, **{name: parts[name] for name in _FIELDS}}, outputs=None,
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip


def budget_of(values: Mapping[str, Any]) -> Budget:
    """The budget in the panel's fields. Raises RefineError when one is empty or makes no sense."""
    passes, minutes, score = (values[name] for name in _FIELDS)
    try:
        return Budget(passes=passes, seconds=60 * minutes, score=score)
    except (ValidationError, TypeError) as wrong:
        raise RefineError("A refinement has 1 to 20 passes, up to 1,440 minutes, and a score from 0 to 100.") from wrong


def begin(studio: Studio, request: RefineRequest, visitor: Visitor) -> RefinementView:
    """Begin for a visitor; a guest may have only so many at work. Raises as `Refinements.start`."""
    most = None if visitor.is_host else studio.settings.jobs_per_guest
    return studio.refinements.start(request, owner=visitor.owner, max_active=most)


def refine_take(studio: Studio, take_id: str, visitor: Visitor) -> None:
    """Refine the song of a kept take: its plan, engine and sampling, under the usual budget."""
    take = studio.entry(take_id, owner=visitor.sees_only).take
    request = RefineRequest(brief=take.plan.brief, plan=take.plan, engine=take.engine.name, sampling=take.sampling)
    begin(studio, request, visitor)
