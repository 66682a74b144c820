"""What each agent was asked and answered, and where each refinement stands: two tables of the history.

Knows nothing of agents, engines or sound; values go in and come out as JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from studio.history.history import History

_LONGEST = 40_000


@dataclass(frozen=True, slots=True)
class AgentStep:
    """One answer of an agent. about: the refinement, job or take it was for. model: "" by rules. tier: who answered."""

    about: str
    agent: str
    asked: Any
    answered: Any
    model: str
    tier: str
    seconds: float
    created_at: datetime
    owner: str = ""


@dataclass(frozen=True, slots=True)
class RefinementRow:
    """A refinement as it was last kept. request, state: JSON-able values. ended: "" while it is at work."""

    id: str
    owner: str
    title: str
    request: dict[str, Any]
    state: dict[str, Any]
    ended: str
    created_at: datetime


class AgentHistory:
    """The agents' part of a history. Methods raise HistoryError."""

    def __init__(self, history: History) -> None:
        self._history = history

    def note(
        self,
        *,
        about: str,
        agent: str,
        asked: Any,
        answered: Any,
        model: str = "",
        tier: str = "built-in",
        seconds: float = 0.0,
        owner: str = "",
    ) -> None:
        """Remember one answer; what is longer than some 40,000 letters is cut."""
        with self._history.writing() as connection:
            connection.execute(
                "INSERT INTO agent_steps (owner, about, agent, asked, answered, model, tier, seconds, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (owner, about, agent, _text(asked), _text(answered), model, tier, seconds, _now()),
            )

    def steps(
        self, *, about: str | None = None, agent: str | None = None, owner: str | None = None, limit: int = 200
    ) -> list[AgentStep]:
        """Remembered answers, oldest first, the last `limit` of them."""
        with self._history.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM agent_steps WHERE (? IS NULL OR about = ?) AND (? IS NULL OR agent = ?) "
                "AND (? IS NULL OR owner = ?) ORDER BY id DESC LIMIT ?",
                (about, about, agent, agent, owner, owner, limit),
            ).fetchall()
        return [
            AgentStep(
                about=row["about"], agent=row["agent"], asked=json.loads(row["asked"]),
                answered=json.loads(row["answered"]), model=row["model"], tier=row["tier"], seconds=row["seconds"],
                created_at=datetime.fromisoformat(row["created_at"]), owner=row["owner"],
            )
            for row in reversed(rows)
        ]  # fmt: skip

    def keep_refinement(
        self, refinement_id: str, *, owner: str, title: str, request: dict[str, Any], state: dict[str, Any], ended: str
    ) -> None:
        """Write where a refinement stands; the request is kept from the first time."""
        now = _now()
        with self._history.writing() as connection:
            connection.execute(
                "INSERT INTO refinements (id, owner, title, request, state, ended, created_at, changed_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state, "
                "title = excluded.title, ended = excluded.ended, changed_at = excluded.changed_at",
                (refinement_id, owner, title, json.dumps(request), json.dumps(state), ended, now, now),
            )

    def refinement(self, refinement_id: str) -> RefinementRow | None:
        """One refinement, or None."""
        with self._history.reading() as connection:
            row = connection.execute("SELECT * FROM refinements WHERE id = ?", (refinement_id,)).fetchone()
        return _row(row) if row else None

    def refinements(self, *, owner: str | None = None, limit: int = 50) -> list[RefinementRow]:
        """Refinements, newest first."""
        with self._history.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM refinements WHERE (? IS NULL OR owner = ?) ORDER BY created_at DESC, rowid DESC LIMIT ?",
                (owner, owner, limit),
            ).fetchall()
        return [_row(row) for row in rows]


def _row(row: Any) -> RefinementRow:
    return RefinementRow(
        row["id"], row["owner"], row["title"], json.loads(row["request"]), json.loads(row["state"]), row["ended"],
        datetime.fromisoformat(row["created_at"]),
    )  # fmt: skip


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else json.dumps(text[:_LONGEST] + "…", ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).isoformat()
