"""What the Training tab shows: runs as cards, their curves as Plotly figures, samples to play along the curve.

Plain functions from what a run logged to what the page draws; knows nothing of events.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from studio.training.estimate import duration
from studio.training.runs import RunView
from studio.training.train import STOP

SHOWN = ("Loss", "Codebooks", "Learning rate", "Gradient", "Speed")
# Amber, teal, rose, blue, olive, violet: told apart in the dark, in the light and by most colour-blind eyes.
_COLOURS = ("#e8922a", "#2fb3a0", "#d8607a", "#5b8fd9", "#9aa63a", "#a678d6")
_LONGEST_MEAN = 20  # steps
_STATES = {
    "queued": ("waits its turn", ""), "running": ("training", "full"), "done": ("done", "full"),
    "stopped": ("stopped", "warn"), "failed": ("failed", "warn"), "elsewhere": ("on a rented machine", "full"), "broken off": ("broken off", "warn"),
}  # fmt: skip


def curves_figure(views: Sequence[RunView], *, shown: str) -> Any:
    """The runs' curves in one plot, a colour a run; `shown` is one of SHOWN."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, view in enumerate(views):
        _trace(figure, view, shown, _COLOURS[number % len(_COLOURS)], alone=len(views) == 1)
    unit = {"Loss": "nats a code", "Codebooks": "nats a code", "Speed": "segments a second"}.get(shown, "")
    figure.update_layout(
        height=380, margin={"l": 56, "r": 12, "t": 16, "b": 84}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", font={"color": "#948b7c", "size": 12}, hovermode="x unified",
        modebar={
            "bgcolor": "rgba(0,0,0,0)", "color": "rgba(148,139,124,.6)", "activecolor": "#e8922a",
            "remove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"],
        },
        legend={"orientation": "h", "y": -0.26, "x": 0},
        xaxis={"title": "step", "gridcolor": "rgba(128,120,104,.18)", "zeroline": False},
        yaxis={"title": unit, "gridcolor": "rgba(128,120,104,.18)", "zeroline": False},
    )  # fmt: skip
    return figure


def _trace(figure: Any, view: RunView, shown: str, colour: str, *, alone: bool) -> None:
    curve, name = view.curve, view.name
    steps = [line["step"] for line in curve.steps]

    def add(x: list[Any], y: list[Any], label: str, **style: Any) -> None:
        figure.add_scatter(x=x, y=y, name=label, **{"mode": "lines", "line": {"color": colour, "width": 2}, **style})

    if shown == "Loss":
        losses = [line["loss"] for line in curve.steps]
        add(steps, losses, f"{name}, each step", line={"color": colour, "width": 1}, opacity=0.28, showlegend=False)
        add(steps, smoothed(losses), f"{name}, learned from", line={"color": colour, "width": 2, "dash": "dot"})
        looks = curve.held_out
        add(
            [look["step"] for look in looks],
            [look["loss"] for look in looks],
            f"{name}, held out",
            mode="lines+markers",
        )
        if (since := curve.overfits_since) is not None:
            figure.add_vline(
                x=since, line={"color": colour, "dash": "dash", "width": 1}, annotation_text="by heart from here"
            )
    elif shown == "Codebooks":
        count = len(curve.steps[-1]["codebooks"]) if curve.steps else 0
        for book in range(count):
            own = _COLOURS[book % len(_COLOURS)] if alone else colour
            values = smoothed([line["codebooks"][book] for line in curve.steps])
            label = f"codebook {book + 1}" if alone else f"{name}, {book + 1}"
            add(steps, values, label, line={"color": own, "width": 2})
    else:
        field = {"Learning rate": "lr", "Gradient": "grad_norm", "Speed": "samples_a_second"}[shown]
        add(steps, [line[field] for line in curve.steps], name, showlegend=True)


def smoothed(values: Sequence[float]) -> list[float]:
    """An exponential mean over a twentieth of the curve, 20 steps at most, without the drag of its start."""
    new = 1 / min(_LONGEST_MEAN, max(1.0, len(values) / 20))
    mean, weight, found = 0.0, 0.0, []
    for value in values:
        mean, weight = (1 - new) * mean + new * value, (1 - new) * weight + new
        found.append(mean / weight)
    return found


def run_cards(views: Sequence[RunView]) -> str:
    """Every run: how far it is, what can be done with it."""
    if not views:
        return (
            '<div class="st-empty"><b>No run yet.</b><br>Build a data set, then start one: '
            "its curve and its samples stand here.</div>"
        )
    return f'<div class="st-list">{"".join(_card(view) for view in views)}</div>'


def _card(view: RunView) -> str:
    config, curve = view.config, view.curve
    steps = config.steps if config else 0
    said, kind = _STATES[view.state]
    badges = [(said, kind), (f"step {curve.step} of {steps}", "")]
    if curve.steps:
        last = curve.steps[-1]
        badges.append((f"loss {last['loss']:.3f}", ""))
        if view.state == "running":
            badges += [(f"{last['samples_a_second']:g} segments/s", ""), (f"{duration(last['seconds_left'])} left", "")]
    if (best := curve.best) is not None:
        badges.append((f"held out {best['loss']:.3f} at best, step {best['step']}", ""))
    if curve.overfits_since is not None:
        badges.append((f"learns by heart since step {curve.overfits_since}", "warn"))
    shown = "".join(f'<span class="st-badge {kind}">{escape(text)}</span>' for text, kind in badges)
    stage = _stage(view)
    note = f'<p class="st-wide st-error">{escape(view.error)}</p>' if view.error and view.state != "running" else ""
    note += f'<p class="st-wide">{escape(stage)} …</p>' if stage else ""
    share = f"{100 * curve.step / steps:.1f}%" if steps else "0%"
    return (
        f'<article class="st-card tr-run" data-run="{escape(view.name, quote=True)}"><h4>{escape(view.name)}</h4>'
        f'<div class="st-acts">{_buttons(view)}</div><div class="st-wide st-badges">{shown}</div>'
        f'<div class="st-wide st-meter"><i style="width:{share}"></i></div>{note}</article>'
    )


def _stage(view: RunView) -> str:
    """What a run is at before and between its steps; "" while it trains."""
    if view.state != "running":
        return ""
    if (view.folder / STOP).exists():
        return "saving, then stopping"
    if view.is_ending:
        return "saved, and closing"
    if view.curve.state != "running":  # its process has only just been started
        return "starting"
    return "" if view.curve.stage == "training" else view.curve.stage


def _buttons(view: RunView) -> str:
    if view.is_active:
        verbs = [("Stop and save", "stop", "danger")]
    else:
        verbs = [] if view.state in ("done", "elsewhere") else [("Resume", "resume", "")]
        if view.curve.step > 0:
            verbs.append(("Use it", "use", ""))
        verbs.append(("Delete", "delete", "danger"))
    name = escape(view.name, quote=True)
    return "".join(
        f'<button type="button" class="st-act {kind}" data-verb="{verb}" data-run="{name}">{text}</button>'
        for text, verb, kind in verbs
    )


def samples_view(view: RunView | None) -> str:
    """A run's samples, a row a prompt, a player a step, step 0 included."""
    if view is None or not view.curve.samples:
        return '<p class="st-note">Samples stand here once the run has played its first ones, at step 0.</p>'
    prompts: dict[int, list[dict[str, Any]]] = {}
    for line in view.curve.samples:
        prompts.setdefault(int(line["prompt"]), []).append(line)
    rows = "".join(_prompt_row(view.name, lines) for _, lines in sorted(prompts.items()))
    return f'<div class="tr-samples">{rows}</div>'


def _prompt_row(run: str, lines: list[dict[str, Any]]) -> str:
    players = "".join(
        f'<figure><figcaption>step {line["step"]}</figcaption><audio controls preload="none" '
        f'src="studio/training/runs/{quote(run)}/samples/{quote(str(line["file"]).rsplit("/", 1)[-1])}"></audio></figure>'
        for line in lines
    )
    return f'<section><p class="st-note">“{escape(str(lines[0]["words"]))}”</p><div class="tr-steps">{players}</div></section>'
