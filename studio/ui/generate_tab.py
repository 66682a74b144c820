"""The Generate tab: one field, one button, and everything else a click away.

Lays the tab out and wires its own events. What is being made and what plays is shown by static/jobs.js and deck.js;
actions on takes are in actions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from agents.harmony import SCALES
from agents.planner import BriefError, PlanError
from agents.types import SongPlan
from studio.engines.base import EngineError
from studio.jobs import JobError
from studio.melodies import SKETCH
from studio.presets import PresetError, delete_preset, list_presets, load_preset, save_preset
from studio.studio import Studio
from studio.takes import TakeError
from studio.ui import shell
from studio.ui.adapters_panel import WORN_FIELDS, adapter_choices, build_adapters_panel
from studio.ui.cards import plan_view, take_cards, votes_of
from studio.ui.daw_panel import build_daw_panel
from studio.ui.enhance_panel import lay_out_enhanced, wire_enhance
from studio.ui.form import (
    EDITED,
    PLAN_COLUMNS,
    brief_of,
    edit_of,
    edited_plan,
    plan_fields,
    preset_fields,
    preset_of,
    request_of,
    sampling_of,
    steering_of,
)
from studio.ui.into_view import into_view
from studio.ui.message_panel import lay_out_message, wire_message
from studio.ui.references_panel import lay_out_references, wire_references
from studio.ui.refine_panel import lay_out_refine, wire_refine
from studio.ui.steer_panel import build_steer_panel
from studio.ui.suggest_panel import lay_out_suggestions, wire_suggestions
from studio.ui.visitors import Visitor, visitor_of

_TONICS = ("C", "C#", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KEYS = ["", *(f"{tonic} {mode}" for mode in SCALES for tonic in _TONICS)]
METERS = ["", "4/4", "3/4", "6/8", "12/8", "2/4", "5/4", "7/8", "9/8"]
RECENT = 8
_FIRST_WORDS = (
    "<b>Your takes will stand here.</b><br>Describe a piece of music, or pick a preset, and press Generate. "
    "The built-in sketch engine plays it within seconds; nothing needs to be downloaded."
)
_REFUSALS = (BriefError, PlanError, PresetError, EngineError, JobError, TakeError)


@dataclass(frozen=True)
class GenerateTab:
    """The tab's components by the names form.py knows them by."""

    fields: dict[str, Any]
    plan_fields: dict[str, Any]
    plan: gr.State
    plan_strip: gr.HTML
    plan_panel: gr.Accordion
    recent: gr.HTML
    preset: gr.Dropdown
    steering: dict[str, Any]
    suggest: gr.HTML

    @property
    def worn(self) -> list[Any]:
        """The dropdowns of adapters."""
        return [field for name, field in self.steering.items() if name in WORN_FIELDS]

    @property
    def inputs(self) -> dict[str, Any]:
        return {**self.fields, **self.steering, **self.plan_fields, "plan": self.plan}


def recent_takes(studio: Studio, visitor: Visitor) -> str:
    """The newest takes this visitor may see, as cards."""
    page = studio.takes(owner=visitor.sees_only, limit=RECENT)
    takes = [entry.take for entry in page.entries]
    scores = studio.reviews.scores(take.id for take in takes)
    return take_cards(takes, empty=_FIRST_WORDS, scores=scores, votes=votes_of(studio, visitor))


def build_generate_tab(studio: Studio) -> GenerateTab:
    """Lay out the tab inside the current Blocks and wire it; returns its components."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320) as composer:
            fields, steering, buttons = _composer(studio)
        with gr.Column(scale=6, min_width=320):
            plan, plan_strip, plan_panel, plan_parts, message = _plan_panel()
            gr.HTML(shell.UNDER_WAY)
            recent = gr.HTML(elem_id="st-recent")
    tab = GenerateTab(
        fields, plan_parts, plan, plan_strip, plan_panel, recent, buttons["preset"], steering, buttons["suggest"]
    )
    _wire(studio, tab, buttons)
    _wire_presets(studio, tab, buttons)
    wire_refine(studio, buttons, tab.inputs)
    wire_message(studio, message, tab, show_plan)
    wire_suggestions(studio, buttons["suggest"], fields["words"])
    with composer:
        build_daw_panel(studio, tab)
    return tab


def _composer(studio: Studio) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    fields: dict[str, Any] = {}
    buttons: dict[str, Any] = {}
    with gr.Column(elem_classes="st-panel"):
        fields["words"] = gr.Textbox(
            label="Describe the music", lines=4, max_lines=10, elem_classes="st-prompt",
            placeholder="Slow lo-fi hip hop for a rainy night, Rhodes and brushed drums, 80 bpm, in A minor",
        )  # fmt: skip
        with gr.Row(elem_classes="st-go"):
            buttons["generate"] = gr.Button("Generate", variant="primary", elem_id="st-generate", scale=1)
            gr.HTML(shell.MICROPHONE, elem_classes="st-small")
        gr.HTML(shell.VOICE)
        buttons["suggest"] = lay_out_suggestions()
        with gr.Row(elem_classes="st-fields"):
            fields["seconds"] = gr.Textbox(label="Length", placeholder="30 s", min_width=110, elem_id="st-seconds")
            fields["engine"] = gr.Dropdown(
                engine_choices(studio), value=studio.pipeline.default, label="Engine", min_width=170, scale=2
            )
            fields["seed"] = gr.Textbox(label="Seed", placeholder="a new one", min_width=90, elem_id="st-seed")
        with gr.Row(elem_classes="st-fields"):
            buttons["preset"] = gr.Dropdown(
                preset_choices(studio), value=None, label="Preset", min_width=200, scale=3, elem_id="st-preset"
            )
            buttons["enhance"] = gr.Button("Enhance", min_width=90, scale=1, elem_id="st-enhance-words")
            buttons["plan"] = gr.Button("Plan first", min_width=100, scale=1, elem_id="st-plan-first")
        enhanced = lay_out_enhanced()
        fields["references"], tray = lay_out_references()
        buttons.update(lay_out_refine())
        with gr.Accordion("Advanced", open=False):
            _advanced(fields, buttons)
        steering = build_steer_panel(studio) | build_adapters_panel(studio)
        wire_enhance(studio, buttons["enhance"], enhanced, fields)
        wire_references(studio, fields["references"], tray, steering["melody"])
    return fields, steering, buttons


def _advanced(fields: dict[str, Any], buttons: dict[str, Any]) -> None:
    with gr.Row(elem_classes="st-fields"):
        fields["tempo_bpm"] = gr.Textbox(label="Tempo, bpm", min_width=100, placeholder="free")
        fields["key"] = gr.Dropdown(KEYS, value="", label="Key", allow_custom_value=True, min_width=120)
        fields["meter"] = gr.Dropdown(METERS, value="", label="Meter", allow_custom_value=True, min_width=90)
    fields["negative_words"] = gr.Textbox(
        label="Leave out", placeholder="drums, distorted guitar", info="Instruments or sounds the take must not have."
    )
    gr.HTML('<p class="st-note">These four are for MusicGen; the sketch engine reads only the seed.</p>')
    with gr.Row(elem_classes="st-fields"):
        fields["temperature"] = gr.Slider(0.1, 2.0, 1.0, step=0.05, label="Temperature", min_width=140)
        fields["guidance"] = gr.Slider(1.0, 10.0, 3.0, step=0.1, label="Guidance", min_width=140)
    with gr.Row(elem_classes="st-fields"):
        fields["top_k"] = gr.Slider(0, 2048, 250, step=1, label="Top-k, 0 is off", min_width=140)
        fields["top_p"] = gr.Slider(0.0, 1.0, 0.0, step=0.01, label="Top-p, 0 is off", min_width=140)
    with gr.Row(elem_classes="st-fields"):
        buttons["preset_name"] = gr.Textbox(label="Keep these settings as a preset", placeholder="Its name", scale=3)
        buttons["save_preset"] = gr.Button("Save", min_width=80, scale=1)
        buttons["delete_preset"] = gr.Button("Delete the chosen one", min_width=170, scale=1)


def _plan_panel() -> tuple[gr.State, gr.HTML, gr.Accordion, dict[str, Any], dict[str, Any]]:
    plan = gr.State(None)
    with gr.Accordion("Plan", open=True, visible=False, elem_classes="st-panel", elem_id="st-plan") as panel:
        strip = gr.HTML(elem_id="st-plan-strip")
        message = lay_out_message()
        with gr.Accordion("Edit the plan", open=False, elem_id="st-plan-edit"):
            with gr.Row(elem_classes="st-fields"):
                parts: dict[str, Any] = {
                    "plan_title": gr.Textbox(label="Title", scale=2, min_width=140),
                    "plan_tempo": gr.Number(label="Tempo, bpm", min_width=90),
                    "plan_key": gr.Dropdown(KEYS[1:], label="Key", allow_custom_value=True, min_width=110),
                    "plan_meter": gr.Dropdown(METERS[1:], label="Meter", allow_custom_value=True, min_width=80),
                }
            parts["plan_rows"] = gr.Dataframe(
                headers=list(PLAN_COLUMNS), datatype=["str", "number", "number", "str", "str", "str"], type="array",
                column_count=len(PLAN_COLUMNS), interactive=True, wrap=False, show_label=False, elem_id="st-plan-rows",
                column_widths=["96px", "64px", "76px", "170px", "230px", "300px"], max_height=330,
            )  # fmt: skip
            parts["plan_note"] = gr.HTML()
    return plan, strip, panel, parts, message


def engine_choices(studio: Studio) -> list[tuple[str, str]]:
    """Every engine with its tier, and why it cannot be used yet where it cannot."""
    return [
        (option.label if option.ready else f"{option.label}, not downloaded", option.name)
        for option in studio.pipeline.engines()
    ]


def offered_now(studio: Studio) -> dict[str, Callable[[], list[str]]]:
    """What the fields that choose among engines and adapters may say at this moment, by field."""

    def adapters() -> list[str]:
        return [name for _, name in adapter_choices(studio.school.shelf)]

    return {"engine": lambda: [name for _, name in engine_choices(studio)], **dict.fromkeys(WORN_FIELDS, adapters)}


def preset_choices(studio: Studio) -> list[tuple[str, str]]:
    listing = list_presets(studio.settings.presets_dir)
    return [(preset.name, preset.id) for preset in listing.presets]


def show_plan(tab: GenerateTab, plan: SongPlan) -> dict[Any, Any]:
    """The updates that put a plan into the panel and its editor."""
    return {
        tab.plan: plan.model_dump(mode="json"),
        tab.plan_strip: plan_view(plan),
        tab.plan_panel: gr.update(visible=True),
        **{tab.plan_fields[name]: value for name, value in plan_fields(plan).items()},
    }


def _wire(studio: Studio, tab: GenerateTab, buttons: dict[str, Any]) -> None:
    plan_outputs = [tab.plan, tab.plan_strip, tab.plan_panel, *tab.plan_fields.values()]

    def on_generate(request: gr.Request, **values: Any) -> None:
        owner = visitor_of(request).owner
        try:
            if edit := edit_of(values):
                studio.edit(edit, words=values["words"] or "", owner=owner)
            else:
                studio.generate(request_of(values), owner=owner)
        except _REFUSALS as refusal:
            raise gr.Error(str(refusal), title="Not yet", print_exception=False) from refusal

    def on_plan(request: gr.Request, **values: Any) -> dict[Any, Any]:
        try:
            brief, owner = brief_of(values), visitor_of(request).owner
            tune = steering_of(values) if values["engine"] == SKETCH else None
            return show_plan(tab, studio.plan(brief, seed=sampling_of(values).seed, owner=owner, steering=tune))
        except _REFUSALS as refusal:
            raise gr.Error(str(refusal), title="Not yet", print_exception=False) from refusal

    def on_edit(**values: Any) -> Any:
        # A raised error would end Gradio's chain of "always_last" calls, and the next key would go unheard; besides, a
        # plan being typed is often wrong for a moment. So what is wrong is said in place.
        if not values["plan_rows"]:
            return gr.skip()
        try:
            plan = edited_plan(values)
            return plan_view(plan) if plan else gr.skip()
        except _REFUSALS as refusal:
            return plan_view(SongPlan.model_validate(values["plan"]), refusal=str(refusal))

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": True}
    # Gradio else drops a press while an earlier one is still being answered. A double click is one wish: main.js.
    each_press: dict[str, Any] = {**private, "trigger_mode": "multiple"}
    buttons["generate"].click(on_generate, inputs_kwargs=tab.inputs, **each_press)
    planned = buttons["plan"].click(on_plan, inputs_kwargs=tab.inputs, outputs=plan_outputs, **each_press)
    planned.success(None, js=into_view("st-plan-strip"), **private)
    gr.on(
        [tab.plan_fields[name].change for name in EDITED],
        on_edit,
        inputs_kwargs=tab.inputs,
        outputs=tab.plan_strip,
        trigger_mode="always_last",
        **private,
    )


def _wire_presets(studio: Studio, tab: GenerateTab, buttons: dict[str, Any]) -> None:
    folder = studio.settings.presets_dir
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def on_choose(preset_id: str | None) -> dict[Any, Any]:
        if not preset_id:
            return {tab.fields["words"]: gr.skip()}
        try:
            filled = preset_fields(load_preset(preset_id, folder))
            return {tab.fields[name]: value for name, value in filled.items()}
        except PresetError as refusal:
            raise gr.Error(str(refusal), title="That preset cannot be read", print_exception=False) from refusal

    def on_save(request: gr.Request, **values: Any) -> Any:
        _only_host(request)
        try:
            kept = save_preset(preset_of(values), folder)
        except _REFUSALS as refusal:
            raise gr.Error(str(refusal), title="Not saved", print_exception=False) from refusal
        gr.Info(f"“{kept.name}” is kept as a preset.", title="Preset saved")
        return gr.update(choices=preset_choices(studio), value=kept.id)

    def on_delete(preset_id: str | None, request: gr.Request) -> Any:
        _only_host(request)
        try:
            if not preset_id:
                raise PresetError("Choose a preset of your own first, then delete it.")
            delete_preset(preset_id, folder)
        except PresetError as refusal:
            raise gr.Error(str(refusal), title="Not deleted", print_exception=False) from refusal
        return gr.update(choices=preset_choices(studio), value=None)

    chooser = buttons["preset"]
    # Chosen again while the first is still being read: the last one counts.
    chooser.input(on_choose, chooser, list(tab.fields.values()), trigger_mode="always_last", **private)
    buttons["save_preset"].click(
        on_save, inputs_kwargs={**tab.fields, "preset_name": buttons["preset_name"]}, outputs=chooser, **private
    )
    buttons["delete_preset"].click(on_delete, chooser, chooser, **private)


def _only_host(request: gr.Request) -> None:
    if not visitor_of(request).is_host:
        raise gr.Error("Only the studio's owner keeps and deletes presets.", title="Not yours", print_exception=False)
