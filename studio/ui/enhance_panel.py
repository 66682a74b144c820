"""“Enhance”: three richer ways to say the same wish, what was added coloured and removable, the user's words untouched.

Lays its place out and wires it. What may be added is the prompt agent's to decide; the page says who answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from agents.answers import Answer
from agents.enhancing import Addition, Enhanced
from agents.taste import taste_of
from agents.types import BriefError
from studio.asking import asked_by
from studio.engines.base import EngineError
from studio.studio import Studio
from studio.ui.form import brief_of
from studio.ui.into_view import into_view
from studio.ui.visitors import Visitor, visitor_of

REMEMBERED = 60  # takes that the user's taste is read from
_ON_LOAD = """element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verb]");
  if (button) trigger("click", { verb: button.dataset.verb, way: Number(button.dataset.way), words: button.dataset.words });
});"""


def lay_out_enhanced() -> gr.HTML:
    """The place where the ways are shown, in the current column; empty until asked."""
    return gr.HTML(visible=False, elem_id="st-enhance", js_on_load=_ON_LOAD)


def wire_enhance(studio: Studio, button: gr.Button, view: gr.HTML, fields: Mapping[str, Any]) -> None:
    """Let `button` fill `view` with ways to say what stands in `fields`, the Generate tab's."""
    ways, credited = gr.State([]), gr.State("")
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def on_enhance(request: gr.Request, **values: Any) -> tuple[Any, ...]:
        try:
            brief = brief_of(values)
            visitor = visitor_of(request)
            with asked_by(visitor.owner):
                context, near = studio.inspirations.context(brief, _taste(studio, visitor), owner=visitor.sees_only)
                answers = studio.desk.enhance(brief, context=context, seed=len(brief.words))
        except (BriefError, EngineError) as refusal:
            raise gr.Error(str(refusal), title="Not yet", print_exception=False) from refusal
        credit = credit_of(answers)
        if near:
            credit += f", with {len(near)} of your library near to it ({', '.join(track.label for track in near)})"
        kept = [answer.value.model_dump(mode="json") for answer in answers]
        return kept, credit, gr.update(value=enhanced_view(answers_of(kept), credit), visible=True)

    def on_click(kept: list[dict[str, Any]], credit: str, event: gr.EventData) -> tuple[Any, Any, Any]:
        asked: dict[str, Any] = event._data or {}
        every = answers_of(kept)
        way = int(asked.get("way") or 0)
        if asked.get("verb") == "close" or not 0 <= way < len(every):
            return kept, gr.update(visible=False), gr.skip()
        if asked.get("verb") == "use":
            return [], gr.update(visible=False), every[way].after
        every[way] = _without(every[way], str(asked.get("words")))
        return [each.model_dump(mode="json") for each in every], enhanced_view(every, credit), gr.skip()

    asked = button.click(on_enhance, inputs_kwargs=dict(fields), outputs=[ways, credited, view], **private)
    asked.success(None, js=into_view("st-enhance"), **private)
    # Each press counts, also while the one before is being answered; the server does them in their order.
    view.click(on_click, [ways, credited], [ways, view, fields["words"]], trigger_mode="multiple", **private)


def credit_of(answers: list[Answer[Enhanced]]) -> str:
    """Who answered, and why not the model where one was asked in vain."""
    models = [answer for answer in answers if answer.tier == "full"]
    if models:
        rules = len(answers) - len(models)
        return models[0].credit + (f"; {rules} of {len(answers)} by the built-in rules" if rules else "")
    failed = next((answer.why_fallback for answer in answers if answer.model), "")
    return f"built-in rules ({failed.rstrip('.')})" if failed else "built-in rules"


def answers_of(kept: list[dict[str, Any]]) -> list[Enhanced]:
    """The ways as they were kept in the page's state."""
    return [Enhanced.model_validate(each) for each in kept]


def _without(way: Enhanced, words: str) -> Enhanced:
    """A way without that addition: named by its words, for its place changes with the presses before."""
    return way.without(*(place for place, one in enumerate(way.added) if one.words == words))


def enhanced_view(ways: list[Enhanced], credit: str) -> str:
    """Each way on a card of its own: the user's words plain, each addition a button that takes it out again."""
    if not ways:
        return '<p class="st-note">There is nothing to add: your words say it all.</p>'
    cards = "".join(_way(way, number) for number, way in enumerate(ways))
    close = '<button type="button" class="st-act" data-verb="close" data-way="0">Keep my words</button>'
    return (
        f'<div class="st-list">{cards}<div class="st-state">Added by {escape(credit)}; press an addition to take it out. '
        f"{close}</div></div>"
    )


def _way(way: Enhanced, number: int) -> str:
    words = "".join(_piece(text, one, number) for text, one in way.pieces())
    use = f'<button type="button" class="st-act" data-verb="use" data-way="{number}">Use these words</button>'
    return f'<article class="st-way"><p>{words}</p>{use}</article>'


def _piece(text: str, one: Addition | None, number: int) -> str:
    if one is None:
        return escape(text)
    why = escape(one.why or f"adds {one.kind}", quote=True)
    return (
        f'<button type="button" class="st-added" data-verb="remove" data-way="{number}" data-words="{escape(one.words, quote=True)}" '
        f'title="{why}; press to take it out">{escape(text)}</button>'
    )


def _taste(studio: Studio, visitor: Visitor) -> Any:
    """What the visitor's own takes share, without what the deleted ones share more."""
    liked = studio.takes(owner=visitor.owner, limit=REMEMBERED).entries
    disliked = studio.takes(owner=visitor.owner, binned=True, limit=REMEMBERED).entries
    return taste_of([entry.take.plan for entry in liked], [entry.take.plan for entry in disliked])
