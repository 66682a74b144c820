"""The agents at work in the studio: a model where one is chosen, rules where none is, and always said which."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.answers import AGENTS
from agents.planner import make_brief
from agents.prompt_agent import Context
from agents.style_agent import Reference
from audio.clip import Clip
from studio.agent_desk import AgentDesk
from studio.asking import asked_by
from studio.engines.base import Cancelled
from studio.history.history import History
from studio.jobs import GenerateRequest
from studio.models.hub import ModelError
from studio.settings import Settings
from studio.studio import Studio
from tests.agents.test_briefs import BRIEFS, broken
from tests.tiny_gguf import write_gguf

BRIEF = make_brief(words="slow lo-fi hip hop, rainy, 80 bpm, no drums", seconds=20)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", name="Tiny")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    opened = History(tmp_path / "history.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def desk(data_dir: Path, history: History) -> Iterator[AgentDesk]:
    opened = AgentDesk(Settings(data_dir=data_dir, agents_threads=1), history)
    yield opened
    opened.close()


def give(desk: AgentDesk, path: Path, *agents: str) -> None:
    """Let those agents (all, when none is named) think with this file."""
    card = desk.files.add_local(path)
    for agent in agents or AGENTS:
        desk.models.choose(agent, card.id)  # type: ignore[arg-type]


def test_without_a_model_the_rules_plan_and_the_plan_says_so(desk: AgentDesk) -> None:
    plan = desk.plan(BRIEF, seed=1)
    assert plan.planned_by == "built-in rules" and plan.tempo_bpm.value == 80
    step = desk.notes.steps(agent="structure")[-1]
    assert step.tier == "built-in" and step.answered["tempo_bpm"]["value"] == 80


def test_a_chosen_model_plans_and_every_wish_is_kept_after_it(desk: AgentDesk, gguf: Path) -> None:
    give(desk, gguf, "structure", "prompt")
    said = []
    for seed, case in enumerate(BRIEFS[::24]):
        plan = desk.plan(make_brief(words=case["words"], **case.get("fields", {})), seed=seed)
        expect = {what: value for what, value in case["expect"].items() if what != "notes_empty"}
        assert not broken(plan, expect), case["words"]
        assert plan.prompt.value.startswith(case["words"].strip()[:20])
        said.append(plan.planned_by)
    assert "Tiny" in said
    steps = desk.notes.steps(agent="structure")
    assert any(step.tier == "full" and step.model == "Tiny" and step.asked and step.seconds > 0 for step in steps)


def test_a_model_that_fails_leaves_the_rules_plan_and_a_sentence(desk: AgentDesk, gguf: Path, tmp_path: Path) -> None:
    path = Path(tmp_path / "mine.gguf")
    path.write_bytes(gguf.read_bytes())
    give(desk, path, "structure")
    path.write_bytes(gguf.read_bytes().replace(b"blk.0.attn_q.weight", b"blk.9.attn_q.weight"))
    plan = desk.plan(BRIEF, seed=1)
    assert plan.planned_by == "built-in rules"
    assert any("cannot be loaded" in note and "rules answered" in note for note in plan.notes)


def test_what_is_written_can_be_watched_by_its_owner_alone_and_stopped(desk: AgentDesk, tmp_path: Path) -> None:
    give(desk, write_gguf(tmp_path / "slow.gguf", name="Slow", width=384, layers=6), "structure")
    ended: list[str] = []

    def plan() -> None:
        try:
            with asked_by("ana"):
                desk.plan(BRIEF, seed=1)
        except Cancelled as stopped:
            ended.append(str(stopped))

    thread = threading.Thread(target=plan)
    thread.start()
    deadline = time.monotonic() + 60
    while not any(line.text for line in desk.writing.lines(owner="ana")) and time.monotonic() < deadline:
        time.sleep(0.01)
    line = desk.writing.lines(owner="ana")[0]
    assert line.agent == "structure" and line.text and line.tokens
    assert desk.writing.lines(owner="ben") == [] and not desk.writing.stop(line.id, owner="ben")
    assert desk.writing.stop(line.id, owner="ana")
    thread.join(20)
    assert ended and "stopped" in ended[0] and desk.writing.lines() == []


def test_stopping_a_take_that_is_being_planned_stops_the_model(data_dir: Path, tmp_path: Path) -> None:
    slow = write_gguf(tmp_path / "slow.gguf", name="Slow", width=384, layers=6)
    with Studio(Settings(data_dir=data_dir, agents_threads=1)) as studio:
        give(studio.desk, slow, "structure")
        job = studio.generate(GenerateRequest(brief=BRIEF))
        deadline = time.monotonic() + 60
        while not studio.desk.writing.lines() and time.monotonic() < deadline:
            time.sleep(0.01)
        studio.jobs.cancel(job.id)
        done = studio.jobs.wait(job.id, timeout_seconds=20)
        assert done.state == "stopped" and done.take_id is None


def test_enhancing_says_who_answered(desk: AgentDesk, gguf: Path) -> None:
    by_rules = desk.enhance(BRIEF, context=Context())
    assert len(by_rules) == 3 and all(one.tier == "built-in" for one in by_rules)
    assert "not on this machine yet" in by_rules[0].why_fallback
    give(desk, gguf, "prompt")
    by_model = desk.enhance(BRIEF, context=Context(), seed=3)
    assert any(one.tier == "full" and one.model == "Tiny" for one in by_model)
    assert all(one.value.after.startswith(BRIEF.words) for one in (*by_rules, *by_model))


def test_references_are_described_by_the_style_agents_model(desk: AgentDesk, gguf: Path) -> None:
    track = Reference(tempo_bpm=124.0, tags=("deep house", "dark"))
    assert desk.style([track]).genre == "deep_house"
    give(desk, gguf, "style")
    assert desk.style([track]).tempo_bpm == (124.0, 124.0)
    assert [step.model for step in desk.notes.steps(agent="style")] == ["", "Tiny"]


def test_a_message_is_heard_by_the_orchestrator(desk: AgentDesk, gguf: Path) -> None:
    plan = desk.plan(make_brief(words="pop, intro, verse, chorus", seconds=30), seed=1)
    assert desk.route("make the chorus louder", plan).value.job == "change"
    give(desk, gguf, "orchestrator")
    assert desk.route("make the chorus louder", plan).agent == "orchestrator"
    assert desk.notes.steps(agent="orchestrator")[-1].model == "Tiny"


def test_a_models_title_reaches_the_take_and_a_verdict_names_its_wording(data_dir: Path, gguf: Path) -> None:
    with Studio(Settings(data_dir=data_dir, agents_threads=1)) as studio:
        give(studio.desk, gguf, "metadata", "quality")
        retitled, worded = 0, 0
        for seed in range(3):
            sampling = {"seed": seed}
            request = GenerateRequest.model_validate({"brief": {"words": "house", "seconds": 2}, "sampling": sampling})
            job = studio.generate(request)
            take_id = studio.jobs.wait(job.id, timeout_seconds=60).take_id
            assert take_id
            review = studio.reviews.wait(take_id, timeout_seconds=60)
            assert review is not None
            take = studio.entry(take_id).take
            worded += review.worded_by == "Tiny"
            if review.described_by != "built-in rules":
                assert take.title == review.metadata.title == studio.store.read(take_id).title
                retitled += take.title != take.plan.title.value
        assert retitled and worded
        steps = studio.desk.notes.steps(agent="metadata")
        assert any(step.tier == "full" and step.about for step in steps)


def test_the_microphone_uses_whatever_whisper_is_here(desk: AgentDesk) -> None:
    assert desk.voice_model() == "whisper-base"
    with pytest.raises(ModelError, match="download it"):
        times = [0.1 if (n // 4_000) % 2 else 0.0 for n in range(32_000)]
        import numpy as np

        rng = np.random.default_rng(0)
        desk.hear(Clip((np.array([times]) * rng.standard_normal((1, 32_000))).astype(np.float32), 16_000))
