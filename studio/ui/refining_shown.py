"""A refinement as the page's script and other programs read it. Knows nothing of HTTP or of who is asking."""

from __future__ import annotations

from typing import Any

from agents.orchestrator import Pass
from studio.refine import RefinementView


def refinement_shown(view: RefinementView) -> dict[str, Any]:
    """Title, state, budget and every pass with its score, what was asked differently and why."""
    return {
        **view.model_dump(
            mode="json",
            include={
                "id", "title", "engine", "running", "best", "best_take", "ended", "ended_words", "error", "spent_seconds",
                "stage", "fraction", "can_resume", "left",
            },
        ),
        "budget": view.budget.model_dump(mode="json"),
        "section_names": list(view.section_names),
        "passes": [_pass_shown(one, view.section_names) for one in view.passes],
    }  # fmt: skip


def _pass_shown(one: Pass, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "number": one.number,
        "take": one.ref,
        "parent": one.parent,
        "score": one.verdict.score,
        "words": one.verdict.words,
        "worded_by": "built-in rules" if one.verdict.worded_by == "rules" else one.verdict.worded_by,
        "seconds": round(one.seconds, 2),
        "sections": list(one.sections),
        "marks": [{"index": mark.index, "score": mark.score, "reasons": list(mark.reasons)} for mark in one.verdict.sections],
        "changes": [
            {
                "where": "the whole take" if change.section is None else f"{names[change.section]} ({change.section + 1})",
                "what": _ASKED[change.what],
                "before": change.before if change.what != "prompt" else "",
                "after": change.after if change.what != "prompt" else _added(change.before, change.after),
                "why": change.why,
            }
            for change in one.changes
        ],
    }  # fmt: skip


_ASKED = {"draw": "drawn anew", "energy": "energy", "prompt": "asked more for", "instruments": "players"}


def _added(before: str, after: str) -> str:
    """What a prompt says now that it did not."""
    return after.removeprefix(before).strip(" ,") or after
