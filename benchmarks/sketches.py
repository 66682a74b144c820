"""Do sketches keep what was planned? Every genre, several seeds, measured on the sound alone.

    .venv/bin/python benchmarks/sketches.py --seeds 5 --seconds 30 --write

Each plan is made from the genre's name alone. Tempo, key, loudness, true peak, gaps and section starts are then measured
on the finished clip by code that is not told the plan; only the comparison knows it. A planned section start counts as
found when one of the strongest changes in the sound (as many as there are planned starts, and three
more for the last chord and the inside of sections) lies within a bar of it. What a random moment would score is printed
beside it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import isfinite
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
TABLE = ROOT / "docs" / "sketches.md"
GOALS = "Goals: tempo 95 %, key 85 %, loudness within 0.5 LU of −14, true peak under −1 dBTP, no gap over 1 s, sections 100 %."


@dataclass(frozen=True)
class Outcome:
    """One take, asked for against measured."""

    genre: str
    seed: int
    planned_bpm: float
    heard_bpm: float
    tempo_hit: bool
    planned_key: str
    heard_key: str
    key_hit: bool
    loudness_lufs: float
    peak_dbtp: float
    gap_seconds: float
    starts: int
    starts_found: int
    starts_exact: int
    chance: tuple[float, float]
    times_real_time: float
    detail: str = ""


def tempo_agrees(planned: float, heard: float, *, compound: bool) -> bool:
    """Within 2 %, octave errors allowed; in compound and triplet time the triplet's readings too."""
    ratios = [1.0, 2.0, 0.5, *((3.0, 1.5, 1 / 3, 2 / 3) if compound else ())]
    return any(abs(heard / (planned * ratio) - 1) <= 0.02 for ratio in ratios)


def measure(job: tuple[str, int, float]) -> Outcome:
    """Plan, render and measure one take."""
    genre_id, seed, seconds = job
    from agents.harmony import Key
    from agents.knowledge import genres
    from agents.structure_agent import plan_from_brief
    from agents.types import Brief
    from audio.analysis import estimate_key, estimate_tempo, gaps, novelty
    from audio.loudness import integrated_lufs, true_peak_dbtp
    from studio.engines.base import Listener, Sampling
    from studio.engines.sketch.engine import SketchEngine

    plan = plan_from_brief(Brief(words=genres()[genre_id].label, seconds=seconds), seed=seed)
    began = time.perf_counter()
    clip = SketchEngine().generate(plan, Sampling(seed=seed), Listener()).clip
    speed = clip.seconds / (time.perf_counter() - began)

    tempo = estimate_tempo(clip)
    key = estimate_key(clip)
    planned_key = plan.key.value
    heard_key = Key(tonic=key.tonic, mode=key.mode)  # type: ignore[arg-type]
    meter = plan.meter.value
    triplets = meter.is_compound or meter.beats == 3 or plan.groove.value in TRIPLET_GROOVES
    silences = [end - start for start, end in gaps(clip) if end < clip.seconds - 0.02]
    starts = plan.section_starts_seconds()[1:]
    changes = novelty(clip).peaks_seconds(apart_seconds=2.0)[: len(starts) + 3]
    found = [s for s in starts if any(abs(c - s) <= plan.bar_seconds for c in changes)]
    exact = [s for s in starts if any(abs(c - s) <= 0.5 for c in changes)]
    elsewhere = [k / 200 * clip.seconds for k in range(10, 190)]
    by_chance = [
        sum(any(abs(c - s) <= reach for c in changes) for s in elsewhere) / len(elsewhere)
        for reach in (plan.bar_seconds, 0.5)
    ]
    return Outcome(
        genre=genre_id, seed=seed, planned_bpm=plan.tempo_bpm.value, heard_bpm=tempo.tempo_bpm,
        tempo_hit=tempo_agrees(plan.tempo_bpm.value, tempo.tempo_bpm, compound=triplets),
        planned_key=planned_key.name, heard_key=key.name, key_hit=key_agrees(planned_key, heard_key),
        loudness_lufs=integrated_lufs(clip), peak_dbtp=true_peak_dbtp(clip), gap_seconds=max(silences, default=0.0),
        starts=len(starts), starts_found=len(found), starts_exact=len(exact), chance=(by_chance[0], by_chance[1]), times_real_time=speed,
        detail=f"starts {[round(s, 1) for s in starts]} changes {[round(float(c), 1) for c in sorted(changes)]}",
    )  # fmt: skip


TRIPLET_GROOVES = {"slow_12_8", "gospel_shuffle", "blues_shuffle", "jazz_swing"}


def key_agrees(planned, heard) -> bool:
    """The same tonic and third, or the relative: the major or minor key of the same notes."""
    if heard.tonic == planned.tonic and heard.is_minor == planned.is_minor:
        return True
    same_notes = set(heard.scale) == set(planned.scale)
    return same_notes or (heard.tonic, heard.mode) == (planned.relative.tonic, planned.relative.mode)


def table(outcomes: list[Outcome], *, seconds: float) -> str:
    """The markdown page: a row a genre and the totals."""
    rows = [
        "| genre | tempo | key | LUFS | true peak, highest | longest gap | section starts | × real time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    by_genre: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_genre[outcome.genre].append(outcome)
    for genre, takes in by_genre.items():
        rows.append(_row(genre.replace("_", " "), takes))
    rows.append(_row("**all**", outcomes))
    count = len(outcomes)
    within = sum(abs(o.loudness_lufs + 14) <= 0.5 for o in outcomes)
    under = sum(o.peak_dbtp < -1 for o in outcomes)
    silent = sum(o.gap_seconds > 1 for o in outcomes)
    return "\n".join(
        [
            "# Sketches: planned against heard",
            "",
            f"{len(by_genre)} genres × {count // max(1, len(by_genre))} seeds of {seconds:g} s, planned from the genre's name alone. "
            "Made by `.venv/bin/python benchmarks/sketches.py --write`.",
            "",
            f"- tempo within 2 % (octaves allowed): **{_share(o.tempo_hit for o in outcomes)}**",
            f"- key or its relative: **{_share(o.key_hit for o in outcomes)}**",
            f"- loudness within 0.5 LU of −14: **{within} of {count}**; true peak under −1 dBTP: **{under} of {count}**",
            f"- takes with a gap over 1 s: **{silent}**",
            *_sections(outcomes),
            f"- speed: median **{sorted(o.times_real_time for o in outcomes)[count // 2]:.0f}× real time** for {seconds:g} s, "
            f"slowest {min(o.times_real_time for o in outcomes):.0f}× (wall clock, several takes at a time beside whatever else the machine was doing)",
            "",
            GOALS,
            "",
            *rows,
            "",
        ]
    )


def _sections(outcomes: list[Outcome]) -> list[str]:
    starts = sum(o.starts for o in outcomes)
    bar, half = (sum(o.chance[k] * o.starts for o in outcomes) / max(1, starts) for k in (0, 1))
    found, exact = sum(o.starts_found for o in outcomes), sum(o.starts_exact for o in outcomes)
    return [
        f"- section starts heard within a bar: **{found} of {starts}** ({100 * found / max(1, starts):.1f} %; a moment anywhere "
        f"in the take would be {100 * bar:.0f} % of the time)",
        f"- section starts heard within half a second: **{exact} of {starts}** ({100 * exact / max(1, starts):.1f} %; by chance {100 * half:.0f} %)",
    ]


def _share(hits) -> str:
    all_hits = list(hits)
    return f"{100 * sum(all_hits) / max(1, len(all_hits)):.1f} %"


def _row(name: str, takes: list[Outcome]) -> str:
    loud = [o.loudness_lufs for o in takes if isfinite(o.loudness_lufs)]
    return (
        f"| {name} | {sum(o.tempo_hit for o in takes)}/{len(takes)} | {sum(o.key_hit for o in takes)}/{len(takes)} "
        f"| {min(loud):.2f} to {max(loud):.2f} | {max(o.peak_dbtp for o in takes):.2f} "
        f"| {max(o.gap_seconds for o in takes):.2f} s | {sum(o.starts_found for o in takes)}/{sum(o.starts for o in takes)} "
        f"| {sum(o.times_real_time for o in takes) / len(takes):.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--genre", action="append", help="only this genre's identifier; may be repeated")
    parser.add_argument("--misses", action="store_true", help="list every take that missed something")
    parser.add_argument("--write", action="store_true", help="write the table to docs/sketches.md")
    options = parser.parse_args()
    from agents.knowledge import genres

    jobs = [(g, seed, options.seconds) for g in options.genre or genres() for seed in range(options.seeds)]
    if options.jobs > 1:
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            outcomes = list(pool.map(measure, jobs, chunksize=2))
    else:
        outcomes = [measure(job) for job in jobs]
    text = table(outcomes, seconds=options.seconds)
    print(text)
    if options.misses:
        for o in outcomes:
            if not (o.tempo_hit and o.key_hit and o.starts_found == o.starts and o.gap_seconds <= 1):
                print(
                    f"{o.genre} {o.seed}: {o.planned_bpm:g}/{o.heard_bpm:.1f} bpm, {o.planned_key}/{o.heard_key}, "
                    f"{o.starts_found}/{o.starts} gap {o.gap_seconds:.2f} {o.detail}"
                )
    if options.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
