"""Who is being planned and answered for, for as long as it is done: an owner, and how that owner stops it.

A context variable, because the queue, the page and other programs all reach the agents through plain functions of a
brief and a seed. Knows nothing of agents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asker:
    """owner: "" is the studio's own user. about: the job or refinement it is for. cancelled: asked often."""

    owner: str = ""
    about: str = ""
    cancelled: Callable[[], bool] = lambda: False


_NOBODY = Asker()
_asker: ContextVar[Asker | None] = ContextVar("asker", default=None)


def asker() -> Asker:
    """Whoever is being answered in this thread."""
    return _asker.get() or _NOBODY


@contextmanager
def asked_by(owner: str, *, about: str = "", cancelled: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """What is asked of the agents inside is asked by this owner."""
    token = _asker.set(Asker(owner, about, cancelled))
    try:
        yield
    finally:
        _asker.reset(token)
