"""What to try next, under the prompt: from what the user keeps, takes away and deletes, one press to use.

Lays its place out and fills it when the page opens and whenever takes have changed. The counting is studio.history.insight's.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from studio.history.history import HistoryError
from studio.history.insight import Insight, insight
from studio.studio import Studio
from studio.ui.visitors import Visitor, visitor_of

_ON_LOAD = """element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-try]");
  if (button) trigger("click", { words: button.dataset.try });
});"""


def lay_out_suggestions() -> gr.HTML:
    """The place under the prompt, in the current column."""
    return gr.HTML(elem_id="st-suggest", js_on_load=_ON_LOAD)


def wire_suggestions(studio: Studio, view: gr.HTML, words: gr.Textbox) -> None:
    """A press puts the suggestion into the prompt field."""

    def on_try(event: gr.EventData) -> Any:
        asked: dict[str, Any] = event._data or {}
        return str(asked.get("words") or "")[:2_000] or gr.skip()

    view.click(on_try, None, words, api_visibility="private", show_progress="hidden", trigger_mode="multiple")


def fill_suggestions(studio: Studio, blocks: gr.Blocks, view: gr.HTML) -> None:
    """Fill the place when the page is opened."""

    def on_load(request: gr.Request) -> str:
        return suggested(studio, visitor_of(request))

    blocks.load(on_load, None, view, api_visibility="private", show_progress="hidden")


def suggested(studio: Studio, visitor: Visitor) -> str:
    """The visitor's suggestions as HTML; "" when the history cannot be read."""
    try:
        total = studio.takes(owner=visitor.owner, limit=1).total
        found = insight(
            studio.history, exported=studio.ledger.deeds.exported(), owner=visitor.owner, seed=total,
            standings=studio.ledger.standings(owner=visitor.owner),
        )  # fmt: skip
    except HistoryError:
        return ""
    return suggestions_view(found)


def suggestions_view(found: Insight) -> str:
    """What is liked, on what grounds, and the wishes to try as buttons."""
    if not found.suggestions:
        return ""
    tries = "".join(
        f'<button type="button" class="st-try" data-try="{escape(one.words, quote=True)}" '
        f'title="{escape(one.why, quote=True)}">{escape(one.words)}</button>'
        for one in found.suggestions
    )
    liked = found.taste.sentence
    said = f"{escape(liked)} Try:" if liked else "Try:"
    return f'<div class="st-tries"><span class="st-note" title="{escape(found.grounds, quote=True)}">{said}</span>{tries}</div>'
