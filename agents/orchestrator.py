"""The orchestrator: plan, make, listen, send back what failed, keep the best, stop in time.

A plain loop over what it is handed. Its state is one JSON-able value, given out after every finished pass, so that a
crash or a reload goes on from the last finished pass. Knows nothing of engines, files or threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from agents.sending_back import Change, Request, next_request
from agents.types import SongPlan, Verdict

Ended = Literal["", "score", "passes", "time", "nothing left", "stopped", "failed"]
ENDINGS: dict[str, str] = {
    "": "At work.",
    "score": "The score asked for is reached.",
    "passes": "All passes are made.",
    "time": "The time is up.",
    "nothing left": "Nothing is left that another pass would better.",
    "stopped": "You stopped it.",
    "failed": "A pass broke; what was made before it is kept.",
}


class PassStopped(Exception):
    """A pass was left in the middle, because the user or the clock said so."""


class Budget(BaseModel):
    """When to stop: after so many passes, so many seconds, or at this score, whichever comes first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passes: int = Field(default=4, ge=1, le=20)
    seconds: float = Field(default=300.0, gt=0, le=86_400)
    score: float = Field(default=95.0, ge=0, le=100)


class Pass(BaseModel):
    """One finished pass. ref: the take it made. parent: the pass it was made from, None for a whole new take.

    sections: those made anew; () means all. changes: what was asked differently, to be shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    ref: str
    parent: int | None = None
    sections: tuple[int, ...] = ()
    changes: tuple[Change, ...] = ()
    seed: int
    verdict: Verdict
    seconds: float


class RefinementState(BaseModel):
    """Everything of a refinement. plan: what was asked, which every verdict is held against.

    chosen: the pass the user took for the best, whatever the score. left: sections the user wants left as they are;
    redo: sections the user wants made anew in the next pass.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    plan: SongPlan
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    budget: Budget = Budget()
    passes: tuple[Pass, ...] = ()
    ended: Ended = ""
    error: str = ""
    spent_seconds: float = 0.0
    chosen: int | None = None
    left: tuple[int, ...] = ()
    redo: tuple[int, ...] = ()

    @property
    def best(self) -> Pass | None:
        """The pass the user chose, else the one of the highest score, the latest of equals."""
        if self.chosen is not None:
            return self.passes[self.chosen]
        return max(self.passes, key=lambda one: (one.verdict.score, one.number), default=None)


class Make(Protocol):
    """Makes a whole take and answers with its name. Raises PassStopped."""

    def __call__(self, plan: SongPlan, *, seed: int) -> str: ...


class Remake(Protocol):
    """Makes sections of a take anew, leaving the rest as it is, and answers with the new take's name. PassStopped."""

    def __call__(self, plan: SongPlan, *, ref: str, sections: tuple[int, ...], seed: int) -> str: ...


def refine(
    state: RefinementState,
    *,
    make: Make,
    remake: Remake | None,
    listen: Callable[[str, SongPlan], Verdict],
    keep: Callable[[RefinementState], None],
    stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> RefinementState:
    """Run passes until a budget is spent, the score is reached, nothing is left to better, or the user stops.

    remake None: the engine cannot make single sections, so a pass makes the whole take again. keep is called after
    every finished pass and at the end. No pass is begun that, at the pace of the longest so far, would not end in
    time. Whatever else `make` and its like raise goes through, after the state was kept as failed.
    """
    state = state.model_copy(update={"ended": "", "error": ""})
    while True:
        ended, request = _next(state, stopped)
        if request is None:
            return _kept(state.model_copy(update={"ended": ended}), keep)
        began = clock()
        try:
            ref, parent = _made(state, request, make, remake)
            verdict = listen(ref, state.plan)
        except PassStopped:
            spent = state.spent_seconds + clock() - began
            ended = "stopped" if stopped() else "time"
            return _kept(state.model_copy(update={"ended": ended, "spent_seconds": spent}), keep)
        except Exception as error:
            _kept(state.model_copy(update={"ended": "failed", "error": str(error)}), keep)
            raise
        seconds = clock() - began
        done = Pass(
            number=len(state.passes), ref=ref, parent=parent, sections=request.sections if parent is not None else (),
            changes=request.changes, seed=request.seed, verdict=verdict, seconds=seconds,
        )  # fmt: skip
        state = _kept(
            state.model_copy(
                update={"passes": (*state.passes, done), "spent_seconds": state.spent_seconds + seconds, "redo": ()}
            ),
            keep,
        )


def overrule(
    state: RefinementState, *, best: int | None = None, leave: Collection[int] = (), redo: Collection[int] = ()
) -> RefinementState:
    """The user's word against the judge's: this pass is the best, leave these sections be, make those anew.

    A wish to make sections anew is granted one pass beyond the budget. Raises IndexError for what does not exist.
    """
    if best is not None and not 0 <= best < len(state.passes):
        raise IndexError(f"There is no pass {best + 1} yet.")
    count = len(state.plan.sections)
    if any(not 0 <= number < count for number in (*leave, *redo)):
        raise IndexError(f"The song has sections 1 to {count}.")
    left = tuple(sorted({*state.left, *leave} - set(redo)))
    update: dict[str, object] = {"left": left, "redo": tuple(sorted({*state.redo, *redo} - set(leave)))}
    if best is not None:
        update["chosen"] = best
    if redo:
        passes = max(state.budget.passes, len(state.passes) + 1)
        longest = max((one.seconds for one in state.passes), default=0.0)
        update["budget"] = Budget(
            passes=min(20, passes), score=state.budget.score,
            seconds=max(state.budget.seconds, state.spent_seconds + 2 * longest + 1),
        )  # fmt: skip
        update["ended"] = ""
    return state.model_copy(update=update)


def _next(state: RefinementState, stopped: Callable[[], bool]) -> tuple[Ended, Request | None]:
    """What to do now: a request, or None and why it is over."""
    best = state.best
    if stopped():
        return "stopped", None
    if best is None:
        return "", Request(plan=state.plan, sections=(), changes=(), seed=state.seed)
    if best.verdict.score >= state.budget.score and not state.redo:
        return "score", None
    if len(state.passes) >= state.budget.passes:
        return "passes", None
    longest = max(one.seconds for one in state.passes)
    if state.spent_seconds + longest > state.budget.seconds:
        return "time", None
    tried: dict[int, int] = {}
    for one in state.passes:
        for number in one.sections if one.parent is not None else range(len(state.plan.sections)):
            tried[number] = tried.get(number, 0) + 1
    request = next_request(
        state.plan, best.verdict, seed=(state.seed + 7_919 * len(state.passes)) % 2**32, previous_seed=best.seed,
        tried=tried, left=state.left, redo=state.redo,
    )  # fmt: skip
    return ("nothing left", None) if request is None else ("", request)


def _made(state: RefinementState, request: Request, make: Make, remake: Remake | None) -> tuple[str, int | None]:
    best = state.best
    every = len(request.sections) in (0, len(state.plan.sections))
    if best is None or every or remake is None:
        return make(request.plan, seed=request.seed), None
    return remake(request.plan, ref=best.ref, sections=request.sections, seed=request.seed), best.number


def _kept(state: RefinementState, keep: Callable[[RefinementState], None]) -> RefinementState:
    keep(state)
    return state
