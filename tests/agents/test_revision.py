"""Edited plans: what an editor changes is kept and marked, and nonsense is refused in one sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from agents.harmony import Chord
from agents.planner import PlanError, apply_edits, make_brief, plan_from_brief, revise
from agents.types import SongPlan


@pytest.fixture
def plan() -> SongPlan:
    return plan_from_brief(make_brief(words="lo-fi hip hop in A minor, 80 bpm", seconds=30), seed=1)


def _set(*path: Any) -> Callable[[dict[str, Any]], None]:
    """A change to a plan's JSON: every step but the last leads to a place, the last is what is put there."""

    def change(value: Any) -> None:
        *steps, last, new = path
        for step in steps:
            value = value[step]
        value[last] = new

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("sections", 1, "bars", "value", 0), r"^Section 2 asks for 0 bars; a section needs at least 1\.$"),
        (_set("sections", 1, "bars", "value", -3), r"^Section 2 asks for -3 bars"),
        (_set("sections", 1, "bars", "value", 2.5), r"whole bars"),
        (_set("sections", 0, "bars", "value", 90), r"longer|more than the song's 30\.0 s"),
        (_set("sections", 0, "chords", "value", ["H7"]), r"^Section 1: “H7” is not a chord"),
        (_set("sections", 0, "chords", "value", []), r"at least one chord"),
        (_set("sections", 0, "instruments", "value", ["kazoo"]), r"^Section 1 asks for “kazoo”"),
        (_set("sections", 0, "energy", "value", 7), r"0 \(calm\) to 1"),
        (_set("sections", 2, "name", "value", ""), r"needs a name.*section 3"),
        (_set("sections", []), r"1 to 64 sections"),
        (_set("tempo_bpm", "value", 1000), r"30 to 300 bpm"),
        (_set("tempo_bpm", "value", float("nan")), r"30 to 300 bpm"),
        (_set("seconds", "value", 3600), r"1 to 600 seconds"),
        (_set("key", "value", "tonic", 15), r"A key is written like"),
        (_set("meter", "value", "beats", 1), r"A meter is written like"),
        (_set("genre", "value", "no such genre"), r"no genre “no such genre”"),
        (_set("groove", "value", "sideways"), r"no groove “sideways”"),
        (_set("instruments", "value", ["kazoo"]), r"“kazoo” is not one of the studio's instruments"),
        (_set("surprise", 1), r"no setting called “surprise”"),
        (_set("version", 9), r"The version cannot be read"),
    ],
)
def test_a_plan_edited_into_nonsense_is_refused_in_one_sentence(
    plan: SongPlan, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    edited = plan.model_dump(mode="json")
    change(edited)
    with pytest.raises(PlanError, match=said) as refusal:
        revise(edited)
    assert "\n" not in str(refusal.value) and str(refusal.value).endswith(".")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null"])
def test_what_is_no_plan_is_called_so(text: str) -> None:
    with pytest.raises(PlanError, match="not a song plan"):
        revise(text)


def test_an_untouched_plan_comes_back_as_it_was(plan: SongPlan) -> None:
    assert revise(plan.model_dump_json()) == plan
    assert apply_edits(plan, plan.model_dump(mode="json")) == plan
    assert apply_edits(plan, {}) == plan


def test_what_was_changed_is_marked_as_asked_and_the_rest_is_not(plan: SongPlan) -> None:
    before = copy.deepcopy(plan)
    rows = [
        {"name": s.name.value, "bars": s.bars.value, "energy": s.energy.value, "chords": s.chords.value,
         "instruments": s.instruments.value, "prompt": s.prompt.value}
        for s in plan.sections
    ]  # fmt: skip
    rows[1]["energy"] = 0.9
    edited = apply_edits(plan, {"title": "My Song", "sections": rows})
    assert edited.title.value == "My Song" and edited.title.by == "asked"
    assert edited.sections[1].energy.value == 0.9 and edited.sections[1].energy.by == "asked"
    assert edited.sections[0] == plan.sections[0]
    assert edited.sections[1].chords == plan.sections[1].chords
    assert plan == before, "the original is never touched"


def test_taking_a_section_away_shortens_the_song_and_keeps_the_ring(plan: SongPlan) -> None:
    rows = [section.model_dump(mode="json") for section in plan.sections][:-1]
    edited = apply_edits(plan, {"sections": rows})
    assert len(edited.sections) == len(plan.sections) - 1
    ring = plan.seconds.value - plan.music_seconds
    assert edited.seconds.value - edited.music_seconds == pytest.approx(ring, abs=0.01)


def test_a_slower_tempo_makes_a_longer_song(plan: SongPlan) -> None:
    edited = apply_edits(plan, {"tempo_bpm": 60})
    assert edited.tempo_bpm.by == "asked"
    assert edited.seconds.value == pytest.approx(plan.music_seconds * 80 / 60, abs=0.05)


def test_a_length_set_too_short_for_the_bars_is_refused(plan: SongPlan) -> None:
    with pytest.raises(PlanError, match="take bars away or make the song longer"):
        apply_edits(plan, {"seconds": 10})


def test_a_song_cannot_be_edited_past_ten_minutes(plan: SongPlan) -> None:
    rows = [section.model_dump(mode="json") for section in plan.sections]
    rows[0]["bars"] = 400
    with pytest.raises(PlanError, match="Take bars away"):
        apply_edits(plan, {"sections": rows})


def test_another_key_takes_the_chords_along(plan: SongPlan) -> None:
    edited = apply_edits(plan, {"key": "C minor"})
    for section, before in zip(edited.sections, plan.sections, strict=True):
        for new, old in zip(section.chords.value, before.chords.value, strict=True):
            assert (Chord.parse(new).root - Chord.parse(old).root) % 12 == 3
            assert Chord.parse(new).quality == Chord.parse(old).quality


def test_another_mode_keeps_the_degrees_and_changes_their_colour(plan: SongPlan) -> None:
    edited = apply_edits(plan, {"key": "A major"})
    scale = set(edited.key.value.scale)
    for section in edited.sections:
        assert all(Chord.parse(symbol).root in scale for symbol in section.chords.value)


def test_everyday_names_of_instruments_are_understood(plan: SongPlan) -> None:
    rows = [section.model_dump(mode="json") for section in plan.sections]
    rows[0]["instruments"] = ["Rhodes", "upright bass"]
    edited = apply_edits(plan, {"sections": rows})
    assert edited.sections[0].instruments.value == ["electric_piano", "acoustic_bass"]


def test_a_new_section_must_be_whole(plan: SongPlan) -> None:
    rows = [section.model_dump(mode="json") for section in plan.sections]
    with pytest.raises(PlanError, match=r"^Section 4 lacks the bars"):
        apply_edits(plan, {"sections": [*rows, {"name": "coda"}]})
