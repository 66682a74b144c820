"""What was asked and made, in SQLite: lists and searches takes, and remembers jobs across a crash.

The folders are the truth and this is their index: lost or damaged, it is set aside and built again from them. Every
query can be narrowed to one owner. Knows nothing of sound.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from rag.database import Database
from studio.history.finding import HOLDS, beginnings, read_query
from studio.history.schema import MIGRATIONS
from studio.takes import Take, TakeError, TakeStore

State = Literal["kept", "binned", "missing"]
UNFINISHED = ("queued", "planning", "rendering", "writing")


# From a take up to the eldest it is made of, and from there down to everything made of that.
_FAMILY = """
WITH RECURSIVE
  links (id, parent) AS (SELECT id, coalesce(json_extract(manifest, '$.parent'), '') FROM takes),
  elders (id) AS (
    SELECT :take UNION SELECT links.parent FROM links JOIN elders ON links.id = elders.id WHERE links.parent <> ''),
  versions (id) AS (SELECT id FROM elders UNION SELECT links.id FROM links JOIN versions ON links.parent = versions.id)
SELECT * FROM takes WHERE id IN (SELECT id FROM versions) AND state = 'kept' AND (:owner IS NULL OR owner = :owner)
ORDER BY created_at, id
"""


class HistoryError(Exception):
    """The history cannot be read or written; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A take as the history lists it."""

    take: Take
    state: State


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, newest first, out of `total` that match."""

    entries: tuple[Entry, ...]
    total: int


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it was last known. request, engine: GenerateRequest and EngineFacts as JSON-able values."""

    id: str
    owner: str
    title: str
    state: str
    request: dict[str, Any]
    take_id: str | None
    error: str
    created_at: datetime
    engine: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a reconciling found, as identifiers."""

    added: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    interrupted: tuple[str, ...] = field(default=())


class History(Database):
    """The database at `path`, made when absent. `notice` tells the user of anything odd at opening, else "".

    A damaged one is set aside, and the next reconciling fills a new one from the folders.
    """

    noun = "history"
    error = HistoryError
    migrations = MIGRATIONS
    remedy = "No take is lost; restart the studio and it is built again from the folders."
    set_aside = (
        "The history was damaged. It was set aside as {name} and built again from the takes' folders; no take is lost."
    )

    # ------------------------------------------------------------------------------------------------ takes

    def add(self, take: Take, *, state: State = "kept") -> None:
        """List a take; one already listed is written anew."""
        with self.writing() as connection:
            _put_take(connection, take, state)

    def get(self, take_id: str, *, owner: str | None = None) -> Entry | None:
        """The entry, or None when there is none (or it is another owner's)."""
        with self.reading() as connection:
            row = connection.execute(
                "SELECT * FROM takes WHERE id = ? AND (? IS NULL OR owner = ?)", (take_id, owner, owner)
            ).fetchone()
        return _entry(row) if row else None

    def family(self, take_id: str, *, owner: str | None = None) -> tuple[Take, ...]:
        """The kept takes made of this one, those it is made of, and theirs: all versions of one song, oldest first."""
        with self.reading() as connection:
            rows = connection.execute(_FAMILY, {"take": take_id, "owner": owner}).fetchall()
        return tuple(_entry(row).take for row in rows)

    def search(
        self,
        words: str = "",
        *,
        owner: str | None = None,
        state: State | None = "kept",
        limit: int = 20,
        offset: int = 0,
    ) -> Page:
        """Takes that hold every word (each may be only a word's beginning), newest first; no words means all.

        Words like tempo:90-110 narrow by what they name; see studio.history.finding, whose QueryError is raised.
        """
        query = read_query(words)
        where = ["(? IS NULL OR owner = ?)", "(? IS NULL OR state = ?)", *query.conditions]
        values: list[Any] = [owner, owner, state, state, *query.values]
        if query.words.strip():
            wanted = beginnings(query.words)
            if not wanted:  # nothing but signs: no take holds them
                return Page(entries=(), total=0)
            where.append(HOLDS)
            values.append(wanted)
        clause = " AND ".join(where)
        with self.reading() as connection:
            total = connection.execute(f"SELECT count(*) FROM takes WHERE {clause}", values).fetchone()[0]
            rows = connection.execute(
                f"SELECT * FROM takes WHERE {clause} ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?",
                (*values, max(0, limit), max(0, offset)),
            ).fetchall()
        return Page(entries=tuple(_entry(row) for row in rows), total=total)

    def days(self, *, owner: str | None = None) -> dict[str, int]:
        """How many kept takes were made on each day (UTC), oldest first."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT substr(created_at, 1, 10) AS day, count(*) AS takes FROM takes "
                "WHERE state = 'kept' AND (? IS NULL OR owner = ?) GROUP BY day ORDER BY day",
                (owner, owner),
            ).fetchall()
        return {row["day"]: row["takes"] for row in rows}

    def series(self, prefix: str, *, owner: str | None = None, limit: int = 20) -> list[tuple[str, Take]]:
        """The newest series whose name begins so, each with its newest take."""
        name = "json_extract(manifest, '$.request.series')"
        with self.reading() as connection:
            rows = connection.execute(
                f"SELECT *, {name} AS series, max(created_at) FROM takes WHERE state = 'kept' AND {name} LIKE ? || '%' "
                "AND (? IS NULL OR owner = ?) GROUP BY series ORDER BY created_at DESC LIMIT ?",
                (prefix, owner, owner, limit),
            ).fetchall()
        return [(row["series"], _entry(row).take) for row in rows]

    def set_state(self, take_id: str, state: State) -> None:
        with self.writing() as connection:
            connection.execute("UPDATE takes SET state = ? WHERE id = ?", (state, take_id))

    def forget(self, take_ids: Sequence[str]) -> None:
        """Drop takes deleted for good."""
        with self.writing() as connection:
            for take_id in take_ids:
                connection.execute("DELETE FROM take_words WHERE take_id = ?", (take_id,))
                connection.execute("DELETE FROM takes WHERE id = ?", (take_id,))

    # ------------------------------------------------------------------------------------------------- jobs

    def note_job(
        self,
        job_id: str,
        *,
        state: str,
        owner: str = "",
        title: str = "",
        request: dict[str, Any] | None = None,
        engine: dict[str, Any] | None = None,
        take_id: str | None = None,
        error: str = "",
    ) -> None:
        """Remember a job's state; request, owner and title are kept from the first note."""
        now = datetime.now(UTC).isoformat()
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO jobs (id, owner, title, state, request, take_id, error, created_at, changed_at, engine) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state, "
                "take_id = excluded.take_id, error = excluded.error, changed_at = excluded.changed_at",
                (
                    job_id,
                    owner,
                    title,
                    state,
                    json.dumps(request or {}),
                    take_id,
                    error,
                    now,
                    now,
                    json.dumps(engine or {}),
                ),
            )

    def jobs(self, *, state: str | None = None, owner: str | None = None, limit: int = 200) -> list[JobRow]:
        """Remembered jobs, newest first."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM jobs WHERE (? IS NULL OR state = ?) AND (? IS NULL OR owner = ?) "
                "ORDER BY created_at DESC, rowid DESC LIMIT ?",
                (state, state, owner, owner, limit),
            ).fetchall()
        return [
            JobRow(
                row["id"], row["owner"], row["title"], row["state"], json.loads(row["request"]), row["take_id"],
                row["error"], datetime.fromisoformat(row["created_at"]), json.loads(row["engine"]),
            )
            for row in rows
        ]  # fmt: skip

    def forget_job(self, job_id: str) -> None:
        with self.writing() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    # ------------------------------------------------------------------------------------------ reconciling

    def reconcile(self, store: TakeStore, *, settle_jobs: bool = True) -> Reconciled:
        """Bring the rows in step with the folders.

        Folders without a row are added, rows without a folder marked missing, states follow the folder a take is in.
        With settle_jobs, jobs a dead process left unfinished become "interrupted", or done when their take exists.
        Raises TakeError when the takes' folder cannot be read.
        """
        found: dict[str, State] = dict.fromkeys(store.binned_ids(), "binned")
        found.update(dict.fromkeys(store.list_ids(), "kept"))
        added, missing, unreadable = [], [], []
        with self.writing() as connection:
            known = {row["id"]: row["state"] for row in connection.execute("SELECT id, state FROM takes")}
            for take_id, state in found.items():
                if take_id in known:
                    if known[take_id] != state:
                        connection.execute("UPDATE takes SET state = ? WHERE id = ?", (state, take_id))
                    continue
                try:
                    _put_take(connection, store.read(take_id, binned=state == "binned"), state)
                    added.append(take_id)
                except TakeError:
                    unreadable.append(take_id)
            for take_id in known.keys() - found.keys():
                if known[take_id] != "missing":
                    connection.execute("UPDATE takes SET state = 'missing' WHERE id = ?", (take_id,))
                    missing.append(take_id)
            interrupted = _settle_jobs(connection) if settle_jobs else []
        return Reconciled(tuple(added), tuple(sorted(missing)), tuple(unreadable), tuple(interrupted))


def _settle_jobs(connection: sqlite3.Connection) -> list[str]:
    marks = ", ".join("?" * len(UNFINISHED))
    connection.execute(
        f"UPDATE jobs SET state = 'done', take_id = (SELECT id FROM takes WHERE takes.job = jobs.id LIMIT 1) "
        f"WHERE state IN ({marks}) AND id IN (SELECT job FROM takes WHERE job <> '')",
        UNFINISHED,
    )
    left = [row["id"] for row in connection.execute(f"SELECT id FROM jobs WHERE state IN ({marks})", UNFINISHED)]
    connection.execute(f"UPDATE jobs SET state = 'interrupted' WHERE state IN ({marks})", UNFINISHED)
    return left


def _put_take(connection: sqlite3.Connection, take: Take, state: State) -> None:
    plan = take.plan
    connection.execute(
        "INSERT OR REPLACE INTO takes (id, owner, created_at, title, state, seconds, engine, complete, job, manifest) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            take.id, take.owner, take.created_at.astimezone(UTC).isoformat(timespec="microseconds"), take.title, state,
            take.seconds, take.engine.name, take.complete, take.job, take.model_dump_json(),
        ),
    )  # fmt: skip
    connection.execute("DELETE FROM take_words WHERE take_id = ?", (take.id,))
    connection.execute(
        "INSERT INTO take_words (take_id, title, words, prompt, genre, moods, engine, music) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            take.id, take.title, plan.brief.words, plan.prompt.value, plan.genre.value.replace("_", " "),
            " ".join(plan.moods.value).replace("_", " "), f"{take.engine.name} {take.engine.label}",
            f"{plan.key.value} {plan.tempo_bpm.value:.0f} bpm {' '.join(plan.instruments.value)}".replace("_", " "),
        ),
    )  # fmt: skip


def _entry(row: sqlite3.Row) -> Entry:
    try:
        return Entry(Take.model_validate_json(row["manifest"]), row["state"])
    except ValidationError as error:
        raise HistoryError(
            f"The history's entry of {row['id']} is damaged; restart the studio to rebuild it."
        ) from error
