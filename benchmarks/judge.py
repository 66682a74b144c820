"""Does the judge hear what is wrong? 200 sketches over all genres, every second one ruined in a known way.

    .venv/bin/python benchmarks/judge.py --takes 200 --write

The ruins are in benchmarks/ruins.py; the judge is not told which takes were ruined, or how.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
TABLE = ROOT / "docs" / "judge.md"
SECONDS = (24.0, 30.0, 40.0)


@dataclass(frozen=True)
class Outcome:
    """One judged take. ruin: "" for a good one. alone: the score with only the part that should notice it."""

    number: int
    genre: str
    ruin: str
    score: float
    named: str
    expected: str
    part_score: float
    words: str
    seconds_to_judge: float
    seconds: float


def ruin_of(number: int, genres: int, names: list[str]) -> str:
    """Every second take of every genre is ruined, each way as often as any other."""
    ruined = (number // genres + number) % 2 == 1
    return names[(number // 2) % len(names)] if ruined else ""


def judge_one(number: int) -> Outcome:
    """Render take `number`, ruin it when its turn has come, and judge it."""
    from agents.knowledge import genres
    from agents.structure_agent import plan_from_brief
    from agents.types import Brief
    from benchmarks.ruins import RUINS
    from studio.engines.base import Listener, Sampling
    from studio.engines.sketch.engine import SketchEngine
    from studio.listening import judge_clip

    all_genres = list(genres())
    genre = all_genres[number % len(all_genres)]
    brief = Brief(words=genres()[genre].label, seconds=SECONDS[(number * 7) % 3])
    plan = plan_from_brief(brief, seed=number)
    clip = SketchEngine().generate(plan, Sampling(seed=number), Listener()).clip
    name = ruin_of(number, len(all_genres), list(RUINS))
    expected = ""
    if name:
        ruin, expected = RUINS[name]
        clip = ruin(clip, plan, np.random.default_rng(number))
    began = time.perf_counter()
    verdict = judge_clip(plan, clip, engine_channels=2)
    seconds = time.perf_counter() - began
    part = verdict.part(expected)
    return Outcome(
        number, genre, name, verdict.score, verdict.named, expected, part.score if part else 100.0, verdict.words,
        seconds, clip.seconds,
    )  # fmt: skip


def area_under_curve(good: np.ndarray, bad: np.ndarray) -> float:
    """The chance that a good take scores over a ruined one, ties counting half."""
    return float((good[:, None] > bad).mean() + 0.5 * (good[:, None] == bad).mean())


def page(outcomes: list[Outcome]) -> str:
    """The markdown page."""
    good = np.array([o.score for o in outcomes if not o.ruin])
    ruined = [o for o in outcomes if o.ruin]
    bad = np.array([o.score for o in ruined])
    named = sum(o.named == o.expected for o in ruined)
    pace = float(np.median([o.seconds_to_judge / o.seconds for o in outcomes]))
    lines = [
        "# The judge against known ruins",
        "",
        f"{len(outcomes)} sketches over {len({o.genre for o in outcomes})} genres, {len(ruined)} of them ruined in "
        f"{len({o.ruin for o in ruined})} ways. Made by `.venv/bin/python benchmarks/judge.py --write`.",
        "",
        f"- area under the curve, good against ruined: **{area_under_curve(good, bad):.3f}** (goal 0.95)",
        f"- the reason named is the defect that was made: **{named} of {len(ruined)}, "
        f"{100 * named / len(ruined):.0f} %** (goal 90 %)",
        f"- good takes: median {np.median(good):.0f}, tenth percentile {np.percentile(good, 10):.0f}, lowest "
        f"{good.min():.0f}; told of a fault they were not given: {int((good < 97).sum())} of {len(good)}",
        "- the constants were set while looking at takes 0 to 199; `--first 1000` judges others",
        f"- judging takes {100 * pace:.1f} % of the music's length (median, one thread)",
        "",
        "| defect | takes | median score | highest | heard | named | area under the curve |",
        "|---|---|---|---|---|---|---|",
    ]
    by_ruin: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in ruined:
        by_ruin[outcome.ruin].append(outcome)
    for name, takes in by_ruin.items():
        scores = np.array([o.score for o in takes])
        heard = sum(o.part_score < 100 for o in takes)
        right = sum(o.named == o.expected for o in takes)
        lines.append(
            f"| {name} | {len(takes)} | {np.median(scores):.0f} | {scores.max():.0f} | {heard}/{len(takes)} "
            f"| {right}/{len(takes)} | {area_under_curve(good, scores):.3f} |"
        )
    false_alarms = sorted((o for o in outcomes if not o.ruin and o.score < 97), key=lambda o: o.score)
    missed = [o for o in ruined if o.named != o.expected]
    lines += ["", "Good takes that were blamed:", ""]
    lines += [f"- {o.genre.replace('_', ' ')} ({o.number}): {o.words}" for o in false_alarms] or ["- none"]
    lines += ["", "Ruins that were not named:", ""]
    lines += [
        f"- {o.ruin}, {o.genre.replace('_', ' ')} ({o.number}): {o.named or 'nothing'} named, {o.words}" for o in missed
    ] or ["- none"]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--takes", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first take's number: others than those tuned on")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the page to docs/judge.md")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.takes)
    if options.jobs > 1:
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            outcomes = list(pool.map(judge_one, numbers, chunksize=4))
    else:
        outcomes = [judge_one(number) for number in numbers]
    text = page(outcomes)
    print(text)
    if options.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
