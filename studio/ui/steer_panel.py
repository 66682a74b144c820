"""Steering on the page: a melody to follow, the plan's chords, instruments in and out, and prompts blended by weight.

Lays out its fields and keeps hummed and uploaded sounds; form.py reads the fields into a request. All but the melody
are MusicGen's: the sketch engine says so where it cannot follow.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from agents.knowledge import instruments
from studio.engines.base import EngineError
from studio.studio import Studio, StudioError
from studio.takes import TakeError
from studio.ui.visitors import visitor_of

BLENDED = 3  # prompts that can be blended in beside the words
OVER_TIME = ("stays", "comes in", "goes out", "swells")
USES = (("Follow its melody", "follow"), ("Go on from its end", "continue"), ("Vary it", "vary"))
_SOUNDS = [".wav", ".flac", ".mp3", ".ogg", ".aiff", ".mid", ".midi"]
_NONE = (
    '<p class="st-note">A tune you hum, a sound, a MIDI file or a take. The sketch engine plays its notes and finds '
    "chords for them; MusicGen’s melody models follow how it sounds.</p>"
)
_MUSICGEN = '<p class="st-note">The rest is for MusicGen.</p>'
_ON_DECK = "() => window.studio?.deck.now?.take ?? ''"


def build_steer_panel(studio: Studio) -> dict[str, Any]:
    """Lay out the panel inside the current Blocks; returns its fields by the names form.py knows them by."""
    with gr.Accordion("Steer it", open=False, elem_id="st-steer"):
        fields = _melody(studio)
        gr.HTML(_MUSICGEN)
        with gr.Row(elem_classes="st-fields"):
            fields["chords"] = gr.Checkbox(False, label="Follow the plan’s chords", min_width=150)
            fields["layers"] = gr.Checkbox(False, label="Part by part, kept as stems", min_width=150)
        fields |= _blend()
        names = [(each.label, name) for name, each in instruments().items()]
        with gr.Row(elem_classes="st-fields"):
            fields["instruments_in"] = gr.Dropdown(
                names, value=[], multiselect=True, label="Bring in", min_width=150, elem_id="st-bring-in"
            )
            fields["instruments_out"] = gr.Dropdown(
                names, value=[], multiselect=True, label="Leave out", min_width=150, elem_id="st-leave-out"
            )
        fields["candidates"] = gr.Slider(
            1, 8, 1, step=1, label="Takes in one go, the best first", min_width=160, elem_id="st-candidates"
        )
    return fields


def _blend() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    gr.HTML('<p class="st-note">Other words to blend in, each with its weight; below 0 steers away from them.</p>')
    for number in range(1, BLENDED + 1):
        with gr.Row(elem_classes=["st-fields", "st-blend"]):
            fields[f"blend_words_{number}"] = gr.Textbox(
                show_label=False, placeholder=("solo cello", "rain on a window", "vocals")[number - 1], min_width=120,
                scale=3, elem_id=f"st-blend-{number}",
            )  # fmt: skip
            fields[f"blend_moves_{number}"] = gr.Dropdown(
                list(OVER_TIME), value=OVER_TIME[0], show_label=False, min_width=96, scale=2,
                elem_id=f"st-blend-moves-{number}",
            )  # fmt: skip
            fields[f"blend_weight_{number}"] = gr.Slider(
                -2.0, 3.0, 1.0, step=0.05, label="Weight", min_width=130, scale=3, buttons=[]
            )
    fields["words_weight"] = gr.Slider(0.0, 3.0, 1.0, step=0.05, label="Weight of the words above", min_width=160)
    return fields


def _melody(studio: Studio) -> dict[str, Any]:
    """The sound to follow: where it comes from, what it is, and what is done with it."""
    melody = gr.Textbox(visible="hidden", value="")
    on_deck = gr.Textbox(visible="hidden", value="")
    with gr.Row(elem_classes=["st-fields", "st-tune"]):
        upload = gr.UploadButton("Choose a melody", file_types=_SOUNDS, min_width=130, elem_id="st-melody")
        deck = gr.Button("From the deck", min_width=110, elem_id="st-melody-deck")
        forget = gr.Button("None", min_width=70, elem_id="st-melody-none")
    hum = gr.Audio(
        sources=["microphone"], type="filepath", label="Hum or play a tune", elem_id="st-hum", buttons=[],
        waveform_options=gr.WaveformOptions(show_recording_waveform=True),
    )  # fmt: skip
    followed = gr.HTML(_NONE)
    to_key = gr.Checkbox(
        False, label="Move it to the song’s key", elem_id="st-melody-key", min_width=160,
        info="The sketch engine else plays it as it is, and takes its key where you leave the key open.",
    )  # fmt: skip
    use = gr.Radio(list(USES), value="follow", show_label=False, visible=False, elem_id="st-melody-use")

    def keep(path: str | None) -> tuple[str, str, Any]:
        if not path:
            return "", _NONE, gr.update(visible=False, value="follow")
        file = Path(path)
        try:
            name = studio.pipeline.sounds.keep_file(file.read_bytes(), name=file.name)
        except (EngineError, OSError) as refusal:
            raise gr.Error(str(refusal), title="Not a sound", print_exception=False) from refusal
        return name, said_of_melody(file.name), gr.update(visible=name.startswith("sound:"), value="follow")

    def keep_hummed(path: str | None) -> tuple[str, str, Any]:
        name, _, use = keep(path)
        return name, said_of_melody("what you played") if name else _NONE, use

    def follow_deck(take_id: str, request: gr.Request) -> tuple[str, str, Any]:
        try:
            take = studio.entry(take_id, owner=visitor_of(request).sees_only).take
        except (StudioError, TakeError) as refusal:
            raise gr.Error("Put a take on the deck first.", title="Not yet", print_exception=False) from refusal
        return f"take:{take.id}", said_of_melody(take.title), gr.update(visible=False, value="follow")

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    outputs = [melody, followed, use]
    upload.upload(keep, upload, outputs, **private)
    hum.stop_recording(keep_hummed, hum, outputs, **private)
    hum.clear(lambda: ("", _NONE, gr.update(visible=False)), None, outputs, **private)
    deck.click(follow_deck, on_deck, outputs, js=_ON_DECK, **private)
    forget.click(lambda: ("", _NONE, gr.update(visible=False, value="follow")), None, outputs, **private)
    return {"melody": melody, "melody_to_key": to_key, "melody_use": use, "melody_said": followed}


def said_of_melody(name: str) -> str:
    """What stands under the melody buttons once there is one to follow."""
    return f'<p class="st-note">It will follow <b>{escape(name)}</b>.</p>'
