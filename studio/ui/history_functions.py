"""The public functions of the history: votes, choices, trees, grids, and what is liked.

Each works for the visitor behind its request. Annotations are read by Gradio at run time, so they are not postponed.
"""

from typing import Any

import gradio as gr

from agents.planner import make_brief
from studio.engines.steering import AdapterUse
from studio.history.grid import Grid
from studio.history.lineage import Node
from studio.studio import Studio
from studio.ui.refusals import in_one_sentence
from studio.ui.visitors import visitor_of

HISTORY_PUBLIC = ("vote", "prefer", "songs", "run_grid", "grid", "trends")


class HistoryFunctions:
    """The history's functions over one studio."""

    _studio: Studio

    @in_one_sentence
    def vote(self, take_id: str, value: int, request: gr.Request, words: str = "") -> dict[str, Any]:
        """Like or dislike a take; later suggestions and defaults follow what is liked.

        Args:
            take_id: The take's identifier.
            value: 1 likes it, -1 dislikes it, 0 takes an earlier vote back.
            words: Why, if there is something to say.

        Returns:
            The take and its vote now.
        """
        take = self._studio.entry(take_id, owner=visitor_of(request).sees_only).take
        opinion = self._studio.ledger.opinions.vote(take.id, value, words=words, owner=take.owner)  # type: ignore[arg-type]
        return {"take": take.id, "vote": opinion.value}

    @in_one_sentence
    def prefer(
        self, takes: list[str], request: gr.Request, preferred: str | None = None, blind: bool = False, words: str = ""
    ) -> dict[str, Any]:
        """Say which of several takes is preferred, or that none is.

        Args:
            takes: The identifiers of two or more takes that were compared.
            preferred: The one preferred; left out, there is no difference that matters.
            blind: Whether the listener did not know which was which.
            words: Why, if there is something to say.

        Returns:
            How often each of them was preferred and passed over so far.
        """
        visitor = visitor_of(request)
        for take in takes:
            self._studio.entry(take, owner=visitor.sees_only)
        self._studio.ledger.opinions.choose(takes, preferred, blind=blind, words=words, owner=visitor.owner)
        found = self._studio.ledger.standings(owner=visitor.sees_only)
        return {take: {"won": found[take].won, "lost": found[take].lost} for take in takes if take in found}

    @in_one_sentence
    def songs(self, request: gr.Request, words: str = "", limit: int = 20, offset: int = 0) -> dict[str, Any]:
        """List songs as trees: each take with what was made of it, its agents' steps and its exports.

        Args:
            words: Words and terms that one of a song's takes has, like 'rain liked:yes tempo:90-110 genre:house'.
            limit: How many songs, 1 to 100.
            offset: How many to pass over.

        Returns:
            The songs, the one touched last first, and how many there are.
        """
        owner = visitor_of(request).sees_only
        nodes, total = self._studio.ledger.trees(
            words, owner=owner, limit=min(100, max(1, limit)), offset=max(0, offset)
        )
        return {"total": total, "songs": [_node(node) for node in nodes]}

    @in_one_sentence
    def run_grid(
        self,
        words: str,
        engines: list[str],
        request: gr.Request,
        guidances: list[float] | None = None,
        adapters: list[str] | None = None,
        strength: float = 1.0,
        seeds: list[int] | None = None,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Play one brief in every combination of engines, guidances, adapters and seeds, on one plan.

        Args:
            words: The music in words.
            engines: Names of engines, as `engines` lists them.
            guidances: How closely the words are followed, like [2, 3, 4].
            adapters: LoRA adapters by name; each is tried alone, and none.
            strength: How strongly an adapter is worn, 0 to 1.5.
            seeds: One take a seed in each combination.
            seconds: The length.

        Returns:
            The grid's name, for `grid`, and its jobs.
        """
        grid = Grid(
            engines=tuple(engines), guidances=tuple(guidances or (3.0,)), seeds=tuple(seeds or (0,)),
            adapters=((), *((AdapterUse(name=name, strength=strength),) for name in adapters or ())),
        )  # fmt: skip
        brief = make_brief(words=words, seconds=seconds)
        series, jobs = self._studio.ledger.run_grid(self._studio, grid, brief, owner=visitor_of(request).owner)
        return {"grid": series, "jobs": [job.id for job in jobs]}

    @in_one_sentence
    def grid(self, name: str, request: gr.Request) -> dict[str, Any]:
        """A grid's finished takes as a table, the best liked first.

        Args:
            name: The grid's name, as `run_grid` gave it.

        Returns:
            Its rows: take, engine, guidance, adapters, seed, the judge's score, and whether it is liked.
        """
        rows = self._studio.ledger.grid(name, owner=visitor_of(request).sees_only, scores=self._studio.reviews.scores)
        names = ("engine", "guidance", "adapters", "seed")
        return {
            "rows": [
                {
                    "take": row.take.id, **dict(zip(names, row.settings, strict=True)), "score": row.score,
                    "liked": row.standing.liked,
                }
                for row in rows
            ]
        }  # fmt: skip

    @in_one_sentence
    def trends(self, request: gr.Request) -> dict[str, Any]:
        """What the liked takes share, with counts and 95 % intervals; only what is hardly chance is claimed.

        Returns:
            What stands out in sentences, and every value of every aspect with its counts.
        """
        found = self._studio.ledger.trends(owner=visitor_of(request).owner)
        return {
            "takes": found.takes,
            "judged": found.judged,
            "liked": found.liked,
            "found": [value.sentence for value in found.found],
            "values": [
                {
                    "aspect": value.aspect, "value": value.value, "judged": value.judged, "liked": value.liked,
                    "low": value.low, "high": value.high, "leans": value.leans, "along_with": value.along_with,
                }
                for value in found.values
            ],
        }  # fmt: skip


def _node(node: Node) -> dict[str, Any]:
    return {
        "take": node.take.id,
        "title": node.take.title,
        "how": node.how,
        "engine": node.take.engine.name,
        "exports": [deed.detail for deed in node.deeds],
        "agents": [{"agent": step.agent, "tier": step.tier, "model": step.model} for step in node.steps],
        "versions": [_node(child) for child in node.children],
    }
