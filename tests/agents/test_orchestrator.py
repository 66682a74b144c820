"""The loop sends back what failed, keeps the best, and stops in time. Engines here are plain functions over names."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agents.harmony import Key, Meter
from agents.orchestrator import Budget, PassStopped, RefinementState, overrule, refine
from agents.types import Advice, Brief, Decided, Section, SectionMark, SongPlan, Verdict, VerdictPart


def plan_of(*names: str) -> SongPlan:
    sections = [
        Section(
            name=Decided(value=name), bars=Decided(value=4), energy=Decided(value=0.5), prompt=Decided(value="warm"),
            chords=Decided(value=["Am"]), instruments=Decided(value=["piano"]),
        )
        for name in names
    ]  # fmt: skip
    return SongPlan(
        brief=Brief(words="a song"), title=Decided(value="Song"), seconds=Decided(value=8.0 * len(names)),
        tempo_bpm=Decided(value=120.0), key=Decided(value=Key.parse("A minor")), meter=Decided(value=Meter(beats=4)),
        genre=Decided(value="pop"), moods=Decided(value=[]), groove=Decided(value="rock_straight"),
        instruments=Decided(value=["piano"]), prompt=Decided(value="warm"), negative_prompt=Decided(value=""),
        sections=sections,
    )  # fmt: skip


PLAN = plan_of("Intro", "Verse", "Chorus")


def verdict_of(marks: Sequence[float], *, kind: str = "again") -> Verdict:
    """A verdict whose sections have these marks; its score is the lowest of them."""
    bad = tuple(n for n, mark in enumerate(marks) if mark < 100)
    part = VerdictPart(
        name="energy",
        label="Energy",
        asked="",
        measured="",
        score=min(marks),
        weight=1.0,
        reason="Too weak.",
        sections=bad,
    )
    advice = (Advice.model_validate({"kind": kind, "words": "Change it."}),)
    return Verdict(
        score=min(marks), parts=(part,), named="energy",
        sections=tuple(
            SectionMark(
                index=n, name=PLAN.sections[n].name.value, score=mark, reasons=("Too weak.",) if mark < 100 else (),
                advice=advice if mark < 100 else (),
            )
            for n, mark in enumerate(marks)
        ),
    )  # fmt: skip


class Band:
    """Plays takes out of a script: the verdict of each, in turn. Every take costs a second of a clock that only it moves."""

    def __init__(self, *marks: Sequence[float], kind: str = "again", stop_at: int = 99) -> None:
        self.marks, self.kind, self.stop_at = list(marks), kind, stop_at
        self.asked: list[tuple[str, SongPlan, tuple[int, ...], int]] = []
        self.states: list[RefinementState] = []
        self.now = 0.0

    def make(self, plan: SongPlan, *, seed: int) -> str:
        return self._take("", plan, (), seed)

    def remake(self, plan: SongPlan, *, ref: str, sections: tuple[int, ...], seed: int) -> str:
        return self._take(ref, plan, sections, seed)

    def _take(self, ref: str, plan: SongPlan, sections: tuple[int, ...], seed: int) -> str:
        self.now += 1.0
        if len(self.asked) >= self.stop_at:
            raise PassStopped
        self.asked.append((ref, plan, sections, seed))
        return f"take{len(self.asked) - 1}"

    def listen(self, ref: str, plan: SongPlan) -> Verdict:
        assert plan == PLAN, "a take is judged by what was asked, not by the changed request"
        return verdict_of(self.marks[int(ref.removeprefix("take"))], kind=self.kind)

    def play(self, state: RefinementState, *, edits: bool = True) -> RefinementState:
        return refine(
            state, make=self.make, remake=self.remake if edits else None, listen=self.listen, keep=self.states.append,
            clock=lambda: self.now,
        )  # fmt: skip


def start(**budget: float) -> RefinementState:
    return RefinementState(plan=PLAN, seed=5, budget=Budget.model_validate(budget))


def test_only_the_failed_section_is_sent_back_until_the_score_is_reached() -> None:
    band = Band([100, 40, 100], [100, 60, 100], [100, 99, 100])
    end = band.play(start())
    assert [sections for _, _, sections, _ in band.asked] == [(), (1,), (1,)]
    assert [ref for ref, *_ in band.asked] == ["", "take0", "take1"]
    assert end.ended == "score" and end.best is not None and end.best.ref == "take2"
    assert len({seed for *_, seed in band.asked}) == 3, "the same draw again would give the same fault"


def test_a_worse_pass_is_not_built_upon() -> None:
    band = Band([100, 60, 100], [100, 20, 100], [100, 100, 100])
    end = band.play(start())
    assert [ref for ref, *_ in band.asked] == ["", "take0", "take0"]
    assert [one.parent for one in end.passes] == [None, 0, 0]


def test_what_was_changed_is_a_value_that_can_be_shown() -> None:
    band = Band([100, 40, 100], [100, 100, 100], kind="louder")
    end = band.play(start())
    draw, energy = end.passes[1].changes
    assert (draw.what, draw.section, draw.why) == ("draw", 1, "Too weak.") and draw.before != draw.after
    assert (energy.what, energy.before, energy.after) == ("energy", "0.50", "0.62")
    assert band.asked[1][1].sections[1].energy.value == pytest.approx(0.62)
    assert band.asked[1][1].sections[0] == PLAN.sections[0]


def test_the_pass_budget_holds() -> None:
    band = Band(*[[100, 40, 100]] * 9)
    end = band.play(start(passes=3))
    assert len(end.passes) == 3 and end.ended == "passes"


def test_no_pass_is_begun_that_would_not_end_in_time() -> None:
    band = Band(*[[100, 40, 100]] * 9)
    end = band.play(start(seconds=2.5, passes=9))
    assert len(end.passes) == 2 and end.ended == "time" and end.spent_seconds <= 2.5


def test_a_crash_goes_on_from_the_last_finished_pass() -> None:
    band = Band([100, 40, 100], [100, 60, 100], [100, 100, 100])

    class Crash(BaseException):
        pass

    listen = band.listen

    def crashing(ref: str, plan: SongPlan) -> Verdict:
        if ref == "take1":
            raise Crash
        return listen(ref, plan)

    band.listen = crashing  # type: ignore[method-assign]
    with pytest.raises(Crash):
        band.play(start())
    kept = RefinementState.model_validate_json(band.states[-1].model_dump_json())
    assert [one.ref for one in kept.passes] == ["take0"]
    band.listen = listen  # type: ignore[method-assign]
    end = band.play(kept)
    assert [one.ref for one in end.passes] == ["take0", "take2"] and end.ended == "score"
    assert band.asked[-1][0] == "take0"


def test_a_stopped_pass_leaves_those_before_it() -> None:
    band = Band(*[[100, 40, 100]] * 9, stop_at=2)
    end = band.play(start())
    assert len(end.passes) == 2 and end.ended in ("stopped", "time")
    assert band.states[-1] == end


def test_a_broken_pass_is_kept_as_failed_and_told() -> None:
    band = Band([100, 40, 100])
    with pytest.raises(IndexError):
        band.play(start())
    assert band.states[-1].ended == "failed" and len(band.states[-1].passes) == 1


def test_an_engine_that_cannot_make_sections_makes_the_whole_take_again() -> None:
    band = Band([100, 40, 100], [100, 100, 100])
    end = band.play(start(), edits=False)
    assert [ref for ref, *_ in band.asked] == ["", ""] and end.passes[1].sections == ()


def test_when_all_sections_fail_the_whole_take_is_made_again() -> None:
    band = Band([40, 40, 40], [100, 100, 100])
    assert band.play(start()).passes[1].parent is None


def test_sections_the_user_wants_left_are_left() -> None:
    band = Band([100, 40, 50], [100, 40, 100])
    end = band.play(overrule(start(), leave=[1]))
    assert band.asked[1][2] == (2,) and end.ended == "nothing left"


def test_the_users_choice_of_the_best_beats_the_score() -> None:
    band = Band([100, 60, 100], [100, 70, 100], [100, 80, 100])
    state = overrule(band.play(start(passes=2)), best=0)
    assert state.best is not None and state.best.number == 0
    end = band.play(overrule(state, redo=[2]))
    assert band.asked[-1][0] == "take0" and 2 in band.asked[-1][2]
    assert len(end.passes) == 3, "a wish is granted one pass beyond the budget"


def test_nobody_overrules_with_what_does_not_exist() -> None:
    with pytest.raises(IndexError):
        overrule(start(), best=0)
    with pytest.raises(IndexError):
        overrule(start(), redo=[3])
