"""Do plans keep what briefs ask for? Every stated constraint of the table of briefs, by rules and after a language model.

    .venv/bin/python benchmarks/briefs.py --write                      # rules, noise, and a tiny random model
    .venv/bin/python benchmarks/briefs.py --model phi-3-mini.gguf      # the same with a real one

The briefs and what each states are tests/agents/briefs.json. “Noise” is an outline drawn at random from all that the
schema allows: the worst a language model can answer. The tiny model is a real GGUF of random weights, asked through
llama.cpp.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.language_model import LanguageModels
from agents.outline import proposal_of
from agents.planner import make_brief, plan_song, read_brief
from agents.structure_agent import plan_with
from agents.types import SongPlan
from agents.wishes import Wishes
from tests.agents.test_briefs import BRIEFS, broken
from tests.agents.test_language_model_agents import nonsense

TABLE = Path(__file__).resolve().parent.parent / "docs" / "briefs.md"
KINDS = {
    "tempo": ("tempo_bpm", "tempo_between"),
    "key": ("key", "mode", "key_not_asked"),
    "meter": ("meter",),
    "length": ("seconds", "bars", "seconds_not_asked"),
    "instruments in": ("instruments", "has_drums", "only", "only_roles", "drums_from"),
    "instruments out": ("without", "no_roles", "negative"),
    "sections": (
        "sections", "has_sections", "lacks_sections", "in_order", "section_bars", "loudest", "rises", "quiet_end",
    ),
    "genre and mood": ("genre", "moods", "moods_not"),
    "said in the notes": ("note", "notes_empty"),
}  # fmt: skip
Planner = Callable[[Wishes, int], SongPlan]


@dataclass
class Kept:
    """How many constraints of each kind were kept, of how many; and those that were not."""

    of: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    kept: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    broken: list[str] = field(default_factory=list)
    plans: int = 0

    def share(self, kind: str | None = None) -> str:
        of = self.of[kind] if kind else sum(self.of.values())
        kept = self.kept[kind] if kind else sum(self.kept.values())
        return f"{kept}/{of}, {100 * kept / of:.1f} %" if of else "–"


def measure(planner: Planner, *, seeds: int) -> Kept:
    """Plan every brief with so many seeds and hold each plan against what the brief states."""
    found = Kept()
    for case in BRIEFS:
        wishes = read_brief(make_brief(words=case["words"], **case.get("fields", {})))
        for seed in range(seeds):
            plan = planner(wishes, seed)
            found.plans += 1
            for what, value in case["expect"].items():
                kind = next(kind for kind, names in KINDS.items() if what in names)
                wrong = broken(plan, {what: value})
                found.of[kind] += 1
                found.kept[kind] += not wrong
                found.broken += [f"{case['words'] or case.get('fields')} (seed {seed}): {one}" for one in wrong]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="plans a brief by rules and by noise (5)")
    parser.add_argument("--model", type=Path, help="a GGUF file to plan with, instead of a tiny random one")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    arguments = parser.parse_args()
    tiers: list[Any] = []
    columns = {
        "by rules": measure(lambda wishes, seed: plan_song(wishes, seed=seed), seeds=arguments.seeds),
        "after noise": measure(
            lambda wishes, seed: plan_song(wishes, seed=seed, proposal=proposal_of(nonsense(seed), wishes)),
            seeds=arguments.seeds,
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        path, models = arguments.model or _tiny(Path(folder)), LanguageModels(context_tokens=8_192)

        def by_model(wishes: Wishes, seed: int) -> SongPlan:
            answer = plan_with(wishes, language_model=models.model(path, budget_seconds=300), seed=seed)
            tiers.append(answer.tier)
            return answer.value

        began = time.monotonic()
        columns[f"after {path.stem}"] = measure(by_model, seeds=1)
        print(f"{len(tiers)} answers by {path.name} in {time.monotonic() - began:.0f} s")
        models.unload()
    text = report(columns, answered=sum(tier == "full" for tier in tiers), asked=len(tiers))
    print(text)
    if arguments.write:
        TABLE.write_text(text, encoding="utf-8")
    if any(column.broken for column in columns.values()):
        sys.exit(1)


def _tiny(folder: Path) -> Path:
    from tests.tiny_gguf import write_gguf

    return write_gguf(folder / "a tiny random model.gguf", name="Tiny")


def report(columns: dict[str, Kept], *, answered: int, asked: int) -> str:
    """The table as Markdown."""
    lines = [
        "# What briefs ask for, and what plans keep",
        "",
        f"{len(BRIEFS)} briefs (`tests/agents/briefs.json`) and every constraint they state, held against the plans. Made by "
        "`.venv/bin/python benchmarks/briefs.py --write`.",
        "",
        "“Noise” is an outline drawn at random from all that the schema allows, the worst a language model can answer. The "
        f"model's column is a real GGUF asked through llama.cpp; {answered} of its {asked} answers could be used, the others "
        "were replaced by the rules'. With real weights: `--model FILE.gguf`.",
        "",
        "| constraint | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    lines += [f"| {kind} | " + " | ".join(column.share(kind) for column in columns.values()) + " |" for kind in KINDS]
    lines.append("| **all** | " + " | ".join(f"**{column.share()}**" for column in columns.values()) + " |")
    lines.append("| plans | " + " | ".join(str(column.plans) for column in columns.values()) + " |")
    for name, column in columns.items():
        if column.broken:
            lines += ["", f"Not kept {name}:", "", *(f"- {one}" for one in column.broken)]
    lines += ["", "## The briefs", "", "| brief | states |", "|---|---|"]
    for case in BRIEFS:
        words = case["words"].replace("|", "/").replace("\n", " ")[:110] or "only settings"
        beside = ", ".join(f"{name} {value}" for name, value in case.get("fields", {}).items())
        stated = "; ".join(f"{what} {value}" for what, value in case["expect"].items()).replace("|", "/")
        lines.append(f"| {words}{f' ({beside})' if beside else ''} | {stated} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
