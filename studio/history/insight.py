"""What a user's own takes say they like: voted, kept, taken away as files, or deleted.

Simple counts, told with their numbers; below a few takes nothing is claimed. The counting of what plans share is
agents.taste's. Knows nothing of pages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from agents.taste import Suggestion, Taste, suggestions, taste_of
from agents.types import SongPlan
from studio.history.history import History, State
from studio.history.opinions import Standing
from studio.takes import Take

LEAST_TAKES = 3
_MOST_TAKES = 300


@dataclass(frozen=True, slots=True)
class Insight:
    """What is liked, what to try, and on what grounds: "out of 12 takes kept, 3 of them liked, 2 exported, and 5 deleted"."""

    taste: Taste
    suggestions: tuple[Suggestion, ...]
    grounds: str


def insight(
    history: History,
    *,
    exported: Collection[str] = (),
    standings: Mapping[str, Standing] | None = None,
    owner: str | None = "",
    count: int = 3,
    seed: int = 0,
) -> Insight:
    """What this owner's takes suggest. exported: identifiers of takes that were taken away as files. standings: what
    was voted and preferred.

    An exported take counts twice and a liked one three times; a deleted or disliked one counts against. Of a
    refinement's passes only the last is the user's choice.
    With fewer than LEAST_TAKES kept there is no taste yet, and the suggestions are the genres' own. Raises HistoryError.
    """
    kept = list(_chosen(_takes(history, owner, "kept")))
    opinions = {take_id: standing.liked for take_id, standing in (standings or {}).items()}
    deleted = [take.plan for take in _takes(history, owner, "binned") if not opinions.get(take.id)]
    taken = [take for take in kept if take.id in exported]
    loved = [take for take in kept if opinions.get(take.id)]
    against = [take for take in kept if opinions.get(take.id) is False]
    fine = [take for take in kept if opinions.get(take.id) is not False]
    liked: list[SongPlan] = [take.plan for take in (*fine, *taken, *loved, *loved)]
    if len(kept) < LEAST_TAKES:
        return Insight(Taste(), suggestions(Taste(), count=count, seed=seed), "There are too few takes yet to tell.")
    taste = taste_of(liked, [*deleted, *(take.plan for take in against)]).model_copy(
        update={"takes": len(kept), "said": bool(loved or taken)}
    )
    grounds = f"Out of {len(kept)} takes kept"
    grounds += f", {len(loved)} of them liked" if loved else ""
    grounds += f", {len(against)} disliked" if against else ""
    grounds += f", {len(taken)} exported" if taken else ""
    grounds += f", and {len(deleted)} deleted" if deleted else ""
    return Insight(taste, suggestions(taste, count=count, seed=seed), grounds + ".")


def _takes(history: History, owner: str | None, state: State) -> Iterator[Take]:
    """The newest takes in this state, newest first."""
    for offset in range(0, _MOST_TAKES, 100):
        page = history.search(owner=owner, state=state, limit=100, offset=offset)
        yield from (entry.take for entry in page.entries)
        if offset + 100 >= page.total:
            return


def _chosen(takes: Iterator[Take]) -> Iterator[Take]:
    """Without the earlier passes of refinements."""
    seen: set[str] = set()
    for take in takes:
        refinement = str(take.request.get("refinement", ""))
        if refinement and refinement in seen:
            continue
        seen.add(refinement)
        yield take
