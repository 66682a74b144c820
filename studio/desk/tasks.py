"""The desk's long work, a function a kind: what was asked for is read here, and what comes back is ready for JSON.

Knows nothing of queues or of pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from studio.desk.errors import DeskError
from studio.desk.exports import ExportOptions, export
from studio.desk.items import Item
from studio.desk.jobs import Lane, Task, Work
from studio.desk.listening import ListenOptions, LoopOptions, NotesOptions, listen, loops, notes
from studio.desk.mastering import KeepMasterOptions, MasterOptions, keep_master, master
from studio.desk.mixing import BounceOptions, HearOptions, bounce, hear
from studio.desk.options import Options
from studio.desk.tempo import TempoOptions, change_tempo

if TYPE_CHECKING:
    from studio.desk.desk import Desk

Doing = Callable[["Desk", Item, Any, Work], Mapping[str, Any]]


class SeparateOptions(Options):
    """Take the sound apart. model: "built-in", a separator's name, or "auto" for the best that is here."""

    model: Annotated[str, Field(max_length=60)] = "auto"


def task_for(desk: Desk, item: Item, kind: str, options: Mapping[str, Any]) -> tuple[Task, str, Lane]:
    """The task, what it is called, and its lane. Raises DeskError."""
    if kind not in KINDS:
        raise DeskError(f"The desk has no work called “{kind[:40]}”. It knows {', '.join(KINDS)}.")
    model, label, lane, doing = KINDS[kind]
    try:
        asked = model.model_validate(options)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "this"
        raise DeskError(f"{label}: “{where}” is wrong: {first['msg'].lower()}.") from wrong
    return lambda work: doing(desk, item, asked, work), label, lane


def separate(desk: Desk, item: Item, options: SeparateOptions, work: Work) -> Mapping[str, Any]:
    """The sound taken apart, its stems on the strips; found again when the same sound was separated before."""
    work.tell(0.0, "reading the sound")
    clip = item.clip()
    kept = desk.separations.separate(
        clip, model=options.model, progress=work.part(0.0, 1.0, "separating"), cancelled=work.stop_asked.is_set
    )
    parts = desk.lay_parts(item, kept)
    return {"key": parts.key, "label": parts.label}


KINDS: dict[str, tuple[type[Options], str, Lane, Doing]] = {
    "listen": (ListenOptions, "Beat and key", "quick", listen),
    "separate": (SeparateOptions, "Separation", "long", separate),
    "loops": (LoopOptions, "Loops", "quick", loops),
    "notes": (NotesOptions, "Notes", "long", notes),
    "hear": (HearOptions, "Rendering", "quick", hear),
    "bounce": (BounceOptions, "Mix to a take", "quick", bounce),
    "master": (MasterOptions, "Master", "quick", master),
    "keep_master": (KeepMasterOptions, "Master to a take", "quick", keep_master),
    "tempo": (TempoOptions, "Tempo and key", "long", change_tempo),
    "export": (ExportOptions, "Export", "quick", export),
}
