"""A search finds takes by anything that is known of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.harmony import Key
from agents.types import Decided
from studio.engines.base import Sampling
from studio.engines.steering import AdapterUse
from studio.history.deeds import Deeds
from studio.history.finding import QueryError, read_query
from studio.history.history import History
from studio.history.opinions import Opinions
from studio.takes import EngineFacts, Take
from tests.tiny_plans import make_plan

HOUSE, WALTZ = "20261120-101010-aaaaaa", "20261124-101010-bbbbbb"


def take(take_id: str, *, genre: str, tempo: float, key: str, engine: str, guidance: float, worn: bool) -> Take:
    plan = make_plan(seconds=1.0).model_copy(
        update={
            "seconds": Decided(value=8.0), "genre": Decided(value=genre), "tempo_bpm": Decided(value=tempo),
            "key": Decided(value=Key.parse(key)), "moods": Decided(value=["dark", "late_night"]),
        }
    )  # fmt: skip
    return Take(
        id=take_id, created_at=datetime.strptime(take_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC), title="Take",
        plan=plan, sampling=Sampling(seed=7, guidance=guidance, adapters=(AdapterUse(name="Mine"),) if worn else ()),
        engine=EngineFacts(name=engine, label=engine, tier="full"), seconds=8.0, complete=not worn, sample_rate_hz=8_000,
        channels=1, request={"series": "grid-1"} if worn else {},
    )  # fmt: skip


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = History(tmp_path / "history.sqlite")
    history.add(
        take(HOUSE, genre="deep_house", tempo=122.4, key="F# minor", engine="musicgen-small", guidance=4.0, worn=True)
    )
    history.add(take(WALTZ, genre="waltz", tempo=90.0, key="C major", engine="sketch", guidance=3.0, worn=False))
    opinions = Opinions(history, tmp_path / "opinions.jsonl")
    opinions.vote(HOUSE, 1)
    opinions.vote(WALTZ, 1)
    opinions.vote(WALTZ, -1)
    Deeds(history, tmp_path / "deeds.jsonl").note(WALTZ, "export", "flac")
    return history


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('genre:"deep house"', [HOUSE]),
        ("genre:Deep_House", [HOUSE]),
        ("tempo:110-130bpm", [HOUSE]),
        ("tempo:122", [HOUSE]),
        ("tempo:<100", [WALTZ]),
        ('key:"F# minor"', [HOUSE]),
        ('key:"Gb minor"', [HOUSE]),
        ("mode:major", [WALTZ]),
        ("meter:4/4", [WALTZ, HOUSE]),
        ('mood:"late night"', [WALTZ, HOUSE]),
        ("engine:sketch", [WALTZ]),
        ("engine:SKET", [WALTZ]),
        ("engine:%", []),
        ("guidance:4", [HOUSE]),
        ("adapter:mine", [HOUSE]),
        ("series:grid-1", [HOUSE]),
        ("complete:no", [HOUSE]),
        ("edited:yes", []),
        ("liked:yes", [HOUSE]),
        ("disliked:yes", [WALTZ]),
        ("exported:yes", [WALTZ]),
        ("exported:no", [HOUSE]),
        ("since:2026-11-21", [WALTZ]),
        ("until:2026-11-20", [HOUSE]),
        ("on:2026-11-24", [WALTZ]),
        ("seed:7 liked:yes tempo:>100", [HOUSE]),
        ("solo piano liked:yes", [HOUSE]),
        ("tuba liked:yes", []),
        ("-house", [WALTZ]),
        ("solo -house", [WALTZ]),
        ("-tuba", [WALTZ, HOUSE]),
        ("-liked:yes", [WALTZ]),
        ("-adapter:mine -tempo:>100", [WALTZ]),
        ("-", []),
    ],
)
def test_terms_narrow_the_takes(history: History, query: str, found: list[str]) -> None:
    page = history.search(query)
    assert [entry.take.id for entry in page.entries] == found
    assert page.total == len(found)


@pytest.mark.parametrize("query", ["tempo:fast", "key:H#", "liked:perhaps", "since:tomorrow", "on:24.11.2026"])
def test_a_senseless_term_is_answered_in_a_sentence(history: History, query: str) -> None:
    with pytest.raises(QueryError, match="was given"):
        history.search(query)


@pytest.mark.parametrize("text", ['rain "unclosed', "note: rain", "it's raining", "a\\", "::", "genre:"])
def test_what_is_no_term_counts_as_words(history: History, text: str) -> None:
    assert not read_query(text).conditions
    history.search(text)
