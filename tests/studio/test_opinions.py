"""Votes and choices are kept, counted, and survive what befalls the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.history.history import History
from studio.history.opinions import OpinionError, Opinions, Standing

A, B, C = "20261124-101010-aaaaaa", "20261124-101010-bbbbbb", "20261124-101010-cccccc"


@pytest.fixture
def opinions(tmp_path: Path) -> Opinions:
    return Opinions(History(tmp_path / "history.sqlite"), tmp_path / "opinions.jsonl")


def test_the_latest_vote_counts_and_can_be_taken_back(opinions: Opinions) -> None:
    opinions.vote(A, 1)
    assert opinions.standings()[A].liked is True
    opinions.vote(A, -1, words="the bass hums")
    assert opinions.standings()[A].liked is False
    opinions.vote(A, 0)
    assert opinions.standings()[A].liked is None


def test_a_choice_speaks_for_one_and_against_the_others(opinions: Opinions) -> None:
    opinions.choose([A, B, C], B, reasons=["groove", "colour of its cover"], blind=True)
    assert opinions.standings() == {B: Standing(won=1), A: Standing(lost=1), C: Standing(lost=1)}
    kept = opinions.all(take=C)[0]
    assert kept.blind and kept.reasons == ("groove",)


def test_none_of_them_speaks_against_nobody(opinions: Opinions) -> None:
    opinions.choose([A, B], None)
    assert opinions.standings() == {}
    assert len(opinions.all()) == 1


@pytest.mark.parametrize(("takes", "preferred"), [([A], A), ([A, A], A), ([A, B], C)])
def test_a_choice_that_is_none_is_refused_and_nothing_is_written(
    opinions: Opinions, takes: list[str], preferred: str
) -> None:
    with pytest.raises(OpinionError):
        opinions.choose(takes, preferred)
    assert not opinions.path.exists()


def test_opinions_outlive_the_database(opinions: Opinions, tmp_path: Path) -> None:
    opinions.vote(A, 1)
    opinions.choose([A, B], A)
    again = Opinions(History(tmp_path / "another.sqlite"), opinions.path)
    assert again.standings() == opinions.standings()


def test_a_line_cut_off_by_a_crash_costs_only_itself(opinions: Opinions, tmp_path: Path) -> None:
    opinions.vote(A, 1)
    with opinions.path.open("ab") as file:
        file.write(b'{"id": "half')
    opinions.vote(B, 1)
    again = Opinions(History(tmp_path / "another.sqlite"), opinions.path)
    assert set(again.standings()) == {A, B}
    assert "1 lines" in again.notice


def test_owners_have_opinions_of_their_own(opinions: Opinions) -> None:
    opinions.vote(A, 1, owner="guest")
    assert opinions.standings(owner="") == {}
    assert opinions.standings(owner="guest")[A].vote == 1


def test_merging_adds_only_what_is_new(opinions: Opinions, tmp_path: Path) -> None:
    opinions.vote(A, 1)
    other = Opinions(History(tmp_path / "other.sqlite"), tmp_path / "other.jsonl")
    other.vote(B, -1)
    assert opinions.merge([*other.all(), *opinions.all()]) == 1
    assert set(opinions.standings()) == {A, B}
