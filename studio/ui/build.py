"""The page on one screen: head, tabs, deck."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.api import register
from studio.studio import Studio
from studio.ui import shell
from studio.ui.actions import Page, build_actions
from studio.ui.adapters_panel import fresh_choices
from studio.ui.agents_panel import build_agents_panel
from studio.ui.generate_tab import build_generate_tab, preset_choices, recent_takes
from studio.ui.history_tab import build_history_tab
from studio.ui.library_tab import build_library_tab
from studio.ui.models_panel import build_models_panel
from studio.ui.stems_tab import TRANSPORT, build_stems_tab
from studio.ui.storage_panel import tell_what_was_tidied
from studio.ui.suggest_panel import fill_suggestions
from studio.ui.training_tab import build_training_tab
from studio.ui.visitors import visitor_of


def build_page(studio: Studio) -> gr.Blocks:
    """The whole page for one studio; launched by `studio.ui.serve`."""
    with gr.Blocks(title="MusicGen Studio", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(shell.HEAD)
        with gr.Tabs(selected="generate") as tabs:
            with gr.Tab("Generate", id="generate"):
                generate = build_generate_tab(studio)
                build_models_panel(studio, blocks, generate.fields["engine"])
                build_agents_panel(studio, blocks)
            with gr.Tab("Library", id="library"):
                build_library_tab()
            with gr.Tab("Stems", id="stems"):
                build_stems_tab()
            if not studio.settings.is_shared:
                with gr.Tab("Training", id="training") as training_item:
                    build_training_tab(studio, training_item, generate.worn)
            with gr.Tab("History", id="history") as history_item:
                history = build_history_tab(studio, history_item, generate.fields)
        gr.HTML(shell.DECK)
        gr.HTML(TRANSPORT)
        build_actions(studio, Page(tabs, generate, history))
        fill_suggestions(studio, blocks, generate.suggest)
        _keep_form(blocks, generate.fields, studio)
        tell_what_was_tidied(studio, blocks)
        register(studio)

        def on_load(request: gr.Request) -> tuple[Any, ...]:
            # What may have changed since the page was built: takes, presets, adapters.
            presets = gr.update(choices=preset_choices(studio))
            return recent_takes(studio, visitor_of(request)), presets, *fresh_choices(studio)

        shown = [generate.recent, generate.preset, *generate.worn]
        blocks.load(on_load, None, shown, api_visibility="private", show_progress="hidden")
    return blocks


# Words that were typed while the studio was away (static/away.js) never reached what is kept.
_WITH_DRAFT = """(kept) => {
  const draft = JSON.parse(sessionStorage.getItem("studio-draft") ?? "null");
  sessionStorage.removeItem("studio-draft");
  return draft && (draft.until === null || Date.now() < draft.until) ? { ...kept, words: draft.words } : kept;
}"""


def _keep_form(blocks: gr.Blocks, fields: dict[str, Any], studio: Studio) -> None:
    """What stands in the fields survives a reload, in the browser alone; a default that moved takes the old one's place."""
    kept = gr.BrowserState({}, storage_key="studio-form", secret="musicgen-studio")
    names = list(fields)
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    factory = {name: field.value for name, field in fields.items()}

    def restore(values: dict[str, Any] | None, request: gr.Request) -> list[Any]:
        moved = studio.ledger.defaults.current() if visitor_of(request).is_host else {}
        shown = dict(values or {})
        for name, default in moved.items():
            if shown.get(name, factory.get(name)) in (factory.get(name), *default.before):
                shown[name] = default.value
        return [shown.get(name, gr.skip()) for name in names]

    blocks.load(restore, kept, list(fields.values()), js=_WITH_DRAFT, **private)
    gr.on(
        [field.change for field in fields.values()],
        lambda *values: dict(zip(names, values, strict=True)),
        list(fields.values()),
        kept,
        trigger_mode="always_last",
        **private,
    )
