"""The Training tab's first half: a data set built, looked through, its captions edited beside their sound.

Lays its part out and wires its own events. The building itself is studio.training's and outlives the page.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

import gradio as gr

from studio.engines.base import EngineError
from studio.studio import Studio
from studio.takes import TakeError
from studio.training.dataset import SOUNDS, Recipe, Source
from studio.training.errors import TrainingError
from studio.training.manifest import DataSet
from studio.ui.choosing import offered, still_there

COLUMNS = ("Track", "From", "Caption", "By", "Held out", "Segment")
_CAPTION, _HELD_OUT, _ID = 2, 4, 5
_MOST_CHOICES = 500
_LOOK_SECONDS = 1.0
REFUSALS = (TrainingError, EngineError, TakeError, OSError)
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class DataPanel:
    """The panel's components that others need."""

    chosen: gr.Dropdown
    takes: gr.Dropdown
    tracks: gr.Dropdown
    view: list[Any]
    timer: gr.Timer
    state: gr.HTML
    builder: gr.Accordion


def build_data_panel(studio: Studio) -> DataPanel:
    """Lay out the panel inside the current Blocks and wire it."""
    with gr.Column(elem_classes="st-panel", elem_id="tr-data"):
        gr.HTML('<h3 class="st-title">1. Data set</h3>')
        with gr.Row(elem_classes="st-fields"):
            chosen = gr.Dropdown([], value=None, label="Data set", scale=4, elem_id="tr-set")
            delete = gr.Button("Delete", min_width=80, scale=1, elem_id="tr-delete-set")
        builder, fields, build, stop = _builder(studio)
        state = gr.HTML(elem_id="tr-building")
        summary = gr.HTML(elem_id="tr-summary")
        table = gr.Dataframe(
            headers=list(COLUMNS), datatype=["str", "number", "str", "str", "bool", "str"], type="array", visible=False,
            column_count=len(COLUMNS), interactive=True, wrap=True, show_label=False, max_height=320, elem_id="tr-table",
            static_columns=[0, 1, 3, 5], column_widths=["104px", "50px", "186px", "84px", "100px", "106px"],
        )  # fmt: skip
        heard = gr.HTML(elem_id="tr-heard")
        save = gr.Button("Save the changes", visible=False, min_width=140, elem_id="tr-save")
    panel = DataPanel(
        chosen,
        fields["takes"],
        fields["tracks"],
        [summary, table, save, heard],
        gr.Timer(_LOOK_SECONDS, active=False),
        state,
        builder,
    )
    _wire(studio, panel, fields, build, stop)
    _wire_table(studio, panel, table, save, delete)
    return panel


def _builder(studio: Studio) -> tuple[gr.Accordion, dict[str, Any], gr.Button, gr.Button]:
    fields: dict[str, Any] = {}
    # The tab opens it where there is nothing else to begin with; it never folds what somebody has unfolded.
    with gr.Accordion("Build a new one", open=False, elem_id="tr-build-panel") as panel:
        with gr.Row(elem_classes="st-fields"):
            fields["name"] = gr.Textbox(label="Name", placeholder="My band", min_width=120, elem_id="tr-set-name")
            fields["trigger"] = gr.Textbox(
                label="Trigger word", placeholder="zylo", min_width=110, elem_id="tr-trigger"
            )
            fields["licence"] = gr.Textbox(label="Whose music it is", placeholder="my own, CC0 …", min_width=120)
        fields["tracks"] = gr.Dropdown(
            [], value=[], multiselect=True, label="Tracks of the library", elem_id="tr-tracks"
        )
        fields["takes"] = gr.Dropdown([], value=[], multiselect=True, label="Takes", elem_id="tr-takes")
        fields["folder"] = gr.Textbox(
            label="A folder of this machine", placeholder="/music/my band", elem_id="tr-folder"
        )
        fields["files"] = gr.File(
            label="Sounds, with their .txt captions if there are any", file_count="multiple", height=150,
            file_types=[*sorted(SOUNDS), ".txt"], elem_id="tr-files",
        )  # fmt: skip
        fields["remove_vocals"] = gr.Checkbox(False, label="Take the singing out first (wants Demucs)")
        with gr.Row(elem_classes="st-fields"):
            build = gr.Button("Build the data set", variant="primary", min_width=160, scale=3, elem_id="tr-build")
            stop = gr.Button("Stop", min_width=80, scale=1)
    return panel, fields, build, stop


def refusing(title: str, act: Callable[..., Any]) -> Callable[..., Any]:
    """The callback with its refusals shown as one message."""

    @functools.wraps(act)  # Gradio reads the callback's annotations
    def acting(*args: Any, **values: Any) -> Any:
        try:
            return act(*args, **values)
        except REFUSALS as refusal:
            raise gr.Error(str(refusal), title=title, print_exception=False) from refusal

    return acting


def sources_of(studio: Studio, values: dict[str, Any]) -> list[Source]:
    """What the form names, from all four places; raises TrainingError."""
    school = studio.school
    found = school.from_library(int(one) for one in values["tracks"] or [])
    found += school.from_takes(values["takes"] or [])
    found += school.from_files(values["files"] or [])
    if (values["folder"] or "").strip():
        found += school.from_folder(values["folder"].strip())
    return found


def choices(
    studio: Studio, chosen: str | None, takes_chosen: list[str] | None, tracks_chosen: list[int] | None
) -> tuple[Any, Any, Any]:
    """What can be chosen now: data sets (the newest, where none is chosen), takes, tracks of the library."""
    takes = [
        (f"{one.take.title}, {one.take.seconds:.0f} s", one.take.id)
        for one in studio.takes(owner=None, limit=200).entries
    ]
    tracks = [(track.label, track.id) for track in studio.library.tracks.listing(limit=_MOST_CHOICES)]
    sets = studio.school.data_sets()
    return (
        offered(sets, chosen),
        still_there(takes, takes_chosen, label="Takes" if takes else "Takes: none yet"),
        still_there(
            tracks, tracks_chosen, label="Tracks of the library" if tracks else "Tracks of the library: none yet"
        ),
    )


def data_view(data_set: DataSet | None) -> list[Any]:
    """Summary, table, save button and player for a data set."""
    if data_set is None:
        return ["", gr.update(visible=False, value=None), gr.update(visible=False), ""]
    rows = [
        [one.track, one.start_seconds, one.caption, one.caption_by, one.held_out, one.id] for one in data_set.segments
    ]
    hint = '<p class="st-note">Choose a row to hear it; write over a caption to change it.</p>'
    return [_summary(data_set), gr.update(visible=True, value=rows), gr.update(visible=True), hint]


def _summary(data_set: DataSet) -> str:
    facts = data_set.summary()
    badges = [
        f"{facts['tracks']} tracks", f"{facts['segments']} segments", f"{facts['minutes']:g} minutes",
        f"{facts['held_out_segments']} held out", *([f"trigger “{facts['trigger']}”"] if facts["trigger"] else []),
        *(["vocals removed"] if facts["vocals_removed"] else []),
    ]  # fmt: skip
    shown = "".join(f'<span class="st-badge">{escape(one)}</span>' for one in badges)
    notices = "".join(f'<p class="st-note st-error">{escape(one)}</p>' for one in data_set.facts.notices)
    left_out = data_set.facts.dropped
    dropped = "".join(f"<li>{escape(one)}</li>" for one in left_out)
    more = (
        f'<details class="st-note"><summary>{len(left_out)} left out</summary><ul>{dropped}</ul></details>'
        if left_out
        else ""
    )
    return f'<div class="st-badges">{shown}</div>{notices}{more}'


def _wire(studio: Studio, panel: DataPanel, fields: dict[str, Any], build: gr.Button, stop: gr.Button) -> None:
    def on_build(**values: Any) -> tuple[str, Any]:
        recipe = Recipe(
            name=(values["name"] or "").strip(), trigger=values["trigger"] or "", licence=values["licence"] or ""
        )
        studio.school.build(sources_of(studio, values), recipe, remove_vocals=values["remove_vocals"])
        return _state(studio), gr.Timer(active=True)

    def look() -> tuple[Any, ...]:
        now = studio.school.building()
        if now.state == "running":
            return _state(studio), gr.skip(), gr.skip(), gr.skip()
        if not now.name:
            return _state(studio), gr.Timer(active=False), gr.skip(), gr.skip()
        chosen = gr.update(choices=studio.school.data_sets(), value=now.name)
        return _state(studio), gr.Timer(active=False), chosen, gr.Accordion(open=False)

    build.click(refusing("Not built", on_build), inputs_kwargs=fields, outputs=[panel.state, panel.timer], **PRIVATE)
    stop.click(studio.school.stop_building, None, None, **PRIVATE)
    panel.timer.tick(look, None, [panel.state, panel.timer, panel.chosen, panel.builder], **PRIVATE)


def _state(studio: Studio) -> str:
    now = studio.school.building()
    if now.state == "running":
        return f'<p class="st-note">{escape(now.stage)} …</p><div class="st-meter"><i style="width:{100 * now.fraction:.0f}%"></i></div>'
    if now.state == "failed":
        return f'<p class="st-note st-error">{escape(now.error)}</p>'
    return f'<p class="st-note">“{escape(now.name)}” is built.</p>' if now.state == "done" else ""


def _wire_table(studio: Studio, panel: DataPanel, table: gr.Dataframe, save: gr.Button, delete: gr.Button) -> None:
    heard = panel.view[-1]

    def on_choose(name: str | None) -> list[Any]:
        return data_view(studio.school.data_set(name) if name else None)

    def on_row(event: gr.SelectData, name: str) -> str:
        segment = str(event.row_value[_ID])
        source = f"studio/training/sets/{quote(name)}/{quote(segment)}.flac"
        return (
            f'<p class="st-note">{escape(str(event.row_value[0]))}, from {event.row_value[1]} s</p>'
            f'<audio controls autoplay src="{source}"></audio>'
        )

    def on_save(name: str, rows: list[list[Any]]) -> list[Any]:
        edited = [(str(row[_ID]), str(row[_CAPTION] or ""), _is_true(row[_HELD_OUT])) for row in rows]
        made = studio.school.edit_captions(name, edited)
        gr.Info("The captions are kept; runs started from now on learn with them.", title="Saved", duration=3)
        return data_view(made)

    def on_delete(name: str | None) -> list[Any]:
        studio.school.delete_data_set(name or "")
        left = studio.school.data_sets()
        builder = gr.skip() if left else gr.Accordion(open=True)
        return [gr.update(choices=left, value=next(iter(left), None)), builder, *data_view(None)]

    panel.chosen.change(refusing("That data set cannot be read", on_choose), panel.chosen, panel.view, **PRIVATE)
    table.select(on_row, panel.chosen, heard, **PRIVATE)
    # The table is covered until what was saved stands in it: a word written meanwhile would be lost.
    saving = {**PRIVATE, "show_progress": "full", "show_progress_on": table}
    save.click(refusing("Not saved", on_save), [panel.chosen, table], panel.view, **saving)
    delete.click(
        refusing("Not deleted", on_delete), panel.chosen, [panel.chosen, panel.builder, *panel.view], **PRIVATE,
        js="(name) => { if (!confirm('Delete this data set with its sound for good?')) throw new Error('kept'); return [name]; }",
    )  # fmt: skip


def _is_true(cell: Any) -> bool:
    return cell if isinstance(cell, bool) else str(cell).strip().lower() in ("true", "1", "yes")
