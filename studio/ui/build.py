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
from studio.ui.generate_tab import build_generate_tab, offered_now, preset_choices, recent_takes
from studio.ui.history_tab import build_history_tab
from studio.ui.kept_form import keep_form
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
        keep_form(blocks, generate.fields, studio, offered=offered_now(studio))
        tell_what_was_tidied(studio, blocks)
        register(studio)

        def on_load(request: gr.Request) -> tuple[Any, ...]:
            # What may have changed since the page was built: takes, presets, adapters.
            presets = gr.update(choices=preset_choices(studio))
            return recent_takes(studio, visitor_of(request)), presets, *fresh_choices(studio)

        shown = [generate.recent, generate.preset, *generate.worn]
        blocks.load(on_load, None, shown, api_visibility="private", show_progress="hidden")
    return blocks
