"""What was done with takes: exported, sent to another room. One line each in `deeds.jsonl`, indexed in the history.

Votes are in studio.history.opinions. Knows nothing of sound or of pages.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio.history import journal
from studio.history.history import History

_log = logging.getLogger(__name__)
_FIELDS = ("id", "owner", "take_id", "kind", "detail", "created_at")


@dataclass(frozen=True, slots=True)
class Deed:
    """kind: "export". detail: the format. created_at: UTC."""

    id: str
    owner: str
    take_id: str
    kind: str
    detail: str
    created_at: datetime


class Deeds:
    """The deeds kept at `path`. Thread-safe."""

    def __init__(self, history: History, path: Path) -> None:
        self._history, self.path = history, path
        self._index(_whole(journal.read(path)[0]))

    def note(self, take_id: str, kind: str, detail: str = "", *, owner: str = "") -> None:
        """Remember a deed. One that cannot be written is logged: it must not stop the deed itself."""
        record = {
            "id": secrets.token_hex(8), "owner": owner, "take_id": take_id, "kind": kind, "detail": detail,
            "created_at": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        try:
            journal.append(self.path, record)
        except OSError as error:
            _log.warning("the %s of %s is not remembered: %s", kind, take_id, error)
        self._index([record])

    def all(self, *, take_id: str | None = None, kind: str | None = None, owner: str | None = None) -> list[Deed]:
        """Deeds, oldest first."""
        with self._history.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM deeds WHERE (? IS NULL OR take_id = ?) AND (? IS NULL OR kind = ?) "
                "AND (? IS NULL OR owner = ?) ORDER BY created_at, rowid",
                (take_id, take_id, kind, kind, owner, owner),
            ).fetchall()
        return [
            Deed(**{**{name: row[name] for name in _FIELDS}, "created_at": datetime.fromisoformat(row["created_at"])})
            for row in rows
        ]

    def exported(self) -> frozenset[str]:
        """The takes that were taken away as files."""
        with self._history.reading() as connection:
            rows = connection.execute("SELECT DISTINCT take_id FROM deeds WHERE kind = 'export'").fetchall()
        return frozenset(row["take_id"] for row in rows)

    def merge(self, records: Sequence[dict[str, Any]]) -> int:
        """Take in deeds from elsewhere (an archive); those already here are left. Returns how many were new."""
        known = {deed.id for deed in self.all()}
        fresh = [record for record in _whole(records) if record["id"] not in known]
        for record in fresh:
            journal.append(self.path, record)
        self._index(fresh)
        return len(fresh)

    def _index(self, records: list[dict[str, Any]]) -> None:
        with self._history.writing() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO deeds ({', '.join(_FIELDS)}) VALUES (?, ?, ?, ?, ?, ?)",
                [tuple(record[name] for name in _FIELDS) for record in records],
            )


def _whole(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if all(isinstance(record.get(name), str) for name in _FIELDS)]
