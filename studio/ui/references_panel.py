"""The tray of references on the Generate tab: what each lends, how much it pulls, and whose tune is followed.

Lays its place out and wires it; the hidden field it keeps is read by references_field.py. Empty, it takes no room.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from agents.inspiration import Inspiration
from agents.types import BriefError
from rag.database import LibraryError
from studio.engines.base import EngineError
from studio.library.inspirations import Inspirations
from studio.studio import Studio
from studio.ui.references_field import Chosen, asked_for, chosen_in
from studio.ui.visitors import visitor_of

# Each press says how the whole tray stands, so that a quick hand's second press need not wait for the first one's answer.
_ON_LOAD = """const rows = () => [...element.querySelectorAll("input[data-verb=weight]")].map(
  (one) => ({ id: one.dataset.id, weight: Number(one.value) }));
const say = (one) => trigger("click", { verb: one.dataset.verb, id: one.dataset.id, references: rows() });
element.addEventListener("click", (event) => {
  const one = event.target.closest("button[data-verb]");
  if (one?.dataset.verb === "remove") one.closest(".st-lender").remove();
  if (one) say(one);
});
element.addEventListener("change", (event) => {
  if (event.target.matches("input[data-verb]")) say(event.target);
});"""


def lay_out_references() -> tuple[gr.Textbox, gr.HTML]:
    """The hidden field and the place where the tray is shown, in the current column."""
    field = gr.Textbox(visible="hidden", value="", elem_id="st-references-field")
    return field, gr.HTML(elem_id="st-references", js_on_load=_ON_LOAD, visible=False)


def wire_references(studio: Studio, field: gr.Textbox, view: gr.HTML, melody: gr.Textbox) -> None:
    """Show what stands in the field, and let the tray's own buttons change it."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def on_change(kept: str, followed: str, request: gr.Request) -> Any:
        return shown(studio.inspirations, kept, melody=followed, owner=visitor_of(request).sees_only)

    def on_press(event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        asked: dict[str, Any] = event._data or {}
        verb, owner = asked.get("verb"), visitor_of(request).sees_only
        try:
            if verb == "melody":
                clip = studio.inspirations.melody(str(asked.get("id") or ""), owner=owner)
                return gr.skip(), studio.pipeline.sounds.keep(clip)
            if verb == "no-melody":
                return gr.skip(), ""
            chosen = "" if verb == "clear" else asked_for(asked)
        except (BriefError, EngineError, LibraryError) as refusal:
            raise gr.Error(str(refusal), title="Not yet", print_exception=False) from refusal
        return chosen, gr.skip() if chosen else ""

    gr.on([field.change, melody.change], on_change, [field, melody], view, trigger_mode="always_last", **private)
    view.click(on_press, None, [field, melody], trigger_mode="multiple", **private)


def shown(inspirations: Inspirations, kept: str, *, melody: str, owner: str | None) -> Any:
    """The tray as an update of its place: hidden when it is empty, a sentence where a reference has gone."""
    try:
        chosen = chosen_in(kept)
        if not chosen:
            return gr.update(value="", visible=False)
        weights = {one.id: one.weight for one in chosen}
        found = inspirations.inspiration(weights, owner=owner)
        names = {one.id: inspirations.reference(one.id, owner=owner).name for one in chosen}
    except (BriefError, LibraryError) as refusal:
        clear = '<button type="button" class="st-act" data-verb="clear">Empty the tray</button>'
        return gr.update(
            value=f'<div class="st-tray"><p class="st-note st-error" role="alert">{escape(str(refusal))}</p>{clear}</div>',
            visible=True,
        )
    return gr.update(value=tray_view(chosen, names, found, melody=melody), visible=True)


def tray_view(chosen: list[Chosen], names: dict[str, str], found: Inspiration, *, melody: str) -> str:
    """Each reference with its weight and what it lends; below them what comes of it all."""
    rows = "".join(_row(one, names[one.id], found.gave.get(one.id, ())) for one in chosen)
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in found.sentences)
    follows = '<button type="button" class="st-act" data-verb="no-melody">Follow no tune</button>' if melody else ""
    return (
        f'<div class="st-tray"><div class="st-tray-head"><h3>After {len(chosen)} '
        f'reference{"s" if len(chosen) != 1 else ""}</h3><span class="st-spring"></span>{follows}'
        '<button type="button" class="st-act" data-verb="clear">Empty the tray</button></div>'
        f'{rows}<ul class="st-note">{said}</ul>'
        '<p class="st-note">Whatever you ask for in words or beside them comes first.</p></div>'
    )


def _row(one: Chosen, name: str, gave: tuple[str, ...]) -> str:
    identity, title = escape(one.id, quote=True), escape(name)
    lends = escape(", ".join(gave)) if gave else "nothing yet: it pulls with no weight, or nothing is known of it"
    return (
        f'<div class="st-lender"><b title="{title}">{title}</b>'
        f'<label class="st-note">weight <input type="range" min="0" max="3" step="0.1" value="{one.weight:g}" '
        f'data-verb="weight" data-id="{identity}" aria-label="Weight of {title}"> {one.weight:g}</label>'
        f'<button type="button" class="st-act" data-verb="melody" data-id="{identity}" '
        'title="The next take follows the melody of its loudest half minute">Follow its tune</button>'
        f'<button type="button" class="st-act" data-verb="remove" data-id="{identity}" aria-label="Take {title} out">✕</button>'
        f'<span class="st-note">{lends}</span></div>'
    )
