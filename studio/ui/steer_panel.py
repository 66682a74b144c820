"""Steering on the page: a melody to follow, the plan's chords, and prompts blended by weight.

Lays out its fields and keeps uploaded sounds; form.py reads the fields into a request. These are MusicGen's: the sketch
engine says so where it cannot follow.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.engines.base import EngineError
from studio.studio import Studio

BLENDED = 3  # prompts that can be blended in beside the words
_SOUNDS = [".wav", ".flac", ".mp3", ".ogg", ".aiff", ".mid", ".midi"]


def build_steer_panel(studio: Studio) -> dict[str, Any]:
    """Lay out the panel inside the current Blocks; returns its fields by the names form.py knows them by."""
    fields: dict[str, Any] = {}
    with gr.Accordion("Steer it, with MusicGen", open=False, elem_id="st-steer"):
        fields["melody"] = gr.Textbox(visible="hidden", value="")
        with gr.Row(elem_classes="st-fields"):
            upload = gr.UploadButton(
                "Choose a melody to follow", file_types=_SOUNDS, min_width=190, elem_id="st-melody"
            )
            forget = gr.Button("Follow none", min_width=110)
        followed = gr.HTML('<p class="st-note">A sound or a MIDI file; the melody models follow it.</p>')
        with gr.Row(elem_classes="st-fields"):
            fields["chords"] = gr.Checkbox(False, label="Follow the plan’s chords", min_width=150)
            fields["layers"] = gr.Checkbox(False, label="Part by part, kept as stems", min_width=150)
        gr.HTML('<p class="st-note">Other words to blend in, each with its weight; below 0 steers away from them.</p>')
        for number in range(1, BLENDED + 1):
            with gr.Row(elem_classes="st-fields"):
                fields[f"blend_words_{number}"] = gr.Textbox(
                    show_label=False, placeholder="solo cello", min_width=150, elem_id=f"st-blend-{number}"
                )
                fields[f"blend_weight_{number}"] = gr.Slider(
                    -2.0, 3.0, 1.0, step=0.05, label=f"Weight {number}", min_width=150
                )
        fields["words_weight"] = gr.Slider(0.0, 3.0, 1.0, step=0.05, label="Weight of the words above", min_width=160)

    def on_upload(path: str | None) -> tuple[str, str]:
        if not path:
            return "", ""
        file = Path(path)
        try:
            name = studio.pipeline.sounds.keep_file(file.read_bytes(), name=file.name)
        except (EngineError, OSError) as refusal:
            raise gr.Error(str(refusal), title="Not a sound", print_exception=False) from refusal
        return name, f'<p class="st-note">It will follow <b>{escape(file.name)}</b>.</p>'

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    upload.upload(on_upload, upload, [fields["melody"], followed], **private)
    forget.click(lambda: ("", '<p class="st-note">It follows none.</p>'), None, [fields["melody"], followed], **private)
    return fields
