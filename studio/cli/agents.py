"""`python app.py enhance|judge|refine|hear|agents`: the six agents without a page.

Knows nothing of how agents answer. Ctrl-C stops a refinement after the pass it is in; `--resume` goes on with it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agents.answers import AGENTS
from agents.types import BriefError, PlanError, Verdict
from audio.io import AudioError
from studio.engines.base import EngineError, Sampling
from studio.history.history import HistoryError
from studio.models.hub import ModelError
from studio.refine import RefineError, RefinementView, RefineRequest
from studio.settings import Settings
from studio.studio import Studio, StudioError
from studio.takes import TakeError

COMMANDS = ("enhance", "judge", "refine", "hear", "agents")


def add_agent_commands(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the agents' commands."""
    enhance = commands.add_parser("enhance", parents=[shared], help="say a wish more richly, in three ways")
    enhance.add_argument("words", help="the music, in words")
    judge = commands.add_parser("judge", parents=[shared], help="say how well a take kept to what was asked for")
    judge.add_argument("take", help="a take's identifier")
    refine = commands.add_parser(
        "refine", parents=[shared], help="make a take, and its weak sections anew until it is right"
    )
    refine.add_argument("words", nargs="?", default="", help="the music, in words")
    refine.add_argument("--seconds", type=float, help="length, 1 to 600")
    refine.add_argument("--seed", type=int, help="the same seed begins the same way; else one is drawn")
    refine.add_argument("--passes", type=int, default=4, help="at most so many takes, 1 to 20 (4)")
    refine.add_argument("--minutes", type=float, default=5.0, help="no pass is begun that would end later (5)")
    refine.add_argument("--score", type=float, default=95.0, help="enough at this score of 100 (95)")
    refine.add_argument("--resume", metavar="ID", help="go on with a refinement that was cut off or stopped")
    hear = commands.add_parser("hear", parents=[shared], help="write down a spoken wish by Whisper")
    hear.add_argument("file", type=Path, help="a recording of at most two minutes of speech")
    agents = commands.add_parser(
        "agents", parents=[shared], help="list who answers for each agent, choose models, test them"
    )
    agents.add_argument(
        "--set", dest="memory", type=int, choices=(8, 16, 32), help="choose the set for so many GB of memory"
    )
    agents.add_argument(
        "--give", nargs=2, metavar=("AGENT", "MODEL"), help="give an agent a model, or a GGUF file's path"
    )
    agents.add_argument("--rules", action="store_true", help="let the rules answer for all")
    agents.add_argument("--get", metavar="MODEL", help="download a language or speech model")
    agents.add_argument("--test", action="store_true", help="ask each agent's model once; tell seconds and validity")


def agent_command(arguments: argparse.Namespace, settings: Settings, *, engines: Any = None) -> int:
    """Run one of COMMANDS. 0: done. 1: it could not be. 2: it cannot be asked so."""
    act: Callable[[Studio, argparse.Namespace], None] = {
        "enhance": _enhance, "judge": _judge, "refine": _refine, "hear": _hear, "agents": _agents,
    }[arguments.command]  # fmt: skip
    from studio.voice import VoiceError

    try:
        with Studio(settings, engines=engines) as studio:
            act(studio, arguments)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        _say(f"--{first['loc'][-1]}: {first['msg']}", to=sys.stderr)
        return 2
    except (
        StudioError, EngineError, TakeError, HistoryError, BriefError, PlanError, RefineError, ModelError, VoiceError, AudioError,
    ) as error:  # fmt: skip
        _say(str(error), to=sys.stderr)
        return 1
    return 0


def _enhance(studio: Studio, arguments: argparse.Namespace) -> None:
    from agents.planner import make_brief
    from agents.prompt_agent import Context

    for way in studio.desk.enhance(make_brief(words=arguments.words), context=Context()):
        _say(f"{way.value.after}\n  added by {way.credit}")


def _judge(studio: Studio, arguments: argparse.Namespace) -> None:
    studio.entry(arguments.take, owner=None)
    studio.reviews.ask(arguments.take)
    review = studio.reviews.wait(arguments.take, timeout_seconds=1_800)
    if review is None:
        raise TakeError("This take could not be judged; its sound cannot be read.")
    _say(verdict_lines(review.verdict))
    _say(f"  measured on this machine; worded by {review.worded_by}")


def verdict_lines(verdict: Verdict) -> str:
    """A verdict in lines: the words, then each part that costs something, then what was not judged."""
    wrong = [part for part in sorted(verdict.parts, key=lambda part: -part.cost) if part.score < 99.5]
    lines = [verdict.words]
    lines += [
        f"  {part.label}: {part.score:.0f}, asked {part.asked or '-'}, heard {part.measured}. {part.reason}"
        for part in wrong
    ]
    lines += [f"  as asked: {', '.join(part.label.lower() for part in verdict.parts if part not in wrong)}"]
    return "\n".join(lines + [f"  {one}" for one in verdict.unheard])


def _refine(studio: Studio, arguments: argparse.Namespace) -> None:
    from agents.orchestrator import Budget
    from agents.planner import make_brief

    if arguments.resume:
        view = studio.refinements.resume(arguments.resume)
    else:
        request = RefineRequest(
            brief=make_brief(words=arguments.words, seconds=arguments.seconds), engine=studio.pipeline.default,
            sampling=Sampling(seed=secrets.randbelow(2**32) if arguments.seed is None else arguments.seed),
            budget=Budget(passes=arguments.passes, seconds=60 * arguments.minutes, score=arguments.score),
        )  # fmt: skip
        view = studio.refinements.start(request)
    _say(f"{view.title}: refinement {view.id}")
    told = 0
    try:
        while view.running:
            view = studio.refinements.wait(view.id, timeout_seconds=0.5)
            told = _tell_passes(view, told)
    except KeyboardInterrupt:
        studio.refinements.stop(view.id)
        view = studio.refinements.wait(view.id)
    _tell_passes(view, told)
    _say(f"{view.ended_words} {view.error}".strip())
    if view.best is not None:
        _say(f"The best is pass {view.best + 1}, take {view.best_take}")


def _tell_passes(view: RefinementView, told: int) -> int:
    for one in view.passes[told:]:
        made = ", ".join(view.section_names[number] for number in one.sections) or "all of it"
        _say(f"pass {one.number + 1}: {one.verdict.score:.0f}, made {made} in {one.seconds:.1f} s, take {one.ref}")
        _say(f"  {one.verdict.words}")
        for change in one.changes:
            where = "the whole take" if change.section is None else view.section_names[change.section]
            _say(f"  {where}, {change.what}: {change.before[-60:]} -> {change.after[-60:]} ({change.why})")
    return len(view.passes)


def _hear(studio: Studio, arguments: argparse.Namespace) -> None:
    from audio.io import read_clip
    from studio.voice import MOST_RECORDED_SECONDS

    heard = studio.desk.hear(read_clip(arguments.file, max_seconds=MOST_RECORDED_SECONDS))
    _say(f"{heard.text}\n  heard by Whisper {heard.model} in {heard.seconds:.1f} s, language {heard.language}")


def _agents(studio: Studio, arguments: argparse.Namespace) -> None:
    models, files = studio.desk.models, studio.desk.files
    if arguments.get:
        _say(f"{files.download(arguments.get, progress=_Told(arguments.get)).card.label} is here.")
    if arguments.rules:
        models.choose_rules()
    if arguments.memory:
        models.choose_recommended(arguments.memory)
    if arguments.give:
        agent, model = arguments.give
        models.choose(agent, files.add_local(Path(model)).id if model.endswith(".gguf") else model)
    for agent in AGENTS:
        why = models.why_not(agent)
        _say(f"{agent}: {why or files.card(models.choices()[agent]).label}")
    if arguments.test:
        for one in studio.desk.self_tests():
            state = "valid" if one.valid else "not usable" if one.model else "rules"
            _say(f"  {one.agent}: {state}, {one.seconds:.1f} s, {one.tokens} tokens. {one.sentence}")


class _Told:
    """Tells a download's progress, a tenth at a time."""

    def __init__(self, name: str) -> None:
        self._name, self._tenths = name, 0

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        tenths = 10 * done_bytes // total_bytes if total_bytes else 0
        if tenths > self._tenths:
            self._tenths = tenths
            _say(f"{self._name}: {10 * tenths} % of {total_bytes / 1e9:.2f} GB", to=sys.stderr)


def _say(text: str, *, to: Any = None) -> None:
    print(text, file=to or sys.stdout, flush=True)
