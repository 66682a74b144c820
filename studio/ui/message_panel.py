"""“Say what to change”: a message about the plan on the page, heard by the orchestrator, done, and told.

Lays its field out and wires it. Which job a message asks for is the orchestrator's to find out; the page says who did.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from agents.answers import Answer
from agents.changing import change
from agents.planner import BriefError, PlanError
from agents.routing import JOBS, Route
from agents.types import Decided, SongPlan
from studio.asking import asked_by
from studio.engines.base import EngineError
from studio.refine import RefineError, RefineRequest
from studio.studio import Studio
from studio.takes import TakeError
from studio.ui.form import brief_of, edited_plan, sampling_of
from studio.ui.refine_panel import begin
from studio.ui.visitors import Visitor, visitor_of

# The field is emptied of a message that was done; what was typed into it meanwhile stays.
_EMPTIED = """(now, told) => {
  const line = new DOMParser().parseFromString(told ?? "", "text/html").querySelector("[data-heard]");
  return line && line.dataset.heard === now.trim() ? "" : { __type__: "update" };
}"""

Done = tuple[SongPlan | None, str, str]  # the plan, the words for the prompt ("" leaves them), what was done


def lay_out_message() -> dict[str, Any]:
    """The field, its button and the line that answers, in the current column."""
    parts: dict[str, Any] = {}
    with gr.Row(elem_classes="st-fields"):
        parts["message"] = gr.Textbox(
            show_label=False, placeholder="Say what to change: a louder last chorus, no drums in the intro, in D minor …",
            scale=4, min_width=200, elem_id="st-message",
        )  # fmt: skip
        parts["tell"] = gr.Button("Do it", min_width=80, scale=0, elem_id="st-message-do")
    parts["told"] = gr.HTML(elem_id="st-message-told")
    return parts


def wire_message(studio: Studio, parts: dict[str, Any], tab: Any, show_plan: Any) -> None:
    """Carry messages out on the plan of the Generate `tab`; `show_plan` puts a plan into its panel."""
    outputs = [
        tab.plan, tab.plan_strip, tab.plan_panel, *tab.plan_fields.values(), tab.fields["words"], parts["told"],
    ]  # fmt: skip

    def on_tell(request: gr.Request, **values: Any) -> dict[Any, Any]:
        message = str(values["message"] or "").strip()[:1_000]
        try:
            plan = edited_plan(values)
            if plan is not None and not message:
                return {parts["told"]: gr.skip()}
            if plan is None:
                return {parts["told"]: _line("Plan first, then say what to change.")}
            visitor = visitor_of(request)
            with asked_by(visitor.owner):
                answer = studio.desk.route(message, plan)
                changed, words, said = _do(studio, visitor, answer.value, message, plan, values)
        except (BriefError, PlanError, EngineError, RefineError, TakeError) as refusal:
            return {parts["told"]: _line(str(refusal), wrong=True)}
        done: dict[Any, Any] = {parts["told"]: told_view(answer, said, heard=message)}
        if words:
            done[tab.fields["words"]] = words
        return {**(show_plan(tab, changed) if changed is not None else {}), **done}

    gr.on(
        [parts["tell"].click, parts["message"].submit], on_tell,
        inputs_kwargs={**tab.inputs, "message": parts["message"]}, outputs=outputs,
        api_visibility="private", show_progress="hidden", trigger_mode="always_last",
    ).then(
        None, [parts["message"], parts["told"]], parts["message"], js=_EMPTIED,
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip


def _do(studio: Studio, visitor: Visitor, route: Route, message: str, plan: SongPlan, values: dict[str, Any]) -> Done:
    """The job a message asks for, done."""
    match route.job:
        case "change":
            changed = change(plan, message, sections=route.sections)
            return changed.plan, "", " ".join(changed.said)
        case "better":
            request = RefineRequest(brief=plan.brief, plan=plan, engine=values["engine"], sampling=sampling_of(values))
            begin(studio, request, visitor)
            return None, "", "It is made, judged, and sent back until it is right."
        case "name":
            described = studio.desk.describe(plan)
            title: Decided[str] = Decided(value=described.value.title, by=plan.title.by, why=f"by {described.credit}")
            said = f"{described.value.description} Tags: {', '.join(described.value.tags)}. By {described.credit}."
            return plan.model_copy(update={"title": title}), "", said
        case _:
            brief = brief_of({**values, "words": message})
            return studio.planner(brief, seed=sampling_of(values).seed), message, "A new song is planned."


def told_view(answer: Answer[Route], said: str, *, heard: str = "") -> str:
    """What was understood of the message that was heard, by whom, and what was done."""
    return _line(f"Understood as: {JOBS[answer.value.job]} ({answer.credit}). {said}", heard=heard)


def _line(text: str, *, wrong: bool = False, heard: str = "") -> str:
    done = f' data-heard="{escape(heard, quote=True)}"' if heard else ""
    return f'<p class="st-note{" st-error" if wrong else ""}" role="status"{done}>{escape(text)}</p>'
