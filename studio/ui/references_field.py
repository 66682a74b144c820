"""The references of the Generate tab as text in a hidden field: which tracks and takes, how heavy, under which names.

Written by the tray, read into the brief. Knows nothing of how they look or of what they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.types import MAX_REFERENCES, Brief, BriefError

_NAME = re.compile(r"track:\d{1,12}|take:[0-9a-f-]{1,40}")


@dataclass(frozen=True, slots=True)
class Chosen:
    """One reference in the tray: its name in the brief, and how much it pulls."""

    id: str
    weight: float = 1.0


def chosen_in(written: str | None) -> list[Chosen]:
    """The references that a field holds. Raises BriefError for what no tray writes."""
    if not (written or "").strip():
        return []
    try:
        listed = json.loads(written or "[]")
        chosen = [Chosen(str(one["id"]), round(float(one.get("weight", 1.0)), 3)) for one in listed]
    except (ValueError, TypeError, KeyError, AttributeError) as wrong:
        raise BriefError("The references could not be read: choose them again in the Library.") from wrong
    if any(not _NAME.fullmatch(one.id) or not 0 <= one.weight <= 10 for one in chosen):
        raise BriefError("The references could not be read: choose them again in the Library.")
    if len(chosen) > MAX_REFERENCES:
        raise BriefError(f"A song can have up to {MAX_REFERENCES} references: take some out of the tray.")
    return chosen


def written(chosen: Iterable[Chosen]) -> str:
    """The field's text; "" for none."""
    listed = [{"id": one.id, "weight": one.weight} for one in chosen]
    return json.dumps(listed) if listed else ""


def with_references(brief: Brief, field: str | None) -> Brief:
    """The brief with the field's references. Raises BriefError."""
    chosen = chosen_in(field)
    if not chosen:
        return brief
    return brief.model_copy(
        update={
            "references": tuple(one.id for one in chosen),
            "reference_weights": tuple(one.weight for one in chosen),
        }
    )


def references_written(brief: Brief) -> str:
    """A brief's references as the field holds them."""
    weights = (*brief.reference_weights, *[1.0] * len(brief.references))
    return written(Chosen(name, weight) for name, weight in zip(brief.references, weights, strict=False))


def asked_for(asked: Mapping[str, Any]) -> str:
    """What the Library asks to be used, or how the tray stands, as the field holds it. Raises BriefError."""
    return written(chosen_in(json.dumps(asked.get("references") or [])))
