"""Grid runs: the brief of the Generate tab on several engines, guidances and adapters, and their table."""

from __future__ import annotations

import re
from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from agents.types import BriefError, PlanError
from studio.engines.base import EngineError
from studio.engines.steering import AdapterUse
from studio.history.grid import Grid, GridError, Row
from studio.jobs import JobError
from studio.studio import Studio
from studio.ui.cards import PLAY
from studio.ui.form import brief_of, sampling_of
from studio.ui.visitors import Visitor, visitor_of

_LIKED = {True: "liked", False: "disliked", None: ""}


def build_grid_panel(studio: Studio, item: gr.Tab, fields: dict[str, Any]) -> None:
    """Lay the page out inside the current Blocks and wire it; `fields` are the Generate tab's, whose brief is played."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    with gr.Column(elem_classes="st-panel"):
        gr.HTML(
            '<p class="st-note">Plays what stands in the Generate tab in every combination of these, on one plan, so that '
            "only what you vary differs.</p>"
        )
        with gr.Row(elem_classes="st-fields"):
            engines = gr.Dropdown(
                [], multiselect=True, label="Engines", min_width=220, scale=3, elem_id="st-grid-engines"
            )
            adapters = gr.Dropdown([], multiselect=True, label="Adapters, one at a time", min_width=180, scale=2)
        with gr.Row(elem_classes="st-fields"):
            guidances = gr.Textbox("3", label="Guidance", placeholder="2, 3, 4", min_width=110)
            strengths = gr.Textbox("1", label="Adapter strength", placeholder="0.5, 1", min_width=110)
            seeds = gr.Number(2, label="Seeds each", precision=0, minimum=1, maximum=12, min_width=100)
            run = gr.Button("Run the grid", variant="primary", min_width=140, elem_id="st-grid-run")
    with gr.Row(elem_classes="st-fields"):
        which = gr.Dropdown([], label="Grid", min_width=260, scale=3, elem_id="st-grid-which")
        again = gr.Button("Look again", min_width=110, scale=0, elem_id="st-grid-look")
    table = gr.HTML(elem_id="st-grid")

    def look(chosen: str | None, visitor: Visitor) -> tuple[Any, ...]:
        grids = studio.ledger.grids(owner=visitor.sees_only)
        names = [(f"{take.title}, {take.created_at:%d %b %H:%M}", series) for series, take in grids]
        chosen = chosen if chosen in [series for _, series in names] else (names[0][1] if names else None)
        rows = studio.ledger.grid(chosen, owner=visitor.sees_only, scores=studio.reviews.scores) if chosen else []
        return gr.update(choices=names, value=chosen), grid_view(rows)

    def on_look(chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        ready = [(option.label, option.name) for option in studio.pipeline.engines() if option.ready]
        worn = (
            [adapter.name for adapter in studio.pipeline.adapters.list()]
            if hasattr(studio.pipeline, "adapters")
            else []
        )
        return gr.update(choices=ready), gr.update(choices=worn), *look(chosen, visitor_of(request))

    def on_choose(chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        return look(chosen, visitor_of(request))

    def on_run(request: gr.Request, **values: Any) -> Any:
        visitor = visitor_of(request)
        try:
            drawn = sampling_of(values)
            grid = Grid(
                engines=tuple(values["grid_engines"] or ()), guidances=_numbers(values["grid_guidances"]),
                adapters=_worn(values["grid_adapters"] or [], _numbers(values["grid_strengths"])),
                seeds=tuple(drawn.seed + number for number in range(int(values["grid_seeds"] or 1))),
            )  # fmt: skip
            series, jobs = studio.ledger.run_grid(studio, grid, brief_of(values), sampling=drawn, owner=visitor.owner)
        except ValidationError as wrong:
            raise gr.Error(_said(wrong), title="Not yet", print_exception=False) from wrong
        except (GridError, BriefError, PlanError, EngineError, JobError) as refusal:
            raise gr.Error(str(refusal), title="Not yet", print_exception=False) from refusal
        gr.Info(f"{len(jobs)} takes are queued; they come into the table as they are done.", title="The grid runs")
        return gr.update(choices=[(series, series)], value=series)

    inputs = {
        **fields, "grid_engines": engines, "grid_guidances": guidances, "grid_adapters": adapters,
        "grid_strengths": strengths, "grid_seeds": seeds,
    }  # fmt: skip
    item.select(on_look, which, [engines, adapters, which, table], **private)
    run.click(on_run, inputs_kwargs=inputs, outputs=which, **private)
    gr.on([which.input, again.click], on_choose, which, [which, table], **private)


def _numbers(written: str) -> tuple[float, ...]:
    """The numbers in "2, 3 4,5"; a comma between digits that is followed by a space divides."""
    found = re.findall(r"\d+(?:\.\d+)?", written or "")
    if not found:
        raise GridError("Guidance and strength are numbers like 2, 3, 4.")
    return tuple(dict.fromkeys(float(number) for number in found))


def _worn(names: list[str], strengths: tuple[float, ...]) -> tuple[tuple[AdapterUse, ...], ...]:
    """Without an adapter, and with each at each strength."""
    return ((), *((AdapterUse(name=name, strength=strength),) for name in names for strength in strengths))


def _said(wrong: ValidationError) -> str:
    where = ".".join(str(part) for part in wrong.errors()[0]["loc"])
    if where.startswith("engines"):
        return "Choose at least one engine for the grid."
    return f"The grid's {where.split('.')[0]} cannot be so: {wrong.errors()[0]['msg']}."


def grid_view(rows: list[Row]) -> str:
    """The finished cells as a table, the best liked first."""
    if not rows:
        return '<div class="st-empty"><b>No cell is finished yet.</b><br>Finished takes stand here as a table.</div>'
    head = "<tr><th></th><th>Engine</th><th>Guidance</th><th>Adapter</th><th>Seed</th><th>Score</th><th>You</th><th></th></tr>"
    return f'<table class="st-table">{head}{"".join(_line(row) for row in rows)}</table>'


def _line(row: Row) -> str:
    identity = escape(row.take.id, quote=True)
    cells = "".join(f"<td>{escape(text)}</td>" for text in row.settings)
    score = f"{row.score:.0f}" if row.score is not None else ""
    preferred = f" {row.standing.won}:{row.standing.lost}" if row.standing.won + row.standing.lost else ""
    return (
        f'<tr data-take="{identity}"><td><button type="button" class="st-thumb" data-act="play" data-take="{identity}" '
        f'aria-label="Play">{PLAY}</button></td>{cells}<td>{score}</td><td>{_LIKED[row.standing.liked]}{preferred}</td>'
        f'<td><button type="button" class="st-act" data-act="compare" data-take="{identity}" aria-pressed="false">A/B</button></td></tr>'
    )
