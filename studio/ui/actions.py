"""What the buttons on takes and jobs do, wherever they stand on the page.

A button carries its verb in `data-act`; static/main.js hands it to the one Gradio event wired here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.engines.base import EngineError
from studio.jobs import JobError
from studio.studio import Studio, StudioError
from studio.takes import TakeError
from studio.ui.form import fields_of
from studio.ui.generate_tab import GenerateTab, recent_takes, show_plan
from studio.ui.history_tab import HistoryTab, history_view
from studio.ui.visitors import Visitor, visitor_of

# The script runs where Gradio has made its event; the page's own modules call window.studioAct.
_BRIDGE = "window.studioAct = (what) => trigger('click', what);"


@dataclass(frozen=True)
class Page:
    """The parts of the page that an action may change."""

    tabs: gr.Tabs
    generate: GenerateTab
    history: HistoryTab


def build_actions(studio: Studio, page: Page) -> None:
    """Wire the one event that all buttons on takes and jobs share."""
    bridge = gr.HTML("<span></span>", elem_id="st-bridge", js_on_load=_BRIDGE, visible="hidden")
    jobs = studio.jobs
    verbs: dict[str, Callable[[str, Visitor], object]] = {
        "refresh": lambda _, visitor: None,
        "again": lambda take, visitor: studio.make_again(take, owner=visitor.sees_only),
        "rerun": lambda job, visitor: jobs.run_again(
            job, owner=visitor.sees_only, max_active=None if visitor.is_host else studio.settings.jobs_per_guest
        ),
        "keep": lambda job, visitor: jobs.keep_again(job, owner=visitor.sees_only),
        "dismiss": lambda job, visitor: jobs.dismiss(job, owner=visitor.sees_only),
        "bin": lambda take, visitor: studio.delete_take(take, owner=visitor.sees_only),
        "restore": lambda take, visitor: studio.restore_take(take, owner=visitor.sees_only),
        "edit": lambda take, visitor: _edit(studio, page, take, visitor),
    }
    tab = page.generate
    outputs = [
        page.tabs, tab.recent, *page.history.outputs, *tab.fields.values(), tab.plan, tab.plan_strip, tab.plan_panel,
        *tab.plan_fields.values(),
    ]  # fmt: skip

    def on_act(words: str, shelf: str, shown: int, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        visitor = visitor_of(request)
        asked: dict[str, Any] = event._data or {}
        verb = verbs.get(str(asked.get("action")))
        if verb is None:
            return {tab.recent: gr.skip()}
        try:
            changed = verb(str(asked.get("take") or asked.get("job") or ""), visitor)
        except (StudioError, TakeError, JobError, EngineError) as refusal:
            raise gr.Error(str(refusal), title="That did not work", print_exception=False) from refusal
        if asked["action"] == "bin":
            gr.Info("It waits in the bin; History restores it.", title="Take deleted", duration=4)
        changes = changed if isinstance(changed, dict) else {}
        cards, more = history_view(studio, visitor, words=words, shelf=shelf, shown=shown)
        return {
            tab.recent: recent_takes(studio, visitor),
            page.history.takes: cards,
            page.history.more: more,
            **changes,
        }

    bridge.click(
        on_act, page.history.inputs, outputs, api_visibility="private", show_progress="hidden", trigger_mode="multiple"
    )


def _edit(studio: Studio, page: Page, take_id: str, visitor: Visitor) -> dict[Any, Any]:
    """The take's words, settings and plan, back in the Generate tab's fields."""
    take = studio.entry(take_id, owner=visitor.sees_only).take
    fields = fields_of(take.plan.brief, sampling=take.sampling, engine=take.engine.name)
    return {
        page.tabs: gr.Tabs(selected="generate"),
        **{page.generate.fields[name]: value for name, value in fields.items()},
        **show_plan(page.generate, take.plan),
    }
