"""Ableton Link on the page: the panel that static/link.js drives, the tempo field that follows, a take at the session's tempo.

Knows nothing of how the session is kept; that is studio.link's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gradio as gr

from agents.harmony import Meter, UnknownName
from agents.planner import BriefError, PlanError
from studio.clock import ClockError
from studio.engines.base import EngineError
from studio.jobs import JobError
from studio.link_take import ask_link_take, felt_tempo
from studio.studio import Studio
from studio.takes import TakeError
from studio.ui.form import request_of
from studio.ui.visitors import visitor_of

if TYPE_CHECKING:
    from studio.ui.generate_tab import GenerateTab

_REFUSALS = (BriefError, PlanError, EngineError, JobError, TakeError, ClockError)
PANEL = """<section id="st-link" class="st-link" data-state="out" aria-label="Ableton Link">
<div class="st-link-top"><b>Ableton Link</b><span class="st-badge" id="st-link-peers" role="status">Not joined</span>
<button type="button" class="st-act" id="st-link-join">Join</button></div>
<p class="st-note st-link-out">One tempo, one bar line and one start button with every program on this network that has Link:
Live, Bitwig, DJ programs, apps on a phone. The tempo field follows, and the deck plays from the bar line.</p>
<p class="st-error st-hidden" id="st-link-error" role="alert"></p>
<div class="st-link-in">
<div class="st-link-beats" id="st-link-beats" aria-hidden="true"></div>
<div class="st-link-row">
<label class="st-link-tempo"><input id="st-link-tempo" type="number" min="20" max="999" step="any" aria-label="Tempo of the session"><span>bpm</span></label>
<span class="st-link-switch" role="group" aria-label="Who sets the tempo">
<button type="button" id="st-link-follow" title="The tempo field follows the session; takes are stretched to it">Follow</button>
<button type="button" id="st-link-lead" title="Each take you play sets everybody’s tempo">Lead</button></span>
<button type="button" class="st-act" id="st-link-play" title="Everybody who shares start and stop">Start all</button></div>
<div class="st-link-row st-link-small">
<label title="Starting here starts the others at the bar line, and they start us"><input id="st-link-sync" type="checkbox"> Share start and stop</label>
<label title="After how many quarter notes a bar begins">Bar <input id="st-link-bar" type="number" min="1" max="16" step="1"> beats</label>
<label title="How much later than the browser knows your speakers sound; the deck starts so much earlier">Latency <input id="st-link-latency" type="number" min="-500" max="500" step="any"> ms</label>
</div></div></section>"""
# Gradio's event, for static/link.js; what comes back is kept in the browser.
_BRIDGE = "window.studioLinkTempo = (what) => trigger('click', what);"
_KEEP = """(kept) => {
  const key = "studio-link-tempo";
  window.studio.link.filledAt = null;
  if (kept === "") return;
  JSON.parse(kept) ? localStorage.setItem(key, kept) : localStorage.removeItem(key);
}"""


def build_link_panel(studio: Studio, tab: GenerateTab) -> None:
    """Lay out the panel inside the current Blocks and wire it."""
    with gr.Column(elem_classes="st-link-panel"):
        gr.HTML(PANEL)
        take = gr.Button("Make a take at the session’s tempo", elem_id="st-link-take")
        bridge = gr.HTML("<span></span>", elem_id="st-link-bridge", js_on_load=_BRIDGE, visible="hidden")
        kept = gr.Textbox(visible="hidden", value="")
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def on_tempo(written: str | None, meter: str | None, event: gr.EventData, request: gr.Request) -> tuple[Any, str]:
        if not visitor_of(request).is_host:
            return gr.skip(), ""
        asked: dict[str, Any] = event._data or {}
        return followed(written or "", meter or "", asked.get("tempo_bpm"), asked.get("held"))

    def on_take(request: gr.Request, **values: Any) -> None:
        visitor = visitor_of(request)
        try:
            if not visitor.is_host:
                raise ClockError("Only the studio’s owner plays with Ableton Link.")
            ask_link_take(studio, request_of(values), owner=visitor.owner)
        except _REFUSALS as refusal:
            raise gr.Error(str(refusal), title="Not yet", print_exception=False) from refusal

    fields = tab.fields
    bridge.click(on_tempo, [fields["tempo_bpm"], fields["meter"]], [fields["tempo_bpm"], kept], **private).then(
        None, kept, None, js=_KEEP, **private
    )
    take.click(on_take, inputs_kwargs=tab.inputs, **private)


def followed(written: str, meter: str, tempo_bpm: float | None, held: dict[str, str] | None) -> tuple[Any, str]:
    """What stands in the tempo field for a session's tempo, and what the browser keeps so that it can be given back.

    tempo_bpm: None gives the field back what it held before. held: {"before", "put"}; a field that the user has changed
    since is the user's and stays.
    """
    untouched = held is None or written.strip() == held.get("put")
    if tempo_bpm is None:
        return (held.get("before", "") if held and untouched else gr.skip()), json.dumps(None)
    try:
        put = f"{felt_tempo(tempo_bpm, Meter.parse(meter) if meter.strip() else Meter(beats=4)):g}"
    except UnknownName:  # a meter that is being typed
        return gr.skip(), ""
    before = held.get("before", "") if held and untouched else written
    return put, json.dumps({"before": before, "put": put})
