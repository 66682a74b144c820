"""Jobs, plans and takes as the page's scripts read them. Knows nothing of HTTP or of who is asking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.types import SongPlan
from studio.job import JobView
from studio.takes import Take
from studio.ui.cards import badges_of

_JOB_FIELDS = {
    "id", "title", "words", "engine", "state", "position", "stage", "stage_fraction", "fraction", "seconds_done",
    "seconds_total", "seconds_left", "elapsed_seconds", "first_sound_seconds", "peaks", "take_id", "error",
    "can_run_again", "can_keep_again", "created_at", "version",
}  # fmt: skip


def job_shown(job: JobView) -> dict[str, Any]:
    """A job for the queue and the deck; `sounding` once there is something of it to hear."""
    badges = [{"text": job.engine_label, "kind": "full" if job.tier == "full" else ""}]
    if job.licence:
        badges.append({"text": job.licence, "kind": "warn"})
    return {
        **job.model_dump(mode="json", include=_JOB_FIELDS),
        "sounding": job.has_live_sound and job.seconds_done > 0.0,
        "sections": sections_shown(job.plan) if job.plan else [],
        "badges": badges,
    }


def take_shown(take: Take, peaks: list[int], family: Sequence[Take] = ()) -> dict[str, Any]:
    """A take for the deck. peaks: 0 to 100, evenly over the whole take. family: its versions, oldest first."""
    return {
        "take": take.id,
        "job": take.job,
        "title": take.title,
        "seconds": take.seconds,
        "peaks": peaks,
        "sections": sections_shown(take.plan),
        "badges": badges_of(take),
        "bar_seconds": take.plan.bar_seconds,
        "versions": [
            {"take": each.id, "name": version_name(each, number)} for number, each in enumerate(family, start=1)
        ],
    }


_HOW = {
    "continue": "longer", "repaint": "repainted", "vary": "varied", "mix": "mixed", "master": "mastered", "tempo": "bent",
}  # fmt: skip


def version_name(take: Take, number: int) -> str:
    """What a version is called in the strip: its number and how it came to be."""
    edit = take.request.get("edit") or {}
    desk = take.request.get("desk") or {}
    how = _HOW.get(str(edit.get("kind") or desk.get("kind")), "")
    return f"{number} {how or ('again' if take.parent else 'first')}"


def sections_shown(plan: SongPlan) -> list[dict[str, Any]]:
    """Each section's name, start and end in seconds, and energy."""
    starts = plan.section_starts_seconds()
    ends = [*starts[1:], plan.music_seconds]
    return [
        {"name": section.name.value, "start": start, "end": end, "energy": section.energy.value}
        for section, start, end in zip(plan.sections, starts, ends, strict=True)
    ]
