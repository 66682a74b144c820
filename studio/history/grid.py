"""A grid run: one brief on several engines, guidances and adapters, each cell a take, compared in one table.

"This prompt on small, medium and my LoRA, guidance 2, 3, 4". The cells are ordinary jobs under one series; the table
is read from the takes, so that it is there after a restart too. Knows nothing of pages.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agents.types import Brief, SongPlan
from studio.engines.base import Sampling
from studio.engines.steering import AdapterUse, worn_in_words
from studio.history.opinions import Standing
from studio.job import GenerateRequest
from studio.takes import Take

MAX_CELLS = 36
PREFIX = "grid-"


class GridError(ValueError):
    """A grid cannot be run so; the message is a sentence for the user."""


class Grid(BaseModel):
    """What varies. Every engine is played at every guidance, with every set of adapters, from every seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engines: Annotated[tuple[str, ...], Field(min_length=1)]
    guidances: tuple[Annotated[float, Field(ge=1.0, le=15.0)], ...] = (3.0,)
    adapters: tuple[tuple[AdapterUse, ...], ...] = ((),)
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = (0,)

    def cells(self, *, samples: Callable[[str], bool]) -> list[tuple[str, float, tuple[AdapterUse, ...], int]]:
        """Every different cell once, in reading order. samples: does this engine read guidance and adapters?"""
        every = product(self.engines, self.guidances, self.adapters, self.seeds)
        return list(
            dict.fromkeys(
                (engine, guidance, worn, seed) if samples(engine) else (engine, Sampling().guidance, (), seed)
                for engine, guidance, worn, seed in every
            )
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One finished cell of the table. score: the judge's, None when nobody judged."""

    take: Take
    standing: Standing
    score: float | None

    @property
    def settings(self) -> tuple[str, str, str, str]:
        """Engine, guidance, adapters, seed, in words."""
        sampling = self.take.sampling
        worn = worn_in_words(sampling.adapters) or "none"
        guidance = f"{sampling.guidance:g}" if self.take.engine.tier == "full" else "–"
        return self.take.engine.label, guidance, worn, str(sampling.seed)


def requests(
    grid: Grid,
    brief: Brief,
    *,
    planner: Callable[..., SongPlan],
    samples: Callable[[str], bool],
    sampling: Sampling | None = None,
) -> tuple[str, list[GenerateRequest]]:
    """The grid's series and a request a cell, all on one plan so that only what varies differs.

    Raises GridError for one cell or too many, and the planner's errors.
    """
    cells = grid.cells(samples=samples)
    if not 2 <= len(cells) <= MAX_CELLS:
        raise GridError(f"A grid has 2 to {MAX_CELLS} different cells; this one has {len(cells)}.")
    plan = planner(brief, seed=grid.seeds[0])
    series = f"{PREFIX}{secrets.token_hex(4)}"
    base = sampling or Sampling()
    return series, [
        GenerateRequest(
            brief=brief, plan=plan, engine=engine, series=series,
            sampling=base.model_copy(update={"guidance": guidance, "adapters": worn, "seed": seed}),
        )
        for engine, guidance, worn, seed in cells
    ]  # fmt: skip


def table(
    takes: Sequence[Take], *, standings: Mapping[str, Standing], scores: Mapping[str, float | None] | None = None
) -> list[Row]:
    """The finished cells, the best liked first, then the best judged."""
    rows = [Row(take, standings.get(take.id, Standing()), (scores or {}).get(take.id)) for take in takes]
    liking = {True: 2, None: 1, False: 0}
    return sorted(rows, key=lambda row: (-liking[row.standing.liked], -(row.score or 0.0), row.settings))
