"""Planted preferences are found among a thousand takes, and nothing is claimed where nothing was planted."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.harmony import Key
from agents.types import Decided
from studio.engines.base import Sampling
from studio.engines.steering import AdapterUse
from studio.history.defaults import Defaults
from studio.history.opinions import Standing
from studio.history.trends import Judged, judged_takes, trends, wilson
from studio.takes import EngineFacts, Take
from tests.tiny_plans import make_plan

GENRES = ("house", "ambient", "rock", "jazz", "lofi hip hop", "waltz")
ENGINES = ("musicgen-small", "musicgen-medium", "musicgen-large")
BASE = make_plan(seconds=1.0)


def draw_take(rng: random.Random, number: int) -> Take:
    """A take with every aspect drawn by itself."""
    plan = BASE.model_copy(
        update={
            "seconds": Decided(value=8.0),
            "genre": Decided(value=rng.choice(GENRES).replace(" ", "_")),
            "tempo_bpm": Decided(value=rng.uniform(60, 180)),
            "key": Decided(value=Key.parse(rng.choice(["C major", "A minor", "D dorian"]))),
            "moods": Decided(value=rng.sample(["happy", "dark", "calm", "epic"], 2)),
        }
    )
    engine = rng.choice(ENGINES)
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    return Take(
        id=f"{moment:%Y%m%d-%H%M%S}-{number:06x}", created_at=moment, title="A take", plan=plan,
        sampling=Sampling(
            guidance=rng.choice([2.0, 3.0, 4.0]), adapters=(AdapterUse(name="mine"),) if rng.random() < 0.4 else ()
        ),
        engine=EngineFacts(name=engine, label=engine, tier="full"), seconds=rng.uniform(5, 300), complete=True,
        sample_rate_hz=32_000, channels=1,
    )  # fmt: skip


def judged(seed: int, likes: dict[tuple[str, str], float]) -> list[Judged]:
    """A thousand takes, each liked by half, more or less where a preference was planted; a fifth judged by nobody."""
    rng = random.Random(seed)
    found = []
    for number in range(1_000):
        take = draw_take(rng, number)
        values = {
            ("genre", take.plan.genre.value.replace("_", " ")), ("guidance", f"{take.sampling.guidance:g}"),
            ("engine", take.engine.name), ("adapter", "mine" if take.sampling.adapters else "none"),
        }  # fmt: skip
        chance = 0.5 + sum(push for value, push in likes.items() if value in values)
        found.append(Judged(take, None if rng.random() < 0.2 else rng.random() < chance))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_planted_preferences_are_found_and_no_others(seed: int) -> None:
    planted = {("genre", "jazz"): 0.3, ("guidance", "4"): 0.25, ("engine", "musicgen-large"): -0.25}
    found = trends(judged(seed, planted)).found
    leaning = {(value.aspect, value.value): value.leans for value in found}
    assert leaning[("genre", "jazz")] == "liked"
    assert leaning[("guidance", "4")] == "liked"
    assert leaning[("engine", "musicgen-large")] == "disliked"
    assert {aspect for aspect, _ in leaning} <= {"genre", "guidance", "engine"}


def test_among_takes_liked_at_random_claims_are_as_rare_as_stated() -> None:
    pages_with_a_claim = sum(bool(trends(judged(seed, {})).found) for seed in range(100, 140))
    assert pages_with_a_claim <= 5  # at 5 % a page, 6 or more of 40 come by chance in 1.4 of a hundred runs


def test_what_only_comes_along_is_told_apart() -> None:
    """Every jazz take has the adapter; jazz is what is liked."""
    rng = random.Random(5)
    takes = []
    for number in range(1_000):
        take = draw_take(rng, number)
        jazz = take.plan.genre.value == "jazz"
        worn = jazz or rng.random() < 0.1
        take = take.model_copy(
            update={
                "sampling": take.sampling.model_copy(update={"adapters": (AdapterUse(name="mine"),) if worn else ()})
            }
        )
        takes.append(Judged(take, rng.random() < (0.9 if jazz else 0.4)))
    found = trends(takes)
    assert ("genre", "jazz") in {(value.aspect, value.value) for value in found.found}
    adapter = next(value for value in found.of("adapter") if value.value == "mine")
    assert adapter.leans == "liked" and adapter.along_with == "genre jazz"


def test_few_takes_claim_nothing() -> None:
    assert not trends(judged(1, {("genre", "jazz"): 0.5})[:12]).found
    assert not trends([]).found


def test_wilsons_interval_is_that_of_the_books() -> None:
    low, high = wilson(8, 10)  # Newcombe (1998): 0.490 to 0.943
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert wilson(0, 0) == (0.0, 1.0)


def test_deeds_speak_where_nobody_voted() -> None:
    rng = random.Random(0)
    exported, silent, voted_down, binned, rescued = (draw_take(rng, number) for number in range(5))
    found = judged_takes(
        [exported, silent, voted_down],
        [binned, rescued],
        standings={voted_down.id: Standing(vote=-1), rescued.id: Standing(vote=1)},
        exported={exported.id, voted_down.id},
    )
    assert [each.liked for each in found] == [True, None, False, False, True]


def test_a_default_moves_with_evidence_and_not_again_once_taken_back(tmp_path: Path) -> None:
    found = trends(judged(0, {("guidance", "4"): 0.35}))
    defaults = Defaults(tmp_path / "defaults.json")
    moved = defaults.learn(found)
    assert moved["guidance"].value == 4.0 and "liked" in moved["guidance"].because
    again = Defaults(tmp_path / "defaults.json")
    assert again.current()["guidance"].value == 4.0 and again.learn(found) == {}
    again.take_back("guidance")
    assert again.current() == {} and again.learn(found) == {}


def test_no_default_moves_without_evidence(tmp_path: Path) -> None:
    defaults = Defaults(tmp_path / "defaults.json")
    assert defaults.learn(trends(judged(101, {}))) == {} and not (tmp_path / "defaults.json").exists()
