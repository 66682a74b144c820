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
from studio.history.grid import PREFIX, Grid, GridError, Row
from studio.job import JobView
from studio.jobs import JobError
from studio.studio import Studio
from studio.ui.cards import PLAY
from studio.ui.choosing import still_there
from studio.ui.form import brief_of, sampling_of
from studio.ui.visitors import Visitor, visitor_of

_LOOK_SECONDS = 2.0
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
            adapters = gr.Dropdown(
                [], multiselect=True, label="Adapters, one at a time", min_width=180, scale=2, elem_id="st-grid-adapters",
            )  # fmt: skip
        with gr.Row(elem_classes="st-fields"):
            guidances = gr.Textbox("3", label="Guidance", placeholder="2, 3, 4", min_width=110)
            strengths = gr.Textbox("1", label="Adapter strength", placeholder="0.5, 1", min_width=110)
            seeds = gr.Number(2, label="Seeds each", precision=0, minimum=1, maximum=12, min_width=100)
            run = gr.Button("Run the grid", variant="primary", min_width=140, elem_id="st-grid-run")
    with gr.Row(elem_classes="st-fields"):
        which = gr.Dropdown([], label="Grid", min_width=260, scale=3, elem_id="st-grid-which")
        again = gr.Button("Look again", min_width=110, scale=0, elem_id="st-grid-look")
    table, timer = gr.HTML(elem_id="st-grid"), gr.Timer(_LOOK_SECONDS, active=False)
    shown = [which, table, timer]

    def look(chosen: str | None, visitor: Visitor) -> tuple[Any, ...]:
        owner = visitor.sees_only
        jobs = [job for job in studio.jobs.list(owner) if job.series.startswith(PREFIX)]
        active = {job.series for job in jobs if not job.is_finished}
        names = {
            job.series: f"{job.title or job.words}, {'being made' if job.series in active else 'not made'}"
            for job in reversed(jobs)
        }
        grids = studio.ledger.grids(owner=owner)
        names |= {series: f"{take.title}, {take.created_at:%d %b %H:%M}" for series, take in grids}
        chosen = chosen if chosen in names else next(iter(names), None)
        rows = studio.ledger.grid(chosen, owner=owner, scores=studio.reviews.scores) if chosen else []
        mine = [job for job in jobs if job.series == chosen]
        waits = any(not job.is_finished for job in mine)
        choices = [(name, series) for series, name in names.items()]
        return gr.update(choices=choices, value=chosen), grid_view(rows, mine), gr.Timer(active=waits)

    def on_look(
        varied: list[str] | None, worn: list[str] | None, chosen: str | None, request: gr.Request
    ) -> tuple[Any, ...]:
        ready = [(option.label, option.name) for option in studio.pipeline.engines() if option.ready]
        shelf = [adapter.name for adapter in studio.school.shelf.adapters()]
        return still_there(ready, varied), still_there(shelf, worn), *look(chosen, visitor_of(request))

    def on_choose(chosen: str | None, request: gr.Request) -> tuple[Any, ...]:
        return look(chosen, visitor_of(request))

    def on_run(request: gr.Request, **values: Any) -> tuple[Any, ...]:
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
        return look(series, visitor)

    inputs = {
        **fields, "grid_engines": engines, "grid_guidances": guidances, "grid_adapters": adapters,
        "grid_strengths": strengths, "grid_seeds": seeds,
    }  # fmt: skip
    item.select(on_look, [engines, adapters, which], [engines, adapters, *shown], **private)
    run.click(on_run, inputs_kwargs=inputs, outputs=shown, **private)
    gr.on([which.input, again.click, timer.tick], on_choose, which, shown, **private)


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


def grid_view(rows: list[Row], jobs: list[JobView]) -> str:
    """The finished cells as a table, the best liked first, below what is still to come and what could not be made."""
    said = _progress(len(rows), jobs)
    if not rows:
        return f'{said}<div class="st-empty"><b>No cell is finished yet.</b><br>Finished takes stand here as a table.</div>'
    head = "<tr><th></th><th>Engine</th><th>Guidance</th><th>Adapter</th><th>Seed</th><th>Score</th><th>You</th><th></th></tr>"
    return f'{said}<table class="st-table">{head}{"".join(_line(row) for row in rows)}</table>'


def _progress(made: int, jobs: list[JobView]) -> str:
    waiting = sum(not job.is_finished for job in jobs)
    failed = [job for job in jobs if job.state in ("failed", "interrupted")]
    said = f'<p class="st-note" role="status">{made} made, {waiting} to come.</p>' if waiting else ""
    if failed:
        why = escape(failed[0].error or "the studio was closed meanwhile")
        said += f'<p class="st-note st-error">{len(failed)} could not be made: {why}</p>'
    return said


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
