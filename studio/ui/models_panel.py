"""The model catalogue on the page: what is here, what it costs, and getting or deleting it.

Lays the panel out and wires its own events. Downloads themselves are studio.downloads' work and outlive the page.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.engines.base import EngineError
from studio.models.catalogue import ModelError, ModelStatus
from studio.models.downloads import Download
from studio.studio import Studio
from studio.ui.choosing import offered
from studio.ui.generate_tab import engine_choices
from studio.ui.visitors import features, visitor_of

# A button says its verb and its model; the list hands both to Python.
_ON_LOAD = """element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verb]");
  if (button) trigger("click", { verb: button.dataset.verb, model: button.dataset.model });
});"""
_LOOK_EVERY_SECONDS = 1.0


def build_models_panel(studio: Studio, blocks: gr.Blocks, engine: gr.Dropdown) -> None:
    """Lay out the panel inside the current Blocks and wire it; `engine` is the dropdown that lists what is ready."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    with gr.Accordion("Models", open=False, elem_classes="st-panel", elem_id="st-models"):
        gr.HTML(
            '<p class="st-note">MusicGen’s weights are Meta’s, under CC-BY-NC 4.0: takes made with them carry that badge '
            "and are not for sale. The sketch engine needs none of them.</p>"
        )
        models = gr.HTML(js_on_load=_ON_LOAD, elem_id="st-models-list")
        with gr.Row(visible=False) as own_folder:
            folder = gr.Textbox(label="A MusicGen folder of your own", placeholder="/path/to/a/checkpoint", scale=4)
            add = gr.Button("Add it", min_width=90, scale=0)
            unload = gr.Button("Unload models", min_width=140, scale=0)
    timer = gr.Timer(_LOOK_EVERY_SECONDS, active=False)
    outputs = [models, timer, engine]

    def look(chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        running = studio.downloads.any_running
        view = models_view(studio, may_manage=_may(studio, request))
        return view, gr.Timer(active=running), offered(engine_choices(studio), chosen)

    def on_load(chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        return *look(chosen, request), gr.update(visible=features(studio.settings, visitor_of(request)).path_fields)

    def on_verb(chosen: str | None, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        _refuse_when_shared(studio, request)
        asked: dict[str, Any] = event._data or {}
        verbs = {
            "download": studio.downloads.start,
            "stop": studio.downloads.stop,
            "delete": studio.delete_model,
        }
        try:
            verbs[str(asked.get("verb"))](str(asked.get("model")))
        except (EngineError, ModelError, KeyError) as refusal:
            raise gr.Error(str(refusal), title="That did not work", print_exception=False) from refusal
        return look(chosen, request)

    def on_add(path: str, chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        _refuse_when_shared(studio, request)
        try:
            card = studio.catalogue.add_local(Path(path.strip())) if path.strip() else None
        except (EngineError, ModelError) as refusal:
            raise gr.Error(str(refusal), title="Not added", print_exception=False) from refusal
        shown = look(chosen, request)
        return (*shown[:2], gr.update(choices=engine_choices(studio), value=card.id)) if card else shown

    def on_unload(request: gr.Request) -> None:
        _refuse_when_shared(studio, request)
        studio.pipeline.unload()
        gr.Info("No model holds memory now; the next take loads its own again.", title="Unloaded", duration=4)

    unload.click(on_unload, None, None, **private)
    blocks.load(on_load, engine, [*outputs, own_folder], **private)
    timer.tick(look, engine, outputs, **private)
    models.click(on_verb, engine, outputs, **private)
    add.click(on_add, [folder, engine], outputs, **private)


def _may(studio: Studio, request: gr.Request) -> bool:
    return features(studio.settings, visitor_of(request)).manage_models


def _refuse_when_shared(studio: Studio, request: gr.Request) -> None:
    if not _may(studio, request):
        sentence = (
            "While the studio is shared, models are neither fetched nor deleted. Start it without sharing for that."
        )
        raise gr.Error(sentence, title="Not now", print_exception=False)


def models_view(studio: Studio, *, may_manage: bool) -> str:
    """Every model as a card: size, licence, memory, state, and what can be done with it."""
    downloads = studio.downloads.views()
    cards = [_card(status, downloads.get(status.card.id), may_manage) for status in studio.catalogue.models()]
    return f'<div class="st-list">{"".join(cards)}</div>'


def _card(status: ModelStatus, download: Download | None, may_manage: bool) -> str:
    card = status.card
    running = download is not None and download.state == "running"
    facts = [
        f"{card.size_bytes / 1e9:.1f} GB" + (" here" if status.state == "present" else " to download"),
        f"needs {card.memory_needed_bytes('cpu') / 1e9:.0f} GB memory on the CPU, "
        f"{card.memory_needed_bytes('cuda') / 1e9:.0f} GB on a graphics card",
    ]
    badges = [("here", "full")] if status.state == "present" else []
    badges += [("partly here", "warn")] if status.state == "partial" and not running else []
    badges += [(card.licence, "warn"), *((fact, "") for fact in facts)]
    shown = "".join(f'<span class="st-badge {kind}">{escape(text)}</span>' for text, kind in badges)
    problem = status.problem or (download.error if download else "")
    note = f'<p class="st-wide st-error">{escape(problem)}</p>' if problem else ""
    return (
        f'<article class="st-card" style="grid-template-columns:minmax(0,1fr) auto" data-model="{escape(card.id, quote=True)}">'
        f"<h4>{escape(card.label)}</h4>{model_buttons(card.id, is_local=card.is_local, state=status.state, running=running) if may_manage else '<span></span>'}"
        f'<p class="st-wide" style="white-space:normal">{escape(card.description)}</p>'
        f'<div class="st-wide st-badges">{shown}</div>{download_meter(download) if running and download else ""}{note}</article>'
    )


def model_buttons(model_id: str, *, is_local: bool, state: str, running: bool) -> str:
    """What can be done with a model: get it, stop that, go on, delete it."""

    def button(text: str, verb: str, kind: str = "") -> str:
        model = escape(model_id, quote=True)
        return f'<button type="button" class="st-act {kind}" data-verb="{verb}" data-model="{model}">{text}</button>'

    buttons = ""
    if running:
        buttons = button("Stop", "stop", "danger")
    elif state == "present" or is_local:
        buttons = button("Take off the list" if is_local else "Delete", "delete", "danger")
    else:
        buttons = button("Go on" if state == "partial" else "Download", "download")
        buttons += button("Delete", "delete", "danger") if state == "partial" else ""
    return f'<div class="st-acts" style="grid-row:auto">{buttons}</div>'


def download_meter(download: Download) -> str:
    """How far a download is."""
    done, total = download.done_bytes, download.total_bytes
    share = f"{100 * done / total:.1f}%" if total else "0%"
    said = f"{done / 1e9:.2f} of {total / 1e9:.2f} GB" if total else "asking what there is to download"
    return f'<div class="st-wide st-meter"><i style="width:{share}"></i></div><p class="st-wide">{said}</p>'
