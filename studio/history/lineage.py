"""How takes come from one another: songs as trees, each take with what was done to it and by whom it was planned.

Reads the history; knows nothing of pages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.history.agent_history import AgentHistory, AgentStep
from studio.history.deeds import Deed, Deeds
from studio.history.history import History
from studio.takes import Take

_CHANGES = {"continue": "gone on", "repaint": "repainted", "vary": "varied"}


@dataclass(frozen=True, slots=True)
class Node:
    """A take in its tree. how: what was done to the take above to get it ("first" at the root); children: oldest
    first. steps: what agents were asked and answered for it; deeds: exports."""

    take: Take
    how: str
    children: tuple[Node, ...]
    steps: tuple[AgentStep, ...]
    deeds: tuple[Deed, ...]

    @property
    def size(self) -> int:
        return 1 + sum(child.size for child in self.children)

    @property
    def newest(self) -> datetime:
        return max([self.take.created_at, *(child.newest for child in self.children)])


def trees(
    history: History, deeds: Deeds, *, words: str = "", owner: str | None = None, limit: int = 20, offset: int = 0
) -> tuple[list[Node], int]:
    """The songs that hold a take found by the words, as trees, the one touched last first, and how many songs there are.

    Takes whose parent is deleted stand at a root. Raises HistoryError, QueryError.
    """
    everything = _all(history, owner=owner)
    by_id = {take.id: take for take in everything}
    roots = {take.id: _root(take, by_id) for take in everything}
    if words.strip():
        wanted = {roots[entry.take.id] for entry in history.search(words, owner=owner, limit=100_000).entries}
    else:
        wanted = set(roots.values())
    children: dict[str, list[Take]] = defaultdict(list)
    for take in everything:
        if take.parent in by_id:
            children[str(take.parent)].append(take)
    newest: dict[str, datetime] = {}
    for take in everything:
        root = roots[take.id]
        newest[root] = max(newest.get(root, take.created_at), take.created_at)
    shown = sorted(wanted, key=lambda root: newest[root], reverse=True)[offset : offset + limit]
    steps, done = _steps(history, owner), _deeds(deeds, owner)
    return [_node(by_id[root], children, steps, done) for root in shown], len(wanted)


def how_made(take: Take) -> str:
    """What was done to the parent: "repainted", "varied", "made again" …, "first" without one."""
    if take.parent is None:
        return "first"
    edit = take.request.get("edit") or {}
    if take.request.get("refinement"):
        return "refined"
    return _CHANGES.get(str(edit.get("kind", "")), "made again" if not edit else str(edit.get("kind")))


def _all(history: History, *, owner: str | None) -> list[Take]:
    return [entry.take for entry in history.search(owner=owner, limit=100_000).entries]


def _root(take: Take, by_id: Mapping[str, Take]) -> str:
    seen = {take.id}
    while take.parent in by_id and take.parent not in seen:
        take = by_id[str(take.parent)]
        seen.add(take.id)
    return take.id


def _node(
    take: Take,
    children: Mapping[str, Sequence[Take]],
    steps: Mapping[str, Sequence[AgentStep]],
    deeds: Mapping[str, Sequence[Deed]],
) -> Node:
    about = (take.id, take.job, str(take.request.get("refinement") or ""))
    mine = [step for name in about if name for step in steps.get(name, ())]
    below = sorted(children.get(take.id, ()), key=lambda child: child.id)
    return Node(
        take=take, how=how_made(take), children=tuple(_node(child, children, steps, deeds) for child in below),
        steps=tuple(mine), deeds=tuple(deeds.get(take.id, ())),
    )  # fmt: skip


def _steps(history: History, owner: str | None) -> dict[str, list[AgentStep]]:
    found: dict[str, list[AgentStep]] = defaultdict(list)
    for step in AgentHistory(history).steps(owner=owner, limit=5_000):
        found[step.about].append(step)
    return found


def _deeds(deeds: Deeds, owner: str | None) -> dict[str, list[Deed]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for deed in deeds.all(owner=owner):
        found[deed.take_id].append(deed)
    return found
