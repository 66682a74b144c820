"""What was kept, exported and deleted says what is liked; too few takes say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.structure_agent import plan_from_brief
from agents.types import Brief
from audio.clip import Clip
from studio.engines.base import Rendering, Sampling
from studio.history.history import History
from studio.history.insight import insight
from studio.history.opinions import Standing
from studio.takes import EngineFacts, TakeStore

FACTS = EngineFacts(name="sketch", label="Sketch", tier="built-in")


@pytest.fixture
def studio(tmp_path: Path) -> tuple[TakeStore, History]:
    return TakeStore(tmp_path / "takes", tmp_path / "bin"), History(tmp_path / "history.sqlite")


def put(studio: tuple[TakeStore, History], words: str, *, binned: bool = False, refinement: str = "") -> str:
    store, history = studio
    plan = plan_from_brief(Brief(words=words, seconds=20.0), seed=1)
    take = store.write(
        Rendering(clip=Clip.silence(seconds=0.1, sample_rate_hz=8_000), complete=True), plan=plan, sampling=Sampling(),
        engine=FACTS, request={"refinement": refinement} if refinement else {},
    )  # fmt: skip
    history.add(take, state="binned" if binned else "kept")
    return take.id


def test_two_takes_are_no_taste(studio: tuple[TakeStore, History]) -> None:
    for _ in range(2):
        put(studio, "lo-fi at 84 bpm")
    found = insight(studio[1])
    assert found.taste.takes == 0 and found.suggestions and "too few" in found.grounds


def test_kept_takes_say_what_is_liked_and_deleted_ones_what_is_not(studio: tuple[TakeStore, History]) -> None:
    for tempo in (84, 86, 90, 92):
        put(studio, f"lo-fi with rhodes at {tempo} bpm")
    for _ in range(3):
        put(studio, "techno at 132 bpm", binned=True)
    put(studio, "techno at 132 bpm")
    found = insight(studio[1])
    assert found.taste.genres[0] == "lofi_hip_hop" and "techno" not in found.taste.genres
    assert "electric_piano" in found.taste.instruments
    assert found.taste.takes == 5 and found.grounds == "Out of 5 takes kept, and 3 deleted."
    assert all("bpm" in one.words and one.why for one in found.suggestions)
    assert found.taste.sentence.startswith("Your takes so far: Lo-fi hip hop"), "nobody said that they are liked"


def test_an_exported_take_weighs_more(studio: tuple[TakeStore, History]) -> None:
    jazz = [put(studio, "jazz"), put(studio, "jazz")]
    for _ in range(3):
        put(studio, "funk")
    assert insight(studio[1]).taste.genres[0] == "funk"
    found = insight(studio[1], exported=set(jazz))
    assert found.taste.genres[0] == "jazz" and "2 exported" in found.grounds


def test_a_vote_weighs_most_and_one_against_counts_as_such(studio: tuple[TakeStore, History]) -> None:
    jazz = put(studio, "jazz")
    funk = [put(studio, "funk") for _ in range(3)]
    techno = [put(studio, "techno") for _ in range(2)]
    votes = {jazz: Standing(vote=1), techno[0]: Standing(vote=-1), techno[1]: Standing(lost=2)}
    found = insight(studio[1], standings=votes | {funk[0]: Standing(vote=-1), funk[1]: Standing(vote=-1)})
    assert found.taste.genres[0] == "jazz" and "techno" not in found.taste.genres
    assert found.grounds == "Out of 6 takes kept, 1 of them liked, 4 disliked."


def test_a_refinement_counts_once(studio: tuple[TakeStore, History]) -> None:
    for _ in range(6):
        put(studio, "techno", refinement="r1")
    for _ in range(2):
        put(studio, "funk")
    assert insight(studio[1]).taste.genres[0] == "funk"


def test_another_owners_takes_say_nothing(studio: tuple[TakeStore, History]) -> None:
    for _ in range(4):
        put(studio, "funk")
    assert insight(studio[1], owner="ana").taste.takes == 0
