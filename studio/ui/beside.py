"""What goes on beside the queue, for the page's stream of news: agents writing, refinements at work, verdicts found.

Knows nothing of HTTP; the stream asks a few times a second, so everything here is cheap.
"""

from __future__ import annotations

from typing import Any

from studio.agent_desk import ROLES
from studio.studio import Studio
from studio.ui.visitors import Visitor

_LIVELY_SECONDS, _QUIET_SECONDS = 0.12, 0.5


class Beside:
    """One studio's news beside its jobs."""

    nothing: dict[str, Any] = {"writing": [], "refining": {"version": 0, "running": []}, "scores": {}, "link": 0}  # noqa: RUF012

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def wait_seconds(self, visitor: Visitor) -> float:
        """How long to wait for news of jobs before looking here again: briefly while an agent writes."""
        return _LIVELY_SECONDS if self._studio.desk.writing.lines(owner=visitor.sees_only) else _QUIET_SECONDS

    def now(self, visitor: Visitor) -> dict[str, Any]:
        """All of it, as this visitor may see it. scores: take to score, of those found lately. link: the version of Link's state, the owner's alone."""
        studio, owner = self._studio, visitor.sees_only
        return {
            "writing": [
                {"id": one.id, "agent": one.agent, "does": ROLES.get(one.agent, ""), "model": one.model,  # type: ignore[call-overload]
                 "text": one.text, "tokens": one.tokens}
                for one in studio.desk.writing.lines(owner=owner)
                if one.model
            ],
            "refining": {"version": studio.refinements.version, "running": list(studio.refinements.at_work(owner=owner))},
            "scores": studio.reviews.fresh(owner),
            "link": studio.link.state().version if visitor.is_host else 0,
        }  # fmt: skip
