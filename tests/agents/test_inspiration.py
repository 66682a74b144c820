"""What references lend to a song: figures between them by weight, a band out of both, never what was asked for."""

from __future__ import annotations

import pytest

from agents.harmony import Key
from agents.inspiration import Weighted, inspiration_of, key_distance, plan_after
from agents.planner import plan_from_brief
from agents.style_agent import Reference
from agents.types import Brief, SongPlan


def reference(name: str, weight: float = 1.0, **known: object) -> Weighted:
    if isinstance(known.get("key"), str):
        known["key"] = Key.parse(str(known["key"]))
    return Weighted(id=f"track:{name}", reference=Reference(name=name, **known), weight=weight)  # type: ignore[arg-type]


def test_a_tempo_lies_between_by_weight() -> None:
    even = inspiration_of([reference("A", tempo_bpm=90.0), reference("B", tempo_bpm=120.0)]).tempo_bpm
    heavy = inspiration_of([reference("A", 3.0, tempo_bpm=90.0), reference("B", tempo_bpm=120.0)]).tempo_bpm
    assert even is not None and heavy is not None
    assert even.value == pytest.approx(103.9, abs=0.1)  # in proportion, as one hears it
    assert 90 < heavy.value < even.value
    assert "“A” (90)" in even.why and "“B” (120)" in even.why


def test_double_time_is_the_same_tempo() -> None:
    tempo = inspiration_of([reference("A", 2.0, tempo_bpm=80.0), reference("B", tempo_bpm=160.0)]).tempo_bpm
    assert tempo is not None and tempo.value == 80.0


@pytest.mark.parametrize(
    ("first", "second", "between"),
    [
        ("C major", "D major", "G major"),
        ("A minor", "B minor", "E minor"),
        ("F# minor", "F# minor", "F# minor"),
        ("C major", "A minor", "C major"),
    ],
)
def test_a_key_lies_between_on_the_circle_of_fifths(first: str, second: str, between: str) -> None:
    key = inspiration_of([reference("A", 1.1, key=first), reference("B", key=second)]).key
    assert key is not None and key.value == Key.parse(between)


def test_the_heavier_song_pulls_the_key() -> None:
    key = inspiration_of([reference("A", 9.0, key="C major"), reference("B", key="D major")]).key
    assert key is not None and key.value == Key.parse("C major")


def test_distances_on_the_circle_are_a_musicians() -> None:
    c = Key.parse("C major")
    assert [key_distance(c, Key.parse(name)) for name in ("C major", "A minor", "G major", "F# major")] == [
        0,
        0.5,
        1,
        6,
    ]


def test_what_was_asked_for_is_never_touched() -> None:
    lent = [reference("A", tempo_bpm=90.0, key="C major", genre="techno", energy=0.9)]
    plan = plan_after(Brief(words="bossa nova in F minor, 132 bpm"), lent, seed=3)
    assert (plan.tempo_bpm.value, plan.key.value, plan.genre.value) == (132.0, Key.parse("F minor"), "bossa_nova")
    assert plan.tempo_bpm.by == plan.key.by == plan.genre.by == "asked"
    assert plan.groove.value == plan_from_brief(plan.brief, seed=3).groove.value


def mean_energy(plan: SongPlan) -> float:
    return sum(s.energy.value * s.bars.value for s in plan.sections) / plan.bars


def test_a_song_after_one_reference_moves_as_it_does() -> None:
    lent = [reference("A", tempo_bpm=83.4, key="Eb minor", genre="lofi_hip_hop", energy=0.3)]
    plan = plan_after(Brief(words="a rainy evening", seconds=40.0), lent, seed=3)
    assert plan.tempo_bpm.value == 83.4 and plan.tempo_bpm.by == "inferred" and "“A”" in plan.tempo_bpm.why
    assert plan.key.value == Key.parse("Eb minor") and plan.genre.value == "lofi_hip_hop"
    assert mean_energy(plan) == pytest.approx(0.3, abs=0.06)
    assert plan.shaped_by[0].name == "A" and "83 bpm" in plan.shaped_by[0].gave
    assert any("83.4 bpm, from “A”." in note for note in plan.notes)
    assert plan.brief.words == "a rainy evening"


def test_a_mixture_has_the_rhythm_of_one_and_the_tune_of_the_other() -> None:
    lent = [
        reference("A", 2.0, tempo_bpm=128.0, key="A minor", genre="techno"),
        reference("B", 1.0, tempo_bpm=120.0, key="A minor", genre="bossa_nova"),
    ]
    plan = plan_after(Brief(references=("track:A", "track:B")), lent, seed=5)
    alone = plan_after(Brief(references=("track:A",)), lent[:1], seed=5)
    assert plan.groove.value == alone.groove.value
    assert plan.instruments.value != alone.instruments.value
    assert any("the tune" in gave for gave in plan.shaped_by[1].gave)
    assert "Bossa nova influence" in plan.prompt.value


def test_references_alone_are_enough_and_the_same_seed_gives_the_same_plan() -> None:
    lent = [reference("A", tempo_bpm=100.0, key="G major", tags=("funk", "happy"))]
    brief = Brief(references=("track:A",), seconds=20.0)
    plan = plan_after(brief, lent, seed=1)
    assert plan == plan_after(brief, lent, seed=1)
    assert plan.genre.value == "funk" and plan.brief == brief


def test_a_reference_nobody_measured_lends_nothing_and_breaks_nothing() -> None:
    plan = plan_after(Brief(words="jazz trio"), [reference("A")], seed=2)
    plain = plan_from_brief(Brief(words="jazz trio"), seed=2)
    assert plan.sections == plain.sections and plan.tempo_bpm == plain.tempo_bpm
    assert plan.shaped_by[0].gave == ()


def test_older_briefs_draw_as_they_did() -> None:
    assert "reference_weights" not in Brief(words="x").as_seed()
    assert "reference_weights" in Brief(words="x", references=("a",), reference_weights=(0.5,)).as_seed()


def test_no_weight_no_pull() -> None:
    brief = Brief(references=("track:A", "track:B", "track:C"), reference_weights=(0.0, 2.0))
    assert brief.weighted_references == {"track:B": 2.0, "track:C": 1.0}
