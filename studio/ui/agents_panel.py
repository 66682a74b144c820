"""The agents' models on the page: which agent has which, what is here, getting more, and a test of each.

Lays the panel out and wires its own events; only the studio's owner sees it, and not while the studio is shared.
Downloads are studio.downloads' work and outlive the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from agents.answers import AGENTS, Agent, AnswerStopped
from studio.agent_desk import ROLES
from studio.engines.base import EngineError
from studio.models.agents import RECOMMENDED, SelfTest, memory_gb, recommended_for
from studio.models.downloads import Download
from studio.models.files import FileStatus
from studio.models.hub import ModelError
from studio.studio import Studio
from studio.ui.models_panel import download_meter, model_buttons
from studio.ui.visitors import features, visitor_of

_ON_LOAD = """element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verb]");
  if (button) trigger("click", { verb: button.dataset.verb, model: button.dataset.model });
});"""
_LOOK_EVERY_SECONDS = 1.0
_RULES = ("Built-in rules", "")
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build_agents_panel(studio: Studio, blocks: gr.Blocks) -> None:
    """Lay out the panel inside the current Blocks and wire it."""
    parts: dict[str, Any] = {}
    with gr.Accordion("Agents", open=False, visible=False, elem_classes="st-panel", elem_id="st-agents") as panel:
        gr.HTML(
            '<p class="st-note">Six agents plan, enrich, describe and judge. Each works by built-in rules, or by a small '
            "language model on this machine; what you ask for is kept whichever answers, and it is always said which did.</p>"
        )
        with gr.Row(elem_classes="st-fields"):
            for size in RECOMMENDED:
                suits = " (this machine)" if size == recommended_for(memory_gb()) else ""
                parts[f"set_{size}"] = gr.Button(f"Set for {size} GB{suits}", min_width=130)
            parts["rules"] = gr.Button("Rules for all", min_width=110)
        for pair in (AGENTS[:3], AGENTS[3:]):
            with gr.Row(elem_classes="st-fields"):
                for agent in pair:
                    parts[agent] = gr.Dropdown(
                        [_RULES],
                        label=f"{agent.capitalize()}: {ROLES[agent]}",
                        min_width=230,
                        elem_id=f"st-agent-{agent}",
                    )
        parts["said"] = gr.HTML(elem_id="st-agents-said")
        with gr.Row(elem_classes="st-fields"):
            parts["test"] = gr.Button("Test every agent", min_width=140, elem_id="st-agents-test")
            parts["stop"] = gr.Button("Stop the test", min_width=120, visible=False, elem_id="st-agents-test-stop")
            parts["unload"] = gr.Button("Give their memory back", min_width=170)
        parts["tests"] = gr.HTML(elem_id="st-agents-tests")
        with gr.Row(elem_classes="st-fields"):
            parts["file"] = gr.Textbox(label="A GGUF file of your own", placeholder="/path/to/model.gguf", scale=4)
            parts["add"] = gr.Button("Add it", min_width=90, scale=0)
        parts["models"] = gr.HTML(js_on_load=_ON_LOAD, elem_id="st-agent-models")
    timer = gr.Timer(_LOOK_EVERY_SECONDS, active=False)
    shown = [*(parts[agent] for agent in AGENTS), parts["said"], parts["models"], timer]

    def on_load(request: gr.Request) -> tuple[Any, ...]:
        may = _may(studio, request)
        return gr.update(visible=may), *(_look(studio) if may else [gr.skip() for _ in shown])

    def look(request: gr.Request) -> list[Any]:
        _owner_only(studio, request)
        return _look(studio)

    blocks.load(on_load, None, [panel, *shown], **_PRIVATE)
    timer.tick(look, None, shown, **_PRIVATE)
    _wire_choices(studio, parts, shown)
    _wire_models(studio, parts, shown)
    _wire_test(studio, parts)


def _wire_choices(studio: Studio, parts: dict[str, Any], shown: list[Any]) -> None:
    models = studio.desk.models

    def chooser(agent: Agent) -> Any:
        def on_choose(model_id: str | None, request: gr.Request) -> list[Any]:
            _owner_only(studio, request)
            return _done(studio, lambda: models.choose(agent, model_id or ""))

        return on_choose

    def setter(size: int) -> Any:
        def on_set(request: gr.Request) -> list[Any]:
            _owner_only(studio, request)
            return _done(studio, lambda: models.choose_recommended(size))

        return on_set

    def on_rules(request: gr.Request) -> list[Any]:
        _owner_only(studio, request)
        return _done(studio, models.choose_rules)

    for agent in AGENTS:
        parts[agent].input(chooser(agent), parts[agent], shown, **_PRIVATE)
    for size in RECOMMENDED:
        parts[f"set_{size}"].click(setter(size), None, shown, **_PRIVATE)
    parts["rules"].click(on_rules, None, shown, **_PRIVATE)


def _wire_models(studio: Studio, parts: dict[str, Any], shown: list[Any]) -> None:
    desk = studio.desk

    def on_verb(event: gr.EventData, request: gr.Request) -> list[Any]:
        _owner_only(studio, request)
        asked: dict[str, Any] = event._data or {}
        verbs = {"download": desk.downloads.start, "stop": desk.downloads.stop, "delete": desk.delete_model}
        verb, model = verbs.get(str(asked.get("verb"))), str(asked.get("model"))
        return _done(studio, lambda: verb(model) if verb else None)

    def on_add(path: str, request: gr.Request) -> list[Any]:
        _owner_only(studio, request)
        return _done(studio, lambda: desk.files.add_local(Path(path.strip())) if path.strip() else None)

    def on_unload(request: gr.Request) -> None:
        _owner_only(studio, request)
        desk.unload()
        gr.Info(
            "No language model holds memory now; the next answer loads its own again.", title="Unloaded", duration=4
        )

    parts["models"].click(on_verb, None, shown, **_PRIVATE)
    parts["add"].click(on_add, parts["file"], shown, **_PRIVATE)
    parts["unload"].click(on_unload, None, None, **_PRIVATE)


def _wire_test(studio: Studio, parts: dict[str, Any]) -> None:
    def on_test(request: gr.Request) -> Iterator[tuple[Any, ...]]:
        _owner_only(studio, request)
        results: list[SelfTest] = []
        yield tests_view(results, running=True), gr.update(visible=True)
        try:
            for result in studio.desk.self_tests(owner=visitor_of(request).owner):
                results.append(result)
                yield tests_view(results, running=True), gr.skip()
        except AnswerStopped:
            gr.Info("The test was stopped.", title="Stopped", duration=4)
        yield tests_view(results, running=False), gr.update(visible=False)

    def on_stop(request: gr.Request) -> None:
        _owner_only(studio, request)
        for line in studio.desk.writing.lines(owner=visitor_of(request).owner):
            studio.desk.writing.stop(line.id)

    parts["test"].click(on_test, None, [parts["tests"], parts["stop"]], **_PRIVATE)
    parts["stop"].click(on_stop, None, None, **_PRIVATE)


def _done(studio: Studio, act: Any) -> list[Any]:
    """Do it and look anew; a refusal becomes one message."""
    try:
        act()
    except (ModelError, EngineError) as refusal:
        raise gr.Error(str(refusal), title="That did not work", print_exception=False) from refusal
    return _look(studio)


def _may(studio: Studio, request: gr.Request) -> bool:
    return features(studio.settings, visitor_of(request)).manage_models


def _owner_only(studio: Studio, request: gr.Request) -> None:
    if not _may(studio, request):
        sentence = "While the studio is shared, the agents' models stay as they are. Start it without sharing for that."
        raise gr.Error(sentence, title="Not now", print_exception=False)


def _look(studio: Studio) -> list[Any]:
    """Every dropdown, who answers for each agent, the models, and whether to look again soon."""
    desk = studio.desk
    statuses = desk.files.models("language")
    choices = [_RULES] + [
        (one.card.label if one.state == "present" else f"{one.card.label}, not here", one.card.id) for one in statuses
    ]
    chosen = desk.models.choices()
    known = {value for _, value in choices}
    dropdowns = [gr.update(choices=choices, value=chosen[agent] if chosen[agent] in known else "") for agent in AGENTS]
    return [
        *dropdowns, answers_view(studio), models_view(studio), gr.Timer(active=desk.downloads.any_running),
    ]  # fmt: skip


def answers_view(studio: Studio) -> str:
    """Who answers for each agent at this moment, and why the rules do where they do."""
    rows = []
    for agent in AGENTS:
        why = studio.desk.models.why_not(agent)
        who = "built-in rules" if why else studio.desk.files.card(studio.desk.models.choices()[agent]).label
        kind = "" if why else "full"
        rows.append(
            f'<div class="st-agent-said"><span class="st-badge {kind}">{escape(agent)}: {escape(who)}</span> {escape(why)}</div>'
        )
    return f'<div class="st-agent-rows">{"".join(rows)}</div>'


def tests_view(results: list[SelfTest], *, running: bool) -> str:
    """The self-test: seconds, tokens and validity by agent."""
    rows = "".join(
        f'<div class="st-test" data-agent="{one.agent}"><span>{escape(one.agent)}</span><span>{escape(one.model) or "built-in rules"}</span>'
        f"<span>{f'{one.seconds:.1f} s' if one.model else '–'}</span>"
        f'<b class="{"good" if one.valid else "poor" if one.model else ""}">{"valid" if one.valid else "not usable" if one.model else "rules"}</b>'
        f"<em>{escape(one.sentence)}</em></div>"
        for one in results
    )
    more = '<p class="st-note">Asking the next one …</p>' if running else ""
    return f'<div class="st-tests">{rows}{more}</div>'


def models_view(studio: Studio) -> str:
    """Every language and speech model as a card: size, memory, licence, state, and what can be done with it."""
    downloads = studio.desk.downloads.views()
    cards = [_card(status, downloads.get(status.card.id)) for status in studio.desk.files.models()]
    return f'<div class="st-list">{"".join(cards)}</div>'


def _card(status: FileStatus, download: Download | None) -> str:
    card = status.card
    running = download is not None and download.state == "running"
    size = f"{card.size_bytes / 1e9:.1f} GB" if card.size_bytes >= 1e8 else f"{card.size_bytes / 1e6:.0f} MB"
    here = status.state == "present"
    badges = (
        [("here", "full")] if here else [("partly here", "warn")] if status.state == "partial" and not running else []
    )
    badges += [("hears speech" if card.kind == "speech" else "writes", "")]
    badges += [(card.licence, "")] if card.licence else []
    badges += [
        (f"{size}{' here' if here else ' to download'}", ""),
        (f"needs {card.memory_bytes / 1e9:.1f} GB memory", ""),
    ]
    shown = "".join(f'<span class="st-badge {kind}">{escape(text)}</span>' for text, kind in badges)
    problem = status.problem or (download.error if download else "")
    note = f'<p class="st-wide st-error">{escape(problem)}</p>' if problem else ""
    acts = model_buttons(card.id, is_local=card.is_local, state=status.state, running=running)
    return (
        f'<article class="st-card" style="grid-template-columns:minmax(0,1fr) auto" data-model="{escape(card.id, quote=True)}">'
        f'<h4>{escape(card.label)}</h4>{acts}<p class="st-wide" style="white-space:normal">{escape(card.description)}</p>'
        f'<div class="st-wide st-badges">{shown}</div>{download_meter(download) if running and download else ""}{note}</article>'
    )
