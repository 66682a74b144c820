"""LoRA adapters in the Generate tab: which ones the model wears, each with its strength.

Lays out its fields; `adapters_of` reads them into a request. Knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from studio.engines.musicgen.adapters import Shelf
from studio.engines.steering import MAX_STRENGTH, AdapterUse
from studio.studio import Studio
from studio.ui.choosing import offered

WORN = 3  # adapters that can be stacked from the page; other programs may stack more
WORN_FIELDS = tuple(f"adapter_{number}" for number in range(1, WORN + 1))
_NONE = ("None", "")


def build_adapters_panel(studio: Studio) -> dict[str, Any]:
    """Lay out the panel inside the current Blocks; returns its fields by name."""
    fields: dict[str, Any] = {}
    with gr.Accordion("Adapters, a sound you taught it", open=False, elem_id="st-adapters"):
        gr.HTML(
            '<p class="st-note">MusicGen wears these LoRA adapters: 0 is the model itself, 1 the adapter as it was trained. '
            "They come from the Training tab.</p>"
        )
        for number in range(1, WORN + 1):
            with gr.Row(elem_classes="st-fields"):
                fields[f"adapter_{number}"] = gr.Dropdown(
                    adapter_choices(studio.school.shelf), value="", show_label=False, min_width=190, scale=5,
                    elem_id=f"st-adapter-{number}",
                )  # fmt: skip
                fields[f"adapter_strength_{number}"] = gr.Slider(
                    0.0, MAX_STRENGTH, 1.0, step=0.05, label="Strength", min_width=130, scale=4, buttons=[],
                    elem_id=f"st-adapter-strength-{number}",
                )  # fmt: skip
    return fields


def adapter_choices(shelf: Shelf) -> list[tuple[str, str]]:
    """Every adapter on the shelf with the model it was trained on, and none."""
    listed = [
        (f"{one.name}, for {one.base_model.rsplit('/', 1)[-1]}" if one.base_model else one.name, one.name)
        for one in shelf.adapters()
    ]
    return [_NONE, *listed]


def adapters_of(values: Mapping[str, Any]) -> tuple[AdapterUse, ...]:
    """The adapters a form asks for; one of strength 0 is asked for too, and worn not at all."""
    chosen = [(values.get(f"adapter_{n}") or "", values.get(f"adapter_strength_{n}")) for n in range(1, WORN + 1)]
    return tuple(AdapterUse(name=name, strength=float(strength or 0.0)) for name, strength in chosen if name)


def fresh_choices(studio: Studio, *worn: str | None) -> list[Any]:
    """Updates for the panel's dropdowns, in their order, after the shelf has changed; what is worn and has gone is taken off."""
    choices = adapter_choices(studio.school.shelf)
    return [offered(choices, name or "") for name in worn or ("",) * WORN]
