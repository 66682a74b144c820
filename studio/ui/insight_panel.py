"""What is liked: the trends with their counts and intervals, and the defaults that moved to them, reversibly."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from studio.history.defaults import MovedDefault
from studio.history.trends import ASPECTS, LEAST_JUDGED, LEVEL, Trends, ValueTrend
from studio.studio import Studio
from studio.ui.visitors import visitor_of

_ROWS = 8
_ON_LOAD = """element.addEventListener("click", (event) => {
  const field = event.target.closest("[data-undo]")?.dataset.undo;
  if (field) trigger("click", { field });
});"""


def build_insight_panel(studio: Studio, item: gr.Tab, fields: dict[str, Any]) -> None:
    """Lay the page out inside the current Blocks and wire it; `fields` are the Generate tab's."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    moved = gr.HTML(js_on_load=_ON_LOAD, elem_id="st-moved")
    view = gr.HTML(elem_id="st-insight")

    def on_look(request: gr.Request) -> tuple[str, str]:
        visitor = visitor_of(request)
        if visitor.is_host:
            studio.ledger.learn()
        found = studio.ledger.trends(owner=visitor.owner)
        return moved_view(studio.ledger.defaults.current() if visitor.is_host else {}), trends_view(found)

    def on_undo(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        visitor = visitor_of(request)
        field = str((event._data or {}).get("field"))
        if visitor.is_host and field in fields:
            studio.ledger.defaults.take_back(field)
            return {moved: moved_view(studio.ledger.defaults.current()), fields[field]: fields[field].value}
        return {moved: gr.skip()}

    item.select(on_look, None, [moved, view], **private)
    moved.click(on_undo, None, [moved, *fields.values()], **private)


def moved_view(moved: Mapping[str, MovedDefault]) -> str:
    """The defaults that moved, why, and the way back."""
    rows = "".join(
        f'<p class="st-note">New takes start with <b>{escape(each.field)} {escape(f"{each.value:g}" if isinstance(each.value, float) else str(each.value))}</b>: '
        f"{escape(_why(each))} "
        f'<button type="button" class="st-act" data-undo="{escape(each.field, quote=True)}">Take it back</button></p>'
        for each in moved.values()
    )
    return f'<div class="st-panel" style="padding:12px 14px">{rows}</div>' if rows else ""


def _why(moved: MovedDefault) -> str:
    """Its evidence, without the value that stands before it already."""
    return moved.because.partition(": ")[2] or moved.because


def trends_view(found: Trends) -> str:
    """Counts by every aspect; what stands out in words above."""
    if found.judged < LEAST_JUDGED:
        return (
            '<div class="st-empty"><b>Too little is judged yet.</b><br>Like, dislike, compare, export or delete takes: '
            f"from {LEAST_JUDGED} on, the studio looks for what your favourites share.</div>"
        )
    said = "".join(f"<li>{escape(value.sentence)}</li>" for value in found.found)
    clear = f"<ul>{said}</ul>" if said else "<p>Nothing stands out yet: what there is could well be chance.</p>"
    boxes = "".join(_aspect(name, found) for name in ASPECTS if found.of(name))
    return (
        f'<div class="st-note"><b>{found.liked} liked of {found.judged} judged</b>, {found.takes} takes in all. '
        f"A value stands out only if the chance of any false claim here is under {LEVEL:.0%}.{clear}</div>"
        f'<div class="st-trends">{boxes}</div>'
    )


def _aspect(name: str, found: Trends) -> str:
    rows = "".join(_row(value) for value in found.of(name)[:_ROWS])
    return f'<section class="st-trend"><h4>{escape(name)}</h4>{rows}</section>'


def _row(value: ValueTrend) -> str:
    if not value.judged:
        return (
            f'<div class="st-trend-row"><span>{escape(value.value)}</span><span class="st-bar"></span>'
            f"<span>{value.takes} unjudged</span></div>"
        )
    tip = value.sentence + (f" It comes along with {value.along_with}." if value.along_with else "")
    return (
        f'<div class="st-trend-row {"" if value.along_with else value.leans}" title="{escape(tip, quote=True)}"><span>{escape(value.value)}</span>'
        f'<span class="st-bar"><i style="width:{value.share:.1%}"></i>'
        f'<b style="left:{value.low:.1%};width:{value.high - value.low:.1%}"></b></span>'
        f"<span>{value.liked} of {value.judged}</span></div>"
    )
