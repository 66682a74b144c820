"""The History tab: every take kept, found again by anything known of it, songs as trees, and the bin.

Lays out the tab's own first page and wires its events; the other pages (compare, grid, what is liked, storage) are
files of their own, and actions on takes are in actions.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import gradio as gr

from studio.exports import EXPORT_FORMATS
from studio.history.finding import QueryError
from studio.studio import Studio
from studio.takes import TakeError
from studio.ui.cards import take_cards, votes_of
from studio.ui.compare_panel import build_compare_panel
from studio.ui.grid_panel import build_grid_panel
from studio.ui.insight_panel import build_insight_panel
from studio.ui.songs_view import songs_view
from studio.ui.storage_panel import build_storage_panel
from studio.ui.visitors import Visitor, visitor_of

PAGE = 20
DAYS = 90
_KEPT, _SONGS, _BINNED = "Takes", "Songs", "Bin"
_NOTHING = {
    _KEPT: "<b>Nothing is kept yet.</b><br>What you generate stands here with all its settings, until you delete it.",
    _SONGS: "<b>Nothing is kept yet.</b><br>What you generate stands here, with everything that was made of it.",
    _BINNED: "<b>The bin is empty.</b><br>Deleted takes wait here until you restore them or empty it.",
}
_FORMATS = "".join(f'<option value="{name}">{escape(label)}</option>' for name, label in EXPORT_FORMATS.items())
# What the list of narrowings writes into the search.
NARROWINGS = {
    "Liked": "liked:yes", "Disliked": "disliked:yes", "Exported": "exported:yes", "Never exported": "exported:no",
    "By a model": "tier:full", "By the sketch engine": "engine:sketch", "Edited": "edited:yes", "This week": "since:week",
    "This month": "since:month", "Slow, under 90 bpm": "tempo:<90", "Fast, over 130 bpm": "tempo:>130", "Minor": "mode:minor",
    "Major": "mode:major", "Stopped early": "complete:no",
}  # fmt: skip
BULK = f"""<div class="st-bulk st-hidden" id="st-bulk" role="toolbar" aria-label="Picked takes">
<b id="st-bulk-count"></b><span class="st-spring"></span>
<button type="button" class="st-act" data-bulk="all">All shown</button>
<button type="button" class="st-act" data-bulk="like">Like</button>
<button type="button" class="st-act" data-bulk="dislike">Dislike</button>
<button type="button" class="st-act" data-bulk="compare">Compare</button>
<button type="button" class="st-act" data-bulk="export">Export</button>
<select class="st-field" id="st-bulk-format" aria-label="As what">{_FORMATS}</select>
<button type="button" class="st-act danger" data-bulk="bin">Delete</button>
<button type="button" class="st-act" data-bulk="none">None</button></div>"""
_ON_DAYS = """element.addEventListener("click", (event) => {
  const day = event.target.closest("[data-day]")?.dataset.day;
  if (day) trigger("click", { day });
});"""


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


def build_history_tab(studio: Studio, tab_item: gr.Tab, fields: dict[str, Any]) -> HistoryTab:
    """Lay out the tab inside the current Blocks and wire it; `fields` are the Generate tab's, for grids and defaults."""
    with gr.Tabs(elem_id="st-history-tabs"):
        with gr.Tab("Browse", id="history-takes"):
            tab, parts = _lay_out()
        with gr.Tab("Compare", id="history-compare"):
            build_compare_panel()
        with gr.Tab("Grid", id="history-grid") as grid_item:
            build_grid_panel(studio, grid_item, fields)
        with gr.Tab("Insight", id="history-insight") as insight_item:
            build_insight_panel(studio, insight_item, fields)
        with gr.Tab("Storage", id="history-storage") as storage_item:
            build_storage_panel(studio, storage_item)
    _wire(studio, tab, tab_item, parts)
    return tab


def _lay_out() -> tuple[HistoryTab, dict[str, Any]]:
    parts: dict[str, Any] = {}
    with gr.Row(elem_classes="st-fields", equal_height=True):
        words = gr.Textbox(
            show_label=False, placeholder='Search: rain, -waltz, or genre:house tempo:90-110 key:"A minor" liked:yes …',
            scale=4, min_width=220, elem_id="st-search",
        )  # fmt: skip
        parts["narrow"] = gr.Dropdown(
            [("Narrow …", ""), *((name, name) for name in NARROWINGS)],
            value="",
            show_label=False,
            min_width=150,
            scale=1,
            elem_id="st-narrow",
        )
        shelf = gr.Radio([_KEPT, _SONGS, _BINNED], value=_KEPT, show_label=False, min_width=300, elem_id="st-shelf")
        parts["empty"] = gr.Button("Empty the bin", visible=False, min_width=130, scale=0, elem_id="st-empty-bin")
    parts["days"] = gr.HTML(js_on_load=_ON_DAYS, elem_id="st-days")
    shown = gr.State(PAGE)
    gr.HTML(BULK, elem_id="st-bulk-box")
    takes = gr.HTML(elem_id="st-history")
    more = gr.Button("Show more", visible=False, elem_id="st-more")
    return HistoryTab(words, shelf, shown, takes, more), parts


def history_view(studio: Studio, visitor: Visitor, *, words: str | None, shelf: str, shown: int) -> tuple[str, Any]:
    """The takes that match, as cards or as trees of songs, and whether there are more."""
    words = words or ""
    nothing = (
        "<b>No take is found so.</b><br>Try fewer words, or only the beginning of one."
        if words.strip()
        else _NOTHING[shelf]
    )
    try:
        if shelf == _SONGS:
            nodes, total = studio.ledger.trees(words, owner=visitor.sees_only, limit=shown)
            standings = studio.ledger.standings(owner=visitor.sees_only)
            return songs_view(nodes, standings, empty=nothing), gr.update(visible=total > shown)
        binned = shelf == _BINNED
        page = studio.takes(words, owner=visitor.sees_only, binned=binned, limit=shown)
    except QueryError as wrong:
        return f'<div class="st-empty">{escape(str(wrong))}</div>', gr.update(visible=False)
    takes = [entry.take for entry in page.entries]
    peaks = [[] if binned else _peaks_of(studio, take.id) for take in takes]
    cards = take_cards(
        takes, binned=binned, details=True, peaks=peaks, empty=nothing, votes=votes_of(studio, visitor),
        scores=studio.reviews.scores(take.id for take in takes),
    )  # fmt: skip
    return cards, gr.update(visible=page.total > shown)


def days_view(counts: dict[str, int], *, today: datetime | None = None) -> str:
    """The last DAYS days as bars, as high as takes were made; a press narrows the list to that day."""
    if not counts:
        return ""
    last = (today or datetime.now(UTC)).date()
    days = [last - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
    most = max((counts.get(day.isoformat(), 0) for day in days), default=0)
    if not most:
        return ""
    bars = "".join(_day(place, day.isoformat(), counts.get(day.isoformat(), 0), most) for place, day in enumerate(days))
    return (
        f'<svg class="st-days" viewBox="0 0 {DAYS * 8} 46" preserveAspectRatio="none" role="img" '
        f'aria-label="Takes made on each of the last {DAYS} days">{bars}</svg>'
    )


def _day(place: int, day: str, count: int, most: int) -> str:
    tall = 2 + 42 * count / most if count else 2
    kind, marked = ("", f' data-day="{day}"') if count else (' class="none"', "")
    said = f"{count} take{'s' if count != 1 else ''}" if count else "nothing"
    return (
        f'<rect x="{place * 8}" y="{45 - tall:.1f}" width="6" height="{tall:.1f}" rx="1.5"{kind}{marked}>'
        f"<title>{day}: {said}</title></rect>"
    )


def _peaks_of(studio: Studio, take_id: str) -> list[int]:
    try:
        return studio.store.peaks(take_id)
    except TakeError:  # damaged or moved since it was listed; the card goes without its waveform
        return []


def _wire(studio: Studio, tab: HistoryTab, tab_item: gr.Tab, parts: dict[str, Any]) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    days, empty = parts["days"], parts["empty"]

    def on_look(words: str, shelf: str, shown: int, request: gr.Request) -> tuple[Any, ...]:
        visitor = visitor_of(request)
        view = history_view(studio, visitor, words=words, shelf=shelf, shown=shown)
        return days_view(studio.ledger.days(owner=visitor.sees_only)), *view

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

    def on_narrow(words: str, chosen: str) -> tuple[str, str]:
        return _with_term(words, NARROWINGS.get(chosen, "")), ""

    def on_day(words: str, event: gr.EventData) -> str:
        return _with_term(words, f"on:{(event._data or {}).get('day', '')}")

    gr.on(
        [tab_item.select, tab.words.change], on_look, tab.inputs, [days, *tab.outputs], trigger_mode="always_last",
        **private,
    )  # fmt: skip
    tab.shelf.change(on_shelf, [tab.words, tab.shelf], [tab.shown, empty, *tab.outputs], **private)
    parts["narrow"].input(on_narrow, [tab.words, parts["narrow"]], [tab.words, parts["narrow"]], **private)
    days.click(on_day, tab.words, tab.words, **private)
    empty.click(
        on_empty, None, tab.outputs, **private,
        js="() => { if (!confirm('Delete everything in the bin for good?')) throw new Error('kept'); return []; }",
    )  # fmt: skip
    tab.more.click(lambda shown: shown + PAGE, tab.shown, tab.shown, **private).then(
        on_look, tab.inputs, [days, *tab.outputs], **private
    )


def _with_term(words: str, term: str) -> str:
    """The search with that term in place of an earlier one of its kind."""
    name = term.partition(":")[0]
    kept = [piece for piece in (words or "").split() if not piece.startswith(f"{name}:")]
    return " ".join([*kept, term] if term else kept)
