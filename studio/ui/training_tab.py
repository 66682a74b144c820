"""The Training tab: a data set, a run, its curves and samples, and the adapters that come of it.

Lays the tab out and wires its own events. Runs are processes of their own: the page looks at their folders, so a reload
finds them again. Only where the studio is not shared; what is drawn is in training_views.py.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from studio.engines.musicgen.adapters import Adapter
from studio.studio import Studio
from studio.training.config import PRESETS, RunConfig, from_preset
from studio.training.devices import card_memory_bytes
from studio.training.errors import RunError
from studio.training.estimate import preset_for, quickest
from studio.training.manifest import read_data_set
from studio.ui.adapters_panel import fresh_choices
from studio.ui.choosing import offered
from studio.ui.training_cloud_panel import build_cloud_panel
from studio.ui.training_data_panel import PRIVATE, DataPanel, build_data_panel, choices, refusing
from studio.ui.training_views import SHOWN, curves_figure, run_cards, samples_view

_LOOK_SECONDS = 2.0
_ON_LOAD = """element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verb]");
  if (!button) return;
  if (button.dataset.verb === "delete" && !confirm("Delete it for good?")) return;
  trigger("click", { verb: button.dataset.verb, name: button.dataset.run });
});"""


def build_training_tab(studio: Studio, item: gr.Tab, worn: list[Any]) -> None:
    """Lay out the tab inside the current Blocks and wire it; `worn`: Generate's dropdowns of adapters."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=320):
            data = build_data_panel(studio)
        with gr.Column(scale=5, min_width=320):
            fields, estimate, said, start = _run_panel(studio)
            build_cloud_panel(studio, {**fields, "data_set": data.chosen}, config_of)
    curves = _curves_panel()
    shelf = _shelf_panel(studio, worn)
    _wire_run(studio, data, fields, estimate, said, start, curves)
    _wire_curves(studio, curves, shelf, worn)

    def on_open(
        chosen: str | None, takes: list[str] | None, tracks: list[int] | None, model: str | None, opened: bool
    ) -> tuple[Any, ...]:
        kept = offered(model_choices(studio), model)
        is_building = studio.school.building().state == "running"
        timers = gr.Timer(active=True), gr.Timer(active=is_building)
        builder = gr.Accordion(open=True) if is_building or not studio.school.data_sets() else gr.skip()
        by_card = [gr.skip()] * 3 if opened else _by_card()
        return *choices(studio, chosen, takes, tracks), kept, True, shelf_view(studio), *timers, builder, *by_card

    read = [data.chosen, data.takes, data.tracks, fields["model"], gr.State(False)]
    told = [
        shelf,
        curves["timer"],
        data.timer,
        data.builder,
        fields["preset"],
        fields["rank"],
        fields["segment_seconds"],
    ]
    item.select(on_open, read, [*read, *told], **PRIVATE)


# ----------------------------------------------------------------------------------------------------- the run


def _run_panel(studio: Studio) -> tuple[dict[str, Any], gr.Button, gr.HTML, gr.Button]:
    fields: dict[str, Any] = {}
    with gr.Column(elem_classes="st-panel", elem_id="tr-run"):
        gr.HTML('<h3 class="st-title">2. Run</h3>')
        with gr.Row(elem_classes="st-fields"):
            fields["model"] = gr.Dropdown([], label="Model", min_width=160, scale=3, elem_id="tr-model")
            fields["preset"] = gr.Dropdown(
                list(PRESETS), value="CPU", label="Memory", min_width=100, elem_id="tr-preset"
            )
        with gr.Row(elem_classes="st-fields"):
            fields["name"] = gr.Textbox(label="Name", placeholder="my band 1", min_width=130, elem_id="tr-name")
            fields["steps"] = gr.Number(300, label="Steps", precision=0, minimum=1, min_width=90, elem_id="tr-steps")
        fields["prompts"] = gr.Textbox(
            label="Prompts to listen to along the way, one a line", lines=2, elem_id="tr-prompts",
            placeholder="zylo, slow and warm\nzylo, a big chorus",
        )  # fmt: skip
        with gr.Accordion("More settings", open=False, elem_id="tr-more"):
            _more(fields, PRESETS["CPU"])
        with gr.Row(elem_classes="st-fields"):
            start = gr.Button("Start the run", variant="primary", min_width=150, scale=3, elem_id="tr-start")
            estimate = gr.Button("Estimate", min_width=100, scale=1, elem_id="tr-estimate")
        said = gr.HTML(elem_id="tr-said")
    return fields, estimate, said, start


def _more(fields: dict[str, Any], preset: dict[str, Any]) -> None:
    with gr.Row(elem_classes="st-fields"):
        fields["learning_rate"] = gr.Number(2e-4, label="Learning rate", min_width=110, elem_id="tr-rate")
        rank, seconds = _by_memory(preset)
        fields["rank"] = gr.Number(rank, label="Rank", precision=0, minimum=1, min_width=80, elem_id="tr-rank")
        fields["dora"] = gr.Checkbox(False, label="DoRA", min_width=80)
    with gr.Row(elem_classes="st-fields"):
        fields["segment_seconds"] = gr.Number(
            seconds, label="Segment, s", minimum=1, maximum=30, min_width=90, elem_id="tr-seconds"
        )
        fields["word_dropout"] = gr.Number(0.2, label="Share without words", minimum=0, maximum=1, min_width=110)
        fields["ema"] = gr.Number(0.0, label="Running mean", min_width=100)
    gr.HTML(
        '<p class="st-note">After how many steps the held-out tracks are looked at, a checkpoint is saved and the prompts are '
        "played, and for how long.</p>"
    )
    with gr.Row(elem_classes="st-fields"):
        fields["held_out_every"] = gr.Number(25, label="Look every", precision=0, min_width=90, elem_id="tr-look")
        fields["checkpoint_every"] = gr.Number(50, label="Save every", precision=0, min_width=90)
        fields["sample_every"] = gr.Number(
            100, label="Sample every", precision=0, min_width=90, elem_id="tr-sample-every"
        )
        fields["sample_seconds"] = gr.Number(8, label="Sample, s", min_width=80, elem_id="tr-sample-seconds")
        fields["seed"] = gr.Number(0, label="Seed", precision=0, min_width=80)


def _by_card() -> list[Any]:
    """The preset of the graphics card with its rank and length of segments; nothing where there is none.

    Asked of the driver when the tab is first opened: the page is not to wait for it.
    """
    card = card_memory_bytes()
    if card is None:
        return [gr.skip()] * 3
    preset = preset_for(card, device="cuda")
    return [preset, *_by_memory(PRESETS[preset])]


def _by_memory(preset: dict[str, Any]) -> tuple[int, float]:
    """The rank and the length of segments that a preset takes."""
    return preset["lora"]["rank"], preset.get("segment_seconds", 30.0)


def model_choices(studio: Studio) -> list[tuple[str, str]]:
    """The MusicGen models that are here and can be taught."""
    return [(one.card.label, one.card.id) for one in studio.catalogue.models() if one.state == "present"]


def config_of(studio: Studio, values: dict[str, Any]) -> RunConfig:
    """The form as a run's config; raises RunError, DataSetError or ModelMissing in the user's words."""
    if not values["model"]:
        raise RunError("There is no MusicGen model here yet: download one under Generate, Models; begin with small.")
    folder = studio.school.data_set(values["data_set"]).folder
    prompts = tuple(line.strip() for line in (values["prompts"] or "").splitlines() if line.strip())
    by_memory = _by_memory(PRESETS[values["preset"]])
    rank = int(values["rank"] or by_memory[0])
    chosen = {
        "learning_rate": values["learning_rate"], "word_dropout": values["word_dropout"], "ema": values["ema"] or 0.0,
        "held_out_every": values["held_out_every"], "checkpoint_every": values["checkpoint_every"],
        "seed": values["seed"] or 0, "steps": values["steps"],
        "segment_seconds": values["segment_seconds"] or by_memory[1],
    }  # fmt: skip
    config = from_preset(
        values["preset"],
        name=(values["name"] or "").strip(),
        model=studio.catalogue.folder(values["model"]),
        model_name=values["model"],
        data_set=folder,
        lora={"rank": rank, "alpha": rank, "dora": bool(values["dora"])},
        samples={"prompts": prompts, "every": values["sample_every"], "seconds": values["sample_seconds"]},
        **chosen,
    )
    return quickest(config, values["preset"])


def estimate_view(config: RunConfig) -> str:
    """What the run needs of this machine, in a sentence and badges."""
    from studio.training import devices, estimate
    from studio.training.trainer import MOST_LOOKED_AT
    from studio.training.trial import try_out

    device = devices.device_here(config)
    held_out = min(MOST_LOOKED_AT, len(read_data_set(config.data_set).held_out))
    trial = try_out(config, device=device, precision=devices.precision_on(config, device))
    found = estimate.estimate(config, device=device, trial=trial, held_out=held_out)
    facts = estimate.said(found, free_bytes=devices.free_memory_bytes(device), device=device)
    kind = "full" if facts["fits"] else "warn"
    verdict = "fits" if facts["fits"] else "does not fit: choose less memory or a smaller model"
    return (
        f'<div class="st-badges"><span class="st-badge {kind}">{verdict}</span><span class="st-badge">about '
        f'{escape(facts["time"])}</span><span class="st-badge">{escape(facts["learns"])} learn</span></div>'
        f'<p class="st-note">It will take about {escape(facts["memory"])}. The time is after a short trial of one step, '
        "and told anew once the run is under way; loading the model and encoding the data set come first.</p>"
    )


def _wire_run(
    studio: Studio, data: DataPanel, fields: dict[str, Any], estimate: gr.Button, said: gr.HTML, start: gr.Button,
    curves: dict[str, Any],
) -> None:  # fmt: skip
    inputs = {**fields, "data_set": data.chosen}

    def on_estimate(**values: Any) -> str:
        return estimate_view(config_of(studio, values))

    def on_start(**values: Any) -> tuple[Any, ...]:
        config = config_of(studio, values)
        view = studio.school.runs.start(config)
        runs = [one.name for one in studio.school.runs.all()]
        return estimate_view(config), gr.update(choices=runs, value=[view.name]), gr.Timer(active=True)

    fields["preset"].input(
        lambda name: _by_memory(PRESETS[name]), fields["preset"], [fields["rank"], fields["segment_seconds"]], **PRIVATE
    )
    estimate.click(refusing("Not yet", on_estimate), inputs_kwargs=inputs, outputs=said, **PRIVATE)
    start.click(
        refusing("Not started", on_start),
        inputs_kwargs=inputs,
        outputs=[said, curves["compared"], curves["timer"]],
        **PRIVATE,
    )


# -------------------------------------------------------------------------------------------------- the curves


def _curves_panel() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="st-panel", elem_id="tr-curves"):
        gr.HTML('<h3 class="st-title">3. Runs</h3>')
        parts["cards"] = gr.HTML(js_on_load=_ON_LOAD, elem_id="tr-runs")
        with gr.Row(elem_classes="st-fields", visible=False) as parts["choosing"]:
            parts["compared"] = gr.Dropdown(
                [], value=[], multiselect=True, label="In the plot", min_width=220, scale=3, elem_id="tr-compared"
            )
            parts["shown"] = gr.Radio(
                list(SHOWN), value=SHOWN[0], show_label=False, min_width=320, scale=4, elem_id="tr-shown"
            )
        parts["plot"] = gr.Plot(show_label=False, visible=False, elem_id="tr-plot")
        parts["samples"] = gr.HTML(elem_id="tr-samples-list")
    parts["told"] = gr.State([])
    parts["timer"] = gr.Timer(_LOOK_SECONDS, active=False)
    return parts


def _wire_curves(studio: Studio, curves: dict[str, Any], shelf: gr.HTML, worn: list[Any]) -> None:
    runs = studio.school.runs
    inputs = [curves["compared"], curves["shown"], curves["told"]]
    outputs = [curves[name] for name in ("cards", "choosing", "compared", "plot", "samples", "timer", "told")]

    def look(compared: list[str], shown: str, told: list[Any]) -> tuple[Any, ...]:
        views = runs.all()
        names = [view.name for view in views]
        chosen = [name for name in compared or [] if name in names] or names[:1]
        in_plot = [view for view in views if view.name in chosen]
        # What has not changed is left alone: a sample that plays would otherwise stop at every look.
        drawn = [shown, chosen, [(view.curve.step, len(view.curve.held_out)) for view in in_plot]]
        heard = [chosen, [len(view.curve.samples) for view in in_plot]]
        plot: Any = gr.update(visible=False)
        if views:
            same = bool(told) and told[0] == drawn
            plot = gr.skip() if same else gr.update(value=curves_figure(in_plot, shown=shown), visible=True)
        samples = gr.skip() if told and told[1] == heard else samples_view(in_plot[0] if in_plot else None)
        active = gr.Timer(active=any(view.is_active for view in views))
        choosing = gr.update(visible=bool(views))
        compared_now = gr.update(choices=names, value=chosen)
        return run_cards(views), choosing, compared_now, plot, samples, active, [drawn, heard]

    def on_verb(event: gr.EventData) -> tuple[Any, ...]:
        asked: dict[str, Any] = event._data or {}
        name, verb = str(asked.get("name")), str(asked.get("verb"))
        if verb == "use":
            adapter = runs.to_shelf(name)
            gr.Info(
                f"“{adapter.name}” can now be worn: choose it under Generate, Adapters.",
                title="On the shelf",
                duration=5,
            )
        elif verb in ("stop", "resume", "delete"):
            getattr(runs, verb)(name)
        return gr.Timer(active=True), shelf_view(studio), *fresh_choices(studio)

    curves["timer"].tick(look, inputs, outputs, **PRIVATE)
    gr.on([curves["compared"].input, curves["shown"].input], look, inputs, outputs, **PRIVATE)
    curves["cards"].click(refusing("That did not work", on_verb), None, [curves["timer"], shelf, *worn], **PRIVATE)


# --------------------------------------------------------------------------------------------------- the shelf


def _shelf_panel(studio: Studio, worn: list[Any]) -> gr.HTML:
    with gr.Column(elem_classes="st-panel", elem_id="tr-shelf-panel"):
        gr.HTML('<h3 class="st-title">4. Adapters</h3>')
        shelf = gr.HTML(js_on_load=_ON_LOAD, elem_id="tr-shelf")
        with gr.Row(elem_classes="st-fields"):
            name = gr.Textbox(label="Name for an adapter from elsewhere", min_width=160, scale=3)
            upload = gr.UploadButton("Choose its zip", file_types=[".zip"], min_width=130, elem_id="tr-import")

    def on_upload(path: str, chosen: str) -> tuple[Any, ...]:
        adapter = studio.school.unpack(Path(path), name=(chosen or "").strip() or Path(path).stem)
        gr.Info(f"“{adapter.name}” is on the shelf.", title="Added", duration=4)
        return "", shelf_view(studio), *fresh_choices(studio)

    def on_verb(event: gr.EventData, *chosen: str | None) -> tuple[Any, ...]:
        studio.school.shelf.remove(str((event._data or {}).get("name")))
        return shelf_view(studio), *fresh_choices(studio, *chosen)

    upload.upload(refusing("Not added", on_upload), [upload, name], [name, shelf, *worn], **PRIVATE)
    shelf.click(refusing("Not removed", on_verb), worn, [shelf, *worn], **PRIVATE)
    return shelf


def shelf_view(studio: Studio) -> str:
    """The adapters as cards, each to be fetched or deleted."""
    adapters = studio.school.shelf.adapters()
    if not adapters:
        return '<p class="st-note">No adapter yet. Press “Use it” on a run, or bring one as a zip of PEFT’s files.</p>'
    return f'<div class="st-list">{"".join(_adapter_card(one) for one in adapters)}</div>'


def _adapter_card(adapter: Adapter) -> str:
    data = adapter.card.get("data") or {}
    facts = [f"rank {adapter.rank}", f"{adapter.size_bytes / 1e6:.1f} MB", adapter.base_model]
    facts += (
        [
            f"{data['tracks']} tracks, {data['minutes']:g} min",
            f"trigger “{data['trigger']}”" if data.get("trigger") else "",
        ]
        if data
        else []
    )
    badges = "".join(f'<span class="st-badge">{escape(one)}</span>' for one in facts if one)
    licence = f'<p class="st-wide">{escape(str(adapter.card["licence"]))}</p>' if "licence" in adapter.card else ""
    name = escape(adapter.name, quote=True)
    return (
        f'<article class="st-card tr-run" data-adapter="{name}"><h4>{escape(adapter.name)}</h4><div class="st-acts">'
        f'<a class="st-act" href="studio/training/adapters/{quote(adapter.name)}.zip" download>Fetch as zip</a>'
        f'<button type="button" class="st-act danger" data-verb="delete" data-run="{name}">Delete</button></div>'
        f'<div class="st-wide st-badges">{badges}</div>{licence}</article>'
    )
