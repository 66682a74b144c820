"""The Training tab's rented machine: what the run would cost, the cap, launching, following, fetching, ending.

Lays its part out and wires its own events; `sky` itself is studio.training.cloud's.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from studio.studio import Studio
from studio.training.cloud import Cloud, CloudRun
from studio.training.cloud_task import quotes
from studio.training.config import CONFIG_FILE, RunConfig, write_config
from studio.training.errors import RunError
from studio.ui.training_data_panel import PRIVATE, refusing

_SAID = {
    "prepared": "ready to launch", "starting": "being rented", "running": "trains", "done": "done, to be fetched",
    "failed": "failed; fetch what there is", "unreachable": "cannot be reached", "ended": "ended, costs nothing",
}  # fmt: skip


def build_cloud_panel(
    studio: Studio, inputs: dict[str, Any], config_of: Callable[[Studio, dict[str, Any]], RunConfig]
) -> None:
    """Lay out the panel inside the current Blocks and wire it; `inputs` are the run's fields."""
    with gr.Accordion("On a rented machine, by SkyPilot", open=False, elem_classes="st-panel", elem_id="tr-cloud"):
        said = gr.HTML(
            '<p class="st-note">The same run on RunPod or Lambda, whichever is cheaper. The data set is sent there. The machine '
            "ends by itself after the run, and at the cap whatever happens.</p>"
        )
        with gr.Row(elem_classes="st-fields"):
            cap = gr.Number(5.0, label="At most, $", minimum=0.1, min_width=90, elem_id="tr-cap")
            buttons = {
                verb: gr.Button(label, min_width=90, elem_id=f"tr-cloud-{verb}")
                for verb, label in (("quote", "What it costs"), ("launch", "Launch"), ("status", "Status"))
            }
            buttons["fetch"] = gr.Button("Fetch", min_width=80, elem_id="tr-cloud-fetch")
            buttons["terminate"] = gr.Button("Terminate", variant="stop", min_width=90, elem_id="tr-cloud-terminate")
    fields = {**inputs, "cap": cap}

    def cloud_of(values: dict[str, Any]) -> Cloud:
        name = (values["name"] or "").strip()
        return Cloud(studio.school.runs.view(name).folder)

    def on_quote(**values: Any) -> str:
        lines = "".join(f"<li>{escape(quote.sentence)}</li>" for quote in quotes(config_of(studio, values)))
        return f'<div class="st-note"><ul>{lines}</ul>It stops at ${values["cap"]:.2f} whatever happens.</div>'

    def on_launch(**values: Any) -> str:
        config = config_of(studio, values)
        folder = studio.school.runs.folder / config.name
        if folder.exists() and Cloud(folder).kept() is None:
            raise RunError(f"There is a run “{config.name}” on this machine: give this one another name.")
        cloud = Cloud(folder)
        task = cloud.prepare(config, quotes(config)[0], cap_dollars=float(values["cap"] or 0))
        write_config(folder / CONFIG_FILE, config)
        return _shown(cloud.launch(task))

    def on_status(**values: Any) -> str:
        cloud = cloud_of(values)
        run = cloud.status()
        if run.state in ("running", "done", "failed"):
            cloud.follow()
        return _shown(run)

    def on_fetch(**values: Any) -> str:
        cloud = cloud_of(values)
        whole = cloud.fetch()
        return f'<p class="st-note">{len(whole)} checkpoints arrived whole. {_line(cloud.kept())}</p>'

    def on_terminate(**values: Any) -> str:
        return _shown(cloud_of(values).terminate())

    acts = {"quote": on_quote, "launch": on_launch, "status": on_status, "fetch": on_fetch, "terminate": on_terminate}
    for verb, act in acts.items():
        buttons[verb].click(refusing("The machine", act), inputs_kwargs=fields, outputs=said, **PRIVATE)


def _shown(run: CloudRun) -> str:
    warning = f" {run.warning}" if run.may_cost and run.state != "prepared" else ""
    return f'<p class="st-note">{_line(run)}{escape(warning)}</p>'


def _line(run: CloudRun | None) -> str:
    if run is None:
        return ""
    return f"<b>{escape(run.cluster)}</b>: {_SAID[run.state]}; ${run.spent_dollars:.2f} of ${run.cap_dollars:.2f} at most so far."
