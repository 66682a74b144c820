"""Live and DAW, under the composer: what connects the studio with other programs, one panel a way.

Only the frame: each panel lays itself out and wires itself with the tab's fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from studio.studio import Studio
from studio.ui.link_panel import build_link_panel
from studio.ui.midi_panel import build_midi_panel
from studio.ui.plugin_panel import build_plugin_panel

if TYPE_CHECKING:
    from studio.ui.generate_tab import GenerateTab

_WORDS = '<p class="st-note">Play together with the other programs on this machine and in this room.</p>'


def build_daw_panel(studio: Studio, tab: GenerateTab) -> None:
    """Lay out the panel inside the current Blocks."""
    with gr.Accordion("Live and DAW", open=False, elem_id="st-daw", elem_classes="st-panel"):
        gr.HTML(_WORDS)
        build_link_panel(studio, tab)
        build_plugin_panel(studio)
        build_midi_panel(tab)
