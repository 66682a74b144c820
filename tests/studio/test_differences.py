"""Compared takes say in what their making differs, and nothing that all of them share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from studio.engines.base import Sampling, Tier
from studio.engines.steering import AdapterUse
from studio.history.differences import differences
from studio.takes import EngineFacts, Take
from tests.tiny_plans import make_plan


def made(*, tier: Tier = "full", words: str = "slow blues", **sampling: Any) -> Take:
    return Take(
        id="20260101-000000-aaaaaa", created_at=datetime(2026, 1, 1, tzinfo=UTC), title="t",
        plan=make_plan(prompt=words), sampling=Sampling(**sampling), seconds=2.0, complete=True, sample_rate_hz=8_000,
        channels=1, engine=EngineFacts(name="one", label="One", tier=tier),
    )  # fmt: skip


def test_only_what_is_not_alike_is_said_in_one_order() -> None:
    worn = (AdapterUse(name="lesson", strength=0.5), AdapterUse(name="brass"))
    assert differences([made(seed=3), made(seed=3, adapters=worn), made(seed=4, guidance=4.5)]) == [
        ("no adapter", "guidance 3", "seed 3"),
        ("lesson × 0.5 + brass × 1", "guidance 3", "seed 3"),
        ("no adapter", "guidance 4.5", "seed 4"),
    ]
    assert differences([made(seed=1, temperature=0.9, top_k=0), made(seed=2, words="")]) == [
        ("“slow blues”", "temperature 0.9", "top-k 0"),
        ("no words", "temperature 1", "top-k 250"),
    ]


def test_what_an_engine_does_not_read_is_not_said_of_it() -> None:
    assert differences([made(tier="built-in"), made(guidance=2.0)]) == [(), ()]
    three = [made(tier="built-in"), made(guidance=2.0), made()]
    assert differences(three) == [(), ("guidance 2",), ("guidance 3",)]
    assert differences([made(tier="built-in", guidance=2.0), made(tier="built-in")]) == [(), ()]


def test_alike_takes_one_take_and_none_differ_in_nothing() -> None:
    assert differences([made(), made()]) == [(), ()]
    assert differences([made()]) == [()] and differences([]) == []
