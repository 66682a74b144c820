"""Requests that follow a melody with the sketch engine, which plays its notes: planned round it.

MusicGen hears a melody as sound and needs none of this. Knows nothing of how a melody is read or played.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from agents.types import Brief, SongPlan
from studio.engines.base import Listener, Sampling
from studio.engines.steering import Steering

SKETCH = "sketch"
_CALLED = {"midi": "Your melody", "heard": "Your melody, as heard", "take": "The take’s melody"}


class Asked(Protocol):
    """What a request for a take or a refinement says."""

    @property
    def brief(self) -> Brief: ...

    @property
    def plan(self) -> SongPlan | None: ...

    @property
    def engine(self) -> str: ...

    @property
    def sampling(self) -> Sampling: ...


def is_played(asked: Asked) -> bool:
    """Whether the request's melody is one whose notes are played, and the plan is made round."""
    return asked.engine == SKETCH and asked.sampling.steering is not None and bool(asked.sampling.steering.melody)


class Melodies:
    """Plans for requests, round their melodies. pipeline: holds `tunes`. planner: a brief and a seed to a plan."""

    def __init__(self, pipeline: Any, planner: Callable[..., SongPlan]) -> None:
        self._pipeline, self._planner = pipeline, planner

    def plan(self, asked: Asked, listener: Listener | None = None) -> SongPlan:
        """The request's plan, its own or a new one, with its melody in it where that is played.

        Raises the agents' errors, EngineError for a melody that is none, and Cancelled when the listener stops it.
        """
        seed, steering = asked.sampling.seed, asked.sampling.steering
        if steering is None or not steering.melody or not is_played(asked):
            return asked.plan or self._planner(asked.brief, seed=seed)
        return self.around(steering, asked.brief, asked.plan, seed=seed, listener=listener)

    def around(
        self, steering: Steering, brief: Brief, plan: SongPlan | None, *, seed: int, listener: Listener | None = None
    ) -> SongPlan:
        """A plan round a melody: this one, or a new one of the brief. Raises as `plan`."""
        from agents.tune_plan import plan_round, planned_round

        tune = self._pipeline.tunes.get(steering.melody, listener)
        name, to_key = _CALLED[tune.source], steering.melody_to_key
        if plan is not None:
            return plan_round(plan, tune, brief=plan.brief, name=name, to_key=to_key)
        return planned_round(brief, tune, lambda lent: self._planner(lent, seed=seed), name=name, to_key=to_key)
