"""Does sending back make takes better? 40 briefs, an engine that errs on purpose, the whole studio path.

    .venv/bin/python benchmarks/refine.py --write

The engine is the real sketch engine, some of whose sections come out broken (benchmarks/erring.py). Every pass is kept
as a take; the samples of the sections that were not made anew are compared on the files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.orchestrator import Budget
from agents.types import Brief, SongPlan
from audio.io import read_clip
from benchmarks.erring import ErringEngine
from studio.engines.base import Listener, Rendering, Sampling
from studio.engines.sketch.engine import SketchEngine
from studio.engines.sketch.exchange import section_spans, shares
from studio.history.history import History
from studio.refine import Refinements, RefinementView, RefineRequest
from studio.takes import TakeStore

TABLE = Path(__file__).resolve().parent.parent / "docs" / "refinement.md"
PLACES = ("for a rainy evening", "for the open road", "at night", "full of hope", "in a small room")


class OneEngine:
    """A pipeline of one engine."""

    def __init__(self, engine: ErringEngine) -> None:
        self._engine = engine

    def engine(self, name: str) -> ErringEngine:
        return self._engine

    def generate(self, name: str, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        return self._engine.generate(plan, sampling, listener)

    def regenerate(
        self,
        name: str,
        plan: SongPlan,
        previous: Rendering,
        sections: Collection[int],
        sampling: Sampling,
        listener: Listener,
    ) -> Rendering:
        return self._engine.regenerate(plan, previous, sections, sampling, listener)


@dataclass(frozen=True)
class Outcome:
    """One refinement: scores of its passes, and whether all that should stay stayed."""

    words: str
    scores: tuple[float, ...]
    best_scores: tuple[float, ...]
    ended: str
    planted: int
    remade_sound: int
    remade_broken: int
    stayed: bool
    within_budget: bool
    seconds: float


def briefs(count: int) -> list[Brief]:
    """That many briefs over the genres."""
    from agents.knowledge import genres

    labels = [genre.label for genre in genres().values()]
    return [
        Brief(words=f"{labels[(3 * k) % len(labels)]} {PLACES[k % len(PLACES)]}", seconds=24.0 + 6 * (k % 3))
        for k in range(count)
    ]


def run(brief: Brief, number: int, *, budget: Budget) -> Outcome:
    """Refine one brief and look at what changed."""
    from agents.structure_agent import plan_from_brief

    engine = ErringEngine(SketchEngine(), seed=number)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        store = TakeStore(Path(folder) / "takes", Path(folder) / "bin")
        history = History(Path(folder) / "history.sqlite")
        refinements = Refinements(pipeline=OneEngine(engine), planner=plan_from_brief, store=store, history=history)
        request = RefineRequest(brief=brief, sampling=Sampling(seed=number), budget=budget)
        view = refinements.wait(refinements.start(request).id)
        stayed = all(others_stayed(store, view, k) for k in range(1, len(view.passes)))
        history.close()
    scores = tuple(one.verdict.score for one in view.passes)
    best = tuple(float(x) for x in np.maximum.accumulate(scores))
    broken: dict[int, dict[int, str]] = {}
    sound = ill = 0
    for k, one in enumerate(view.passes):
        base = broken.get(one.parent, {}) if one.parent is not None else {}
        if one.parent is not None:
            ill += sum(n in base for n in one.sections)
            sound += sum(n not in base for n in one.sections)
        left = {n: fault for n, fault in base.items() if n not in one.sections} if one.parent is not None else {}
        broken[k] = {**left, **engine.planted[k]}
    return Outcome(
        words=brief.words, scores=scores, best_scores=best, ended=view.ended, planted=len(engine.planted[0]),
        remade_sound=sound, remade_broken=ill, stayed=stayed,
        within_budget=len(view.passes) <= budget.passes and view.spent_seconds <= budget.seconds,
        seconds=time.perf_counter() - began,
    )  # fmt: skip


def others_stayed(store: TakeStore, view: RefinementView, number: int) -> bool:
    """Whether every sample outside the sections made anew (and their declared crossfades) is the parent's, on the files."""
    one = view.passes[number]
    if one.parent is None:
        return True
    before, after = (read_clip(store.audio_path(view.passes[k].ref)) for k in (one.parent, number))
    plan = store.read(one.ref).plan
    spans = section_spans(plan, one.sections, seconds=before.seconds)
    outside = shares(spans, frames=before.frames, sample_rate_hz=before.sample_rate_hz) == 0
    return bool(np.array_equal(before.samples[:, outside], after.samples[:, outside]))


def page(outcomes: list[Outcome], budget: Budget) -> str:
    """The markdown page."""
    count = len(outcomes)

    def after(number: int, scores: str) -> float:
        """The mean after a pass; a refinement that was done earlier stays where it was."""
        rows = [getattr(o, scores) for o in outcomes]
        return float(np.mean([row[min(number, len(row) - 1)] for row in rows]))

    lines = [
        "# Refinement with an engine that errs",
        "",
        f"{count} briefs; the sketch engine with faults planted in its sections, at least one in every first take. "
        f"Budget: {budget.passes} passes, {budget.seconds:g} s, score {budget.score:g}. "
        "Made by `.venv/bin/python benchmarks/refine.py --write`.",
        "",
        "| after pass | mean score of the best take | takes still refined |",
        "|---|---|---|",
        *(
            f"| {k + 1} | {after(k, 'best_scores'):.1f} | {sum(len(o.scores) > k for o in outcomes)} |"
            for k in range(budget.passes)
        ),
        "",
        f"- all samples outside the sections made anew identical: **{sum(o.stayed for o in outcomes)} of {count}**",
        f"- sections made anew that were broken: **{sum(o.remade_broken for o in outcomes)}**, that were sound: "
        f"**{sum(o.remade_sound for o in outcomes)}**",
        f"- within the budget: **{sum(o.within_budget for o in outcomes)} of {count}**",
        "- ended: "
        + ", ".join(f"{e} {sum(o.ended == e for o in outcomes)}" for e in sorted({o.ended for o in outcomes})),
        f"- seconds a refinement, median: {np.median([o.seconds for o in outcomes]):.1f}",
        "",
        "| brief | faults in the first take | scores by pass | ended |",
        "|---|---|---|---|",
        *(f"| {o.words} | {o.planted} | {' → '.join(f'{s:.0f}' for s in o.scores)} | {o.ended} |" for o in outcomes),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--briefs", type=int, default=40)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--score", type=float, default=97.0)
    parser.add_argument("--write", action="store_true", help="write the page to docs/refinement.md")
    options = parser.parse_args()
    budget = Budget(passes=options.passes, seconds=options.seconds, score=options.score)
    outcomes = [run(brief, number, budget=budget) for number, brief in enumerate(briefs(options.briefs))]
    text = page(outcomes, budget)
    print(text)
    if options.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
