"""Live MIDI under the composer: the frame of the panel, and a played melody into the melody that Generate follows.

What stands in the frame is drawn by static/midi.js; ports and notes come by midi_routes.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.ui.steer_panel import said_of_melody

if TYPE_CHECKING:
    from studio.ui.generate_tab import GenerateTab

_FRAME = '<section id="md" aria-label="Live MIDI"></section>'
_BRIDGE = "window.studioPlayed = (what) => trigger('click', what);"
_NAME = re.compile(r"midi:[0-9a-f]{64}")


def build_midi_panel(tab: GenerateTab) -> None:
    """Lay out the panel inside the current Blocks."""
    gr.HTML(_FRAME)
    bridge = gr.HTML("<span></span>", js_on_load=_BRIDGE, visible="hidden")

    def on_played(event: gr.EventData) -> tuple[Any, ...]:
        asked: dict[str, Any] = event._data or {}
        name = str(asked.get("melody") or "")
        if not _NAME.fullmatch(name):
            return gr.skip(), gr.skip(), gr.skip()
        return name, said_of_melody("what you played"), gr.update(visible=False, value="follow")

    outputs = [tab.steering[name] for name in ("melody", "melody_said", "melody_use")]
    bridge.click(on_played, None, outputs, api_visibility="private", show_progress="hidden")
