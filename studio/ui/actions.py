"""What the buttons on takes and jobs do, wherever they stand on the page.

A button carries its verb in `data-act`; static/main.js hands it to the one Gradio event wired here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from pydantic import ValidationError

from agents.types import BriefError, PlanError
from studio.desk.errors import DeskError
from studio.engines.base import Continue, Edit, EngineError, Repaint, Vary
from studio.engines.edits import KINDS
from studio.history.history import HistoryError
from studio.history.opinions import OpinionError, Standing, Value
from studio.jobs import JobError
from studio.refine import RefineError
from studio.studio import Studio, StudioError
from studio.takes import TakeError
from studio.ui.form import fields_of
from studio.ui.generate_tab import GenerateTab, recent_takes, show_plan
from studio.ui.history_tab import HistoryTab, history_view
from studio.ui.references_field import asked_for
from studio.ui.refine_panel import refine_take
from studio.ui.steer_panel import said_of_melody
from studio.ui.suggest_panel import suggested
from studio.ui.visitors import Visitor, visitor_of

# The script runs where Gradio has made its event; the page's own modules call window.studioAct.
_BRIDGE = "window.studioAct = (what) => trigger('click', what);"

_MOST_AT_ONCE = 500
_REFUSALS = (
    StudioError, TakeError, JobError, EngineError, BriefError, PlanError, RefineError, OpinionError, HistoryError,
    DeskError,
)  # fmt: skip

Verb = Callable[[dict[str, Any], Visitor], object]


@dataclass(frozen=True)
class Page:
    """The parts of the page that an action may change."""

    tabs: gr.Tabs
    generate: GenerateTab
    history: HistoryTab


def build_actions(studio: Studio, page: Page) -> None:
    """Wire the one event that all buttons on takes and jobs share."""
    bridge = gr.HTML("<span></span>", elem_id="st-bridge", js_on_load=_BRIDGE, visible="hidden")
    verbs = _verbs(studio, page)
    tab = page.generate
    outputs = [
        page.tabs, tab.recent, tab.suggest, *page.history.outputs, *tab.fields.values(), tab.plan, tab.plan_strip, tab.plan_panel,
        *tab.plan_fields.values(), *(tab.steering[name] for name in ("melody", "melody_said", "melody_use")),
    ]  # fmt: skip

    def on_act(words: str, shelf: str, shown: int, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        visitor = visitor_of(request)
        asked: dict[str, Any] = event._data or {}
        verb = verbs.get(str(asked.get("action")))
        if verb is None:
            return {tab.recent: gr.skip()}
        try:
            changed = verb(asked, visitor)
        except _REFUSALS as refusal:
            raise gr.Error(str(refusal), title="That did not work", print_exception=False) from refusal
        if asked["action"] == "bin":
            gr.Info("It waits in the bin; History restores it.", title="Take deleted", duration=4)
        changes = changed if isinstance(changed, dict) else {}
        cards, more = history_view(studio, visitor, words=words, shelf=shelf, shown=shown)
        return {
            tab.recent: recent_takes(studio, visitor),
            tab.suggest: suggested(studio, visitor),
            page.history.takes: cards,
            page.history.more: more,
            **changes,
        }

    bridge.click(
        on_act, page.history.inputs, outputs, api_visibility="private", show_progress="hidden", trigger_mode="multiple"
    )


def _verbs(studio: Studio, page: Page) -> dict[str, Verb]:
    """What each button does with what it says: `take` or `job`, and for edits where and how."""
    jobs = studio.jobs
    return {
        "refresh": lambda asked, visitor: None,
        "again": lambda asked, visitor: studio.make_again(_take(asked), owner=visitor.sees_only),
        "rerun": lambda asked, visitor: jobs.run_again(
            _job(asked), owner=visitor.sees_only, max_active=None if visitor.is_host else studio.settings.jobs_per_guest
        ),
        "keep": lambda asked, visitor: jobs.keep_again(_job(asked), owner=visitor.sees_only),
        "dismiss": lambda asked, visitor: jobs.dismiss(_job(asked), owner=visitor.sees_only),
        "bin": lambda asked, visitor: studio.delete_take(_take(asked), owner=visitor.sees_only),
        "restore": lambda asked, visitor: studio.restore_take(_take(asked), owner=visitor.sees_only),
        "refine": lambda asked, visitor: refine_take(studio, _take(asked), visitor),
        "stems": lambda asked, visitor: {page.tabs: gr.Tabs(selected="stems")},
        "melody": lambda asked, visitor: _follow(studio, page, asked, visitor),
        "use": lambda asked, visitor: {
            page.tabs: gr.Tabs(selected="generate"),
            page.generate.fields["references"]: asked_for(asked),
        },
        "like": lambda asked, visitor: _vote(studio, _take(asked), 1, visitor),
        "dislike": lambda asked, visitor: _vote(studio, _take(asked), -1, visitor),
        "bulk": lambda asked, visitor: _bulk(studio, asked, visitor),
        "words": lambda asked, visitor: {
            page.tabs: gr.Tabs(selected="generate"),
            page.generate.fields["words"]: str(asked.get("words") or "")[:2_000],
        },
        "edit": lambda asked, visitor: _edit(studio, page, _take(asked), visitor),
        **{kind: lambda asked, visitor: studio.edit(_shaping(asked), owner=visitor.sees_only) for kind in KINDS},
    }


def _follow(studio: Studio, page: Page, asked: dict[str, Any], visitor: Visitor) -> dict[Any, Any]:
    """A part's notes from the desk as the melody that Generate follows."""
    from studio.desk.notes import part_label
    from studio.desk.projects import keep_melody

    desk, part = studio.mixing_desk, str(asked.get("part"))
    item = desk.open(str(asked.get("source")), owner=visitor.sees_only)
    steering = page.generate.steering
    return {
        page.tabs: gr.Tabs(selected="generate"),
        steering["melody"]: keep_melody(desk, item, part),
        steering["melody_said"]: said_of_melody(f"{part_label(part)} of {item.title}"),
        steering["melody_use"]: gr.update(visible=False, value="follow"),
    }


def _vote(studio: Studio, take_id: str, value: Value, visitor: Visitor) -> None:
    """Like or dislike; the same once more takes it back."""
    take = studio.entry(take_id, owner=visitor.sees_only).take
    before = studio.ledger.standings(owner=take.owner).get(take_id, Standing()).vote
    studio.ledger.opinions.vote(take_id, 0 if before == value else value, owner=take.owner)


def _bulk(studio: Studio, asked: dict[str, Any], visitor: Visitor) -> None:
    """Do one thing to each picked take; what does not work for one does not hold up the others."""
    owner, refused = visitor.sees_only, []
    for take_id in [str(each) for each in asked.get("takes") or ()][:_MOST_AT_ONCE]:
        try:
            match asked.get("what"):
                case "bin":
                    studio.delete_take(take_id, owner=owner)
                case "restore":
                    studio.restore_take(take_id, owner=owner)
                case "like" | "dislike":
                    take = studio.entry(take_id, owner=owner).take
                    studio.ledger.opinions.vote(take_id, 1 if asked["what"] == "like" else -1, owner=take.owner)
        except (TakeError, StudioError, OpinionError) as refusal:
            refused.append(str(refusal))
    if refused:
        raise StudioError(f"{len(refused)} of the picked takes were left as they are. {refused[0]}")


def _take(asked: dict[str, Any]) -> str:
    return str(asked.get("take") or "")


def _job(asked: dict[str, Any]) -> str:
    return str(asked.get("job") or "")


def _shaping(asked: dict[str, Any]) -> Edit:
    """The edit that a button on the deck asks for. Raises EngineError when its values make no sense."""
    track = str(asked.get("track") or "")
    source = f"track:{track}" if track else f"take:{_take(asked)}"
    try:
        match asked["action"]:
            case "repaint":
                return Repaint(
                    source=source, start_seconds=asked["start"], end_seconds=asked["end"],
                    snap=asked.get("snap") or "bars", words=asked.get("words") or "",
                )  # fmt: skip
            case "continue":
                return Continue(
                    source=source, from_seconds=asked.get("from"), seconds=asked["seconds"],
                    words=asked.get("words") or "",
                )  # fmt: skip
            case _:
                return Vary(source=source, closeness=asked["closeness"])
    except (KeyError, ValidationError) as wrong:
        raise EngineError("That part of the take makes no sense: mark it anew, and add 0.5 to 300 seconds.") from wrong


def _edit(studio: Studio, page: Page, take_id: str, visitor: Visitor) -> dict[Any, Any]:
    """The take's words, settings and plan, back in the Generate tab's fields."""
    take = studio.entry(take_id, owner=visitor.sees_only).take
    fields = fields_of(take.plan.brief, sampling=take.sampling, engine=take.engine.name)
    return {
        page.tabs: gr.Tabs(selected="generate"),
        **{page.generate.fields[name]: value for name, value in fields.items()},
        **show_plan(page.generate, take.plan),
    }
