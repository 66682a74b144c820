"""The History tab: every take kept, found again by its words, and the bin.

Lays the tab out and wires its own events; actions on takes are in actions.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.studio import Studio
from studio.takes import TakeError
from studio.ui.cards import take_cards
from studio.ui.visitors import Visitor, visitor_of

PAGE = 20
_KEPT, _BINNED = "Takes", "Bin"
_NOTHING = {
    _KEPT: "<b>Nothing is kept yet.</b><br>What you generate stands here with all its settings, until you delete it.",
    _BINNED: "<b>The bin is empty.</b><br>Deleted takes wait here until you restore them or empty it.",
}


@dataclass(frozen=True)
class HistoryTab:
    words: gr.Textbox
    shelf: gr.Radio
    shown: gr.State
    takes: gr.HTML
    more: gr.Button

    @property
    def inputs(self) -> list[Any]:
        return [self.words, self.shelf, self.shown]

    @property
    def outputs(self) -> list[Any]:
        return [self.takes, self.more]


def build_history_tab(studio: Studio, tab_item: gr.Tab) -> HistoryTab:
    """Lay out the tab inside the current Blocks and wire it; returns its components."""
    with gr.Row(elem_classes="st-fields", equal_height=True):
        words = gr.Textbox(
            show_label=False, placeholder="Search by words: rain, waltz, F# minor, house …", scale=4, min_width=220,
            elem_id="st-search",
        )  # fmt: skip
        shelf = gr.Radio([_KEPT, _BINNED], value=_KEPT, show_label=False, min_width=160, elem_id="st-shelf")
        empty = gr.Button("Empty the bin", visible=False, min_width=130, scale=0, elem_id="st-empty-bin")
    shown = gr.State(PAGE)
    takes = gr.HTML(elem_id="st-history")
    more = gr.Button("Show more", visible=False, elem_id="st-more")
    tab = HistoryTab(words, shelf, shown, takes, more)
    _wire(studio, tab, tab_item, empty)
    return tab


def history_view(studio: Studio, visitor: Visitor, *, words: str | None, shelf: str, shown: int) -> tuple[str, Any]:
    """The takes that match, as cards, and whether there are more."""
    binned = shelf == _BINNED
    page = studio.takes(words or "", owner=visitor.sees_only, binned=binned, limit=shown)
    takes = [entry.take for entry in page.entries]
    peaks = [[] if binned else _peaks_of(studio, take.id) for take in takes]
    nothing = (
        "<b>No take has these words.</b><br>Try fewer, or only the beginning of one."
        if (words or "").strip()
        else _NOTHING[shelf]
    )
    scores = studio.reviews.scores(take.id for take in takes)
    cards = take_cards(takes, binned=binned, details=True, peaks=peaks, empty=nothing, scores=scores)
    return cards, gr.update(visible=page.total > shown)


def _peaks_of(studio: Studio, take_id: str) -> list[int]:
    try:
        return studio.store.peaks(take_id)
    except TakeError:  # damaged or moved since it was listed; the card goes without its waveform
        return []


def _wire(studio: Studio, tab: HistoryTab, tab_item: gr.Tab, empty: gr.Button) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def on_look(words: str, shelf: str, shown: int, request: gr.Request) -> tuple[str, Any]:
        return history_view(studio, visitor_of(request), words=words, shelf=shelf, shown=shown)

    def on_shelf(words: str, shelf: str, request: gr.Request) -> tuple[Any, ...]:
        visitor = visitor_of(request)
        view = history_view(studio, visitor, words=words, shelf=shelf, shown=PAGE)
        return PAGE, gr.update(visible=shelf == _BINNED and visitor.is_host), *view

    def on_empty(request: gr.Request) -> tuple[str, Any]:
        visitor = visitor_of(request)
        if not visitor.is_host:
            raise gr.Error("Only the studio's owner empties the bin.", title="Not yours", print_exception=False)
        studio.empty_bin(owner=None)
        return history_view(studio, visitor, words="", shelf=_BINNED, shown=PAGE)

    gr.on([tab_item.select, tab.words.change], on_look, tab.inputs, tab.outputs, trigger_mode="always_last", **private)
    tab.shelf.change(on_shelf, [tab.words, tab.shelf], [tab.shown, empty, *tab.outputs], **private)
    empty.click(
        on_empty, None, tab.outputs, **private,
        js="() => { if (!confirm('Delete everything in the bin for good?')) throw new Error('kept'); return []; }",
    )  # fmt: skip
    tab.more.click(lambda shown: shown + PAGE, tab.shown, tab.shown, **private).then(
        on_look, tab.inputs, tab.outputs, **private
    )
