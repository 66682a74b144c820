"""Which language model each agent uses, the sets recommended for a machine's memory, and the self-test.

A choice is kept in `agents.json` and names a model of the catalogue or a file of the user's; an agent whose model is
not here answers by rules, and `why_not` says so. Knows nothing of pages.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from agents.answers import AGENTS, NO_MODEL, Agent, Answer
from agents.conversation import OnToken
from agents.language_model import LanguageModel, LanguageModels
from studio.models.downloads import Downloads
from studio.models.files import FileModels, missing_sentence
from studio.models.hub import ModelError

DEFAULTS: Mapping[Agent, str] = {
    "orchestrator": "phi-3-mini",
    "prompt": "qwen2-1.5b",
    "style": "tinyllama-1.1b",
    "structure": "phi-3-mini",
    "quality": "phi-3-mini",
    "metadata": "tinyllama-1.1b",
}
# By gigabytes of memory. The studio's own engines need room beside the agents.
RECOMMENDED: Mapping[int, Mapping[Agent, str]] = {
    8: {**DEFAULTS, "orchestrator": "qwen2-1.5b", "structure": "qwen2-1.5b", "quality": "qwen2-1.5b"},
    16: DEFAULTS,
    32: {**dict.fromkeys(AGENTS, "qwen2.5-7b"), "style": "qwen2-1.5b", "metadata": "qwen2-1.5b"},
}
BUDGET_SECONDS: Mapping[Agent, float] = {
    "orchestrator": 45.0, "prompt": 45.0, "style": 45.0, "structure": 120.0, "quality": 90.0, "metadata": 45.0,
}  # fmt: skip
Request = Callable[[LanguageModel], Answer[Any]]


@dataclass(frozen=True, slots=True)
class SelfTest:
    """One agent's answer to its test prompt. valid: the model's own answer could be used. sentence: what happened."""

    agent: Agent
    model: str
    valid: bool
    seconds: float
    tokens: int
    sentence: str


class AgentModels:
    """The agents' models of one data folder. Thread-safe."""

    def __init__(self, files: FileModels, language_models: LanguageModels, *, choices_path: Path) -> None:
        self._files, self._models, self._path = files, language_models, choices_path
        self._lock = threading.Lock()

    @property
    def files(self) -> FileModels:
        return self._files

    def choices(self) -> dict[Agent, str]:
        """Every agent's model, "" for rules only; the defaults where nothing was chosen."""
        chosen: dict[Agent, str] = dict(DEFAULTS)
        with suppress(OSError, ValueError):
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            chosen |= {agent: kept[agent] for agent in AGENTS if isinstance(kept.get(agent), str)}
        return chosen

    def choose(self, agent: Agent, model_id: str) -> None:
        """Give an agent a model of the catalogue or one listed by `FileModels.add_local`; "" for rules only.

        Raises ModelError when the agent or the model is unknown, or the model writes no text.
        """
        if agent not in get_args(Agent):
            raise ModelError(f"There is no agent “{agent}”: choose one of {', '.join(AGENTS)}.")
        if model_id and self._files.card(model_id).kind != "language":
            raise ModelError(f"{self._files.card(model_id).label} hears speech: choose a language model for an agent.")
        with self._lock:
            self._write({**self.choices(), agent: model_id})

    def choose_recommended(self, memory_gb: float) -> dict[Agent, str]:
        """Choose the set recommended for a machine of so much memory, and answer with it."""
        chosen = dict(RECOMMENDED[recommended_for(memory_gb)])
        with self._lock:
            self._write(chosen)
        return chosen

    def choose_rules(self) -> None:
        """Let every agent answer by its rules."""
        with self._lock:
            self._write(dict.fromkeys(AGENTS, ""))

    def language_model(
        self,
        agent: Agent,
        *,
        on_token: OnToken = lambda text: None,
        cancelled: Callable[[], bool] = lambda: False,
        seed: int = 0,
    ) -> LanguageModel | None:
        """The agent's model, ready to be asked, or None when it has none or its file is not here."""
        try:
            model_id = self.choices()[agent]
            path = self._files.path(model_id) if model_id else None
        except ModelError:
            return None
        if path is None:
            return None
        return self._models.model(
            path, budget_seconds=BUDGET_SECONDS[agent], on_token=on_token, cancelled=cancelled, seed=seed
        )

    def why_not(self, agent: Agent) -> str:
        """Why the agent answers by rules, as a sentence; "" when a model will answer."""
        model_id = self.choices()[agent]
        if not model_id:
            return NO_MODEL
        try:
            status = self._files.status(model_id)
        except ModelError as error:
            return str(error)
        return "" if status.state == "present" else missing_sentence(status)

    def self_test(self, *, cancelled: Callable[[], bool] = lambda: False) -> list[SelfTest]:
        """One prompt per agent, each by its own model; seconds include loading. Raises AnswerStopped when stopped."""
        return list(self.self_tests(cancelled=cancelled))

    def self_tests(
        self, *, cancelled: Callable[[], bool] = lambda: False, on_token: OnToken = lambda text: None
    ) -> Iterator[SelfTest]:
        """`self_test`, each result as soon as it is there."""
        for agent, request in sample_requests().items():
            model = self.language_model(agent, cancelled=cancelled, on_token=on_token)
            if model is None:
                yield SelfTest(agent, "", False, 0.0, 0, self.why_not(agent))
                continue
            started = time.monotonic()
            answer = request(model)
            valid = answer.tier == "full"
            sentence = f"Answered in {answer.seconds:.1f} s{', at the second attempt' if answer.repaired else ''}."
            yield SelfTest(
                agent, answer.model, valid, time.monotonic() - started, answer.tokens,
                sentence if valid else answer.why_fallback,
            )  # fmt: skip

    def _write(self, chosen: Mapping[Agent, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        draft.write_text(json.dumps(dict(chosen), indent=1), encoding="utf-8")
        draft.replace(self._path)


def missing_voice(files: FileModels, model_id: str, downloads: Downloads, may_download: bool) -> dict[str, Any]:
    """Whether a speech model is here, why not, and how far its download is, as JSON-able values."""
    status = files.status(model_id)
    download = downloads.views().get(model_id)
    running = download is not None and download.state == "running"
    return {
        "model": model_id, "label": status.card.label, "ready": status.state == "present",
        "sentence": "" if status.state == "present" else missing_sentence(status),
        "may_download": may_download, "running": running,
        "fraction": download.done_bytes / download.total_bytes if download and download.total_bytes else 0.0,
        "error": download.error if download else "",
    }  # fmt: skip


def recommended_for(memory_gb: float) -> int:
    """The recommended set for a machine: 8, 16 or 32; a machine sold with 16 GB reports a little less."""
    return max((size for size in RECOMMENDED if size <= memory_gb * 1.1), default=min(RECOMMENDED))


def memory_gb() -> float:
    """This machine's memory, 8 where it does not say."""
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return 8.0


def sample_requests() -> dict[Agent, Request]:
    """A short real request to each agent that a language model can answer for."""
    from agents.metadata_agent import describe_song
    from agents.planner import make_brief, plan_from_brief, read_brief
    from agents.prompt_agent import enhance
    from agents.routing import route
    from agents.structure_agent import plan_with
    from agents.style_agent import Reference, style_card
    from agents.types import Verdict, VerdictPart
    from agents.wording import word_verdict

    brief = make_brief(words="slow lo-fi hip hop, rainy evening, warm Rhodes", seconds=30)
    plan = plan_from_brief(brief, seed=0)
    reference = Reference(tempo_bpm=82.0, percussive=0.35, brightness_hz=1_800.0, tags=("calm",))
    part = VerdictPart(
        name="tempo",
        label="Tempo",
        asked="80 bpm",
        measured="96 bpm",
        score=20,
        weight=0.5,
        reason="It runs at 96 bpm.",
    )
    verdict = Verdict(score=61.0, parts=(part,), sections=(), named="tempo", words="The tempo is off.")
    return {
        "orchestrator": lambda model: route("make the chorus louder", on_the_desk=plan, language_model=model),
        "prompt": lambda model: enhance(brief, language_model=model),
        "style": lambda model: style_card([reference], language_model=model),
        "structure": lambda model: plan_with(read_brief(brief), language_model=model),
        "quality": lambda model: word_verdict(verdict, plan, language_model=model),
        "metadata": lambda model: describe_song(plan, language_model=model),
    }
